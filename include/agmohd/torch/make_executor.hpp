// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>
#include <c10/util/Exception.h>

#include <memory>

#include "../cpu/executor.hpp"
#include "../cuda/host/executor.hpp"
#include "../policy/classic_locale.hpp"
#include "../step/executor.hpp"
#include "../tensor/executor.hpp"

namespace agmohd {

// Most of what a recipe costs to compile is behind these two functions. They are not inline, so
// that a program of many units can have it compiled in one of them: with "extern template" and the
// function's type in the others.

/// What runs the steps of tensors on a device, fast; null: nothing does.
template <class Recipe>
std::shared_ptr<Executor<Recipe>> make_executor(c10::Device device) {
  if (device.is_cpu()) return std::make_shared<cpu::CpuExecutor<Recipe>>();
  if (!device.is_cuda()) return nullptr;
  if (const auto* const kernels = cuda::find_kernels<Recipe>()) {
    return std::make_shared<cuda::CudaExecutor<Recipe>>(device.index(), *kernels);
  }
  TORCH_WARN_ONCE(detail::classic, "agmohd: no CUDA kernels were compiled for the recipe ",
                  Recipe::name(),
                  "; its tensors take the slow tensor backend. Add to CMakeLists.txt: "
                  "agmohd_add_kernels(<target> HEADER <header of the recipe> RECIPES <recipe>)");
  return nullptr;
}

/// What runs them on any device, as plain tensor operations.
template <class Recipe>
std::shared_ptr<Executor<Recipe>> make_tensor_executor() {
  return std::make_shared<TensorExecutor<Recipe>>();
}

}  // namespace agmohd
