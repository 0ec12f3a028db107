// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../policy/element.hpp"
#include "../policy/policy.hpp"
#include "../policy/signals.hpp"
#include "../step/medians.hpp"
#include "../step/record.hpp"
#include "../step/reduction.hpp"
#include "../step/rows.hpp"
#include "../step/snapshot_refs.hpp"
#include "factors.hpp"

namespace agmohd::cuda {

/// The rows of a tensor, and its first row and piece among those of all.
struct TensorRows {
  RowShape rows;
  std::int32_t first_row, first_piece;
};
/// Whether a tensor has two or more dimensions; in the place of that where it is not asked for.
struct TensorMatrix {
  bool matrix;
};
struct NoMatrix {};
/// What is known of all rows.
struct AllRows {
  reduction::RowSums* of_pieces;
  double* row_values;  ///< what their gradients are multiplied with, or shifted by
  int row_count, piece_count;
};

/// The same where the recipe projects: all of a tensor is one row.
struct AllProjections {
  double* sums[3];  ///< of pieces: of p^2, p g and g^2
  gradient::Projection* projections;
  int row_count, piece_count;
};
/// The search for a median of a tensor.
struct MedianSearch {
  std::uint64_t found;                  ///< its bits, as far as they are known
  std::int64_t rank;                    ///< its place among the elements with these bits
  double median;                        ///< of magnitudes, while that of distances is looked for
  unsigned counts[reduction::kDigits];  ///< of elements, by their next digit
};
/// Where the recipe filters: all of a tensor is one row.
struct AllOutliers {
  MedianSearch* searches;
  gradient::Outliers* outliers;
  int row_count, piece_count;
};
template <class Recipe>
using RowsOf = std::conditional_t<
    Recipe::projects, AllProjections,
    std::conditional_t<Recipe::filters, AllOutliers,
                       std::conditional_t<Recipe::rows, AllRows, detail::NoMemory>>>;

/// Where the sweep of a rule with sums over all tensors leaves them. In the view: sum after sum, a
/// value of each chunk, or where several blocks share chunks strip by strip, `strips` of each
/// chunk, with their sums as neighbours. In the core: those that the last applied step left; null:
/// they are in the memory.
struct ChunkTotals {
  double* totals;
};
struct LeftTotals {
  const double* totals;
  int totals_chunks, totals_strips;
};
struct NoTotals {};

/// What Optimizer::zeroed() counts since the memory was last written. Kernels add to it, and never
/// to the memory, which phase 2 replaces while chunks are swept.
struct alignas(128) CountedZeroed {
  unsigned long long zeroed;
};
struct NoZeroed {};

/// One tensor, as kernels see it. `group` and `per_tensor` never move, so that captured graphs stay
/// valid.
template <class Recipe>
struct DeviceTensor
    : std::conditional_t<Recipe::rows, TensorRows, detail::NoMemory>,
      std::conditional_t<Recipe::factored, TensorFactors<AverageRefs<Recipe>>, detail::NoFactors>,
      std::conditional_t<Recipe::products, TensorMatrix, NoMatrix> {
  void* param;
  void* slots[Recipe::slot_count > 0 ? Recipe::slot_count : 1];  // null: not used
  std::int64_t numel;
  const typename Recipe::Group* group;
  typename Recipe::PerTensor* per_tensor;
  Dtype dtype;
  std::int32_t index;  // the parameter's number over all groups
  std::int32_t first_chunk;
  SnapshotRefs<Recipe> snapshots;
};

/// Threads of a block of the sweep at most. A measured sweep needs more registers: smaller blocks,
/// more of them.
template <class Recipe>
inline constexpr int most_sweep_threads = Recipe::measures_sweep ? 128 : 256;

/// The last chunks of a sweep that several blocks share: how many for each multiprocessor at most,
/// and by how many blocks each is done.
inline constexpr int kTailChunks = 3, kTailParts = 4;

/// How many tensors a warp can decide at a time, of a block with `warps` warps: their memories are
/// in its shared memory.
template <class Recipe>
constexpr int most_share(int warps) {
  constexpr int kRoom = 32 * 1024;
  const int share = kRoom / (warps * int(sizeof(typename Recipe::PerTensor)));
  return share < 1 ? 1 : share < reduction::kWarp ? share : reduction::kWarp;
}

/// No launch of the reduce pass gives a block more chunks than this.
inline constexpr int kMostChunks = 8;

/// A block's work: a chunk of a tensor.
struct ChunkRef {
  std::int32_t tensor;
  std::int32_t chunk;
};

/// reduction::Partial of each chunk, field by field: whoever adds them reads neighbours.
struct Partials {
  double* norm2;
  double* max_abs;
  std::int64_t* nonfinite;

  static constexpr std::size_t kBytes = sizeof *norm2 + sizeof *max_abs + sizeof *nonfinite;
  /// In `chunks` * kBytes at `buffer`.
  Partials(void* buffer, std::size_t chunks)
      : norm2(static_cast<double*>(buffer)),
        max_abs(norm2 + chunks),
        nonfinite(reinterpret_cast<std::int64_t*>(max_abs + chunks)) {}
  Partials() = default;
};

/// Blocks that started, arrived and so on; see decide.cuh and commit.cuh. Zero between steps.
struct Counters {
  unsigned started = 0, arrived = 0, joined = 0, deciders = 0, judged = 0, finished = 0, left = 0;
  unsigned next = 0;  // share of the tensors
};

/// What a device has once for each optimizer. Padded: what some blocks write shares no cache line
/// with what others read.
template <class Recipe>
struct Core : std::conditional_t<Recipe::totals, LeftTotals, NoTotals>,
              std::conditional_t<Recipe::counts_zeroed, CountedZeroed,
                                 NoZeroed> {  // NOLINT(clang-analyzer-optin.performance.Padding)
  typename Recipe::Shared shared;
  alignas(128) typename Recipe::Memory memory;
  typename Recipe::AllSignals signals;  // what this device measured
  typename Recipe::AllSignals decided;  // what was judged, of all devices
  Verdict verdict;
  typename Recipe::Judgement judgement;  // of several devices: for the others, or of the one judge
  // What the sweep of the last applied step left; null: it is in the memory.
  const reduction::SweptPartial* swept;
  double swept_elements;
  int swept_chunks, swept_strips;
  unsigned long long guarded;    // elements of that sweep
  unsigned long long throttled;  // tensors of that step
  unsigned long long spoiled;    // elements of the snapshot that it wrote
  double loss;                   // of the host
  int apply;                     // the verdict: 0 skips the sweep
  int phase;                     // the first chunk of this step's sample
  const void* ahead;  // the table that holds the next step's coefficients; see commit.cuh
  alignas(128) Counters count;
};

/// Everything that a step's kernels need, by value.
template <class Recipe>
struct View : RowsOf<Recipe>,
              std::conditional_t<Recipe::factored, AllFactors, detail::NoFactors>,
              std::conditional_t<Recipe::totals, ChunkTotals, NoTotals> {
  const void* const* grads;
  const DeviceTensor<Recipe>* tensors;
  const ChunkRef* chunks;
  Partials partials;
  double* summed;                    // of the rule, a chunk each; null: it sums nothing
  double* tensor_norms;              // squares, where their median is wanted, by the judge
  double* norms[Recipe::norm_sums];  // of a rule with two sweeps, a chunk each: sums of squares
  reduction::SweptPartial* swept;    // null: the sweep measures nothing
  const double* sampled_elements;    // by phase
  const typename Recipe::Group* first_group;
  RecordRing* ring;  // of the host; null: nothing is recorded
  typename Recipe::template Coefficients<float>* coefficients;
  typename Recipe::template Coefficients<double>* coefficients64;
  Core<Recipe>* core;
  const typename Recipe::AllSignals* board;  // of all devices, where this one judges for several
  const void* loss;                          // null: none
  Dtype loss_dtype;
  int tensor_count;
  int chunk_count, sample_every;
  int reduce_blocks, sweep_blocks;
  int deciders;    // blocks that share phase 2, at most
  int share;       // tensors that a warp decides at a time
  int split;       // blocks of the sweep that share a chunk; none is tiny then
  int strips;      // of a chunk, whose sums lie apart as it is split; 0: it is not
  int board_size;  // 0: this device is alone; -1: another one judged
};

}  // namespace agmohd::cuda
