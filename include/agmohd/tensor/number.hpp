// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "../policy/number.hpp"
#include "../policy/random.hpp"

namespace agmohd {

/// The tensor number type: one ATen operation for each operation of the equation, on any device.
/// Coefficients are doubles, which ATen rounds to the tensor's type as the other number types do.
template <>
struct number_traits<at::Tensor> {
  using real = double;
  static at::Tensor sqrt(const at::Tensor& x) { return x.sqrt(); }
  static at::Tensor select(const at::Tensor& mask, const at::Tensor& a, const at::Tensor& b) {
    return at::where(mask, a, b);
  }
  static at::Tensor like(const at::Tensor& x, double r) { return at::full_like(x, r); }
  /// By the bound of the tensor's own type.
  static at::Tensor squarable(const at::Tensor& x) {
    const double bound = x.scalar_type() == at::kDouble ? math::largest_squared<double>
                                                        : double{math::largest_squared<float>};
    return at::where(x.isfinite(), x.clamp(-bound, bound), x);
  }
  /// Made on the host, element by element in memory order.
  static at::Tensor centred(const at::Tensor& like, const random::Key& k, const Position& at) {
    at::Tensor host = at::empty_like(like, like.options().device(at::kCPU));
    const auto fill = [&]<class R>(R* to) {
      for (std::int64_t i = 0; i < host.numel(); ++i) to[i] = R(random::centred(k, at.first + i));
    };
    if (host.scalar_type() == at::kDouble) {
      fill(host.mutable_data_ptr<double>());
    } else {
      fill(host.mutable_data_ptr<float>());
    }
    return host.to(like.device());
  }
};
static_assert(Number<at::Tensor>);

}  // namespace agmohd
