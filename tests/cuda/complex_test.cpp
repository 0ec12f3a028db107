// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Complex tensors on the device.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/wrap/ema.hpp>
#include <cstdint>

#include "backend.hpp"

namespace {

using namespace testing_cuda;

/// Complex tensors of the shapes of parameters(), their halves being two of those.
Tensors complex_parameters(at::ScalarType dtype, std::uint64_t seed) {
  const Tensors real = parameters(dtype, seed), imaginary = parameters(dtype, seed + 1);
  Tensors out;
  for (std::size_t i = 0; i < real.size(); ++i) {
    const Tensor z = torch::complex(real[i], imaginary[i]);
    if (real[i].storage_offset() == 0) {
      out.push_back(torch::empty_like(real[i], z.options()).copy_(z));
    } else {  // off the alignment of 16 bytes
      out.push_back(torch::zeros({z.numel() + 1}, z.options()).slice(0, 1).copy_(z));
    }
  }
  return out;
}

template <class Recipe>
void expect_complex_bits_of_the_cpu() {
  for (const auto dtype : {torch::kFloat, torch::kDouble}) {
    const Tensors start = complex_parameters(dtype, 15);
    const Tensors host = copies(start, torch::kCPU), device = copies(start, torch::kCUDA);
    auto on_host = two_groups<Recipe>(host), on_device = two_groups<Recipe>(device);
    for (int t = 0; t < 25; ++t) {
      const Tensors grads = complex_parameters(dtype, 1000 + 2 * std::uint64_t(t));
      for (std::size_t i = 0; i < start.size(); ++i) {
        const Tensor g = t % 3 == 1 && i == 5 ? at::conj(grads[i]) : grads[i];
        host[i].mutable_grad() = i == 1 && t < 4 ? Tensor() : g;
        // A copy to another device may resolve the conjugate.
        device[i].mutable_grad() = i == 1 && t < 4 ? Tensor()
                                   : g.is_conj()   ? at::conj(grads[i].to(at::kCUDA))
                                                   : g.to(at::kCUDA);
      }
      on_host->step(), on_device->step();
    }
    expect_same_bits(host, device, Recipe::name() + " " + c10::toString(dtype));
    expect_same_bits(states(*on_host, host), states(*on_device, device), "states");
    EXPECT_EQ(on_host->signals().norm2, on_device->signals().norm2);
  }
}
TEST(CudaComplex, HasTheBitsOfTheCpu) {
  expect_complex_bits_of_the_cpu<agmohd::recipe::Adam>();
  expect_complex_bits_of_the_cpu<Everything>();
  expect_complex_bits_of_the_cpu<KeptLAMB>();
}
TEST(CudaComplex, AveragesHaveTheBitsOfTheirParts) {
  const Tensors complex = copies(complex_parameters(at::kFloat, 7), torch::kCUDA);
  Tensors parts;
  for (const Tensor& z : complex) parts.push_back(torch::view_as_real(z.detach()).clone());
  agmohd::wrap::EMA ema(complex, {.decay = 0.3}), other(parts, {.decay = 0.3});
  for (int t = 0; t < 4; ++t) {
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < complex.size(); ++i) {
      torch::view_as_real(complex[i]).mul_(1.25).add_(0.5);
      parts[i].mul_(1.25).add_(0.5);
    }
    ema.update(), other.update();
  }
  for (std::size_t i = 0; i < complex.size(); ++i) {
    EXPECT_TRUE(torch::equal(torch::view_as_real(ema.averages()[i]), other.averages()[i])) << i;
  }
}

}  // namespace
