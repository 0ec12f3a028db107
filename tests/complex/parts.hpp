// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Complex parameters, and the same as parts.

#include <gtest/gtest.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <utility>
#include <vector>

namespace complex_parameters {

using agmohd::Recipe;
using torch::Tensor;
using Tensors = std::vector<Tensor>;

inline Tensor parts_of(const Tensor& x) {
  return x.is_complex() ? torch::view_as_real(x.detach().resolve_conj().resolve_neg()) : x.detach();
}
/// Complex parameters of several layouts, and a real one.
inline Tensors parameters(torch::Dtype dtype) {
  const auto options = torch::dtype(dtype);
  const Tensor image = torch::randn({3, 2, 2, 2}, options);
  Tensors out{torch::randn({7, 5}, options),
              torch::randn({33}, options),
              torch::randn({}, options),
              image.contiguous(at::MemoryFormat::ChannelsLast),
              torch::empty({0, 4}, options),
              torch::randn({5, 3}, options).t(),
              torch::randn({4, 6}, options).slice(1, 0, 6, 2),
              torch::randn({9}, torch::dtype(c10::toRealValueType(dtype)))};
  for (Tensor& x : out) x.requires_grad_();
  return out;
}
inline Tensors as_parts(const Tensors& params) {
  Tensors out;
  for (const Tensor& x : params) out.push_back(parts_of(x).clone().requires_grad_());
  return out;
}
inline Tensors gradients(const Tensors& params, int t) {
  torch::manual_seed(std::uint64_t(100 + t));
  Tensors out;
  for (const Tensor& x : params) out.push_back(torch::randn(x.sizes(), x.options()).detach());
  return out;
}

/// The parameters and states of an optimizer, as parts.
template <class R>
Tensors content(agmohd::Optimizer<R>& optimizer) {
  Tensors out;
  for (const Tensor& p : optimizer.param_groups()[0].params()) {
    out.push_back(parts_of(p).clone());
    const auto found = std::as_const(optimizer).state().find(p.unsafeGetTensorImpl());
    if (found == std::as_const(optimizer).state().end()) continue;
    auto state = static_cast<const agmohd::ParamState<R>&>(*found->second);
    state.for_each_slot([&](std::size_t, const Tensor& slot) {
      if (!slot.defined()) return;
      EXPECT_EQ(slot.is_complex(), p.is_complex());
      out.push_back(parts_of(slot).clone());
    });
  }
  return out;
}
inline void expect_same(const Tensors& a, const Tensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(torch::equal(a[i], b[i])) << i;
}

}  // namespace complex_parameters
