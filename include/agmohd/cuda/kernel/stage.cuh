// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "../../step/reduction.hpp"
#include "../view.hpp"

// What a block works on in shared memory. A thread that decides reads some forty fields, one after
// another: from global memory that takes longer than all arithmetic.
namespace agmohd::cuda {

/// A copy of T by one whole warp: all loads are under way after the constructor, to() waits.
template <class T>
class WarpCopy {
  static_assert(std::is_trivially_copyable_v<T>);
  using Word =
      std::conditional_t<alignof(T) % 8 == 0, unsigned long long,
                         std::conditional_t<alignof(T) % 4 == 0, unsigned int, unsigned char>>;
  static constexpr int kWords = int(sizeof(T) / sizeof(Word));
  static constexpr int kEach = (kWords + reduction::kWarp - 1) / reduction::kWarp;
  Word words_[kEach];

 public:
  /// Of global memory that other blocks may have written, or of shared memory.
  __device__ explicit WarpCopy(const T& global) {
    const int lane = int(threadIdx.x) % reduction::kWarp;
    const Word* const from = reinterpret_cast<const Word*>(&global);
#pragma unroll
    for (int e = 0; e < kEach; ++e) {
      const int i = e * reduction::kWarp + lane;
      words_[e] = i < kWords ? __ldcg(from + i) : Word(0);
    }
  }
  __device__ void to(T& shared) const {
    store(shared, [this](int, int e) { return words_[e]; });
  }
  /// From shared memory to another.
  static __device__ void put(T& to, const T& shared) {
    const Word* const from = reinterpret_cast<const Word*>(&shared);
    store(to, [from](int i, int) { return from[i]; });
  }

 private:
  template <class Value>
  static __device__ void store(T& out, const Value& value) {
    const int lane = int(threadIdx.x) % reduction::kWarp;
    Word* const to = reinterpret_cast<Word*>(&out);
#pragma unroll
    for (int e = 0; e < kEach; ++e) {
      const int i = e * reduction::kWarp + lane;
      if (i < kWords) to[i] = value(i, e);
    }
  }
};

/// Whether the decision is so large that blocks which wait for it rehearse meanwhile, by calls to
/// the code that it runs then.
template <class Recipe>
inline constexpr bool rehearses = Recipe::recorded;

/// The optimizer as a whole, in the shared memory of a block.
template <class Recipe>
struct Stage {
  typename Recipe::Shared shared;
  typename Recipe::Group first;
  typename Recipe::Memory memory;
  typename Recipe::AllSignals signals;  // of all devices
  Verdict verdict;
};
template <class Recipe>
__device__ Stage<Recipe>& stage() {
  __shared__ alignas(Stage<Recipe>) unsigned char storage[sizeof(Stage<Recipe>)];
  return *reinterpret_cast<Stage<Recipe>*>(storage);
}

/// Copies options, by the warps of a block, and with `judged` what was decided of this step.
template <class Recipe>
__device__ void load_stage(const View<Recipe>& view, bool judged) {
  Stage<Recipe>& s = stage<Recipe>();
  const Core<Recipe>& core = *view.core;
  const int warp = int(threadIdx.x) / reduction::kWarp;
  const int warps = int(blockDim.x) / reduction::kWarp;
  const auto copy = [](auto& to, const auto& from) {
    WarpCopy<std::remove_cvref_t<decltype(to)>>(from).to(to);
  };
  if (judged) {
    if (warp == 0) copy(s.memory, core.memory);
    if (warp == 1 % warps) copy(s.signals, core.decided);
    if (warp == 1 % warps) copy(s.verdict, core.verdict);
  }
  if (warp == 2 % warps) copy(s.shared, core.shared);
  if (warp == 3 % warps) copy(s.first, *view.first_group);
}

}  // namespace agmohd::cuda
