// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

namespace bench {

/// Ways to copy with a kernel: two sizes of chunk, each with and without streaming hints.
constexpr int kCopyWays = 4;
/// `bytes` is a multiple of this.
constexpr std::size_t kCopyUnit = 32768;

cudaError_t copy_kernel(int way, void* to, const void* from, std::size_t bytes,
                        cudaStream_t stream);

}  // namespace bench
