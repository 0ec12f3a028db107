// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// The runs whose checkpoints stand in the folders of this one, one a version: each is loaded by the
// tests of all later versions. Those of the present version are written by
// checkpoint_test --gtest_also_run_disabled_tests --gtest_filter=*WriteThoseOfThisVersion

#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace checkpoints {

using Tensors = std::vector<at::Tensor>;
constexpr std::int64_t kSaved = 60, kFurther = 20;  // steps

inline std::filesystem::path folder() {
  return std::filesystem::path(AGMOHD_TESTS) / "checkpoints";
}

inline Tensors parameters() {
  return {at::arange(12, at::kFloat).div(10).view({3, 4}).requires_grad_(),
          at::arange(5, at::kFloat).div(-5).requires_grad_()};
}

/// Gradients and losses that no machine computes differently.
inline void set_gradients(const Tensors& params, std::int64_t step) {
  for (const at::Tensor& p : params) {
    p.mutable_grad() = at::arange(p.numel(), at::kLong)
                           .add(step)
                           .mul(37)
                           .remainder(101)
                           .sub(50)
                           .to(at::kFloat)
                           .div(64)
                           .view(p.sizes());
  }
}

/// Steps `begin` to `end` - 1.
template <class Optimizer>
void run(Optimizer& optimizer, const Tensors& params, std::int64_t begin, std::int64_t end) {
  for (std::int64_t step = begin; step < end; ++step) {
    set_gradients(params, step);
    if constexpr (requires { optimizer.step(at::Tensor()); }) {
      optimizer.step(at::scalar_tensor(2 + double(step * 29 % 11) / 64));
    } else {
      optimizer.step();
    }
  }
}

/// Calls f(name, optimizer's type, its options) for every run.
template <class F>
void each(const F& f) {
  f.template operator()<agmohd::SGD>("sgd",
                                     agmohd::SGDOptions(0.01).momentum(0.9).weight_decay(0.01));
  f.template operator()<agmohd::Adam>("adam", agmohd::AdamOptions(0.01).amsgrad(true));
  f.template operator()<agmohd::AdamW>("adamw", agmohd::AdamWOptions(0.01).betas({0.8, 0.99}));
  f.template operator()<agmohd::AGMOHD>(
      "agmohd",
      agmohd::AGMOHDOptions(0.01).snapshots(true).snapshot_every(20).total_steps(100).max_norm(2));
  f.template operator()<torch::optim::AdamW>("torch_adamw",
                                             torch::optim::AdamWOptions(0.01).amsgrad(true));
}

}  // namespace checkpoints
