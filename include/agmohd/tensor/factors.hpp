// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "../step/factors.hpp"
#include "number.hpp"
#include "validate.hpp"

// The factors of a tensor's slot, see step/factors.hpp, as tensors: of shape [..., R, 1] and
// [..., 1, C] for a parameter of shape [..., R, C], as torch.optim.Adafactor has them, in the
// memory order of the parameter. Some are templates without a real parameter, as in validate.hpp.
namespace agmohd {

/// Whether a factored slot of a parameter is held by factors.
inline bool has_factors(const at::Tensor& param) { return param.dim() >= 2 && param.numel() > 0; }

/// The dimensions of a tensor from the outermost in memory to the innermost.
template <class = void>
std::vector<std::int64_t> memory_order(const at::Tensor& param) {
  const auto strides = is_dense(param) ? param.strides().vec() : layout_of(param).strides().vec();
  std::vector<std::int64_t> order(strides.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return strides[std::size_t(a)] > strides[std::size_t(b)];
  });
  return order;
}

/// The matrices of a parameter that has factors.
template <class = void>
FactorShape factor_shape(const at::Tensor& param) {
  const std::int64_t rows = param.dim() - 2, columns = param.dim() - 1;
  if (param.size(rows) == 1 && param.size(columns) == 1) return {1, 1, 1, 1, param.numel(), true};
  std::vector<std::int64_t> order = memory_order(param);
  std::erase_if(order, [&](std::int64_t d) { return param.size(d) == 1; });
  const auto at = [&](std::int64_t d) { return std::find(order.begin(), order.end(), d); };
  FactorShape s{1, 1, 1, 1, 1, true};
  // A dimension of size 1 is nowhere in memory: it counts as the outer one.
  s.rows_outer = at(columns) != order.end() && (at(rows) == order.end() || at(rows) < at(columns));
  const auto outer = at(s.rows_outer ? rows : columns), inner = at(s.rows_outer ? columns : rows);
  s.outer = outer == order.end() ? 1 : param.size(*outer);
  s.inner = param.size(*inner);
  for (auto d = order.begin(); d != order.end(); ++d) {
    if (d == outer || d == inner) continue;
    const bool in_front = outer == order.end() ? d < inner : d < outer;
    (in_front ? s.front : d < inner ? s.between : s.behind) *= param.size(*d);
  }
  return s;
}

/// The shape of the averages of rows (`number` 0) or columns (1).
inline std::vector<std::int64_t> factor_sizes(const at::Tensor& param, int number) {
  std::vector<std::int64_t> sizes = param.sizes().vec();
  if (sizes.size() >= 2) sizes[sizes.size() - (number == 0 ? 1 : 2)] = 1;
  return sizes;
}
/// float64 for float64 parameters, else float32, whatever the storage.
inline at::ScalarType factor_type(const at::Tensor& param) {
  return param.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}
/// Their strides.
template <class = void>
std::vector<std::int64_t> factor_strides(const at::Tensor& param, int number) {
  const std::vector<std::int64_t> sizes = factor_sizes(param, number);
  std::vector<std::int64_t> order = memory_order(param), strides(sizes.size());
  std::int64_t stride = 1;
  for (auto d = order.rbegin(); d != order.rend(); ++d) {
    strides[std::size_t(*d)] = stride;
    stride *= std::max<std::int64_t>(sizes[std::size_t(*d)], 1);
  }
  return strides;
}
/// An uninitialised tensor for them.
template <class = void>
at::Tensor factor_layout(const at::Tensor& param, int number) {
  return at::empty_strided(factor_sizes(param, number), factor_strides(param, number),
                           param.options().requires_grad(false).dtype(factor_type(param)));
}
/// Whether `x` lies in memory as the backends expect them, but for the device.
template <class = void>
bool ordered_as_factor(const at::Tensor& x, const at::Tensor& param, int number) {
  if (x.scalar_type() != factor_type(param) || !is_dense(x) || !is_plain(x)) return false;
  const std::vector<std::int64_t> strides = factor_strides(param, number);
  for (std::int64_t d = 0; d < x.dim(); ++d) {
    if (x.size(d) != 1 && x.stride(d) != strides[std::size_t(d)]) return false;
  }
  return true;
}

/// The reference: moves the factors on by a transformed gradient, or a residual.
template <class F>
void move_factors(const at::Tensor& g, const at::Tensor& row, const at::Tensor& column,
                  const F& f) {
  at::Tensor squares = g.to(at::kDouble).square();
  if constexpr (adds_to_squares<F>) squares = squares + f.added;
  const auto move = [&](const at::Tensor& average, std::int64_t over) {
    const at::Tensor mean = squares.mean(over, /*keepdim=*/true).to(average.scalar_type());
    average.copy_(average + f.gain * (mean - average));
  };
  move(row, -1);
  move(column, -2);
}
/// The value of the slot that they stand for.
inline at::Tensor factored_slot(const at::Tensor& row, const at::Tensor& column, double least,
                                bool inverse_roots) {
  const at::Tensor mean = row.mean(-2, /*keepdim=*/true, at::kDouble).to(row.scalar_type());
  const at::Tensor scaled = row / at::where(mean < least, at::full_like(mean, least), mean);
  if (!inverse_roots) return scaled * column;
  return reduction::inverse_root(scaled, least) * reduction::inverse_root(column, least);
}

}  // namespace agmohd
