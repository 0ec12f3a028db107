// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <agmohd/cpu/executor.hpp>
#include <typeinfo>
#include <vector>

/// Minimises |x|^2 with an optimizer made from x; returns what is left after 50 steps.
template <class MakeOptimizer>
double train(MakeOptimizer&& make) {
  at::Tensor x = at::linspace(-1, 1, 33).requires_grad_();
  auto optimizer = make(std::vector<at::Tensor>{x});
  for (int i = 0; i < 50; ++i) {
    optimizer.zero_grad();
    x.square().sum().backward();
    optimizer.step();
  }
  return x.square().sum().item<double>();
}

double train_with_sgd();

/// What an inline function of both units depends on.
using Vector = agmohd::cpu::vec_most<float>;
const std::type_info& vector_of_other();
