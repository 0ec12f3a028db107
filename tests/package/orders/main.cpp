// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#include <agmohd/cuda/registry.hpp>
#include <cstdio>

#include "recipe.hpp"

extern "C" int has_kernels() { return agmohd::cuda::find_kernels<Mine>() != nullptr; }

#ifdef USES_PART  // else the linker drops the shared library
int part();
#else
static int part() { return 0; }
#endif

int main() {
  std::puts(has_kernels() ? "kernels are registered" : "no kernels are registered");
  return has_kernels() ? part() : 1;
}
