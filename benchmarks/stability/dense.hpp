// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <cstdint>
#include <vector>

namespace stability {

inline at::Generator generator(std::int64_t seed) {
  return at::make_generator<at::CPUGeneratorImpl>(std::uint64_t(seed));
}

inline at::Tensor normal(at::IntArrayRef shape, std::int64_t seed) {
  return at::empty(shape).normal_(0, 1, generator(seed));
}

/// Linear layers with an activation between them, initialised as torch::nn::Linear is.
struct Dense {
  using Activation = at::Tensor (*)(const at::Tensor&);

  Dense(const std::vector<std::int64_t>& widths, Activation f, at::Generator random,
        c10::Device device)
      : activation(f) {
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
      const double bound = 1 / std::sqrt(double(widths[i]));
      const auto make = [&](at::IntArrayRef shape) {
        return at::empty(shape).uniform_(-bound, bound, random).to(device).requires_grad_();
      };
      weights.push_back(make({widths[i + 1], widths[i]}));
      biases.push_back(make({widths[i + 1]}));
    }
  }
  at::Tensor operator()(at::Tensor x) const {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (i > 0) x = activation(x);
      x = at::linear(x, weights[i], biases[i]);
    }
    return x;
  }
  std::vector<at::Tensor> parameters() const {
    std::vector<at::Tensor> all;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      all.push_back(weights[i]);
      all.push_back(biases[i]);
    }
    return all;
  }

  Activation activation;
  std::vector<at::Tensor> weights, biases;
};

}  // namespace stability
