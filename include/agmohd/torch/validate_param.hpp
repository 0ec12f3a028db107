// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <type_traits>
#include <vector>

#include "../gradient/gradient.hpp"
#include "../policy/classic_locale.hpp"
#include "../policy/element.hpp"
#include "../tensor/validate.hpp"

namespace agmohd {

/// Throws c10::Error unless a recipe can update a parameter, or leaves it alone. Complex ones are
/// stepped as their parts, which rows and averages over rows would mix, and of which only the
/// 2-norm is that of the elements.
template <class Recipe>
void validate_param_of(const at::Tensor& param, const Place& place) {
  validate_param(param, place);
  if (!param.is_complex() || (!param.requires_grad() && !param.grad().defined())) return;
  constexpr const char* must = ", but it must be real: ";
  TORCH_CHECK(!Recipe::factored, detail::classic, "agmohd: ", place, " has dtype ",
              param.scalar_type(), must, Recipe::Rule::name(),
              " keeps averages over rows. Give complex parameters an optimizer of another rule");
  TORCH_CHECK(
      !Recipe::rows, detail::classic, "agmohd: ", place, " has dtype ", param.scalar_type(), must,
      Recipe::Gradient::name(),
      Recipe::whole_tensors ? " measures whole tensors, not parts of numbers" : " works on rows",
      ". Give complex parameters an optimizer without it");
  TORCH_CHECK(!detail::norm_of_parts<typename Recipe::Gradient>(), detail::classic,
              "agmohd: ", place, " has dtype ", param.scalar_type(), must, Recipe::Gradient::name(),
              " takes a norm of parts, not of magnitudes |z|. Give complex parameters an optimizer "
              "without it, or ClipByNorm");
  constexpr bool half = std::is_same_v<typename Recipe::Storage::Float, Bf16>;
  TORCH_CHECK(!half, detail::classic, "agmohd: ", place, " has dtype ", param.scalar_type(), must,
              "the storage ", Recipe::Storage::name(),
              " has no complex dtype. Use storage::Native");
}

template <class Recipe>
void validate_params(const std::vector<at::Tensor>& params, std::size_t group) {
  for (std::size_t i = 0; i < params.size(); ++i) {
    validate_param_of<Recipe>(params[i], Place{group, i});
  }
}

}  // namespace agmohd
