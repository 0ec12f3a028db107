// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/commit.cuh"
#include "kernel/factors.cuh"
#include "kernel/medians.cuh"
#include "kernel/reduce.cuh"
#include "kernel/rest.cuh"
#include "kernel/row_slot.cuh"
#include "kernel/rows.cuh"
#include "kernel/runtime.cuh"
#include "kernel/second_sweep.cuh"
#include "kernel/sweep.cuh"
#include "kernel/totals.cuh"
#include "registry.hpp"

namespace agmohd::cuda {

/// Makes the CUDA kernels of a recipe known to the program. A kernel unit defines one, with a tag
/// of its own:
///
///     #include <agmohd/cuda/register.cuh>
///     #include "my_recipe.hpp"
///     namespace { struct tag; const agmohd::cuda::Register<MyRecipe, tag> kernels; }
template <class Recipe, class Tag>
class Register {
  static_assert(
      sizeof(Recipe) == 0,
      "agmohd: kernels are compiled for a type agmohd::Recipe<...>; this is another type, "
      "such as a policy or an optimizer");
};
template <class Recipe, class Tag>
requires requires { Recipe::wants, Recipe::measures_sweep; }
class Register<Recipe, Tag> {
 public:
  Register() { Registry::add(entry_); }
  Register(const Register&) = delete;
  Register& operator=(const Register&) = delete;
  ~Register() { Registry::remove(entry_); }

 private:
  static auto reduce() {
    if constexpr (Recipe::wants != 0)
      return &reduce_kernel<Recipe, Tag>;
    else
      return nullptr;
  }
  static auto decide() {
    if constexpr (Recipe::wants == 0)
      return &decide_kernel<Recipe, Tag>;
    else
      return nullptr;
  }
  static auto settle() {
    if constexpr (Recipe::settles)
      return &settle_kernel<Recipe, Tag>;
    else
      return nullptr;
  }
  static auto sum_rows() {
    if constexpr (Recipe::filters)
      return &count_digits_kernel<Recipe, Tag>;
    else if constexpr (Recipe::rows)
      return &sum_rows_kernel<Recipe, Tag>;
    else
      return nullptr;
  }
  static auto scale_rows() {
    if constexpr (Recipe::filters)
      return &choose_digits_kernel<Recipe, Tag>;
    else if constexpr (Recipe::rows)
      return &scale_rows_kernel<Recipe, Tag>;
    else
      return nullptr;
  }
  static auto residual_tiles() {
    if constexpr (Recipe::residual)
      return &factor_tiles_kernel<Recipe, Tag, ResidualJob>;
    else
      return nullptr;
  }
  static auto factor_tiles() {
    if constexpr (Recipe::by_rows)
      return &row_slot_pieces_kernel<Recipe, Tag>;
    else if constexpr (Recipe::factored)
      return &factor_tiles_kernel<Recipe, Tag>;
    else
      return nullptr;
  }
  static auto residual_folds() {
    if constexpr (Recipe::residual)
      return &factor_folds_kernel<Recipe, Tag, ResidualJob>;
    else
      return nullptr;
  }
  static auto factor_folds() {
    if constexpr (Recipe::by_rows)
      return &row_slot_folds_kernel<Recipe, Tag>;
    else if constexpr (Recipe::factored)
      return &factor_folds_kernel<Recipe, Tag>;
    else
      return nullptr;
  }
  static auto residual_means() {
    if constexpr (Recipe::residual)
      return &factor_means_kernel<Recipe, Tag, ResidualJob>;
    else
      return nullptr;
  }
  static auto factor_means() {
    if constexpr (Recipe::factored && !Recipe::by_rows)
      return &factor_means_kernel<Recipe, Tag>;
    else
      return nullptr;
  }
  static auto rest_per_tensor() {
    if constexpr (Recipe::keeps_snapshots)
      return &rest_per_tensor_kernel<Recipe, Tag>;
    else
      return nullptr;
  }
  static auto rest_chunks() {
    if constexpr (Recipe::keeps_snapshots)
      return &rest_chunks_kernel<Recipe, Tag>;
    else
      return nullptr;
  }
  static auto kept_averages() {
    if constexpr (Recipe::keeps_averages)
      return &kept_averages_kernel<Recipe, Tag>;
    else
      return nullptr;
  }
  template <class E>
  static auto norms() {
    if constexpr (Recipe::scales)
      return &norms_kernel<Recipe, Tag, E>;
    else
      return nullptr;
  }
  static auto scale() {
    if constexpr (Recipe::scales)
      return &scale_kernel<Recipe, Tag>;
    else
      return nullptr;
  }
  template <class E>
  static auto write() {
    if constexpr (Recipe::two_sweeps)
      return &write_kernel<Recipe, Tag, E>;
    else
      return nullptr;
  }
  const Kernels<Recipe> kernels_{
      reduce(),
      decide(),
      settle(),
      {&sweep_kernel<Recipe, Tag, float>, &sweep_kernel<Recipe, Tag, double>,
       &sweep_kernel<Recipe, Tag, Bf16>, &sweep_kernel<Recipe, Tag, F16>},
      sum_rows(),
      scale_rows(),
      factor_tiles(),
      factor_folds(),
      factor_means(),
      residual_tiles(),
      residual_folds(),
      residual_means(),
      rest_per_tensor(),
      rest_chunks(),
      kept_averages(),
      {norms<float>(), norms<double>(), norms<Bf16>(), norms<F16>()},
      scale(),
      {write<float>(), write<double>(), write<Bf16>(), write<F16>()},
      &runtime_of_unit};
  mutable Registry::Entry entry_{key_of<Recipe>(), &kernels_};
};

}  // namespace agmohd::cuda
