// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/compiler.hpp"

#include <ATen/ATen.h>

#include <utility>

#include "../policy/classic_locale.hpp"
#include "../rule/masked.hpp"
#include "../tensor/parts.hpp"
#include "../torch/param_state.hpp"

namespace agmohd::wrap {

/// An optimizer whose rule is a rule::Masked.
template <class Optimizer>
concept HasMask = requires {
  requires Optimizer::Recipe::Rule::masked;
};

/// Which elements of a parameter steps move, from the next one on: those where `mask` is not 0. The
/// others keep the bits of parameter and state. Elements that move again go on from there. A
/// rollback also brings back the mask of its snapshot. Both parts of a complex element move, or
/// neither does. Waits only where the mask lies on another device than the parameter.
/// @param mask  of the parameter's shape, or expands to it; of any dtype
/// @throws c10::Error  if the mask does not fit, or the parameter is not of the optimizer, or has
///                     neither a gradient nor requires one
template <HasMask Optimizer>
void set_mask(Optimizer& optimizer, const at::Tensor& param, const at::Tensor& mask) {
  using Recipe = typename Optimizer::Recipe;
  TORCH_CHECK(
      param.defined() && mask.defined() && at::is_expandable_to(mask.sizes(), param.sizes()),
      agmohd::detail::classic, "agmohd: set_mask: the mask is of shape ",
      mask.defined() ? mask.sizes() : at::IntArrayRef(), ", but the parameter is of ",
      param.defined() ? param.sizes() : at::IntArrayRef());
  bool own = false;
  for (const auto& group : optimizer.param_groups()) {
    for (const at::Tensor& one : group.params()) own = own || one.is_same(param);
  }
  TORCH_CHECK(own, agmohd::detail::classic,
              "agmohd: set_mask: the parameter is not of this optimizer");
  const auto find = [&] {
    const auto& states = std::as_const(optimizer).state();
    const auto found = states.find(param.unsafeGetTensorImpl());
    if (found == states.end()) return at::Tensor();
    return static_cast<const ParamState<Recipe>&>(*found->second).template get<"mask">();
  };
  if (!find().defined()) optimizer.prepare();
  at::Tensor slot = find();
  TORCH_CHECK(slot.defined(), agmohd::detail::classic,
              "agmohd: set_mask: the parameter has no state in this optimizer: it neither requires "
              "nor has a gradient");
  const at::NoGradGuard no_grad;
  at::Tensor moves = mask.to(slot.device()).ne(0);
  if (slot.is_complex()) moves = moves.unsqueeze(-1);
  const at::Tensor values = parts(slot);
  values.copy_(moves.expand_as(values));
}

}  // namespace agmohd::wrap
