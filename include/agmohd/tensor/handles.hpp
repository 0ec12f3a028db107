// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstddef>
#include <vector>

#include "parts.hpp"

namespace agmohd {

/// The tensors of a step for the tensor backend, complex ones as their parts.
struct Handles {
  std::vector<at::Tensor> params, grads;
  std::vector<std::vector<at::Tensor>> slots;  // and factors behind them; undefined: not used
  /// Of each tensor the two snapshots, parameter first; empty: none.
  std::vector<std::array<std::vector<at::Tensor>, 2>> snapshots;

  /// Those of one parameter. used(j): whether its options use slot j.
  template <class Slots, class Used, class Snapshots>
  void add(const at::Tensor& param, const at::Tensor& grad, const Slots& all, const Used& used,
           const Snapshots& kept) {
    params.push_back(parts(param.detach()));
    grads.push_back(parts(grad));
    auto& to = slots.emplace_back();
    for (std::size_t j = 0; j < all.size(); ++j) {
      to.push_back(used(j) ? parts(all[j]) : at::Tensor());
    }
    auto& both = snapshots.emplace_back();
    for (std::size_t k = 0; k < 2; ++k) {
      for (const at::Tensor& x : kept[k]) both[k].push_back(parts(x));
    }
  }
};

}  // namespace agmohd
