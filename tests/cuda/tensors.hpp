// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tensors of odd shapes, on several devices, with the same gradients.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

namespace testing_cuda {

using torch::Tensor;
using Tensors = std::vector<Tensor>;

/// Odd shapes: empty, one element, ragged, several chunks, channels-last, a view that starts off
/// alignment.
inline Tensors parameters(at::ScalarType dtype, std::uint64_t seed) {
  torch::manual_seed(seed);
  const auto o = torch::dtype(torch::kFloat);
  Tensors out = {torch::randn({7, 5}, o),
                 torch::randn({1}, o),
                 torch::randn({0, 4}, o),
                 torch::randn({3, 8, 5, 5}, o).contiguous(at::MemoryFormat::ChannelsLast),
                 torch::randn({16384 + 3}, o),
                 torch::randn({50000}, o),
                 torch::randn({33, 65}, o)};
  for (Tensor& t : out) t = t.to(dtype);
  out.push_back(torch::randn({1030}, o).to(dtype).slice(0, 1));
  return out;
}

inline Tensors copies(const Tensors& from, at::Device device) {
  Tensors out;
  for (const Tensor& t : from) {
    Tensor copy;
    if (t.storage_offset() != 0) {  // keep what is off alignment off alignment
      copy = torch::zeros({t.numel() + t.storage_offset()}, t.options().device(device))
                 .slice(0, t.storage_offset());
      copy.copy_(t);
    } else {
      copy = torch::empty_like(t, t.options().device(device), at::MemoryFormat::Preserve).copy_(t);
    }
    out.push_back(copy.detach().requires_grad_());
  }
  return out;
}

/// The same gradients for every device: step t of `scale` size; some tensors miss some steps.
inline void set_gradients(const Tensors& params, int t, double scale) {
  torch::manual_seed(1000 + std::uint64_t(t));
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Tensor& p = params[i];
    Tensor g = (torch::randn(p.sizes(), torch::kFloat) * scale).to(p.scalar_type());
    if (i == 3 || (t % 3 == 1 && i == 5)) g = g.as_strided(p.sizes(), p.strides());
    const bool missing = (i == 1 && t < 4) || (i == 4 && t % 5 == 2);
    params[i].mutable_grad() = missing ? Tensor() : g.to(p.device());
  }
}

inline void expect_same_bits(const Tensors& a, const Tensors& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Tensor x = a[i].detach().cpu(), y = b[i].detach().cpu();
    EXPECT_TRUE(torch::equal(x, y))
        << what << ", tensor " << i << ": " << (x != y).sum().item<std::int64_t>() << " of "
        << x.numel() << " elements differ";
  }
}

}  // namespace testing_cuda
