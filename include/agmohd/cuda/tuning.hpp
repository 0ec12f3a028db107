// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace agmohd::cuda {

/// Launch geometry. It never changes a result: the order of additions is fixed in
/// core/reduction.hpp.
struct Tuning {
  int threads;              ///< of a block; a block does one page
  int small_threads;        ///< where pages hold few elements on average
  std::int64_t small_page;  ///< elements under which a page counts as small
};

/// Measured on an H200 with CUDA 13.0: 512 threads a page of 16384 elements; 128 where tensors have
/// some 1000 or fewer.
inline constexpr Tuning tuning{512, 128, 2048};

}  // namespace agmohd::cuda
