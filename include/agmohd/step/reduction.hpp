// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "../policy/number.hpp"
#include "../policy/signals.hpp"

// The order in which the reduce pass adds, part of the algorithm and not of any tuning, so that
// every backend and launch geometry gets the same bits.
//
// A tensor is cut into chunks of 16384 elements in memory order. In a chunk, lane l of 512 owns the
// 32 elements 2048 k + 4 l + j (k < 8, j < 4). It adds squares over k for each j in float, then (a0
// + a1) + (a2 + a3), then widens. If the largest magnitude of the 32 is so extreme that float
// squares would overflow, vanish or are not finite, the lane's sum is formed in double instead,
// over k and then j. The 512 lanes are added as a butterfly: within 32 at distances 16, 8, 4, 2, 1,
// then the 16 results at 8, 4, 2, 1. Chunks are dealt to 512 lanes round-robin, added in order, and
// combined by the same butterfly. float64 gradients do the same in double throughout. Powers, where
// a recipe sums these, are made and added in double, over k and then j. What a rule sums goes the
// same way as squares, but without a second sum in double.
namespace agmohd::reduction {

inline constexpr int kChunk = 16384;
inline constexpr int kLanes = 512;
inline constexpr int kRows = 8;              // per lane
inline constexpr int kRow = kChunk / kRows;  // elements: 4 per lane
inline constexpr int kWarp = 32;

AGMOHD_HD constexpr std::int64_t chunks(std::int64_t numel) {
  return (numel + kChunk - 1) / kChunk;
}

/// What one chunk contributes.
struct Partial {
  double norm2;
  double max_abs;
  std::int64_t nonfinite;
};

AGMOHD_HD inline double larger(double a, double b) { return b > a || b != b ? b : a; }

/// Magnitude bits of a float whose square may lose range when 32 of them are added in float:
/// outside [2^-50, 2^60).
inline constexpr std::uint32_t kTiny = (127U - 50U) << 23, kHuge = (127U + 60U) << 23;
AGMOHD_HD inline bool extreme(std::uint32_t magnitude) {
  return magnitude - kTiny >= kHuge - kTiny && magnitude != 0;
}
/// Double needs no rescue, only the count.
inline constexpr std::uint64_t kInfinite = 0x7ff0000000000000ULL;
AGMOHD_HD inline bool extreme(std::uint64_t magnitude) { return magnitude >= kInfinite; }

/// The butterfly of one level on the host, of x[0 .. count), which it overwrites, and zeros beyond;
/// of none it is 0.
inline double fold(double* x, int count) {
  if (count <= 0) return 0;
  for (int d = int(std::bit_ceil(unsigned(count))) / 2; d > 0; d /= 2) {
    for (int i = 0; i + d < count; ++i) x[i] += x[i + d];
    count = std::min(count, d);
  }
  return x[0];
}

/// The same of x[0 .. 2 d), in loops that compilers turn into vectors.
template <int d>
double fold(double* x) {
  for (int i = 0; i < d; ++i) x[i] += x[i + d];
  if constexpr (d > 1) return fold<d / 2>(x);
  return x[0];
}

/// The whole butterfly, of x[0 .. lanes), at least one, which it overwrites. Further lanes count as
/// zeros.
inline double butterfly(double* x, int lanes = kLanes) {
  double warps[kLanes / kWarp] = {};
  int count = 0;
  for (int first = 0; first < lanes; first += kWarp) {
    const int left = lanes - first;
    warps[count++] = left < kWarp ? fold(x + first, left) : fold<kWarp / 2>(x + first);
  }
  return fold(warps, count);
}

/// x[0 .. count), added round-robin to so many lanes, together; x(i) by index.
template <class X>
double dealt(std::int64_t count, int lanes, const X& x) {
  double sums[kLanes];
  lanes = int(std::min<std::int64_t>(count, lanes));
  std::fill(sums, sums + lanes, 0.0);
  for (std::int64_t i = 0; i < count; ++i) sums[i % lanes] += x(i);
  return lanes > 0 ? butterfly(sums, lanes) : 0;
}

/// All chunks together, on the host.
inline Signals combine(const Partial* partial, std::int64_t count) {
  Signals s;
  for (std::int64_t i = 0; i < count; ++i) {
    s.max_abs = larger(s.max_abs, partial[i].max_abs);
    s.nonfinite += partial[i].nonfinite;
  }
  s.norm2 = dealt(count, kLanes, [&](std::int64_t i) { return partial[i].norm2; });
  return s;
}

/// Adds what another device measured; the loss stays.
AGMOHD_HD inline void accumulate(Signals& s, const Signals& other) {
  s.norm2 += other.norm2;
  s.max_abs = larger(s.max_abs, other.max_abs);
  s.nonfinite += other.nonfinite;
  add_swept(s, other);
}
template <int N>
AGMOHD_HD void accumulate(SignalsAndTotals<N>& s, const SignalsAndTotals<N>& other) {
  accumulate(static_cast<Signals&>(s), static_cast<const Signals&>(other));
  s.totals += other.totals;
}

// A measured sweep measures what a step does, in a sample of chunks. It adds in the same spirit: a
// bundle is 4 neighbours, or 8 where parameter and state have 2 bytes, and is added in pairs. A
// strip is 32 bundles, which are added as a butterfly in the parameter's computing type. The strips
// of a chunk are added in double, as a butterfly over 128, and sampled chunks as those of the
// reduce pass.

inline constexpr int kStrips = kChunk / (4 * kWarp);  // of a chunk at most

/// Every how many of all chunks of a device one is measured, chunks being numbered over all
/// tensors: 64 to 127 of them. What is made of the sums are means and ratios, which need no more,
/// and measuring takes a square root, a division and two waits.
AGMOHD_HD constexpr std::int64_t sample_every(std::int64_t chunks) {
  return chunks > 64 ? chunks / 64 : 1;
}
/// The sample moves on by a chunk with every applied step, so that each chunk is measured in one of
/// sample_every() steps: the first chunk of the sample in the step after `updates` applied ones.
AGMOHD_HD constexpr std::int64_t sample_phase(std::int64_t updates, std::int64_t every) {
  return std::int64_t(std::uint32_t(updates) % std::uint32_t(every));
}
inline constexpr std::int64_t kMostSamples = 127;
/// How many of `chunks` are in the sample that begins with chunk `phase`.
AGMOHD_HD constexpr std::int64_t samples(std::int64_t chunks, std::int64_t phase = 0) {
  const std::int64_t every = sample_every(chunks);
  return (chunks - phase + every - 1) / every;
}
/// Adds the elements of a tensor, whose first chunk is number `first_chunk`, to those of the
/// samples: by_phase[0 .. every).
constexpr void add_sampled(double* by_phase, std::int64_t every, std::int64_t first_chunk,
                           std::int64_t numel) {
  for (std::int64_t chunk = first_chunk; numel > 0; ++chunk, numel -= kChunk) {
    by_phase[chunk % every] += double(numel < kChunk ? numel : kChunk);
  }
}

// What a rule sums over all tensors goes the same way, but over all chunks, and in double from the
// elements on: bundles are 4 neighbours.

/// The sum of a strip of x, on the host.
template <class R>
double strip_total(const R* x) {
  double bundles[kWarp];
  for (int l = 0; l < kWarp; ++l) {
    const R* const of = x + 4 * l;
    bundles[l] = (double(of[0]) + double(of[1])) + (double(of[2]) + double(of[3]));
  }
  return fold<kWarp / 2>(bundles);
}
/// All chunks together, on the host.
template <int N>
Totals<N> combine(const Totals<N>* partial, std::int64_t count) {
  Totals<N> out;
  for (int w = 0; w < N; ++w) {
    out.of[w] = dealt(count, kLanes, [&](std::int64_t i) { return partial[i].of[w]; });
  }
  return out;
}

/// How many kinds of sums a measured sweep makes; see Recipe::SweepValues.
inline constexpr int kSweepSums = 3;

/// Of one chunk.
struct SweptPartial {
  double sums[kSweepSums];
};

/// What a sweep counted.
struct Counts {
  std::int64_t guarded = 0, throttled = 0, spoiled = 0;
};
AGMOHD_HD inline Swept swept(const double (&sums)[kSweepSums], double updated, const Counts& c) {
  return {sums[0], updated, sums[1], sums[2], c.guarded, c.throttled, c.spoiled};
}

/// All sampled chunks together, on the host.
inline Swept combine(const SweptPartial* partial, std::int64_t count, double updated,
                     const Counts& counts) {
  double sums[kSweepSums];
  for (int w = 0; w < kSweepSums; ++w) {
    sums[w] = dealt(count, kLanes, [&](std::int64_t i) { return partial[i].sums[w]; });
  }
  return swept(sums, updated, counts);
}

/// The chunks of one tensor are dealt to 32 lanes, or where they are many to 512, as all chunks
/// are.
inline constexpr std::int64_t kManyChunks = 1024;
AGMOHD_HD constexpr int tensor_lanes(std::int64_t chunks) {
  return chunks > kManyChunks ? kLanes : kWarp;
}

/// The chunks of one tensor together, on the host. `summed`: of the rule, a value a chunk, or null.
inline TensorSignals combine_tensor(const Partial* partial, const double* summed,
                                    std::int64_t chunks, std::int64_t numel) {
  TensorSignals s;
  s.numel = numel;
  const int count = tensor_lanes(chunks);
  for (std::int64_t i = 0; i < chunks; ++i) {
    s.max_abs = larger(s.max_abs, partial[i].max_abs);
    s.nonfinite += partial[i].nonfinite;
  }
  s.norm2 = dealt(chunks, count, [&](std::int64_t i) { return partial[i].norm2; });
  if (summed != nullptr) s.summed = dealt(chunks, count, [&](std::int64_t i) { return summed[i]; });
  return s;
}

// Where it is wanted, the median of the tensors' norms is the mean of the two in the middle, which
// may be one, in the order of their bits: NaN is above all.

/// Of the lower and the upper one, squares, as a share of the norm of all.
AGMOHD_HD inline double median_share(double lower, double upper, double norm2) {
  const double sum = std::sqrt(lower) + std::sqrt(upper);
  return norm2 == 0 ? 0 : sum / 2 / std::sqrt(norm2);
}

}  // namespace agmohd::reduction
