// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/compiler.hpp"

#include <cstdint>
#include <string_view>

namespace agmohd::cuda {

/// Launch geometry. It never changes a result: the order of additions is fixed in
/// step/reduction.hpp.
struct Tuning {
  int reduce_threads;        ///< of a block: 128, 256 or 512
  int sweep_threads;         ///< of a block, which does one chunk: 32 to 256
  int small_reduce_threads;  ///< the same where chunks hold few elements on average
  int small_sweep_threads;
  int small_reduce_warps;   ///< of a chunk there: a power of 2, the block's others do other chunks
  int tiny_reduce_threads;  ///< the same where a warp does a chunk by itself
  int tiny_sweep_threads;
  std::int64_t small_chunk;  ///< elements under which chunks are small
  std::int64_t tiny_chunk;   ///< elements under which they are tiny
  int reduce_chunks;         ///< of a block of the reduce pass, where there are very many
};

/// Where a row was measured, and the share of copy bandwidth that it reached there: clip + AdamW,
/// float32, GPT-2 XL shapes. `agmohd_bench tune` prints a row for the device that is there.
struct Tuned {
  const char* device;  ///< as cudaDeviceProp::name begins
  Tuning tuning;
  double share;
  const char* measured;
};

inline constexpr Tuning default_tuning{512, 256, 256, 128, 2, 256, 128, 4096, 512, 4};
inline constexpr Tuned tuned[] = {
    {"NVIDIA H100 80GB HBM3",
     {512, 256, 256, 128, 2, 256, 64, 4096, 512, 4},
     0.99,
     "2026-11-26, LibTorch 2.11.0, CUDA 13.0"},
    {"NVIDIA H200", default_tuning, 1.02, "2026-11-26, LibTorch 2.11.0, CUDA 13.0"},
};

/// Set it to measure another geometry: for all devices, from the next executor on.
inline const Tuning*& tuning_under_test() {
  static const Tuning* tuning = nullptr;
  return tuning;
}

inline Tuning tuning_for(std::string_view device) {
  if (tuning_under_test() != nullptr) return *tuning_under_test();
  for (const Tuned& row : tuned) {
    if (device.starts_with(row.device)) return row.tuning;
  }
  return default_tuning;
}

}  // namespace agmohd::cuda
