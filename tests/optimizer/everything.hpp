// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// An optimizer that has a policy of every family.

#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <vector>

#include "../cuda_recipes.hpp"

namespace testing_optimizer {

using torch::Tensor;
using Tensors = std::vector<Tensor>;
using Everything = agmohd::Optimizer<testing_recipes::Everything>;

inline Everything::Options everything() {
  return Everything::Options(1e-2).max_norm(2).max_value(3).warmup_steps(3).total_steps(50);
}

inline Tensor leaf(const Tensor& x) { return x.detach().requires_grad_(); }

}  // namespace testing_optimizer
