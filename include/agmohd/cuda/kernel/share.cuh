// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../view.hpp"
#include "number.cuh"
#include "stage.cuh"
#include "sums.cuh"

namespace agmohd::cuda {

/// The tensors that a warp decides at a time, `view.share` neighbours, a lane each. Their memories
/// are in shared memory meanwhile: a copy in registers would go through local memory.
template <class Recipe>
class Share {
  using PerTensor = typename Recipe::PerTensor;
  static constexpr int kWarp = reduction::kWarp;
  static constexpr unsigned kAll = 0xffffffffU;

 public:
  /// Begins share number `index`, which may be beyond the last: what was measured of its tensors,
  /// and their memories. With `first_of_warp` tensors of many chunks are left to add_many(), which
  /// the whole block calls next.
  __device__ Share(const View<Recipe>& view, int index, bool first_of_warp) : view_(view) {
    const int first = index * view.share;
    count_ = max(0, min(view.share, view.tensor_count - first));
    t_ = lane() < count_ ? first + lane() : -1;
    std::int64_t numel = 0;
    int chunk = 0;
    if (t_ >= 0) {
      const DeviceTensor<Recipe>& tensor = view.tensors[t_];
      numel = tensor.numel, chunk = tensor.first_chunk;
      per_tensor_ = tensor.per_tensor, group_ = tensor.group;
      index_ = tensor.index, is_double_ = tensor.dtype == Dtype::f64;
      // For snapshots: a table that was captured without them has none.
      room_ = tensor.snapshots.room(numel);
    }
    load_memories();
    if constexpr ((Recipe::wants & kTensors) != 0) gather(numel, chunk, first_of_warp);
  }

  /// What the shares of all warps have of tensors with many chunks, by the whole block.
  __device__ void add_many() {
    if constexpr ((Recipe::wants & kTensors) != 0) {
      __shared__ int owner, first, chunks;
      __shared__ double norm2, max_abs, summed;
      __shared__ long long nonfinite;
      while (true) {
        if (threadIdx.x == 0) owner = int(blockDim.x);
        __syncthreads();
        if (many_ > 0) atomicMin(&owner, int(threadIdx.x));
        __syncthreads();
        if (owner == int(blockDim.x)) return;
        const bool own = owner == int(threadIdx.x);
        if (own) first = first_chunk_, chunks = many_;
        __syncthreads();
        const reduction::Partial sum = add_chunks(view_, first, chunks);
        if (threadIdx.x == 0) {
          norm2 = sum.norm2, max_abs = sum.max_abs, nonfinite = sum.nonfinite;
        }
        if constexpr (Recipe::sums) {
          const double of_rule = add_by_block(view_.summed + first, chunks);
          if (threadIdx.x == 0) summed = of_rule;
        }
        __syncthreads();
        if (!own) continue;
        signals_.norm2 = norm2, signals_.max_abs = max_abs, signals_.nonfinite = nonfinite;
        if constexpr (Recipe::sums) signals_.summed = summed;
        many_ = 0;
      }
    }
  }

  /// Decides as the stage of the last step says, and loads the memories again. It also writes the
  /// tensors' coefficients: decide() writes them anew, and a step that is skipped reads none.
  __device__ void rehearse() {
    __syncwarp();
    if (t_ >= 0) decide_apart(memories()[lane()], true);
    __syncwarp();
    load_memories();
  }
  /// Decides as the stage says.
  __device__ void decide() {
    __syncwarp();
    if (t_ >= 0) {
      if constexpr (rehearses<Recipe>) {
        decide_apart(memories()[lane()], false);
      } else {
        decide_one(memories()[lane()]);
      }
    }
    __syncwarp();
    each_word([&](Word* shared, Word* global, bool there) {
      if (there) *global = *shared;
    });
    __syncwarp();
  }

 private:
  using Word = unsigned long long;
  static_assert(sizeof(PerTensor) % sizeof(Word) == 0);

  static __device__ int lane() { return int(threadIdx.x) % kWarp; }
  __device__ PerTensor* memories() const {
    extern __shared__ unsigned long long of_warps[];
    return reinterpret_cast<PerTensor*>(of_warps) + int(threadIdx.x) / kWarp * view_.share;
  }
  /// Calls f for all words of the memories, by the lanes in turn, four at a time.
  template <class F>
  __device__ void each_word(const F& f) {
    constexpr int kWords = int(sizeof(PerTensor) / sizeof(Word));
    const auto per_tensor = reinterpret_cast<Word>(per_tensor_);
#pragma unroll 4
    for (int i = lane(); i - lane() < count_ * kWords; i += kWarp) {
      const int j = i / kWords;
      Word* const from = reinterpret_cast<Word*>(__shfl_sync(kAll, per_tensor, j % kWarp));
      f(reinterpret_cast<Word*>(memories()) + i, from + i % kWords, j < count_);
    }
  }
  __device__ void load_memories() {
    each_word([](Word* shared, Word* global, bool there) {
      if (there) *shared = __ldcg(global);
    });
  }
  __device__ void gather(std::int64_t numel, int chunk, bool leaves_many) {
    int chunks = int(reduction::chunks(numel));
    if (leaves_many && chunks > int(reduction::kManyChunks)) {
      first_chunk_ = chunk, many_ = chunks;
      chunks = 0;
    }
    signals_ = {};
    if (chunks == 1) {
      Measured<std::uint64_t> x[1] = {};
      add_strided(view_.partials, chunk, chunk + 1, 1, x);
      signals_ = {x[0].norm2, magnitude_value(x[0].most), x[0].nonfinite};
      if constexpr (Recipe::sums) signals_.summed = __ldcg(view_.summed + chunk);
    }
    for (unsigned more = __ballot_sync(kAll, chunks > 1); more != 0; more &= more - 1) {
      const int of = __ffs(int(more)) - 1;
      const TensorSignals sum =
          add_tensor(view_, __shfl_sync(kAll, chunk, of), __shfl_sync(kAll, chunks, of));
      if (lane() == of) signals_ = sum;
    }
    signals_.numel = numel;
  }
  __device__ __noinline__ void decide_apart(PerTensor& per_tensor, bool rehearsal) const {
    decide_one(per_tensor, rehearsal);
  }
  __device__ void decide_one(PerTensor& per_tensor, bool rehearsal = false) const {
    const Stage<Recipe>& s = stage<Recipe>();
    if constexpr (Recipe::keeps_snapshots) {
      if (s.verdict.skip) {
        if (room_) Recipe::swap(s.memory, per_tensor, s.verdict.swap);
        return;
      }
    }
    const auto& group = group_ == view_.first_group ? s.first : *group_;
    const auto decide = [&](auto& to) {
      using R = std::remove_cv_t<decltype(to.lr)>;
      std::int64_t throttled = 0;
      to = Recipe::template decide<R>(s.shared, group, s.signals, s.verdict, s.memory, per_tensor,
                                      index_, signals_, room_, &throttled);
      if constexpr (Recipe::factored) {
        Recipe::Rule::suit(to.rule,
                           {view_.tensors[t_].numel, view_.tensors[t_].factors.used(), is_double_});
      }
      if (throttled != 0 && !rehearsal) atomicAdd(&view_.core->throttled, 1ULL);
    };
    if (is_double_) {
      decide(view_.coefficients64[t_]);
    } else {
      decide(view_.coefficients[t_]);
    }
  }

  const View<Recipe>& view_;
  int count_, t_;                   // tensors; this lane's, or -1
  int first_chunk_ = 0, many_ = 0;  // of a tensor whose chunks add_many() is to add
  TensorSignals signals_{};
  PerTensor* per_tensor_ = nullptr;
  const typename Recipe::Group* group_ = nullptr;
  std::int32_t index_ = 0;
  bool is_double_ = false, room_ = false;
};

}  // namespace agmohd::cuda
