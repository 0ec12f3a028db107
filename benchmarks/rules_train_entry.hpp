// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <agmohd/optimizer.hpp>
#include <agmohd/wrap/evaluation.hpp>
#include <agmohd/wrap/hessian.hpp>

#include "rules_train.hpp"

namespace rules_train {

template <class Rule>
Entry entry_of(const char* name) {
  using Recipe = agmohd::Recipe<Rule>;
  using Optimizer = agmohd::Optimizer<Recipe>;
  Entry out;
  out.name = name;
  out.lr = typename Optimizer::Options().get_lr();
  out.make = [](const std::vector<at::Tensor>& parameters,
                double lr) -> std::unique_ptr<Entry::Optimizer> {
    return std::make_unique<Optimizer>(parameters, typename Optimizer::Options(lr));
  };
  out.state_bytes = [](Entry::Optimizer& optimizer) {
    std::int64_t sum = 0;
    for (const auto& [key, state] : static_cast<Optimizer&>(optimizer).state()) {
      static_cast<agmohd::ParamState<Recipe>&>(*state).for_each_slot(
          [&](std::size_t, const at::Tensor& slot) {
            if (slot.defined()) sum += std::int64_t(slot.nbytes());
          });
    }
    return sum;
  };
  if constexpr (agmohd::wrap::ScheduleFree<Optimizer>) {
    out.evaluate = [](Entry::Optimizer& optimizer) {
      agmohd::wrap::evaluate(static_cast<Optimizer&>(optimizer));
    };
  }
  if constexpr (agmohd::wrap::HasHessian<Optimizer>) {
    out.update_hessian = [](Entry::Optimizer& optimizer, const std::vector<at::Tensor>& estimates) {
      agmohd::wrap::update_hessian(static_cast<Optimizer&>(optimizer), estimates);
    };
  }
  return out;
}

}  // namespace rules_train
