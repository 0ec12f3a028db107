// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <utility>

#include "option_values.hpp"

namespace agmohd::detail {

/// Getters and setters under the names of torch.optim's options and of AGMOHD's own. Those of other
/// policies are set by name or by policy: Options::set.
template <class Derived, class Recipe>
class OptionSetters : public OptionValues<Recipe> {
 protected:
  using typename OptionValues<Recipe>::Table;
  static constexpr std::size_t count = Table::count;
  template <std::size_t I>
  using Value = typename Table::template Value<I>;

 public:
// Getters and setters under the names of the field, and for a recipe without it a deleted one,
// whose error shows the line below that says what has it; undefined again below.
#define AGMOHD_OPTION(name, needs)                                                              \
  Derived& name(Value<Table::find(#name)> value) requires(Table::find(#name) < count) {         \
    this->template put<Table::find(#name)>(std::move(value));                                   \
    return self();                                                                              \
  }                                                                                             \
  const Value<Table::find(#name)>& name() const noexcept requires(Table::find(#name) < count) { \
    return this->template at<Table::find(#name)>();                                             \
  }                                                                                             \
  Value<Table::find(#name)>& name() noexcept requires(Table::find(#name) < count) {             \
    return this->template at<Table::find(#name)>();                                             \
  }                                                                                             \
  template <class... Given>                                                                     \
  Derived& name(const Given&...) requires(Table::find(#name) == count) = delete;
  // clang-format off
  AGMOHD_OPTION(lr, "agmohd: needs a recipe with any rule")
  AGMOHD_OPTION(betas, "agmohd: needs a recipe whose rule has betas, such as rule::AdamW")
  AGMOHD_OPTION(eps, "agmohd: needs a recipe whose rule divides by a root, such as rule::AdamW")
  AGMOHD_OPTION(weight_decay, "agmohd: needs a recipe with a rule of the library")
  AGMOHD_OPTION(amsgrad, "agmohd: needs a recipe with rule::Adam or AdamW")
  AGMOHD_OPTION(maximize, "agmohd: needs a recipe whose rule can ascend, such as rule::AdamW")
  AGMOHD_OPTION(momentum, "agmohd: needs a recipe with rule::SGD or RMSprop; Adam's is betas")
  AGMOHD_OPTION(dampening, "agmohd: needs a recipe with rule::SGD")
  AGMOHD_OPTION(nesterov, "agmohd: needs a recipe with rule::SGD, or momentum::Nesterov")
  AGMOHD_OPTION(alpha, "agmohd: needs a recipe with rule::RMSprop")
  AGMOHD_OPTION(centered, "agmohd: needs a recipe with rule::RMSprop")
  AGMOHD_OPTION(lr_decay, "agmohd: needs a recipe with rule::Adagrad")
  AGMOHD_OPTION(initial_accumulator_value, "agmohd: needs a recipe with rule::Adagrad")
  AGMOHD_OPTION(hindrance_threshold, "agmohd: needs a recipe with hindrance::Detector")
  AGMOHD_OPTION(plateau_factor, "agmohd: needs a recipe with hindrance::Detector")
  AGMOHD_OPTION(plateau_floor, "agmohd: needs a recipe with hindrance::Detector")
  AGMOHD_OPTION(vanishing_eps, "agmohd: needs a recipe with hindrance::Detector")
  AGMOHD_OPTION(momentum_schedule, "agmohd: needs a recipe with momentum::Choice")
  AGMOHD_OPTION(min_momentum, "agmohd: needs a recipe with momentum::Adaptive or Choice")
  AGMOHD_OPTION(gradient_clipping, "agmohd: needs a recipe with gradient::Choice")
  AGMOHD_OPTION(max_norm, "agmohd: needs a recipe with gradient::ClipByNorm, AdaptiveClip or Choice")
  AGMOHD_OPTION(max_value, "agmohd: needs a recipe with gradient::ClipByValue or Choice")
  AGMOHD_OPTION(warmup_steps, "agmohd: needs a recipe with schedule::Warmup or Choice")
  AGMOHD_OPTION(total_steps, "agmohd: needs a recipe with schedule::Cosine, Linear or Choice")
  AGMOHD_OPTION(start_factor, "agmohd: needs a recipe with schedule::Linear")
  AGMOHD_OPTION(end_factor, "agmohd: needs a recipe with schedule::Linear")
  AGMOHD_OPTION(min_factor, "agmohd: needs a recipe with schedule::Cosine, Cyclical or Choice")
  AGMOHD_OPTION(hold, "agmohd: needs a recipe with schedule::HindranceAware")
  AGMOHD_OPTION(lr_schedule, "agmohd: needs a recipe with schedule::Choice")
  AGMOHD_OPTION(cycle_steps, "agmohd: needs a recipe with schedule::Cyclical or Choice")
  AGMOHD_OPTION(step_size, "agmohd: needs a recipe with schedule::Step or Choice")
  AGMOHD_OPTION(gamma, "agmohd: needs a recipe with schedule::Step or Choice")
  AGMOHD_OPTION(snapshots, "agmohd: needs a recipe with recovery::Snapshots")
  AGMOHD_OPTION(snapshot_every, "agmohd: needs a recipe with recovery::Snapshots")
  AGMOHD_OPTION(snapshots_on_host, "agmohd: needs a recipe with recovery::Snapshots")
  AGMOHD_OPTION(stochastic_rounding, "agmohd: needs a recipe with storage::BFloat16")
  AGMOHD_OPTION(seed, "agmohd: needs a recipe with storage::BFloat16")
  template <class First>
  Derived& betas(First, double) requires(Table::find("betas") < count) = delete;  // agmohd: betas is a pair, as in torch.optim: betas({0.9, 0.95})
  // clang-format on
#undef AGMOHD_OPTION

 private:
  Derived& self() { return static_cast<Derived&>(*this); }
};

}  // namespace agmohd::detail
