// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "../core/elements.hpp"
#include "../core/reduction.hpp"
#include "access.cuh"
#include "decide.cuh"
#include "lane.cuh"
#include "swept.cuh"
#include "table.cuh"

// Phase 3 of a step.
namespace agmohd::cuda {

/// A page of a tensor in a sweep. A thread works on a bundle of elements at a time: neighbours, or
/// where an array is misaligned every 32nd element, so that the accesses of a warp coalesce.
template <class Recipe, class E>
struct SweepPage {
  static constexpr int kSlots = Recipe::slot_count;
  static constexpr int kWarp = reduction::kWarp;
  using R = Compute<E>;
  using S = Stored<typename Recipe::Storage, E>;
  using K = typename Recipe::template Coefficients<R>;
  using T = strict<R>;
  using Slots = typename Recipe::template Slots<T>;
  /// Eight where all elements have 2 bytes: accesses of 16 bytes.
  static constexpr int kBundle = bundle_size<Recipe, E>;
  static constexpr int kChunk = kWarp * kBundle;  // of a warp at a time
  static constexpr int kLogicalWarps = reduction::kLanes / kWarp;
  /// Of a multiprocessor at least, so that their registers suffice without the stack.
  static constexpr int kBlocks = sizeof(R) == 8                           ? 1
                                 : Recipe::watched                        ? 5
                                 : kBundle == 8 && std::is_same_v<E, F16> ? 2
                                                                          : 3;
  /// Further states, mostly options, are not loaded ahead: registers are short.
  static constexpr int kAhead = kSlots < 2 ? kSlots : 2;
  using State = Bundle<S, kBundle>;
  using States = State[kSlots > kAhead ? kSlots - kAhead : 1];
  /// What a lane adds of a watched sweep, or nothing.
  struct Sums {
    R of[Recipe::watched ? reduction::kWatched : 1] = {};
  };
  struct Elements {
    Bundle<E, kBundle> param, grad;
    State slots[kAhead > 0 ? kAhead : 1];
  };

  std::int64_t first;  // element of the tensor
  E* param;
  const E* grad;
  S* slots[kSlots > 0 ? kSlots : 1];  // null: not used
  int count;
  bool vector, sampled;

  __device__ SweepPage(const View<Recipe>& view, const PageRef& ref, bool idle) {
    const DeviceTensor<Recipe>& tensor = view.tensors[ref.tensor];
    first = std::int64_t(ref.page) * reduction::kPage;
    sampled = reduction::sampled(ref.page);
    const std::int64_t left = idle ? 0 : tensor.numel - first;
    count = int(left < reduction::kPage ? left : reduction::kPage);
    param = static_cast<E*>(tensor.param) + first;
    grad = static_cast<const E*>(view.grads[ref.tensor]) + first;
    vector = Bundle<E, kBundle>::aligned(param) && Bundle<E, kBundle>::aligned(grad);
#pragma unroll
    for (int s = 0; s < kSlots; ++s) {
      slots[s] = tensor.slots[s] == nullptr ? nullptr : static_cast<S*>(tensor.slots[s]) + first;
      vector = vector && State::aligned(slots[s]);
    }
  }

  /// The bundle at `i` of one array: elements i, i + kStep, ..., as far as the page has them.
  template <int kStep, class T>
  __device__ void load(Bundle<T, kBundle>& to, const T* from, int i) const {
    if (kStep == 1 && i + kBundle <= count) {
      to.load(from + i);
    } else {
      to.load_some(from + i, kStep, (count - i + kStep - 1) / kStep);
    }
  }
  template <int kStep, class T>
  __device__ void store(const Bundle<T, kBundle>& from, T* to, int i) const {
    if (kStep == 1 && i + kBundle <= count) {
      from.store(to + i);
    } else {
      from.store_some(to + i, kStep, (count - i + kStep - 1) / kStep);
    }
  }
  template <int kStep>
  __device__ Elements load(int i) const {
    Elements x{};
    if (i >= count) return x;
    load<kStep>(x.param, param, i);
    load<kStep>(x.grad, grad, i);
#pragma unroll
    for (int s = 0; s < kAhead; ++s) {
      if (slots[s] != nullptr) load<kStep>(x.slots[s], slots[s], i);
    }
    return x;
  }

  /// What is watched of one element each, in the order of Recipe::Watched.
  using Seen = R[reduction::kWatched];

  /// One element, as Recipe::sweep.
  __device__ R sweep_one(const Elements& x, int j, Slots& state, const K& k, bool look,
                         Seen& seen) const {
    const T p{x.param.widened(j)}, g{x.grad.widened(j)};
    if constexpr (!Recipe::watched) {
      return Recipe::sweep(p, g, state, k).v;
    } else {
      typename Recipe::template Watched<T> w;
      const R out = Recipe::sweep(p, g, state, k, w, look).v;
      seen[0] = (w.step * w.step).v, seen[1] = w.along_previous.v, seen[2] = w.along.v;
      seen[3] = w.guarded.v;
      return out;
    }
  }

  /// One kind of what is watched of four elements, elements j to j + 3 of the bundle, goes to the
  /// sums of its quads: those of a lane's neighbours, or where these are in four lanes the same
  /// sums as the lane would have had them of neighbours.
  template <int kStep>
  static __device__ void add_quads(const Seen (&four)[4], int j, int w, R (&quads)[kBundle / 4]) {
    if constexpr (kStep == 1) {
      const T a{four[0][w]}, b{four[1][w]}, c{four[2][w]}, d{four[3][w]};
      quads[j / 4] = ((a + b) + (c + d)).v;
    } else {  // lane t has the elements t, t + 32, ... of the chunk
      constexpr unsigned kAll = 0xffffffffU;
      const int lane = int(threadIdx.x) % kWarp;
#pragma unroll
      for (int h = 0; h < 4; ++h) {
        T quad{four[h][w]};
        quad = quad + T{__shfl_xor_sync(kAll, quad.v, 1)};
        quad = quad + T{__shfl_xor_sync(kAll, quad.v, 2)};
        // It is quad 8 (j + h) + t / 4 of the chunk.
#pragma unroll
        for (int part = 0; part < kBundle / 4; ++part) {
          const int wanted = lane * (kBundle / 4) + part;
          const R value = __shfl_sync(kAll, quad.v, 4 * (wanted % 8));
          if (wanted / 8 == j + h) quads[part] = value;
        }
      }
    }
  }

  /// `x` and `further` are the bundle at `i`.
  template <int kStep>
  __device__ void update(Elements& x, States& further, int i, const K& k, bool look,
                         Sums& sums) const {
    const auto at = [&](int s) -> State& { return s < kAhead ? x.slots[s] : further[s - kAhead]; };
    R quads[reduction::kWatched][kBundle / 4];
#pragma unroll
    for (int j = 0; j < kBundle; j += 4) {
      R p[4], stored[kSlots > 0 ? kSlots : 1][4];
      Seen seen[4];
#pragma unroll
      for (int h = 0; h < 4; ++h) {
        Slots state;
        for_each_slot<kSlots>(state, [&](int s, T& slot) { slot = {at(s).widened(j + h)}; });
        p[h] = sweep_one(x, j + h, state, k, look, seen[h]);
        for_each_slot<kSlots>(state, [&](int s, T& slot) { stored[s][h] = slot.v; });
      }
      if constexpr (Recipe::watched) {
        if (i + (kBundle - 1) * kStep >= count) {
#pragma unroll
          for (int h = 0; h < 4; ++h) {
#pragma unroll
            for (int w = 0; w < reduction::kWatched; ++w) {
              if (i + (j + h) * kStep >= count) seen[h][w] = 0;
            }
          }
        }
        add_quads<kStep>(seen, j, 0, quads[0]);
        add_quads<kStep>(seen, j, 3, quads[3]);
        if (look) {
          add_quads<kStep>(seen, j, 1, quads[1]);
          add_quads<kStep>(seen, j, 2, quads[2]);
        }
      }
      if (Recipe::Storage::rounds(k.storage)) {  // one branch for four
#pragma unroll
        for (int h = 0; h < 4; ++h) {
          const std::int64_t element = first | (i + (j + h) * kStep);  // the page's are below kPage
#pragma unroll
          for (int s = 0; s < kSlots; ++s) {
            stored[s][h] = Recipe::Storage::rounded(stored[s][h], k.storage, element, s);
          }
        }
      }
#pragma unroll
      for (int h = 0; h < 4; h += 2) {
        x.param.narrow(j + h, p[h], p[h + 1]);
#pragma unroll
        for (int s = 0; s < kSlots; ++s) at(s).narrow(j + h, stored[s][h], stored[s][h + 1]);
      }
    }
    if constexpr (Recipe::watched) {
#pragma unroll
      for (int w = 0; w < reduction::kWatched; ++w) {
        if ((w == 1 || w == 2) && !look) continue;
        T sum{quads[w][0]};
        if constexpr (kBundle == 8) sum = sum + T{quads[w][1]};
        sums.of[w] = (T{sums.of[w]} + sum).v;
      }
    }
  }

  /// The page by `threads` threads, of which this is `thread`: begin(thread), then sweep() with
  /// what it returned. A warp takes a chunk at a time: as they lie, or where sums are made those of
  /// a logical warp one after another, whose sums then go to `warps`.
  __device__ Elements begin(int thread) const {
    const int chunk = thread / kWarp, lane = thread % kWarp;
    return vector ? load<1>(chunk * kChunk + kBundle * lane) : load<kWarp>(chunk * kChunk + lane);
  }
  __device__ void sweep(const Elements& x, int thread, int threads, const K& k, Sums* warps) const {
    constexpr bool looks = (Recipe::wants & kAlignment) != 0;
    if (!vector) {
      sweep<kWarp, looks ? Look::in_samples : Look::never>(x, thread, threads / kWarp, k, warps);
    } else if (looks && sampled) {  // a loop of its own: it needs more registers
      sweep<1, looks ? Look::always : Look::never>(x, thread, threads / kWarp, k, warps);
    } else {
      sweep<1, Look::never>(x, thread, threads / kWarp, k, warps);
    }
  }

  /// Where gradients are measured against updates.
  enum class Look { never, in_samples, always };

  /// The next bundle is under way while one is worked on.
  template <int kStep, Look kLook>
  __device__ void sweep(Elements x, int thread, int stride, const K& k, Sums* warps) const {
    const bool look = kLook == Look::always || (kLook == Look::in_samples && sampled);
    const int lane = thread % kWarp, chunks = (count + kChunk - 1) / kChunk;
    const int offset = kStep == 1 ? kBundle * lane : lane;
    Sums sums;
#pragma unroll 1
    for (int chunk = thread / kWarp; chunk < chunks;) {
      asm volatile("" ::: "memory");  // or all of k moves to registers, and others to the stack
      int next = chunk + stride;
      bool complete = false;  // the sums of this logical warp are
      if constexpr (Recipe::watched) {
        next = chunk + kLogicalWarps;
        complete = next >= chunks;
        if (complete) {
          next = chunk % kLogicalWarps + stride;
          if (next >= kLogicalWarps) next = chunks;
        }
      }
      const int i = chunk * kChunk + offset;
      const Elements ahead = load<kStep>(next * kChunk + offset);
      States further{};
#pragma unroll
      for (int s = kAhead; s < kSlots; ++s) {
        if (slots[s] != nullptr && i < count) load<kStep>(further[s - kAhead], slots[s], i);
      }
      update<kStep>(x, further, i, k, look, sums);
      if (i < count) {
        store<kStep>(x.param, param, i);
#pragma unroll
        for (int s = 0; s < kSlots; ++s) {
          if (slots[s] == nullptr) continue;
          store<kStep>(s < kAhead ? x.slots[s] : further[s - kAhead], slots[s], i);
        }
      }
      if constexpr (Recipe::watched) {
        if (complete) {
#pragma unroll
          for (int w = 0; w < reduction::kWatched; ++w) {
            T sum{sums.of[w]};
#pragma unroll
            for (int d = kWarp / 2; d > 0; d /= 2) {
              sum = sum + T{__shfl_xor_sync(0xffffffffU, sum.v, d)};
            }
            if (lane == 0) warps[chunk % kLogicalWarps].of[w] = sum.v;
          }
          sums = Sums{};
        }
      }
      x = ahead;
      chunk = next;
    }
  }

  /// The sums of all logical warps, by one whole warp, in its first lane.
  __device__ reduction::SweptPartial fold(const Sums* warps) const {
    const int lane = int(threadIdx.x) % kWarp;
    const int chunks = (count + kChunk - 1) / kChunk;
    reduction::SweptPartial out{};
#pragma unroll
    for (int w = 0; w < reduction::kWatched; ++w) {
      double sum = lane < kLogicalWarps && lane < chunks ? double(warps[lane].of[w]) : 0;
#pragma unroll
      for (int d = kLogicalWarps / 2; d > 0; d /= 2) {
        sum = __dadd_rn(sum, __shfl_xor_sync(0xffffffffU, sum, d));
      }
      out.sums[w] = sum;
    }
    return out;
  }
};

template <class R, class Recipe>
__device__ const auto& coefficients(const View<Recipe>& view, int t) {
  if constexpr (std::is_same_v<R, double>) {
    return view.coefficients64[t];
  } else {
    return view.coefficients[t];
  }
}

/// The coefficients of a tensor in a step that measures nothing: those that the step before left,
/// or after a change of options or tables what this block decides by itself, on copies. False: the
/// step is skipped.
template <class Recipe, class K>
__device__ bool coefficients_ahead(const View<Recipe>& view, int t, K& k) {
  const Core<Recipe>& core = *view.core;
  using R = std::remove_cv_t<decltype(k.lr)>;
  k = coefficients<R>(view, t);
  if (core.ahead == view.tensors) return core.apply != 0;
  const DeviceTensor<Recipe>& tensor = view.tensors[t];
  typename Recipe::Memory memory = core.memory;
  typename Recipe::PerTensor record = *tensor.record;
  const Verdict verdict = Recipe::judge(core.shared, Signals{}, memory);
  if (verdict.skip) return false;
  k = Recipe::template decide<R>(core.shared, *tensor.group, Signals{}, verdict, memory, record,
                                 tensor.index);
  return true;
}

/// A block a page, or where pages are tiny a warp a page, in the reverse order of the reduce pass,
/// whose end is still in the cache.
template <class Recipe, class Tag, class E>
__global__ void __launch_bounds__(most_sweep_threads<Recipe>, SweepPage<Recipe, E>::kBlocks)
    sweep_kernel(const __grid_constant__ View<Recipe> view, int first_page, int page_count,
                 bool tiny) {
  using R = Compute<E>;
  using K = typename Recipe::template Coefficients<R>;
  constexpr int kWarp = reduction::kWarp;
  const int warp = tiny ? int(threadIdx.x) / kWarp : 0;
  const int back = tiny ? int(blockIdx.x) * (int(blockDim.x) / kWarp) + warp : int(blockIdx.x);
  const bool idle = back >= page_count;
  const PageRef ref = view.pages[first_page + (idle ? 0 : page_count - 1 - back)];
  const SweepPage<Recipe, E> page(view, ref, idle);
  const int thread = int(threadIdx.x) - warp * kWarp, threads = tiny ? kWarp : int(blockDim.x);
  const auto x = page.begin(thread);  // under way while the coefficients are
  // Coefficients stay in shared memory: registers are short. It takes no initialiser.
  __shared__ alignas(K) unsigned char storage[(reduction::kLanes / kWarp) * sizeof(K)];
  K* const k = reinterpret_cast<K*>(storage) + warp;
  if constexpr (Recipe::wants == 0) {
    __shared__ bool apply;  // the same for all tensors
    __shared__ unsigned turn;
    if (thread == 0) {
      const bool applied = coefficients_ahead(view, ref.tensor, *k);
      if (warp == 0) apply = applied;
    }
    __syncthreads();
    if (threadIdx.x == 0) turn = atomicAdd(&view.core->arrived, 1U);  // it has read what it needs
    if (apply && !idle) page.sweep(x, thread, threads, *k, nullptr);
    __syncthreads();
    const unsigned part = turn + unsigned(view.deciders) - unsigned(view.sweep_blocks);
    if (part < unsigned(view.deciders)) commit_together(view, part);
  } else {
    wait_for_kernel_before();
    if (blockIdx.x == 0 && first_page == 0 && threadIdx.x == 0) {
      if constexpr (Recipe::recorded) publish(view);
      if (Recipe::watched && view.core->apply != 0) leave_swept(view);
    }
    if (thread == 0) *k = coefficients<R>(view, ref.tensor);
    const bool apply = view.core->apply != 0;
    __syncthreads();
    if constexpr (!Recipe::watched) {
      if (apply && !idle) page.sweep(x, thread, threads, *k, nullptr);
    } else {
      if (!apply) return;
      using Page = SweepPage<Recipe, E>;
      constexpr int kMostWarps = most_sweep_threads<Recipe> / kWarp;
      __shared__ alignas(
          8) unsigned char sums[kMostWarps * Page::kLogicalWarps * sizeof(typename Page::Sums)];
      auto* const warps = reinterpret_cast<typename Page::Sums*>(sums) + warp * Page::kLogicalWarps;
      if (!idle) page.sweep(x, thread, threads, *k, warps);
      __syncthreads();
      if (!idle && (tiny || threadIdx.x < kWarp)) {
        const reduction::SweptPartial sum = page.fold(warps);
        if (thread == 0) view.swept[first_page + page_count - 1 - back] = sum;
      }
    }
  }
}

}  // namespace agmohd::cuda
