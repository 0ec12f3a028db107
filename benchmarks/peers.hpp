// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "recipes.hpp"
#include "shapes.hpp"

namespace bench {

/// Random parameters and gradients, each tensor an allocation of its own as in a real model, and
/// the optimizers that are compared on them. Each has its own state, made when it first steps.
///
/// The norm bound is above the norm of the gradients, since clip_grad_norm_ writes them: so they
/// stay as they are. It multiplies all of them (by 1) nevertheless, and so does agmohd; nobody has
/// less to do.
class Peers {
 public:
  Peers(const Shapes& shapes, at::Device device, at::ScalarType dtype)
      : max_norm_(0.02 * std::sqrt(double(elements_of(shapes)))) {
    const at::NoGradGuard no_grad;
    at::manual_seed(1);
    const auto options = at::TensorOptions().device(device).dtype(dtype);
    for (const auto& shape : shapes) {
      params_.push_back(at::empty(shape, options).normal_(0, 0.02).set_requires_grad(true));
      grads_.push_back(at::empty(shape, options).normal_(0, 0.01));
      params_.back().mutable_grad() = grads_.back();
    }
  }

  /// Stock LibTorch.
  void clip_grad_norm() { torch::nn::utils::clip_grad_norm_(params_, max_norm_); }
  void torch_adamw() {
    if (!torch_) {
      torch_.emplace(params_, torch::optim::AdamWOptions(kRate).eps(kEps).weight_decay(kDecay));
    }
    torch_->step();
  }

  /// ATen's multi-tensor operators, called as PyTorch's clip_grad_norm_(foreach=True) and
  /// AdamW(fused=True) call them, but with one step counter for all tensors.
  void foreach_clip() {
    const at::NoGradGuard no_grad;
    const at::Tensor norm = at::stack(at::_foreach_norm(grads_)).norm();
    at::_foreach_mul_(grads_, (max_norm_ / (norm + 1e-6)).clamp_max(1.0));
  }
  void fused_adamw() {
    const at::NoGradGuard no_grad;
    if (steps_.empty()) {
      const at::Tensor step = at::zeros({}, grads_.front().options().dtype(at::kFloat));
      for (const at::Tensor& grad : grads_) {
        exp_avgs_.push_back(at::zeros_like(grad));
        exp_avg_sqs_.push_back(at::zeros_like(grad));
        steps_.push_back(step);
      }
    }
    steps_.front().add_(1);
    at::_fused_adamw_(params_, grads_, exp_avgs_, exp_avg_sqs_, {}, steps_, kRate, 0.9, 0.999,
                      kDecay, kEps,
                      /*amsgrad=*/false, /*maximize=*/false);
  }

  agmohd::Optimizer<AdamW>& agmohd_adamw() {
    if (!adamw_) adamw_.emplace(params_, options<AdamW>());
    return *adamw_;
  }
  agmohd::Optimizer<ClipAdamW>& agmohd_clip_adamw() {
    if (!clip_adamw_) clip_adamw_.emplace(params_, options<ClipAdamW>().max_norm(max_norm_));
    return *clip_adamw_;
  }

 private:
  static constexpr double kRate = 1e-4, kEps = 1e-8, kDecay = 1e-2;

  template <class Recipe>
  static agmohd::Options<Recipe> options() {
    return agmohd::Options<Recipe>(kRate).eps(kEps).weight_decay(kDecay);
  }

  double max_norm_;
  std::vector<at::Tensor> params_, grads_;
  std::optional<torch::optim::AdamW> torch_;
  std::vector<at::Tensor> exp_avgs_, exp_avg_sqs_, steps_;
  std::optional<agmohd::Optimizer<AdamW>> adamw_;
  std::optional<agmohd::Optimizer<ClipAdamW>> clip_adamw_;
};

}  // namespace bench
