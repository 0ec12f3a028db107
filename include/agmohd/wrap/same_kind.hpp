// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

namespace agmohd::wrap::detail {

/// Parameters of one dtype and device, which LibTorch's _foreach functions do in a few launches,
/// and what belongs to them.
struct SameKind {
  std::vector<at::Tensor> params;
  std::vector<at::Tensor> others;  ///< averages, or slow weights
  std::vector<at::Tensor> wide;    ///< room for the parameters in the dtype of `others`, if another
};

/// The position of the kind that a parameter is of, in a list that gets it if it has none.
inline std::size_t kind_of(const at::Tensor& param, std::vector<SameKind>& kinds) {
  std::size_t k = 0;
  while (k < kinds.size() && (kinds[k].params[0].device() != param.device() ||
                              kinds[k].params[0].scalar_type() != param.scalar_type())) {
    ++k;
  }
  if (k == kinds.size()) kinds.emplace_back();
  return k;
}

}  // namespace agmohd::wrap::detail
