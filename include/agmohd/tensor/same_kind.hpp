// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "parts.hpp"

// Lists of tensors that LibTorch's _foreach functions do in a few launches. Some are templates
// without a real parameter, as in overlap.hpp.
namespace agmohd::detail {

/// Parameters, or gradients, of one dtype and device, and what belongs to them: averages, slow
/// weights, sums.
struct SameKind {
  std::vector<at::Tensor> params, others;

  bool holds(const at::Tensor& x) const {
    return params[0].device() == x.device() && params[0].scalar_type() == x.scalar_type();
  }
};

/// Puts a pair to those of the dtype and device of its first tensor.
template <class = void>
void add_by_kind(std::vector<SameKind>& kinds, const at::Tensor& param, at::Tensor other) {
  std::size_t k = 0;
  while (k < kinds.size() && !kinds[k].holds(param)) ++k;
  if (k == kinds.size()) kinds.emplace_back();
  kinds[k].params.push_back(param);
  kinds[k].others.push_back(std::move(other));
}
template <class = void>
std::vector<SameKind> by_kind(const std::vector<at::Tensor>& params,
                              const std::vector<at::Tensor>& others) {
  std::vector<SameKind> kinds;
  for (std::size_t i = 0; i < params.size(); ++i) add_by_kind(kinds, params[i], others[i]);
  return kinds;
}

/// Complex tensors become their parts, for what is to act on those; unless one of them is a
/// conjugate view.
inline void take_parts(SameKind& kind) {
  for (const auto* tensors : {&kind.params, &kind.others}) {
    for (const at::Tensor& x : *tensors) {
      if (!x.is_complex() || x.is_conj()) return;
    }
  }
  for (auto* tensors : {&kind.params, &kind.others}) {
    for (at::Tensor& x : *tensors) x = parts(x.detach());
  }
}

/// The tensors, or copies of the dtype of `like`.
inline std::vector<at::Tensor> in_dtype_of(const std::vector<at::Tensor>& like,
                                           const std::vector<at::Tensor>& tensors) {
  if (like[0].scalar_type() == tensors[0].scalar_type()) return tensors;
  std::vector<at::Tensor> out;
  out.reserve(like.size());
  for (const at::Tensor& x : like) out.push_back(at::empty_like(x));
  at::_foreach_copy_(out, tensors);
  return out;
}

}  // namespace agmohd::detail
