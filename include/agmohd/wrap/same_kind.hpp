// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

namespace agmohd::wrap::detail {

/// Parameters of one dtype and device, which LibTorch's _foreach functions do in a few launches,
/// and what belongs to them: averages, or slow weights.
struct SameKind {
  std::vector<at::Tensor> params, others;
};

/// Pairs of tensors by the dtype and device of the first.
inline std::vector<SameKind> by_kind(const std::vector<at::Tensor>& params,
                                     const std::vector<at::Tensor>& others) {
  std::vector<SameKind> kinds;
  for (std::size_t i = 0; i < params.size(); ++i) {
    std::size_t k = 0;
    while (k < kinds.size() && (kinds[k].params[0].device() != params[i].device() ||
                                kinds[k].params[0].scalar_type() != params[i].scalar_type())) {
      ++k;
    }
    if (k == kinds.size()) kinds.emplace_back();
    kinds[k].params.push_back(params[i]);
    kinds[k].others.push_back(others[i]);
  }
  return kinds;
}

}  // namespace agmohd::wrap::detail
