// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../../step/executor.hpp"
#include "../../step/reduction.hpp"
#include "../tuning.hpp"
#include "../view.hpp"

namespace agmohd::cuda {

/// The chunks of all tensors of one wave and dtype: one launch.
struct Run {
  std::int32_t wave;
  Dtype dtype;
  int first_chunk, chunks, reduce_threads, sweep_threads;
  int reduce_chunks;  // of a block
  int reduce_warps;   // of a chunk
  bool tiny;          // in the sweep a warp does a chunk
  int tail;           // chunks that several blocks of the sweep share, each
  std::int64_t elements;
  int tensors;  // from the first one with a chunk to the last, with those between that have none

  int reduce_blocks() const { return (chunks + reduce_chunks - 1) / reduce_chunks; }
  int sweep_blocks() const {
    const int warps = sweep_threads / reduction::kWarp;
    return tiny ? (chunks + warps - 1) / warps : chunks + (kTailParts - 1) * tail;
  }
};

/// How the tensors of a step are cut into chunks and launches, which follows from their shapes and
/// the tuning alone.
template <class Recipe>
class LaunchPlan {
 public:
  using Refs = std::vector<TensorRef<Recipe>>;

  LaunchPlan(const Tuning& tuning, int multiprocessors)
      : tuning_(tuning), multiprocessors_(multiprocessors) {}

  /// Whether the chunks are those of tensors with these shapes.
  bool planned_for(const Refs& refs) const {
    return planned_ && same_chunks<Recipe>(refs, shapes_);
  }
  const std::vector<Run>& runs() const { return runs_; }
  /// Of tensors that rest, which come behind the others of a view.
  int resting() const { return int(shapes_.size()) - working_; }
  int resting_chunks() const { return int(chunks_.size()) - working_chunks_; }
  /// How many tensors a warp decides at a time, where `blocks` blocks of `warps` warps do.
  int share(int warps, int blocks) const {
    const int wanted = working_ / (warps * blocks) + 1;
    return std::min(wanted, most_share<Recipe>(warps));
  }

 protected:
  /// Makes it for these tensors; false: it was.
  bool plan(const Refs& refs) {
    if (planned_for(refs)) return false;
    planned_ = false;
    shapes_ = refs;
    chunks_.clear();
    working_chunks_ = 0;
    rows_ = pieces_ = 0;
    factors_ = {};
    runs_.clear();
    working_ = int(
        std::count_if(refs.begin(), refs.end(), [](const auto& ref) { return !ref.resting(); }));
    std::int64_t largest = 0;
    std::size_t first_tensor = 0;  // of the last run
    for (std::size_t t = 0; t < refs.size(); ++t) {
      if (refs[t].numel == 0) continue;
      if (refs[t].resting()) {
        add_chunks(t, refs[t].numel);
        continue;
      }
      add_rows(refs[t]);
      if constexpr (Recipe::factored) factors_.add(refs[t]);
      if (runs_.empty() || runs_.back().dtype != refs[t].dtype ||
          runs_.back().wave != refs[t].wave) {
        runs_.push_back(
            {refs[t].wave, refs[t].dtype, int(chunks_.size()), 0, 0, 0, 1, 1, false, 0, 0, 0});
        first_tensor = t;
      }
      runs_.back().chunks += add_chunks(t, refs[t].numel);
      working_chunks_ = int(chunks_.size());
      runs_.back().elements += refs[t].numel;
      runs_.back().tensors = int(t - first_tensor) + 1;
      largest = std::max(largest, std::min(refs[t].numel, std::int64_t(reduction::kChunk)));
    }
    TORCH_CHECK(factors_.fit_launches(),
                "agmohd: too many matrices on one device for one optimizer");
    TORCH_CHECK(factors_.fit_places(), "agmohd: a matrix with a dimension of ", factors_.longest,
                " is too long for this rule on CUDA devices");
    const auto count = std::int64_t{working_chunks_};
    sampled_elements_.assign(std::size_t(reduction::sample_every(count)), 0);
    std::int64_t first_chunk = 0;
    for (const auto& ref : refs) {
      if (ref.resting()) break;  // so do all behind it
      reduction::add_sampled(sampled_elements_.data(), std::int64_t(sampled_elements_.size()),
                             first_chunk, ref.numel);
      first_chunk += reduction::chunks(ref.numel);
    }
    // Where there are fewer chunks than multiprocessors, several blocks of the sweep share one.
    few_ = std::size_t(count) <= most_few();
    for (Run& run : runs_) shape(run);
    split_ = 1;
    strips_ = int((largest + 4 * reduction::kWarp - 1) / (4 * reduction::kWarp));
    if (few_ && count > 0) {
      const int warps = runs_.front().sweep_threads / reduction::kWarp;
      const int most = 4 * multiprocessors_ / int(count);
      split_ = std::clamp((strips_ + warps - 1) / warps, 1, std::max(1, most));
    }
    reduce_blocks_ = Recipe::settles ? 1 : 0;
    sweep_blocks_ = 0;
    for (const Run& run : runs_) {
      reduce_blocks_ += run.reduce_blocks();
      sweep_blocks_ += run.sweep_blocks() * split_;
    }
    deciders_ = share_ = 1;
    planned_ = true;
    if (runs_.empty() || Recipe::wants == 0) return true;
    // Blocks of the last launch decide: as many as it takes for one round, but not all that are
    // there, since the sweep's blocks take their places.
    const int warps = runs_.back().reduce_threads / reduction::kWarp;
    const int blocks = std::min(runs_.back().reduce_blocks(), multiprocessors_);
    share_ = share(warps, blocks);
    const int shares = (working_ + share_ - 1) / share_;
    deciders_ = shares < warps ? 1 : std::clamp((shares + warps) / warps, 1, blocks);
    return true;
  }

  /// Fewer chunks than that are shared by blocks.
  std::size_t most_few() const {
    return std::size_t(std::min<std::int64_t>(multiprocessors_, reduction::kMostSamples));
  }

  Refs shapes_;                           // that chunks_ and runs_ were made of
  std::vector<double> sampled_elements_;  // by phase
  std::vector<Run> runs_;
  std::vector<ChunkRef> chunks_;
  int working_ = 0, working_chunks_ = 0;  // tensors and chunks with a gradient
  int reduce_blocks_ = 0, sweep_blocks_ = 0, deciders_ = 1, share_ = 1;
  int split_ = 1, strips_ = 0;
  std::int64_t rows_ = 0, pieces_ = 0;  // of tensors with a gradient
  FactorTotals factors_;                // of the same

  /// How many pieces the rows of a tensor have.
  static std::int64_t pieces_of(const TensorRef<Recipe>& ref) requires(Recipe::rows) {
    return ref.numel == 0 ? 0 : ref.rows.count * reduction::pieces(ref.numel / ref.rows.count);
  }

 private:
  void add_rows(const TensorRef<Recipe>& ref) {
    if constexpr (Recipe::rows) {
      rows_ += ref.rows.count;
      pieces_ += pieces_of(ref);
      TORCH_CHECK(pieces_ < (std::int64_t{1} << 31) - 256,  // which launches round up to
                  "agmohd: too many rows on one device for one optimizer");
      TORCH_CHECK(!Recipe::filters || ref.numel < std::int64_t{1} << 32, "agmohd: parameter ",
                  ref.index, " of the optimizer has ", ref.numel,
                  " elements, but on a CUDA device ", Recipe::Gradient::name(),
                  " counts below 2^32");
    }
  }
  /// Returns how many chunks they are.
  int add_chunks(std::size_t tensor, std::int64_t numel) {
    const std::int64_t count = reduction::chunks(numel);
    TORCH_CHECK(std::int64_t(chunks_.size()) + count < (std::int64_t{1} << 31),
                "agmohd: too many elements on one device for one optimizer");
    for (std::int64_t i = 0; i < count; ++i) {
      chunks_.push_back({std::int32_t(tensor), std::int32_t(i)});
    }
    return int(count);
  }
  void shape(Run& run) const {
    const std::int64_t average = run.elements / run.chunks;
    run.tiny = !few_ && average < tuning_.tiny_chunk;
    const bool small = !few_ && average < tuning_.small_chunk;
    const auto pick = [&](int tiny_one, int small_one, int one) {
      return run.tiny ? tiny_one : small ? small_one : one;
    };
    run.reduce_threads =
        pick(tuning_.tiny_reduce_threads, tuning_.small_reduce_threads, tuning_.reduce_threads);
    run.sweep_threads = pick(tuning_.tiny_sweep_threads, tuning_.small_sweep_threads,
                             few_ ? tuning_.small_sweep_threads : tuning_.sweep_threads);
    run.sweep_threads = std::min(run.sweep_threads, most_sweep_threads<Recipe>);
    // The last chunks are shared by blocks: whole ones would keep some multiprocessors busy while
    // others have nothing left. A chunk of which the sweep adds something is one block's. Of a
    // sample these come first, but few chunks are all measured, and a rule's totals are of all.
    const bool all_added =
        Recipe::totals || (Recipe::measures_sweep && sampled_elements_.size() == 1);
    run.tail = run.tiny || small || few_ || all_added
                   ? 0
                   : std::min(run.chunks / 8, kTailChunks * multiprocessors_);
    const int warps = run.reduce_threads / reduction::kWarp;
    run.reduce_warps = pick(1, std::min(tuning_.small_reduce_warps, warps), warps);
    // So few that every multiprocessor still gets many blocks.
    const int share = run.chunks / (8 * multiprocessors_);
    run.reduce_chunks =
        run.tiny || small ? warps / run.reduce_warps : std::clamp(share, 1, tuning_.reduce_chunks);
    run.reduce_chunks = std::min(run.reduce_chunks, kMostChunks);
  }

  Tuning tuning_;
  int multiprocessors_;
  bool planned_ = false, few_ = false;
};

}  // namespace agmohd::cuda
