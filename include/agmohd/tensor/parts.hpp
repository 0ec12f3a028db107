// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>

#include "../policy/element.hpp"

// A complex parameter is stepped as its parts, as torch.optim does it: twice as many real elements
// in the same memory. Its gradient and state are complex tensors, too.
namespace agmohd {

/// The dtype of real tensors that the backends know.
inline std::optional<Dtype> dtype_of(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return Dtype::f32;
    case at::kDouble:
      return Dtype::f64;
    case at::kBFloat16:
      return Dtype::bf16;
    case at::kHalf:
      return Dtype::f16;
    default:
      return std::nullopt;
  }
}

/// The same of real tensors and of the parts of complex ones.
inline std::optional<Dtype> part_dtype(at::ScalarType type) {
  if (type == at::kComplexFloat) return Dtype::f32;
  return type == at::kComplexDouble ? Dtype::f64 : dtype_of(type);
}
inline std::int64_t part_count(const at::Tensor& x) {
  return x.is_complex() ? 2 * x.numel() : x.numel();
}

/// A complex tensor of shape [...] as a real one of shape [..., 2] in the same memory; others stay.
/// Throws c10::Error if it is a conjugate view, whose memory does not hold its parts.
inline at::Tensor parts(const at::Tensor& x) {
  return x.defined() && x.is_complex() ? at::view_as_real(x) : x;
}

}  // namespace agmohd
