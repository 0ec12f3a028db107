// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
//
// In place of a chunk's program, where only its CMakeLists.txt matters: says whether the program
// has kernels; an argument says that it must.
#include <agmohd/cuda/registry.hpp>
#include <agmohd/recipes.hpp>
#include <cstdio>

int main(int argc, char**) {
  const bool found = agmohd::cuda::find_kernels<agmohd::recipe::AdamW>() != nullptr ||
                     agmohd::cuda::find_kernels<agmohd::recipe::AGMOHD>() != nullptr;
  std::puts(found ? "kernels are registered" : "no kernels are registered");
  return found || argc == 1 ? 0 : 1;
}
