// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The main of every test program. With --need-gpu on a machine without a CUDA device it runs
// nothing and exits with 77, which ctest reports as skipped.

#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--need-gpu" && !torch::cuda::is_available()) {
      std::puts("skipped: no CUDA device here");
      return 77;
    }
  }
  return RUN_ALL_TESTS();
}
