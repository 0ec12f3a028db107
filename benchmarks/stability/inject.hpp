// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

#include "run.hpp"

namespace stability {

/// One element, as a tensor without dimensions that shares its memory.
inline at::Tensor element(at::Tensor t, std::int64_t number) {
  while (t.dim() > 0) {
    const std::int64_t size = t.size(0);
    t = t.select(0, number % size);
    number /= size;
  }
  return t;
}

/// A fault, as it happens to a run.
class Injector {
 public:
  Injector(const Run& run, const Model& model, Method& method)
      : fault_(run.fault), model_(model), method_(method) {
    if (fault_ == nullptr) return;
    begin_ = std::int64_t(fault_->at * double(run.steps));
    end_ = fault_->kind == Kind::loss_scale ? run.steps : begin_ + fault_->steps;
    const std::string what = std::string(fault_->name) + "/" + std::to_string(run.seed);
    std::seed_seq seed(what.begin(), what.end());  // the same for every method
    random_.seed(seed);
  }

  bool active(std::int64_t t, Kind kind) const {
    return fault_ != nullptr && fault_->kind == kind && t >= begin_ && t < end_;
  }
  std::mt19937_64& random() { return random_; }
  double factor(std::int64_t t, Kind kind) const { return active(t, kind) ? fault_->severity : 1; }

  void before_step(std::int64_t t) {
    const auto any = [&](std::initializer_list<Kind> kinds) {
      return std::any_of(kinds.begin(), kinds.end(), [&](Kind kind) { return active(t, kind); });
    };
    if (any({Kind::weight_bit, Kind::weight_value, Kind::weight_scale})) {
      hit([](const at::Tensor& p) { return p.detach(); });
    } else if (any({Kind::first_moment, Kind::moment_bit, Kind::moment_value})) {
      hit([&](const at::Tensor& p) { return method_.state(p, "exp_avg"); });
    } else if (any({Kind::second_moment, Kind::second_bit, Kind::second_value})) {
      hit([&](const at::Tensor& p) { return method_.state(p, "exp_avg_sq"); });
    }
  }
  void after_backward(std::int64_t t) {
    if (active(t, Kind::gradient_value) || active(t, Kind::gradient_scale)) {
      hit([](const at::Tensor& p) { return p.grad(); });
    }
  }

 private:
  template <class Of>
  void hit(const Of& of) {
    const at::NoGradGuard no_grad;
    if (fault_->extent == Extent::everything) {
      for (const at::Tensor& p : model_.parameters()) change(of(p));
      return;
    }
    const std::vector<at::Tensor> hidden = model_.hidden();
    const at::Tensor& p = hidden[random_() % hidden.size()];
    const std::int64_t size = p.numel();
    if (fault_->extent == Extent::one_tensor) return change(of(p));
    for (int i = 0; i < (fault_->extent == Extent::one_element ? 1 : 10); ++i) {
      const std::int64_t number = std::int64_t(random_() % std::uint64_t(size));
      if (const at::Tensor target = of(p); target.defined()) change(element(target, number));
    }
  }

  void change(at::Tensor target) const {
    if (!target.defined()) return;
    switch (fault_->kind) {
      case Kind::gradient_value:
      case Kind::weight_value:
      case Kind::moment_value:
      case Kind::second_value:
        target.fill_(fault_->severity);
        break;
      case Kind::weight_bit:
      case Kind::moment_bit:
      case Kind::second_bit:
        target.view(at::kInt).bitwise_xor_(std::int64_t(1) << int(fault_->severity));
        break;
      default:
        target.mul_(fault_->severity);
    }
  }

  const Fault* fault_;
  const Model& model_;
  Method& method_;
  std::int64_t begin_ = 0, end_ = 0;
  std::mt19937_64 random_;
};

}  // namespace stability
