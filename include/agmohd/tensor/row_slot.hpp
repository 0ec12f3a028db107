// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "../step/row_slot.hpp"
#include "factors.hpp"
#include "validate.hpp"

// The averages of a tensor's rows, see step/row_slot.hpp, as a tensor: of shape [R, 1, ..., 1] for
// a parameter of shape [R, ...], which broadcasts, and of one element for vectors and scalars.
namespace agmohd {

inline std::vector<std::int64_t> row_slot_sizes(const at::Tensor& param) {
  std::vector<std::int64_t> sizes(std::size_t(param.dim()), 1);
  if (param.dim() >= 2) sizes[0] = param.size(0);
  return sizes;
}
/// An uninitialised tensor for them.
inline at::Tensor row_slot_layout(const at::Tensor& param) {
  return at::empty(row_slot_sizes(param),
                   param.options().requires_grad(false).dtype(factor_type(param)));
}
/// Whether `x` lies in memory as the backends expect them, but for the device.
inline bool ordered_as_row_slot(const at::Tensor& x, const at::Tensor& param) {
  return x.scalar_type() == factor_type(param) && is_plain(x) && x.is_contiguous();
}
/// The reference: moves them on by a transformed gradient.
inline void move_row_slot(const at::Tensor& g, const at::Tensor& average, double gain) {
  const at::Tensor squares = g.to(at::kDouble).square();
  const std::int64_t rows = average.numel();
  const at::Tensor mean =
      squares.reshape({rows, -1}).mean(1).to(average.scalar_type()).view(average.sizes());
  average.copy_(average + gain * (mean - average));
}

}  // namespace agmohd
