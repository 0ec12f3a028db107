// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <random>
#include <vector>

#include "optimizers.hpp"
#include "options.hpp"

namespace demo {

/// Does to a run what --fault says, the same whatever the optimizer. Steps are counted from 1.
class Faults {
 public:
  explicit Faults(const Options& o) : faults_(o.faults), seed_(o.seed) {}

  double lr_factor(std::int64_t step) const {
    double factor = 1;
    for (const Fault& f : faults_) {
      if (f.kind == FaultKind::lr && within(f, step, 10)) factor *= f.severity;
    }
    return factor;
  }

  /// Random bytes in place of windows of text, or the windows.
  torch::Tensor batch(std::int64_t step, const torch::Tensor& windows) const {
    for (const Fault& f : faults_) {
      if (f.kind != FaultKind::bad_data || !within(f, step, static_cast<std::int64_t>(f.severity)))
        continue;
      auto random = generator(step);
      std::vector<std::int64_t> bytes(static_cast<std::size_t>(windows.numel()));
      for (auto& byte : bytes) byte = static_cast<std::int64_t>(random() % 256);
      return torch::tensor(bytes).view(windows.sizes()).to(windows.device());
    }
    return windows;
  }

  /// Before the step.
  void corrupt(std::int64_t step, const std::vector<torch::Tensor>& parameters,
               const Update& update) const {
    for (const Fault& f : faults_) {
      if (f.step != step) continue;
      if (f.kind == FaultKind::zero_v) update.zero_second_moments();
      if (f.kind == FaultKind::flip) flip(parameters, static_cast<std::int64_t>(f.severity), step);
    }
  }

  /// Between backward() and the update.
  void spoil_gradients(std::int64_t step, const std::vector<torch::Tensor>& parameters) const {
    const torch::NoGradGuard no_grad;
    const auto largest =
        std::max_element(parameters.begin(), parameters.end(),
                         [](const auto& a, const auto& b) { return a.numel() < b.numel(); });
    for (const Fault& f : faults_) {
      if (f.step != step) continue;
      const torch::Tensor grad = largest->grad(), element = grad.select(0, grad.size(0) / 2)[0];
      if (f.kind == FaultKind::nan) element.fill_(std::numeric_limits<double>::quiet_NaN());
      if (f.kind == FaultKind::inf) element.fill_(std::numeric_limits<double>::infinity());
      if (f.kind == FaultKind::tensor_spike) grad.mul_(f.severity);
      if (f.kind != FaultKind::spike) continue;
      for (const torch::Tensor& p : parameters) p.grad().mul_(f.severity);
    }
  }

 private:
  static bool within(const Fault& f, std::int64_t step, std::int64_t steps) {
    return step >= f.step && step < f.step + steps;
  }

  std::mt19937_64 generator(std::int64_t step) const {
    return std::mt19937_64(static_cast<std::uint64_t>(seed_ + 1'000'003 * step));
  }

  /// Flips one bit of the exponent, any of the eight, of `count` elements.
  void flip(const std::vector<torch::Tensor>& parameters, std::int64_t count,
            std::int64_t step) const {
    const torch::NoGradGuard no_grad;
    std::int64_t elements = 0;
    for (const torch::Tensor& p : parameters) elements += p.numel();
    auto random = generator(step);
    for (; count > 0; --count) {
      auto i = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(elements));
      const std::uint32_t bit = 1U << (23U + random() % 8U);
      auto p = parameters.begin();
      for (; i >= p->numel(); ++p) i -= p->numel();
      const torch::Tensor element = p->view(-1)[i];
      element.fill_(
          std::bit_cast<float>(std::bit_cast<std::uint32_t>(element.item<float>()) ^ bit));
    }
  }

  std::vector<Fault> faults_;
  std::int64_t seed_;
};

}  // namespace demo
