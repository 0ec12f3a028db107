// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// What tests of Prodigy and DAdaptAdam share.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "../contract/tensors.hpp"

/// A group whose rate becomes 0 is from then on as one without gradients, for the estimate, too.
template <class Optimizer>
void expect_rest_without_rate(const typename Optimizer::Options& options) {
  const auto run = [&](bool by_rate) {
    at::Tensor p = contract::random({40}, 1).requires_grad_(),
               still = contract::random({40}, 2).requires_grad_();
    using Group = typename Optimizer::ParamGroup;
    Optimizer optimizer(std::vector<Group>{Group({p}), Group({still})}, options);
    for (int step = 0; step < 16; ++step) {
      p.mutable_grad() = p.detach().clone();
      still.mutable_grad() = still.detach().clone();
      if (step >= 4 && by_rate) optimizer.param_groups()[1].options().set_lr(0);
      if (step >= 4 && !by_rate) still.mutable_grad().reset();
      optimizer.step();
    }
    EXPECT_GT(optimizer.rule_memory().d, 1e-6);
    return std::vector<at::Tensor>{p.detach(), still.detach(),
                                   at::tensor(optimizer.rule_memory().d, at::kDouble)};
  };
  const auto with_rate = run(true), without_gradient = run(false);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(at::equal(with_rate[i], without_gradient[i])) << i;
  }
}
