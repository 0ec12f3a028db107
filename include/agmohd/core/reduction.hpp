// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "lane.hpp"
#include "signals.hpp"

// The order in which the reduce pass adds, part of the algorithm and not of any tuning, so that
// every lane and launch geometry gets the same bits.
//
// A tensor is cut into pages of 16384 elements in memory order. In a page, lane l of 512 owns the
// 32 elements 2048 k + 4 l + j (k < 8, j < 4). It adds squares over k for each j in float, then (a0
// + a1) + (a2 + a3), then widens. If the largest magnitude of the 32 is so extreme that float
// squares would overflow, vanish or are not finite, the lane's sum is formed in double instead,
// over k and then j. The 512 lanes are added as a butterfly: within 32 at distances 16, 8, 4, 2, 1,
// then the 16 results at 8, 4, 2, 1. Pages are dealt to 512 lanes round-robin, added in order, and
// combined by the same butterfly. float64 gradients do the same in double throughout.
namespace agmohd::reduction {

inline constexpr int kPage = 16384;
inline constexpr int kLanes = 512;
inline constexpr int kRows = 8;             // per lane
inline constexpr int kRow = kPage / kRows;  // elements: 4 per lane
inline constexpr int kWarp = 32;

constexpr std::int64_t pages(std::int64_t numel) { return (numel + kPage - 1) / kPage; }

/// What one page contributes.
struct Partial {
  double norm2;
  double max_abs;
  std::int64_t nonfinite;
};

AGMOHD_HD inline double larger(double a, double b) { return b > a || b != b ? b : a; }

/// Magnitude bits of a float whose square may lose range when 32 of them are added in float:
/// outside [2^-50, 2^60).
AGMOHD_HD inline bool extreme(std::uint32_t magnitude) {
  constexpr std::uint32_t low = (127U - 50U) << 23, high = (127U + 60U) << 23;
  return magnitude - low >= high - low && magnitude != 0;
}
AGMOHD_HD inline bool extreme(std::uint64_t magnitude) {
  return magnitude >= 0x7ff0000000000000ULL;  // double needs no rescue, only the count
}

/// The butterfly on the host over x[0 .. used); the lanes after those are zero. Overwrites x.
inline double butterfly(double* x, int used = kLanes) {
  double warps[kLanes / kWarp] = {};
  for (int w = 0; w * kWarp < used; ++w) {
    double* lane = x + w * kWarp;
    for (int i = used - w * kWarp; i < kWarp; ++i) lane[i] = 0;
    for (int d = kWarp / 2; d > 0; d /= 2) {
      for (int i = 0; i < d; ++i) lane[i] += lane[i + d];
    }
    warps[w] = lane[0];
  }
  for (int d = kLanes / kWarp / 2; d > 0; d /= 2) {
    for (int i = 0; i < d; ++i) warps[i] += warps[i + d];
  }
  return warps[0];
}

/// All pages together, on the host.
inline Signals combine(const Partial* partial, std::int64_t count) {
  Signals s;
  double lanes[kLanes] = {};
  for (std::int64_t i = 0; i < count; ++i) {
    lanes[i % kLanes] += partial[i].norm2;
    s.max_abs = larger(s.max_abs, partial[i].max_abs);
    s.nonfinite += partial[i].nonfinite;
  }
  s.norm2 = butterfly(lanes);
  return s;
}

/// Adds what another device measured; the loss stays.
AGMOHD_HD inline void accumulate(Signals& s, const Signals& other) {
  s.norm2 += other.norm2;
  s.max_abs = larger(s.max_abs, other.max_abs);
  s.nonfinite += other.nonfinite;
}

}  // namespace agmohd::reduction
