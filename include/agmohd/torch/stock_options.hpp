// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/optim/adagrad.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/optimizer.h>
#include <torch/optim/rmsprop.h>
#include <torch/optim/sgd.h>

#include <cstddef>
#include <string_view>
#include <type_traits>

#include "../rule/adagrad.hpp"
#include "../rule/adam.hpp"
#include "../rule/adamw.hpp"
#include "../rule/rmsprop.hpp"
#include "../rule/sgd.hpp"

namespace agmohd::detail {

/// torch.optim's options of a rule that it has too. Ours derive from them and keep what they have
/// in them, so that a program may cast a group's options to either.
template <class Rule>
struct Stock {
  using Options = torch::optim::OptimizerOptions;  // of no rule in particular
  static Options options() { return {}; }
};
template <>
struct Stock<rule::SGD> {
  using Options = torch::optim::SGDOptions;
  static Options options() { return {rule::SGD::default_lr}; }
};
template <>
struct Stock<rule::Adam> {
  using Options = torch::optim::AdamOptions;
  static Options options() { return {}; }
};
template <>
struct Stock<rule::AdamW> {
  using Options = torch::optim::AdamWOptions;
  static Options options() { return {}; }
};
template <>
struct Stock<rule::RMSprop> {
  using Options = torch::optim::RMSpropOptions;
  static Options options() { return {}; }
};
template <>
struct Stock<rule::Adagrad> {
  using Options = torch::optim::AdagradOptions;
  /// The state of a parameter is there from the construction on, not from its first gradient.
  static constexpr bool states_at_once = true;
  static Options options() { return {}; }
};

template <class Rule>
concept states_at_once = requires {
  Stock<Rule>::states_at_once;
};

template <class Rule>
inline constexpr bool has_stock =
    !std::is_same_v<typename Stock<Rule>::Options, torch::optim::OptimizerOptions>;

/// Where torch.optim's options have the one called Names::name(I); nullptr: nowhere.
template <class Names, std::size_t I, class StockOptions>
auto stock_member(StockOptions& o) {
  constexpr std::string_view name = Names::name(I);
#define AGMOHD_STOCK(option)                                   \
  if constexpr (name == #option && requires { o.option(); }) { \
    return &o.option();                                        \
  } else
  AGMOHD_STOCK(lr)
  AGMOHD_STOCK(betas)
  AGMOHD_STOCK(eps)
  AGMOHD_STOCK(weight_decay)
  AGMOHD_STOCK(amsgrad)
  AGMOHD_STOCK(momentum)
  AGMOHD_STOCK(dampening)
  AGMOHD_STOCK(alpha)
  AGMOHD_STOCK(centered)
  AGMOHD_STOCK(lr_decay)
  AGMOHD_STOCK(initial_accumulator_value)
  AGMOHD_STOCK(nesterov) { return nullptr; }
#undef AGMOHD_STOCK
}

}  // namespace agmohd::detail
