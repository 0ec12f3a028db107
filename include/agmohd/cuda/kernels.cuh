// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "../core/elements.hpp"
#include "../core/reduction.hpp"
#include "lane.cuh"
#include "table.cuh"

// The three phases of a step. `Tag` is a type of the including unit's own, so that two units never
// share a kernel.
namespace agmohd::cuda {

/// Four neighbours, loaded and stored with 16-byte accesses where that many bytes are there.
template <class E>
struct alignas(sizeof(E) * 4 < 16 ? sizeof(E) * 4 : 16) Pack {
  E x[4];
};

template <class E>
__device__ bool aligned(const E* p) {
  return reinterpret_cast<std::uintptr_t>(p) % alignof(Pack<E>) == 0;
}

/// `n` of four elements from p + i on; the others are zero.
template <class E, class T>
__device__ void load(const E* p, std::int64_t i, int n, bool vector, T (&out)[4]) {
  if (vector && n >= 4) {
    const Pack<E> pack = *reinterpret_cast<const Pack<E>*>(p + i);
#pragma unroll
    for (int j = 0; j < 4; ++j) out[j] = {widen(pack.x[j])};
  } else {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (j < n) out[j] = {widen(p[i + j])};
    }
  }
}

template <class E, class T>
__device__ void store(E* p, std::int64_t i, int n, bool vector, const T (&x)[4]) {
  if (vector && n >= 4) {
    Pack<E> pack;
#pragma unroll
    for (int j = 0; j < 4; ++j) narrow(x[j].v, pack.x[j]);
    *reinterpret_cast<Pack<E>*>(p + i) = pack;
  } else {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (j < n) narrow(x[j].v, p[i + j]);
    }
  }
}

__device__ inline std::uint32_t magnitude(float x) { return __float_as_uint(x) & 0x7fffffffU; }
__device__ inline std::uint64_t magnitude(double x) {
  return static_cast<std::uint64_t>(__double_as_longlong(x)) & 0x7fffffffffffffffULL;
}
__device__ inline double magnitude_value(std::uint32_t bits) {
  return double(__uint_as_float(bits));
}
__device__ inline double magnitude_value(std::uint64_t bits) {
  return __longlong_as_double(static_cast<long long>(bits));
}

/// Adds what value(lane) returns for all 512 logical lanes, by the tree of core/reduction.hpp. In
/// every thread.
template <class Value>
__device__ reduction::Partial block_sum(Value value) {
  using namespace reduction;
  __shared__ Partial warps[kLanes / kWarp];
  for (int lane = int(threadIdx.x); lane < kLanes; lane += int(blockDim.x)) {
    Partial x = value(lane);
#pragma unroll
    for (int d = kWarp / 2; d > 0; d /= 2) {
      x.norm2 = __dadd_rn(x.norm2, __shfl_xor_sync(0xffffffffU, x.norm2, d));
      x.max_abs = larger(x.max_abs, __shfl_xor_sync(0xffffffffU, x.max_abs, d));
      x.nonfinite += __shfl_xor_sync(0xffffffffU, static_cast<long long>(x.nonfinite), d);
    }
    if (lane % kWarp == 0) warps[lane / kWarp] = x;
  }
  __syncthreads();
  if (threadIdx.x < kWarp) {
    Partial x = threadIdx.x < kLanes / kWarp ? warps[threadIdx.x] : Partial{0, 0, 0};
#pragma unroll
    for (int d = kLanes / kWarp / 2; d > 0; d /= 2) {
      x.norm2 = __dadd_rn(x.norm2, __shfl_xor_sync(0xffffffffU, x.norm2, d));
      x.max_abs = larger(x.max_abs, __shfl_xor_sync(0xffffffffU, x.max_abs, d));
      x.nonfinite += __shfl_xor_sync(0xffffffffU, static_cast<long long>(x.nonfinite), d);
    }
    if (threadIdx.x == 0) warps[0] = x;
  }
  __syncthreads();
  const Partial sum = warps[0];
  __syncthreads();  // before warps is used again
  return sum;
}

/// What one lane owns of a page.
template <class Recipe, class E>
__device__ reduction::Partial measure_lane(const E* grad, int count, bool vector, int lane,
                                           const typename Recipe::Shared& shared) {
  using namespace reduction;
  using R = Compute<E>;
  using T = strict<R>;
  T a[4] = {};
  decltype(magnitude(R())) most = 0;
  const auto add = [&](int j, T g) {
    g = Recipe::measured(g, shared);
    a[j] = a[j] + g * g;
    const auto m = magnitude(g.v);
    most = m > most ? m : most;
  };
  if (vector && count == kPage) {  // all loads before the first use
    Pack<E> packs[kRows];
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
      packs[row] = *reinterpret_cast<const Pack<E>*>(grad + row * kRow + 4 * lane);
    }
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
#pragma unroll
      for (int j = 0; j < 4; ++j) add(j, T{widen(packs[row].x[j])});
    }
  } else {
    for (int i = 4 * lane; i < count; i += kRow) {
      T g[4];
      load(grad, i, count - i, vector, g);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (i + j < count) add(j, g[j]);
      }
    }
  }
  Partial out{double(((a[0] + a[1]) + (a[2] + a[3])).v), magnitude_value(most), 0};
  if (!extreme(most)) return out;
  strict<double> rescued{0};
  for (int row = 4 * lane; row < count; row += kRow) {
    for (int i = row; i < row + 4 && i < count; ++i) {
      const strict<double> g{double(Recipe::measured(T{widen(grad[i])}, shared).v)};
      rescued = rescued + g * g;
      if (!((g - g).v == 0)) ++out.nonfinite;
    }
  }
  if (sizeof(R) == 4) out.norm2 = rescued.v;
  return out;
}

/// Phase 2, by one block: judge once, then a thread a tensor.
template <class Recipe>
__device__ void decide(const View<Recipe>& view, Signals signals) {
  __shared__ alignas(
      Verdict) unsigned char storage[sizeof(Verdict)];  // shared memory takes no initialiser
  Verdict& verdict = *reinterpret_cast<Verdict*>(storage);
  Core<Recipe>& core = *view.core;
  if (view.loss != nullptr) signals.loss = *view.loss;
  if (threadIdx.x == 0) {
    verdict = Recipe::judge(core.shared, signals, core.memory);
    core.apply = verdict.skip ? 0 : 1;
    core.arrived = 0;
  }
  __syncthreads();
  if (verdict.skip) return;
  for (int t = int(threadIdx.x); t < view.tensor_count; t += int(blockDim.x)) {
    const DeviceTensor<Recipe>& tensor = view.tensors[t];
    if (tensor.is_double != 0) {
      view.coefficients64[t] = Recipe::template decide<double>(
          core.shared, *tensor.group, signals, verdict, core.memory, *tensor.record, tensor.index);
    } else {
      view.coefficients[t] = Recipe::template decide<float>(
          core.shared, *tensor.group, signals, verdict, core.memory, *tensor.record, tensor.index);
    }
  }
  __syncthreads();
  if (threadIdx.x == 0) core.memory.updates += 1;
}

/// Phase 1: a block a page. The last block of all reduce launches of the step adds the pages and,
/// if `alone`, decides.
template <class Recipe, class Tag, class E>
__global__ void reduce_kernel(const View<Recipe> view, int first_page, bool alone) {
  using namespace reduction;
  const int index = first_page + int(blockIdx.x);
  const PageRef ref = view.pages[index];
  const DeviceTensor<Recipe>& tensor = view.tensors[ref.tensor];
  const std::int64_t first = std::int64_t(ref.page) * kPage;
  const E* const grad = static_cast<const E*>(tensor.grad) + first;
  const int count = int(tensor.numel - first < kPage ? tensor.numel - first : kPage);
  const bool vector = aligned(grad);
  const Partial sum = block_sum(
      [&](int lane) { return measure_lane<Recipe>(grad, count, vector, lane, view.core->shared); });

  __shared__ bool last;
  if (threadIdx.x == 0) {
    view.partials[index] = sum;
    __threadfence();
    last = atomicAdd(&view.core->arrived, 1U) + 1 == unsigned(view.page_count);
  }
  __syncthreads();
  if (!last) return;
  __threadfence();
  const Partial total = block_sum([&](int lane) {
    Partial x{0, 0, 0};
    for (int i = lane; i < view.page_count; i += kLanes) {
      x.norm2 = __dadd_rn(x.norm2, __ldcg(&view.partials[i].norm2));
      x.max_abs = larger(x.max_abs, __ldcg(&view.partials[i].max_abs));
      x.nonfinite += __ldcg(reinterpret_cast<const long long*>(&view.partials[i].nonfinite));
    }
    return x;
  });
  Signals signals;
  signals.norm2 = total.norm2;
  signals.max_abs = total.max_abs;
  signals.nonfinite = total.nonfinite;
  if (view.loss != nullptr) signals.loss = *view.loss;
  if (threadIdx.x == 0) {
    view.core->signals[view.parity] = signals;
    view.core->arrived = 0;
  }
  if (alone) decide(view, signals);
}

/// Phase 2 by itself: where nothing is measured, or after the sums of several devices came
/// together.
template <class Recipe, class Tag>
__global__ void decide_kernel(const View<Recipe> view) {
  Signals signals;
  for (int i = 0; i < view.board_size; ++i) reduction::accumulate(signals, view.board[i]);
  decide(view, signals);
}

/// Phase 3: a block a page, in the reverse order of the reduce pass, whose end is still in the
/// cache.
template <class Recipe, class Tag, class E>
__global__ void sweep_kernel(const View<Recipe> view, int first_page) {
  using R = Compute<E>;
  using T = strict<R>;
  using S = Stored<typename Recipe::Storage, E>;
  constexpr int kSlots = Recipe::slot_count;
  if (view.core->apply == 0) return;
  const PageRef ref = view.pages[first_page + int(gridDim.x) - 1 - int(blockIdx.x)];
  const DeviceTensor<Recipe>& tensor = view.tensors[ref.tensor];
  const std::int64_t first = std::int64_t(ref.page) * reduction::kPage;
  const int count =
      int(tensor.numel - first < reduction::kPage ? tensor.numel - first : reduction::kPage);
  E* const param = static_cast<E*>(tensor.param) + first;
  const E* const grad = static_cast<const E*>(tensor.grad) + first;
  S* slots[kSlots > 0 ? kSlots : 1] = {};
  bool vector = aligned(param) && aligned(grad);
#pragma unroll
  for (int s = 0; s < kSlots; ++s) {
    if (tensor.slots[s] == nullptr) continue;
    slots[s] = static_cast<S*>(tensor.slots[s]) + first;
    vector = vector && aligned(slots[s]);
  }
  const auto k = [&] {
    if constexpr (std::is_same_v<R, double>) {
      return view.coefficients64[ref.tensor];
    } else {
      return view.coefficients[ref.tensor];
    }
  }();

  for (int i = 4 * int(threadIdx.x); i < count; i += 4 * int(blockDim.x)) {
    const int n = count - i;
    T p[4] = {}, g[4] = {}, state[kSlots > 0 ? kSlots : 1][4] = {};
    load(param, i, n, vector, p);
    load(grad, i, n, vector, g);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      if (slots[s] != nullptr) load(slots[s], i, n, vector, state[s]);
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      typename Recipe::template Slots<T> x;
      for_each_slot<kSlots>(x, [&](int s, T& slot) { slot = state[s][j]; });
      p[j] = Recipe::sweep(p[j], g[j], x, k);
      for_each_slot<kSlots>(x, [&](int s, T& slot) {
        state[s][j] = {Recipe::Storage::rounded(slot.v, k.storage, first + i + j, s)};
      });
    }
    store(param, i, n, vector, p);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      if (slots[s] != nullptr) store(slots[s], i, n, vector, state[s]);
    }
  }
}

}  // namespace agmohd::cuda
