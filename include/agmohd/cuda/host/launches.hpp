// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <type_traits>
#include <vector>

#include "../registry.hpp"
#include "memory.hpp"
#include "table.hpp"

namespace agmohd::cuda {

/// The launches of a step.
template <class Recipe>
class Launches {
 public:
  Launches(const Gpu& gpu, const Kernels<Recipe>& kernels, const Device& device)
      : gpu_(gpu),
        kernels_(kernels),
        multiprocessors_(device.multiprocessors),
        can_wait_(device.major >= 9) {}

  /// Loads the kernels of a table, so that a launch does not fail for want of memory for code.
  void load(const std::vector<Run>& runs) {
    waits_ = can_wait_;
    const auto version_of = [this](auto kernel) {
      int version = 0;
      gpu_.check(gpu_->ptx_version(reinterpret_cast<const void*>(kernel), &version));
      return version;
    };
    if (Recipe::wants != 0) (void)version_of(kernels_.reduce);
    if (Recipe::wants == 0 && runs.empty()) (void)version_of(kernels_.decide);
    if (Recipe::recorded && runs.empty()) (void)version_of(sweep_of(Dtype::f32));
    if constexpr (Recipe::keeps_snapshots) {
      (void)version_of(kernels_.rest_per_tensor);
      (void)version_of(kernels_.rest_chunks);
      if (Recipe::keeps_averages) (void)version_of(kernels_.kept_averages);
    }
    if constexpr (Recipe::rows) {
      (void)version_of(kernels_.sum_rows);
      (void)version_of(kernels_.scale_rows);
    }
    if constexpr (Recipe::factored) {
      (void)version_of(kernels_.factor_tiles);
      (void)version_of(kernels_.factor_folds);
      if (!Recipe::by_rows) (void)version_of(kernels_.factor_means);
    }
    if constexpr (Recipe::residual) {
      (void)version_of(kernels_.residual_tiles);
      (void)version_of(kernels_.residual_folds);
      (void)version_of(kernels_.residual_means);
    }
    if constexpr (Recipe::scales) {
      (void)version_of(kernels_.scale);
      for (const Run& run : runs) {
        (void)version_of(kernels_.norms[std::size_t(run.dtype)]);
        if (Recipe::two_sweeps) (void)version_of(kernels_.write[std::size_t(run.dtype)]);
      }
    }
    for (const Run& run : runs) waits_ = waits_ && version_of(sweep_of(run.dtype)) >= 90;
  }

  /// Before phase 1: the outliers of tensors.
  void rows(const View<Recipe>& view, const std::vector<Run>& runs,
            Stream stream) requires(Recipe::filters) {
    if (view.piece_count == 0) return;
    const bool wide = std::any_of(runs.begin(), runs.end(),
                                  [](const Run& run) { return run.dtype == Dtype::f64; });
    const int passes = wide ? reduction::digits_of<double> : reduction::digits_of<float>;
    constexpr int kThreads = 256, kTensors = kThreads / reduction::kWarp;  // of a block
    const int pieces = std::max(1, view.piece_count / (16 * multiprocessors_));
    const auto choose = [&](int pass) {
      launch(kernels_.scale_rows, (view.row_count + kTensors - 1) / kTensors, kThreads, 0, 1,
             stream, false, view, pass, passes);
    };
    choose(-1);
    for (int pass = 0; pass < 2 * passes; ++pass) {
      launch(kernels_.sum_rows, (view.piece_count + pieces - 1) / pieces, kThreads, 0, 1, stream,
             false, view, pass, passes, pieces);
      choose(pass);
    }
  }
  /// The same: the values of rows.
  void rows(const View<Recipe>& view, const std::vector<Run>&,
            Stream stream) requires(Recipe::rows && !Recipe::filters) {
    if (view.piece_count == 0) return;
    constexpr int kThreads = 256, kPieces = kThreads / reduction::kPieceLanes;  // of a block
    launch(kernels_.sum_rows, (view.piece_count + kPieces - 1) / kPieces, kThreads, 0, 1, stream,
           false, view);
    constexpr int kRows = Recipe::projects ? kThreads / reduction::kWarp : kThreads;  // of a block
    launch(kernels_.scale_rows, (view.row_count + kRows - 1) / kRows, kThreads, 0, 1, stream, false,
           view);
  }
  /// Before phase 3: the factors of slots, and of residuals.
  void factors(const View<Recipe>& view, const std::vector<Run>& runs,
               Stream stream) requires(Recipe::factored) {
    factors(view, stream, kernels_.factor_tiles, kernels_.factor_folds, kernels_.factor_means);
    if constexpr (Recipe::residual) {
      for (const Run& run : runs) scale(view, run, stream);
      factors(view, stream, kernels_.residual_tiles, kernels_.residual_folds,
              kernels_.residual_means);
    }
  }
  /// Phase 1 and, if `alone`, phase 2 in the blocks of the last launch that end last.
  void reduce(const View<Recipe>& view, const std::vector<Run>& runs, bool alone, Stream stream) {
    for (const Run& run : runs) {
      const int settles = Recipe::settles && run.first_chunk == 0 ? 1 : 0;
      const bool decides = &run == &runs.back();
      launch(kernels_.reduce, run.reduce_blocks() + settles, run.reduce_threads,
             decides ? share_bytes(run.reduce_threads, view.share) : 0, 1, stream, false, view,
             run.dtype, run.first_chunk, run.chunks, run.reduce_chunks, run.reduce_warps, alone);
    }
    just_reduced_ = alone && !runs.empty();
  }
  /// Phase 2 by itself: after the sums of several devices came together, or where no block does it.
  /// Or, if not `alone`, the end of phase 1 on a device that has nothing to measure but what its
  /// last sweep did.
  void decide(const View<Recipe>& view, const StepTable<Recipe>& table, bool alone, Stream stream) {
    const int threads = view.tensor_count > 128 ? 512 : 128;
    if constexpr (Recipe::wants == 0) {
      launch(kernels_.decide, 1, threads, 0, 1, stream, false, view);
    } else {  // by a reduce pass of nothing
      View<Recipe> one = view;
      one.reduce_blocks = one.deciders = 1;
      one.share = table.share(threads / reduction::kWarp, 1);
      launch(kernels_.reduce, 1, threads, share_bytes(threads, one.share), 1, stream, false, one,
             Dtype::f32, 0, 0, 0, 1, alone);
    }
  }
  /// What snapshots do with tensors without a gradient, after the decision and before the sweep,
  /// which moves the memory on.
  void rest(const View<Recipe>& view, const StepTable<Recipe>& table, Stream stream) {
    const int count = table.resting();
    if (count == 0) return;
    constexpr int kThreads = 256;
    launch(kernels_.rest_per_tensor, (count + kThreads - 1) / kThreads, kThreads, 0, 1, stream,
           false, view, count);
    const int chunks = table.resting_chunks();
    if (chunks > 0) {
      launch(kernels_.rest_chunks, std::min(chunks, 4 * multiprocessors_), kThreads, 0, 1, stream,
             false, view, chunks);
    }
    just_reduced_ = false;
  }
  /// What snapshots do with averages, before the sweep.
  void averages(const View<Recipe>& view, const StepTable<Recipe>& table,
                Stream stream) requires(Recipe::keeps_averages) {
    const int tensors = view.tensor_count + table.resting();
    if (tensors == 0) return;
    launch(kernels_.kept_averages, std::min(tensors, 4 * multiprocessors_), 256, 0, 4, stream,
           false, view, tensors);
    just_reduced_ = false;
  }
  /// Phases 3 and 4. The sweep that follows the reduce kernel of the same step is launched while
  /// that still runs, where device and code know how to wait for it (programmatic dependent
  /// launch).
  void sweep(const View<Recipe>& view, const std::vector<Run>& runs, Stream stream) {
    for (const Run& run : runs) {
      const int remembers = Recipe::recorded && run.first_chunk == 0 ? 1 : 0;
      launch(sweep_of(run.dtype), run.sweep_blocks() + remembers, run.sweep_threads, 0, view.split,
             stream, just_reduced_ && waits_, view, run.first_chunk, run.chunks, run.tail,
             run.tiny);
      just_reduced_ = false;
      if constexpr (Recipe::two_sweeps) second_sweep(view, run, stream);
    }
    if (Recipe::recorded && view.chunk_count == 0) {  // then a sweep of nothing remembers
      launch(sweep_of(Dtype::f32), 1, most_sweep_threads<Recipe>, 0, 1, stream, false, view, 0, 0,
             0, false);
    }
  }
  /// What the last sweep measured goes from its table to the memory.
  void settle(Core<Recipe>* core, Stream stream) {
    launch(kernels_.settle, 1, reduction::kLanes, 0, 1, stream, false, core);
  }

 private:
  template <class... P>
  void launch(void (*kernel)(P...), int blocks, int threads, int shared, int split, Stream stream,
              bool early, std::type_identity_t<P>... arguments) const {
    void* pointers[] = {&arguments...};
    gpu_.check(gpu_->launch(
        {reinterpret_cast<const void*>(kernel), blocks, threads, shared, split, stream, early},
        pointers));
  }
  using OfTensors = void (*)(View<Recipe>);
  void factors(const View<Recipe>& view, Stream stream, OfTensors tiles, OfTensors folds,
               OfTensors means) {
    if (view.factor_jobs == 0) return;
    just_reduced_ = false;
    constexpr int kThreads = 256, kJobs = kThreads / reduction::kWarp;  // of a block
    launch(tiles, (view.factor_jobs + kJobs - 1) / kJobs, kThreads, 0, 1, stream, false, view);
    if (view.factor_folds == 0) return;
    launch(folds, (view.factor_folds + kThreads - 1) / kThreads, kThreads, 0, 1, stream, false,
           view);
    if (view.factor_matrices == 0) return;
    launch(means, view.factor_matrices, reduction::kLanes, 0, 1, stream, false, view);
  }
  static constexpr int kSecondThreads = 128;
  void scale(const View<Recipe>& view, const Run& run, Stream stream) {
    just_reduced_ = false;
    constexpr int kTensors = kSecondThreads / reduction::kWarp;  // of a block
    launch(kernels_.norms[std::size_t(run.dtype)], run.chunks, kSecondThreads, 0, 1, stream, false,
           view, run.first_chunk);
    launch(kernels_.scale, (run.tensors + kTensors - 1) / kTensors, kSecondThreads, 0, 1, stream,
           false, view, run.first_chunk, run.chunks);
  }
  void second_sweep(const View<Recipe>& view, const Run& run, Stream stream) {
    scale(view, run, stream);
    launch(kernels_.write[std::size_t(run.dtype)], run.chunks, kSecondThreads, 0, 1, stream, false,
           view, run.first_chunk);
  }
  auto sweep_of(Dtype dtype) const { return kernels_.sweep[std::size_t(dtype)]; }
  /// For the memories of the tensors that a block decides at a time.
  static int share_bytes(int threads, int share) {
    return threads / reduction::kWarp * share * int(sizeof(typename Recipe::PerTensor));
  }

  Gpu gpu_;
  Kernels<Recipe> kernels_;
  int multiprocessors_;
  bool can_wait_, waits_ = false;  // for a kernel that a launch does not wait for
  bool just_reduced_ = false;      // the kernel before in the stream is this step's last reduce
};

}  // namespace agmohd::cuda
