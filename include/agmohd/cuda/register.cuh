// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "executor.cuh"

namespace agmohd::cuda {

/// Makes the CUDA kernels of a recipe known to the program. A kernel unit defines one, with a tag
/// of its own:
///
///     #include <agmohd/cuda/register.cuh>
///     #include "my_recipe.hpp"
///     namespace { struct tag; const agmohd::cuda::Register<MyRecipe, tag> kernels; }
template <class Recipe, class Tag>
struct Register {
  Register() {
    CudaKernels<Recipe>::put(
        [](int device, const DeviceHost& host) -> std::shared_ptr<Executor<Recipe>> {
          libtorch_of_program.store(&host, std::memory_order_release);
          return std::make_shared<CudaExecutor<Recipe, Tag>>(device);
        });
  }
};

}  // namespace agmohd::cuda
