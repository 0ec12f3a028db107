// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/lerp.cuh"
#include "kernel/runtime.cuh"
#include "lerp.hpp"

namespace agmohd::cuda {

/// Makes the kernel of wrap/ known to the program. A unit defines one, with a tag of its own:
///
///     #include <agmohd/cuda/register_lerp.cuh>
///     namespace { struct tag; const agmohd::cuda::RegisterLerp<tag> kernels; }
template <class Tag>
class RegisterLerp {
 public:
  RegisterLerp() { Registry::add(entry_); }
  RegisterLerp(const RegisterLerp&) = delete;
  RegisterLerp& operator=(const RegisterLerp&) = delete;
  ~RegisterLerp() { Registry::remove(entry_); }

 private:
  const LerpKernels kernels_{&lerp_kernel<Tag>, &runtime_of_unit};
  mutable Registry::Entry entry_{lerp_key(), &kernels_};
};

}  // namespace agmohd::cuda
