// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <torch/optim/optimizer.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../cpu/parallel.hpp"
#include "bound.hpp"
#include "devices.hpp"
#include "states.hpp"
#include "waves.hpp"

namespace agmohd {

/// The parameters as the last step found them, and the fast path of a step: comparing them with
/// what they are now. Reads lie in ten places a parameter, so they are prefetched, by several
/// threads where there are thousands.
template <class Recipe>
struct BoundTable {
  using Groups = std::vector<torch::optim::OptimizerParamGroup>;

  /// A parameter's place among the groups, and in bound; -1: it has no gradient and does not rest.
  /// first: the position in its group where it stands first.
  struct Entry {
    std::int32_t group, position, bound, first;
  };

  std::vector<Bound<Recipe>> bound;
  std::vector<Entry> places;             ///< of all parameters, by index
  std::vector<std::size_t> group_sizes;  ///< of parameters
  bool staging = false;                  ///< one of `bound` is staged

  /// Brings addresses up to date, of what is as it was otherwise. False: it is not.
  bool refresh(const Groups& groups, Devices<Recipe>& devices) {
    std::size_t count = 0;
    for (const auto& group : groups) count += group.params().size();
    if (count != places.size() || groups.size() != group_sizes.size()) return false;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      if (groups[g].params().size() != group_sizes[g]) return false;
    }
    std::atomic<bool> same{true};
    std::atomic<std::uint64_t> moved{0}, stale{0};  // bits of devices
    parallel_ranges(
        std::int64_t(count),
        [&](std::int64_t begin, std::int64_t end) {
          std::uint64_t ours_moved = 0, ours_stale = 0;
          for (std::int64_t i = begin; i < std::min(begin + kAhead, end); ++i) {
            prefetch(places[std::size_t(i)]);
          }
          for (std::int64_t i = begin; i < end; ++i) {
            if (i + kAhead < end) prefetch(places[std::size_t(i + kAhead)]);
            const Entry& entry = places[std::size_t(i)];
            const Found found = refresh(groups, entry, devices);
            if (found == Found::changed) return same.store(false, std::memory_order_relaxed);
            if (found == Found::same) continue;
            const std::uint64_t bit = std::uint64_t{1}
                                      << bound[std::size_t(entry.bound)].device % 64;
            (found == Found::moved ? ours_moved : ours_stale) |= bit;
          }
          if (ours_moved != 0) moved.fetch_or(ours_moved, std::memory_order_relaxed);
          if (ours_stale != 0) stale.fetch_or(ours_stale, std::memory_order_relaxed);
        },
        each_thread(count, devices));
    bool elsewhere = false;
    for (std::size_t i = 0; i < devices.size(); ++i) {
      if ((moved.load(std::memory_order_relaxed) >> i % 64 & 1U) != 0) devices[i].moved = true;
      if ((stale.load(std::memory_order_relaxed) >> i % 64 & 1U) != 0) {
        devices[i].stale = true;
        elsewhere = elsewhere || !devices[i].reference;
      }
    }
    return same.load(std::memory_order_relaxed) && !(elsewhere && waves_changed(groups, devices));
  }

  /// How many parameters are worth another thread: what is looked at lies in as many places, and a
  /// core has room for a dozen reads under way. One thread does few, and what calls operators,
  /// whose thread-local modes others do not have.
  std::int64_t each_thread(std::size_t count, Devices<Recipe>& devices) const {
    const bool simple =
        !staging && std::none_of(devices.begin(), devices.end(),
                                 [](const auto& device) { return device.reference; });
    return simple && count >= 1024 ? 256 : std::int64_t(count) + 1;
  }

 private:
  static constexpr std::int64_t kAhead = 6;

  static const at::Tensor& param_of(const Groups& groups, const Entry& entry) {
    return groups[std::size_t(entry.group)].params()[std::size_t(entry.position)];
  }

  __attribute__((always_inline)) void prefetch(const Entry& entry) const {
    if (entry.bound >= 0) bound[std::size_t(entry.bound)].prefetch();
  }

  /// Several threads at once do this.
  Found refresh(const Groups& groups, const Entry& entry, Devices<Recipe>& devices) {
    const at::Tensor& param = param_of(groups, entry);
    if (!param.defined()) return Found::changed;  // rebuild() says which
    if (entry.first != entry.position) {
      const bool same =
          param.is_same(groups[std::size_t(entry.group)].params()[std::size_t(entry.first)]);
      return same ? Found::same : Found::changed;
    }
    const at::Tensor& grad = param.grad();
    if (entry.bound < 0) return grad.defined() ? Found::changed : Found::same;
    Bound<Recipe>& b = bound[std::size_t(entry.bound)];
    if (grad.defined() == b.resting) return Found::changed;
    return b.refresh(param, grad, devices[b.device]);
  }

  /// After parameters moved in memory: whether other ones share it than before.
  bool waves_changed(const Groups& groups, const Devices<Recipe>& devices) const {
    Waves waves;
    for (const Entry& entry : places) {
      if (entry.bound < 0) continue;
      const Bound<Recipe>& b = bound[std::size_t(entry.bound)];
      waves.add(param_of(groups, entry), b.slots, devices[b.device].refs[b.ref], b.stages_param(),
                {std::size_t(entry.group), std::size_t(entry.position)});
    }
    const std::vector<std::int32_t> now =
        waves.find(States<Recipe>::names.data(), States<Recipe>::shareable);
    for (std::size_t n = 0; n < bound.size(); ++n) {
      const Bound<Recipe>& b = bound[n];
      if (now[n] != (b.resting ? 0 : devices[b.device].refs[b.ref].wave)) return true;
    }
    return false;
  }
};

}  // namespace agmohd
