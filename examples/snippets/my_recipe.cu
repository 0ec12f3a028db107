// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/cuda/register.cuh>

#include "my_recipe.hpp"

namespace {
struct tag;
const agmohd::cuda::Register<MyRecipe, tag> kernels;
}  // namespace
