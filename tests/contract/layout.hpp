// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parameters in any memory layout, and their states.

#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensors.hpp"

namespace contract {

struct Layout {
  std::vector<std::int64_t> shape, order;
};

/// A parameter of this shape whose dimensions lie in memory in the order `order`.
inline at::Tensor laid_out(const std::vector<std::int64_t>& shape,
                           const std::vector<std::int64_t>& order, std::int64_t seed,
                           at::ScalarType dtype = at::kDouble) {
  std::vector<std::int64_t> sizes, back(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    sizes.push_back(shape[std::size_t(order[i])]);
    back[std::size_t(order[i])] = std::int64_t(i);
  }
  return at::empty(sizes, dtype).permute(back).copy_(random(shape, seed));
}

template <class Optimizer>
const auto& state_of(const Optimizer& optimizer, const at::Tensor& param) {
  return static_cast<const typename Optimizer::ParamState&>(
      *optimizer.state().at(param.unsafeGetTensorImpl()));
}

}  // namespace contract
