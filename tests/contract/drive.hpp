// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// The arithmetic of a recipe alone.

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace contract {

/// x[0 .. size) as the reduce pass adds them, at most one row of a chunk.
template <class R>
double added(std::vector<R> x) {
  using namespace agmohd::reduction;
  x.resize(kRow, R(0));
  double lanes[kLanes];
  for (std::size_t l = 0; l < kLanes; ++l) {
    lanes[l] = double((x[4 * l] + x[4 * l + 1]) + (x[4 * l + 2] + x[4 * l + 3]));
  }
  return butterfly(lanes);
}
/// As a measured sweep adds them.
template <class R>
double swept(std::vector<R> x) {
  using namespace agmohd::reduction;
  double strips[kStrips];
  int count = 0;
  for (std::size_t first = 0; first < x.size(); first += 4 * kWarp) {
    R bundles[kWarp] = {};
    for (std::size_t i = first; i < x.size() && i < first + 4 * kWarp; i += 4) {
      const auto at = [&](std::size_t j) { return j < x.size() ? x[j] : R(0); };
      bundles[(i - first) / 4] = (at(i) + at(i + 1)) + (at(i + 2) + at(i + 3));
    }
    for (int d = kWarp / 2; d > 0; d /= 2) {
      for (int b = 0; b < d; ++b) bundles[b] = bundles[b] + bundles[b + d];
    }
    strips[count++] = double(bundles[0]);
  }
  return count > 0 ? fold(strips, count) : 0;
}

/// The squares of a row of one piece, as the pass over rows adds them.
template <class R>
double of_row(const std::vector<R>& x) {
  using namespace agmohd::reduction;
  double lanes[kPieceLanes] = {};
  for (std::size_t i = 0; i < x.size(); ++i) lanes[i % kPieceLanes] += double(x[i]) * double(x[i]);
  return fold<kPieceLanes / 2>(lanes);
}

/// A chunk's sum over all tensors.
template <class R>
double total(std::vector<R> x) {
  using namespace agmohd::reduction;
  x.resize((x.size() + 4 * kWarp - 1) / (4 * kWarp) * (4 * kWarp), R(0));
  double strips[kStrips];
  int count = 0;
  for (std::size_t first = 0; first < x.size(); first += 4 * kWarp) {
    strips[count++] = strip_total(x.data() + first);
  }
  return count > 0 ? fold(strips, count) : 0;
}

/// What the reduce pass measures of a tensor for a rule.
template <class Recipe, class T>
agmohd::TensorSignals measured(const typename Recipe::Group& group,
                               const typename Recipe::PerTensor& tensor,
                               [[maybe_unused]] const std::vector<T>& p, const std::vector<T>& g,
                               const std::vector<typename Recipe::template Slots<T>>& slots,
                               std::size_t size) {
  using R = agmohd::Real<T>;
  agmohd::TensorSignals out;
  [[maybe_unused]] const auto add = [size](const std::vector<T>& blocks) {
    std::vector<R> x(size);
    std::memcpy(x.data(), blocks.data(), size * sizeof(R));
    return added(x);
  };
  std::vector<T> of_blocks(g.size());
  if constexpr ((Recipe::wants & agmohd::kTensors) != 0) {
    for (std::size_t b = 0; b < g.size(); ++b) of_blocks[b] = g[b] * g[b];
    out.norm2 = add(of_blocks);
    out.numel = std::int64_t(size);
  }
  if constexpr (Recipe::sums) {
    const auto k = Recipe::Rule::template summing<R>(group.rule, tensor.rule);
    for (std::size_t b = 0; b < g.size(); ++b) {
      if constexpr (Recipe::sums_parameter) {
        of_blocks[b] = Recipe::Rule::summed(p[b], g[b], slots[b], k);
      } else {
        of_blocks[b] = Recipe::Rule::summed(g[b], slots[b], k);
      }
    }
    out.summed = add(of_blocks);
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
  const auto at = [](std::size_t block) { return agmohd::Position{std::int64_t(block * width)}; };
  std::vector<T> x = packed(p);
  std::vector<typename Recipe::template Slots<T>> slots(blocks);
  typename Recipe::Memory memory{};
  typename Recipe::PerTensor tensor{};
  unsigned used = Recipe::Rule::slots(group.rule);
  if constexpr (Recipe::by_rows) used &= ~(1U << Recipe::Rule::factored);
  [[maybe_unused]] R average = 0;  // of the row that p is
  for (auto& of_block : slots) {
    agmohd::for_each_slot<Recipe::slot_count>(of_block, [&](int j, T& slot) {
      slot = agmohd::math::like(slot,
                                R(agmohd::detail::initial<typename Recipe::Rule>(group.rule, j)));
    });
  }
  for (const auto& gradient : gradients) {
    const std::vector<T> g = packed(gradient);
    if constexpr (Recipe::totals)
      Recipe::advance_rule({}, group, memory.totals, {}, memory, memory.rule);
    auto k = Recipe::template decide<R>({}, group, {}, {}, memory, tensor, 0,
                                        measured<Recipe, T>(group, tensor, x, g, slots, p.size()));
    if constexpr (Recipe::factored) {
      Recipe::Rule::suit(k.rule, {std::int64_t(p.size()), Recipe::by_rows, sizeof(R) == 8});
    }
    if constexpr (Recipe::by_rows) {
      std::vector<R> h(p.size());
      for (std::size_t b = 0; b < blocks; ++b) {
        const T seen = Recipe::seen(g[b], k, at(b));
        std::memcpy(h.data() + b * width, &seen, std::min(width, p.size() - b * width) * sizeof(R));
      }
      average = agmohd::reduction::averaged(average, of_row(h), std::int64_t(p.size()),
                                            Recipe::Rule::factoring(k.rule).gain);
      for (auto& of_block : slots) {
        agmohd::for_each_slot<Recipe::slot_count>(of_block, [&](int j, T& slot) {
          if (j == Recipe::Rule::factored) slot = agmohd::math::like(slot, average);
        });
      }
    }
    memory.updates += 1;
    [[maybe_unused]] const auto sum = [&](const auto& of_block) {
      std::vector<T> of_blocks(blocks);
      for (std::size_t b = 0; b < blocks; ++b) of_blocks[b] = of_block(b);
      std::vector<R> all(p.size());
      std::memcpy(all.data(), of_blocks.data(), p.size() * sizeof(R));
      return swept(all);
    };
    [[maybe_unused]] const auto scale = [&] {
      const auto of = [&](std::size_t b) {
        return Recipe::squared(x[b], g[b], slots[b], k, at(b));
      };
      double sums[Recipe::norm_sums];
      sums[0] = sum([&](std::size_t b) { return T(of(b).p * of(b).p); });
      sums[1] = sum([&](std::size_t b) { return T(of(b).u * of(b).u); });
      if constexpr (Recipe::products) {
        sums[2] = sum([&](std::size_t b) { return T(of(b).p * of(b).u); });
        Recipe::project(tensor, false, sums, k, -1);
      } else if constexpr (Recipe::scales) {
        Recipe::scale(group, sums[0], sums[1], k);
      }
    };
    if constexpr (Recipe::residual) scale();
    [[maybe_unused]] std::vector<T> totals[Recipe::total_count];
    if constexpr (Recipe::totals) {
      for (auto& values : totals) values.resize(blocks);
    }
    for (std::size_t b = 0; b < blocks; ++b) {
      if constexpr (Recipe::totals) {
        typename Recipe::template TotalValues<T> values;
        x[b] = Recipe::sweep(x[b], g[b], slots[b], k, at(b), values);
        for (int w = 0; w < Recipe::total_count; ++w) totals[w][b] = values.totals.of[w];
      } else {
        x[b] = Recipe::sweep(x[b], g[b], slots[b], k, at(b));
      }
      agmohd::for_each_slot<Recipe::slot_count>(slots[b], [&](int j, T& slot) {
        if ((used >> j & 1U) == 0) slot = T{};
      });
    }
    if constexpr (Recipe::totals) {
      for (int w = 0; w < Recipe::total_count; ++w) {
        std::vector<R> all(p.size());
        std::memcpy(all.data(), totals[w].data(), p.size() * sizeof(R));
        memory.totals.of[w] = total(all);
      }
    }
    if constexpr (Recipe::two_sweeps) {
      scale();
      for (std::size_t b = 0; b < blocks; ++b)
        x[b] = Recipe::second(x[b], g[b], slots[b], k, at(b));
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
  if constexpr (Recipe::by_rows) out.push_back(average);
  return out;
}

}  // namespace contract
