// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#include <agmohd/cuda/kernels.hpp>
#include <cstdio>

#include "recipe.hpp"

int main() {
  const bool registered = agmohd::cuda::find_kernels<Mine>() != nullptr;
  std::puts(registered ? "kernels are registered" : "no kernels are registered");
  return registered ? 0 : 1;
}
