// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// The arithmetic of a recipe alone.

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <cstring>
#include <vector>

namespace contract {

/// What the reduce pass sums for a rule, of one row of a chunk at most.
template <class Recipe, class T>
agmohd::TensorSignals summed(const typename Recipe::Group& group,
                             const typename Recipe::PerTensor& tensor, const std::vector<T>& g,
                             const std::vector<typename Recipe::template Slots<T>>& slots,
                             std::size_t size) {
  agmohd::TensorSignals out;
  if constexpr (Recipe::sums) {
    using namespace agmohd::reduction;
    using R = agmohd::Real<T>;
    const auto k = Recipe::Rule::template summing<R>(group.rule, tensor.rule);
    std::vector<T> of_blocks(g.size());
    for (std::size_t b = 0; b < g.size(); ++b) {
      of_blocks[b] = Recipe::Rule::summed(g[b], slots[b], k);
    }
    std::vector<R> x(kRow, R(0));
    std::memcpy(x.data(), of_blocks.data(), size * sizeof(R));
    double lanes[kLanes];
    for (std::size_t l = 0; l < kLanes; ++l) {
      lanes[l] = double((x[4 * l] + x[4 * l + 1]) + (x[4 * l + 2] + x[4 * l + 3]));
    }
    out.summed = butterfly(lanes);
    out.numel = std::int64_t(size);
  }
  return out;
}

/// The arithmetic of a recipe alone, on number type T: what becomes of `p`, then of each used slot.
template <class Recipe, class T>
std::vector<agmohd::Real<T>> drive(const typename Recipe::Group& group,
                                   const std::vector<agmohd::Real<T>>& p,
                                   const std::vector<std::vector<agmohd::Real<T>>>& gradients) {
  using R = agmohd::Real<T>;
  constexpr std::size_t width = sizeof(T) / sizeof(R);
  const std::size_t blocks = (p.size() + width - 1) / width;
  const auto packed = [&](const std::vector<R>& from) {
    std::vector<T> to(blocks);
    std::memcpy(to.data(), from.data(), from.size() * sizeof(R));
    return to;
  };
  std::vector<T> x = packed(p);
  std::vector<typename Recipe::template Slots<T>> slots(blocks);
  typename Recipe::Memory memory{};
  typename Recipe::PerTensor tensor{};
  const unsigned used = Recipe::Rule::slots(group.rule);
  for (const auto& gradient : gradients) {
    const std::vector<T> g = packed(gradient);
    const auto k = Recipe::template decide<R>({}, group, {}, {}, memory, tensor, 0,
                                              summed<Recipe, T>(group, tensor, g, slots, p.size()));
    memory.updates += 1;
    for (std::size_t b = 0; b < blocks; ++b) {
      x[b] = Recipe::sweep(x[b], g[b], slots[b], k);
      agmohd::for_each_slot<Recipe::slot_count>(slots[b], [&](int j, T& slot) {
        if ((used >> j & 1U) == 0) slot = T{};
      });
    }
  }
  std::vector<R> out(p.size());
  std::memcpy(out.data(), x.data(), p.size() * sizeof(R));
  for (int want = 0; want < Recipe::slot_count; ++want) {
    if ((used >> want & 1U) == 0) continue;
    std::vector<T> one(blocks);
    for (std::size_t b = 0; b < blocks; ++b) {
      agmohd::for_each_slot<Recipe::slot_count>(slots[b], [&](int j, T& slot) {
        if (j == want) one[b] = slot;
      });
    }
    const std::size_t end = out.size();
    out.resize(end + p.size());
    std::memcpy(out.data() + end, one.data(), p.size() * sizeof(R));
  }
  return out;
}

}  // namespace contract
