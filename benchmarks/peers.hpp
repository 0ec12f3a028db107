// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

#include "recipes.hpp"
#include "shapes.hpp"

namespace bench {

/// What a lineup is measured on. An offset is how many elements behind an aligned address each
/// parameter or gradient begins.
struct Tensors {
  Shapes shapes;
  at::ScalarType dtype = at::kFloat;
  std::int64_t parameter_offset = 0, gradient_offset = 0;
};

/// Random parameters and gradients, each tensor an allocation of its own as in a real model, and
/// the optimizers that are compared on them. Each has its own state, made when it first steps.
///
/// The norm bound is above the norm of the gradients, since clip_grad_norm_ writes them: so they
/// stay as they are. It multiplies all of them (by 1) nevertheless, and so does agmohd; nobody has
/// less to do.
class Peers {
 public:
  Peers(const Tensors& tensors, at::Device device)
      : gradient_offset_(tensors.gradient_offset),
        max_norm_(0.02 * std::sqrt(double(elements_of(tensors.shapes)))) {
    const at::NoGradGuard no_grad;
    at::manual_seed(1);
    const auto options = at::TensorOptions().device(device).dtype(tensors.dtype);
    for (const auto& shape : tensors.shapes) {
      params_.push_back(
          empty(shape, options, tensors.parameter_offset).normal_(0, 0.02).set_requires_grad(true));
      grads_.push_back(empty(shape, options, gradient_offset_).normal_(0, 0.01));
      params_.back().mutable_grad() = grads_.back();
    }
    loss_ = at::full({}, 2.0, options);
  }

  /// Stock LibTorch.
  void clip_grad_norm() { torch::nn::utils::clip_grad_norm_(params_, max_norm_); }
  void torch_sgd() {
    if (!torch_sgd_) {
      torch_sgd_.emplace(params_, torch::optim::SGDOptions(kRate).momentum(kMomentum));
    }
    torch_sgd_->step();
  }
  void torch_adam() {
    if (!torch_adam_) torch_adam_.emplace(params_, torch::optim::AdamOptions(kRate).eps(kEps));
    torch_adam_->step();
  }
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
    begin(adamw_);
    at::_fused_adamw_(params_, grads_, adamw_.means, adamw_.squares, {}, adamw_.steps, kRate, 0.9,
                      0.999, kDecay, kEps, /*amsgrad=*/false, /*maximize=*/false);
  }
  void fused_adam() {
    const at::NoGradGuard no_grad;
    begin(adam_);
    at::_fused_adam_(params_, grads_, adam_.means, adam_.squares, {}, adam_.steps, kRate, 0.9,
                     0.999, 0.0, kEps, /*amsgrad=*/false, /*maximize=*/false);
  }
  void fused_sgd() {
    const at::NoGradGuard no_grad;
    const bool first = buffers_.empty();
    if (first) buffers_ = zeros();
    at::_fused_sgd_(params_, grads_, buffers_, 0.0, kMomentum, kRate, 0.0, /*nesterov=*/false,
                    /*maximize=*/false, first);
  }

  template <class Recipe>
  agmohd::Optimizer<Recipe>& ours() {
    auto& optimizer = std::get<std::optional<agmohd::Optimizer<Recipe>>>(ours_);
    if (!optimizer) optimizer.emplace(params_, options<Recipe>());
    return *optimizer;
  }

  /// AGMOHD's step with a loss.
  void step_agmohd() { ours<Agmohd>().step(loss_); }
  /// The same, with a snapshot in every 50th step.
  void step_snapshots(bool on_host) {
    auto& optimizer = on_host ? host_snapshots_ : snapshots_;
    if (!optimizer) {
      optimizer.emplace(params_, options<Agmohd>().snapshots(true).snapshots_on_host(on_host));
    }
    optimizer->step(loss_);
  }

  /// A detector as people write one on the host: skip what is not finite or six sigma above the
  /// mean of the last norms, else clip and step.
  void torch_detector() {
    double squares = 0;
    {
      const at::NoGradGuard no_grad;
      std::vector<at::Tensor> norms;
      for (const at::Tensor& grad : grads_) norms.push_back(grad.norm());
      squares = at::stack(norms).square().sum().item<double>();
    }
    const double norm = std::sqrt(squares);
    if (!std::isfinite(norm) || !std::isfinite(loss_.item<double>())) return;
    const double x = std::log(norm), z = (x - mean_) / std::max(std::sqrt(variance_), 0.05);
    if (seen_ > 50 && z > 6) return;
    variance_ = 0.98 * (variance_ + 0.02 * (x - mean_) * (x - mean_));
    mean_ += (x - mean_) / double(std::min<std::int64_t>(++seen_, 50));
    if (norm > max_norm_) {
      const at::NoGradGuard no_grad;
      for (const at::Tensor& grad : grads_) grad.mul_(max_norm_ / norm);
    }
    torch_adamw();
  }

  /// The next ours() is a new one.
  template <class Recipe>
  void forget() {
    std::get<std::optional<agmohd::Optimizer<Recipe>>>(ours_).reset();
  }

  /// Assigns every .grad(): the tensors of before, or in turn two sets, so that each address
  /// differs from the step before.
  void assign_gradients(bool fresh) {
    if (fresh && others_.empty()) {
      const at::NoGradGuard no_grad;
      for (const at::Tensor& grad : grads_) {
        others_.push_back(empty(grad.sizes(), grad.options(), gradient_offset_).copy_(grad));
      }
    }
    turn_ = fresh && !turn_;
    const auto& set = turn_ ? others_ : grads_;
    for (std::size_t i = 0; i < set.size(); ++i) params_[i].mutable_grad() = set[i];
  }

 private:
  static constexpr double kRate = 1e-4, kEps = 1e-8, kDecay = 1e-2, kMomentum = 0.9;

  struct AdamStates {
    std::vector<at::Tensor> means, squares, steps;
  };

  static at::Tensor empty(at::IntArrayRef shape, const at::TensorOptions& options,
                          std::int64_t offset) {
    const std::int64_t n = c10::multiply_integers(shape);
    return at::empty({n + offset}, options).narrow(0, offset, n).view(shape);
  }
  std::vector<at::Tensor> zeros() const {
    std::vector<at::Tensor> tensors;
    for (const at::Tensor& grad : grads_) tensors.push_back(at::zeros_like(grad));
    return tensors;
  }
  void begin(AdamStates& states) const {
    if (states.steps.empty()) {
      states.means = zeros(), states.squares = zeros();
      states.steps.assign(grads_.size(), at::zeros({}, grads_.front().options().dtype(at::kFloat)));
    }
    states.steps.front().add_(1);
  }

  template <class Recipe>
  agmohd::Options<Recipe> options() const {
    agmohd::Options<Recipe> options(kRate);
    if constexpr (requires { options.max_norm(1.0); }) options.max_norm(max_norm_);
    if constexpr (requires { options.eps(1.0); }) options.eps(kEps);
    if constexpr (requires { options.momentum(1.0); }) options.momentum(kMomentum);
    if constexpr (std::is_same_v<typename Recipe::Rule, agmohd::rule::AdamW>) {
      options.weight_decay(kDecay);
    }
    return options;
  }

  std::int64_t gradient_offset_;
  double max_norm_;
  std::vector<at::Tensor> params_, grads_, others_;
  at::Tensor loss_;
  double mean_ = 0, variance_ = 0;
  std::int64_t seen_ = 0;
  bool turn_ = false;  ///< whether others_ are in .grad()
  std::optional<torch::optim::AdamW> torch_;
  std::optional<torch::optim::Adam> torch_adam_;
  std::optional<torch::optim::SGD> torch_sgd_;
  std::optional<agmohd::Optimizer<Agmohd>> snapshots_, host_snapshots_;
  AdamStates adam_, adamw_;
  std::vector<at::Tensor> buffers_;
  template <class... Recipes>
  using Ours = std::tuple<std::optional<agmohd::Optimizer<Recipes>>...>;
  Ours<AdamW, ClipAdamW, ClipHalfAdamW, ClipStochasticAdamW, ClipAdam, ClipSGD, ClipOneState,
       Agmohd>
      ours_;
};

}  // namespace bench
