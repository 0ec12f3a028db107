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

/// Of matrices and convolutions: odd, thin and permuted.
inline const std::vector<Layout>& layouts() {
  static const std::vector<Layout> all{{{64, 128}, {0, 1}},
                                       {{65, 129}, {0, 1}},
                                       {{200, 300}, {1, 0}},
                                       {{1, 1}, {0, 1}},
                                       {{1, 200}, {0, 1}},
                                       {{200, 1}, {1, 0}},
                                       {{1500, 3}, {0, 1}},
                                       {{3, 1500}, {1, 0}},
                                       {{5, 4, 3, 3}, {0, 2, 3, 1}},
                                       {{5, 4, 3, 3}, {0, 1, 2, 3}},
                                       {{40, 30, 1, 1}, {0, 1, 2, 3}},
                                       {{3, 70, 2, 5}, {1, 3, 0, 2}},
                                       {{2, 70, 3, 140}, {3, 2, 1, 0}},
                                       {{2, 1, 3, 130}, {2, 0, 3, 1}}};
  return all;
}

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
