// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../rule/rule.hpp"
#include "../step/executor.hpp"
#include "../tensor/factors.hpp"
#include "../tensor/row_slot.hpp"
#include "../tensor/validate.hpp"

namespace agmohd {

/// The tensors of a parameter's state: the rule's slots, and behind them the two factors of a slot
/// that tensors of two or more dimensions do not store, see step/factors.hpp, or the averages of
/// rows, see step/row_slot.hpp.
template <class Recipe>
struct States {
  using Rule = typename Recipe::Rule;
  static constexpr std::size_t slots = Recipe::slot_count;
  static constexpr std::size_t count = slots + Recipe::factor_count;

  static constexpr std::array<const char*, count> names = [] {
    std::array<const char*, count> all{};
    std::copy(Rule::slot_names.begin(), Rule::slot_names.end(), all.begin());
    if constexpr (Recipe::factored) {
      std::copy(Rule::factor_names.begin(), Rule::factor_names.end(), all.begin() + slots);
    }
    return all;
  }();

  /// So many of the states of parameters may share memory: waves update them. What is read before
  /// all waves may not.
  static constexpr std::size_t shareable = Recipe::residual ? 0 : slots;

  static bool is_factor(std::size_t j) { return j >= slots; }

  /// A bit for each that a parameter has.
  static unsigned used(const typename Rule::Options& options, const at::Tensor& param) {
    unsigned bits = Rule::slots(options);
    if constexpr (Recipe::by_rows) {
      bits &= ~(1U << Rule::factored);
      if (param.numel() > 0) bits |= 1U << slots;
    } else if constexpr (Recipe::factored) {
      constexpr unsigned slot = 1U << Rule::factored;
      constexpr unsigned factors = (1U << Recipe::factor_count) - 1;
      if ((bits & slot) != 0 && has_factors(param)) bits = (bits & ~slot) | factors << slots;
    }
    return bits;
  }
  static std::vector<std::int64_t> sizes(const at::Tensor& param, std::size_t j) {
    if constexpr (Recipe::by_rows) {
      if (is_factor(j)) return row_slot_sizes(param);
    } else if constexpr (Recipe::factored) {
      if (is_factor(j)) return factor_sizes(param, int(j - slots) % 2);
    }
    return param.sizes().vec();
  }
  /// An uninitialised tensor for it.
  static at::Tensor make(const at::Tensor& param, std::size_t j) {
    if constexpr (Recipe::by_rows) {
      if (is_factor(j)) return row_slot_layout(param);
    } else if constexpr (Recipe::factored) {
      if (is_factor(j)) return factor_layout(param, int(j - slots) % 2);
    }
    return layout_of(param, state_type<typename Recipe::Storage>(param));
  }
  /// The value that it begins with.
  static double initial(const typename Rule::Options& options, std::size_t j) {
    return is_factor(j) ? 0 : detail::initial<Rule>(options, int(j));
  }
  /// Whether `x`, of the right shape, lies in memory as the backends expect it, but for the device.
  static bool ordered(const at::Tensor& x, const at::Tensor& param, std::size_t j) {
    if constexpr (Recipe::by_rows) {
      if (is_factor(j)) return ordered_as_row_slot(x, param);
    } else if constexpr (Recipe::factored) {
      if (is_factor(j)) return ordered_as_factor(x, param, int(j - slots) % 2);
    }
    return ordered_as(x, param, state_type<typename Recipe::Storage>(param));
  }
  static bool fits(const at::Tensor& x, const at::Tensor& param, std::size_t j) {
    if (is_factor(j)) return x.device() == param.device() && ordered(x, param, j);
    return agmohd::fits(x, param, state_type<typename Recipe::Storage>(param));
  }
  /// What a backend needs to know beside the addresses.
  static void describe([[maybe_unused]] TensorRef<Recipe>& ref,
                       [[maybe_unused]] const at::Tensor& param) {
    if constexpr (Recipe::by_rows) {
      ref.factors.shape = rows_of(param, false);
    } else if constexpr (Recipe::factored) {
      if (has_factors(param)) ref.factors.shape = factor_shape(param);
    }
  }
};

}  // namespace agmohd
