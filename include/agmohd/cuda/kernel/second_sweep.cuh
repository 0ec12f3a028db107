// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../../step/reduction.hpp"
#include "../view.hpp"
#include "chunk.cuh"
#include "number.cuh"
#include "pack.cuh"
#include "sums.cuh"
#include "swept.cuh"

// Of a rule with two sweeps, three launches after the first one: the norms of each chunk, the
// factor of each tensor, and what writes the parameters.
namespace agmohd::cuda {

inline constexpr int kSecondThreads = 128;

/// A chunk, by a block.
template <class Recipe, class E>
struct SecondSweep : ChunkAccess<Recipe, E> {
  using Access = ChunkAccess<Recipe, E>;
  using Access::count, Access::first, Access::param, Access::slots;
  using Access::kAhead, Access::kBundle, Access::kSlots, Access::kWarp;
  using typename Access::Elements, typename Access::R, typename Access::Share,
      typename Access::States;
  using K = typename Recipe::template Coefficients<R>;
  using T = strict<R>;
  using Four = pack<R, 4>;
  using Slots = typename Recipe::template Slots<Four>;
  static constexpr int kNorms = Recipe::norm_sums;
  struct Norms {
    R of[kNorms];  // of a strip: sums of squares, and of products
  };

  using Access::Access;

  /// f(j, p, g, slots) for the elements j to j + 3 of a lane's bundle `x` at `i`.
  template <Share kShare, class F>
  __device__ void each_four(const Elements& x, int i, const F& f) const {
    States further{};
#pragma unroll
    for (int s = kAhead; s < kSlots; ++s) {
      if (Access::template used<kShare>(s)) {
        Access::template load<kShare>(further[s - kAhead], slots[s], i);
      }
    }
#pragma unroll
    for (int j = 0; j < kBundle; j += 4) {
      Slots state;
      for_each_slot<kSlots>(state, [&](int s, Four& slot) {
        const auto& from = s < kAhead ? x.slots[s] : further[s - kAhead];
        slot = Four::make([&](int h) { return from.widened(j + h); });
        this->template take_factored<kShare == Share::full>(s, i + j, 1, count, slot);
      });
      f(j, Four::make([&](int h) { return x.param.widened(j + h); }), Four::make([&](int h) {
          return Access::scaled(x.grad.widened(j + h), i + j + h, x.param.widened(j + h));
        }),
        state);
    }
  }

  /// In the order of a measured sweep.
  __device__ void norms(const K& k, Norms* of_strips) const {
    int strip = int(threadIdx.x) / kWarp;
    if constexpr (Recipe::residual) {
      if (Access::usual) norms<Share::full>(k, of_strips, strip, Access::full_strips());
    }
    norms<Share::measured>(k, of_strips, strip, Access::strips());
  }
  /// Strips up to `end`. Of full ones the next is under way: of a residual's recipe only gradients
  /// are measured, few bytes at a time.
  template <Share kShare>
  __device__ void norms(const K& k, Norms* of_strips, int& strip, int end) const {
    constexpr bool kAll = kShare == Share::full, kMeasuresParam = !Recipe::residual;
    const auto there = [&](int i) { return kAll || i < count; };
    Elements x, after{};
    if (kAll && strip < end) after = Access::template load<kShare>(strip);
#pragma unroll 1
    while (strip < end) {
      const int i = Access::template first_of<kShare>(strip),
                next = strip + int(blockDim.x) / kWarp;
      x = kAll ? after : Access::template load<kShare>(strip);
      if (kAll && next < end) after = Access::template load<kShare>(next);
      R quads[kNorms][kBundle / 4];
      each_four<kShare>(x, i, [&](int j, const Four& p, const Four& g, const Slots& state) {
        const auto squared = Recipe::squared(p, g, state, k, Position{first | (i + j)});
        const auto add = [&](const Four& y) {
          T of[4];
#pragma unroll
          for (int h = 0; h < 4; ++h) of[h] = there(i + j + h) ? y[h] * y[h] : T{R(0)};
          return ((of[0] + of[1]) + (of[2] + of[3])).v;
        };
        quads[0][j / 4] = kMeasuresParam ? add(squared.p) : R(0);
        quads[1][j / 4] = add(squared.u);
        if constexpr (Recipe::products) {
          T of[4];
#pragma unroll
          for (int h = 0; h < 4; ++h) {
            of[h] = there(i + j + h) ? squared.p[h] * squared.u[h] : T{R(0)};
          }
          quads[2][j / 4] = ((of[0] + of[1]) + (of[2] + of[3])).v;
        }
      });
#pragma unroll
      for (int w = 0; w < kNorms; ++w) {
        T sum{quads[w][0]};
        if constexpr (kBundle == 8) sum = sum + T{quads[w][1]};
#pragma unroll
        for (int d = w > 0 || kMeasuresParam ? kWarp / 2 : 0; d > 0; d /= 2) {
          sum = sum + T{__shfl_xor_sync(0xffffffffU, sum.v, d)};
        }
        if (threadIdx.x % kWarp == 0) of_strips[strip].of[w] = sum.v;
      }
      strip = next;
    }
  }

  /// `kept`: the parameter's part of a snapshot; null: none. Returns how many elements that this
  /// thread wrote there are not finite.
  __device__ unsigned long long write(const K& k, E* kept) const {
    constexpr Share kShare = Share::measured;  // a lane has neighbours
    unsigned long long spoiled = 0;
    const int end = Access::strips();
#pragma unroll 1
    for (int strip = int(threadIdx.x) / kWarp; strip < end; strip += int(blockDim.x) / kWarp) {
      const int i = Access::template first_of<kShare>(strip);
      Elements x = Access::template load<kShare>(strip);
      auto written = x.param;
      each_four<kShare>(x, i, [&](int j, const Four& p, const Four& g, const Slots& state) {
        this->count_zeroed(g, i + j, 1, count);
        const Four to = Recipe::second(p, g, state, k, Position{first | (i + j)});
        written.narrow(j, to.v[0], to.v[1]);
        written.narrow(j + 2, to.v[2], to.v[3]);
      });
      Access::template store<kShare>(written, param, i);
      if constexpr (Recipe::keeps_snapshots) {
        if (kept == nullptr) continue;
        Access::template store<kShare>(written, kept, i);
        for (int h = 0; h < kBundle && i + h < count; ++h) {
          const R x = written.widened(h);
          spoiled += x - x == 0 ? 0 : 1;
        }
      }
    }
    return spoiled;
  }
};

/// The coefficients of a tensor, in shared memory, once all threads are here.
template <class K, class Recipe>
__device__ const K& shared_coefficients(const View<Recipe>& view, int tensor) {
  __shared__ alignas(K) unsigned char storage[sizeof(K)];
  K& k = *reinterpret_cast<K*>(storage);
  if (threadIdx.x == 0) {
    if constexpr (std::is_same_v<decltype(k.lr), double>) {
      k = view.coefficients64[tensor];
    } else {
      k = view.coefficients[tensor];
    }
  }
  __syncthreads();
  return k;
}

template <class Recipe, class Tag, class E>
__global__ void __launch_bounds__(kSecondThreads)
    norms_kernel(const __grid_constant__ View<Recipe> view, int first_chunk) {
  using Chunk = SecondSweep<Recipe, E>;
  using Norms = typename Chunk::Norms;
  if (view.core->apply == 0) return;
  const int number = first_chunk + int(blockIdx.x);
  const ChunkRef ref = view.chunks[number];
  const Chunk chunk(view, ref, false);
  const auto& k = shared_coefficients<typename Chunk::K>(view, ref.tensor);
  __shared__ alignas(8) unsigned char storage[reduction::kStrips * sizeof(Norms)];
  Norms* const of_strips = reinterpret_cast<Norms*>(storage);
  chunk.norms(k, of_strips);
  __syncthreads();
  if (threadIdx.x >= reduction::kWarp) return;
  const int end = chunk.strips();
  double sums[Recipe::norm_sums];
  fold_strips([&](int i, int w) { return i < end ? double(of_strips[i].of[w]) : 0.0; }, sums);
  if (threadIdx.x != 0) return;
#pragma unroll
  for (int w = 0; w < Recipe::norm_sums; ++w) view.norms[w][number] = sums[w];
}

/// A warp a tensor, of those whose chunks are `count` from `first_chunk` on.
template <class Recipe, class Tag>
__global__ void __launch_bounds__(kSecondThreads)
    scale_kernel(const __grid_constant__ View<Recipe> view, int first_chunk, int count) {
  using namespace reduction;
  if (view.core->apply == 0) return;
  const int lane = int(threadIdx.x) % kWarp;
  const int t = view.chunks[first_chunk].tensor + int(blockIdx.x) * (kSecondThreads / kWarp) +
                int(threadIdx.x) / kWarp;
  if (t > view.chunks[first_chunk + count - 1].tensor) return;
  const DeviceTensor<Recipe>& tensor = view.tensors[t];
  const int own = int(chunks(tensor.numel));
  double norms[Recipe::norm_sums];
#pragma unroll
  for (int w = 0; w < Recipe::norm_sums; ++w) {
    norms[w] = add_numbers(view.norms[w] + tensor.first_chunk, own);
  }
  if (lane != 0) return;
  if constexpr (Recipe::products) {
    const int saved = Recipe::keeps_snapshots ? view.core->verdict.save : -1;
    if (tensor.dtype == Dtype::f64) {
      Recipe::project(*tensor.per_tensor, tensor.matrix, norms, view.coefficients64[t], saved);
    } else {
      Recipe::project(*tensor.per_tensor, tensor.matrix, norms, view.coefficients[t], saved);
    }
  } else if (tensor.dtype == Dtype::f64) {
    Recipe::scale(*tensor.group, norms[0], norms[1], view.coefficients64[t]);
  } else {
    Recipe::scale(*tensor.group, norms[0], norms[1], view.coefficients[t]);
  }
}

template <class Recipe, class Tag, class E>
__global__ void __launch_bounds__(kSecondThreads)
    write_kernel(const __grid_constant__ View<Recipe> view, int first_chunk) {
  using Chunk = SecondSweep<Recipe, E>;
  if (view.core->apply == 0) return;
  const ChunkRef ref = view.chunks[first_chunk + int(blockIdx.x)];
  const Chunk chunk(view, ref, false);
  const auto& k = shared_coefficients<typename Chunk::K>(view, ref.tensor);
  E* kept = nullptr;
  if constexpr (Recipe::keeps_snapshots) {
    const int snapshot = view.core->verdict.save;
    void* const from = snapshot < 0 ? nullptr : view.tensors[ref.tensor].snapshots.at[snapshot][0];
    if (from != nullptr) kept = static_cast<E*>(from) + chunk.first;
  }
  const unsigned long long spoiled = chunk.write(k, kept);
  if (spoiled != 0) atomicAdd(&view.core->spoiled, spoiled);
}

}  // namespace agmohd::cuda
