// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <string>

#include "load_report.hpp"
#include "memory_values.hpp"
#include "param_state.hpp"

// How a ParamState is written to archives and read from them.
namespace agmohd {

namespace detail {

// The memories of a state, for checkpoint::to_value() and from_value(). Not lambdas: their types
// would keep ParamState from being instantiated elsewhere ("extern template").
struct OfRule {
  void operator()(auto& m, const auto& leaf) const { checkpoint::each_member("", m, leaf); }
};
template <class Recipe>
struct OfHindrance {
  void operator()(auto& m, const auto& leaf) const {
    checkpoint::Memories<Recipe>::hindrance(m, leaf);
  }
};
template <class Recipe>
struct OfGradient {
  void operator()(auto& m, const auto& leaf) const {
    checkpoint::Memories<Recipe>::gradient(m, leaf);
  }
};
template <class Recipe>
struct OfSnapshots {
  void operator()(auto& m, const auto& leaf) const {
    checkpoint::Memories<Recipe>::snapshots(m, leaf);
  }
};

/// Version 0.1 wrote bytes. Those of rules and guards have not changed since; others begin anew.
template <class M>
bool read_bytes(const at::Tensor& bits, const std::string& key, M& memory,
                checkpoint::Report& report) {
  const bool known = key == "agmohd_memory" || key == "agmohd_guard";
  const at::Tensor host = within_storage(bits).cpu().contiguous();
  if (!known || host.nbytes() != sizeof(M)) {
    report.reset.insert(key.substr(7) + " of parameters");
    return false;
  }
  std::memcpy(&memory, host.const_data_ptr(), sizeof(M));
  return true;
}

}  // namespace detail

template <class Recipe>
template <class Archive>
void ParamState<Recipe>::write(Archive& archive) const {
  using checkpoint::to_value;
  const PerTensor memory = memory_.get();
  archive.write("step", c10::IValue(memory.step));
  for (std::size_t i = 0; i < count; ++i) {
    if (!slots_[i].defined()) continue;
    archive.write(States<Recipe>::names[i], c10::IValue(compact(slots_[i])));
  }
  if constexpr (ruled) {
    if (memory_.rule_known())
      archive.write("agmohd_memory", to_value(memory.rule, detail::OfRule{}));
  }
  if constexpr (guarded) {
    if (memory_.guard_known())
      archive.write("agmohd_guard", to_value(memory.guard, detail::OfRule{}));
  }
  if constexpr (has_hindrance) {
    archive.write("agmohd_hindrance", to_value(memory.hindrance, detail::OfHindrance<Recipe>{}));
  }
  if constexpr (remembered) {
    archive.write("agmohd_gradient", to_value(memory.gradient, detail::OfGradient<Recipe>{}));
  }
  if constexpr (Recipe::keeps_snapshots) {
    if (!has_snapshots()) return;
    archive.write("agmohd_snapshots", to_value(memory.snapshots, detail::OfSnapshots<Recipe>{}));
    for_each_snapshot([&](const std::string& key, const at::Tensor& kept) {
      if (kept.defined()) archive.write(key, c10::IValue(compact(kept)));
    });
  }
}

template <class Recipe>
void ParamState<Recipe>::read(torch::serialize::InputArchive& archive, checkpoint::Report& report) {
  detach();
  PerTensor memory{};
  bool rule_known = false, guard_known = false;
  for (std::size_t i = 0; i < count; ++i) {
    c10::IValue value;
    slots_[i] = archive.try_read(States<Recipe>::names[i], value) ? within_storage(value.toTensor())
                                                                  : at::Tensor();
  }
  c10::IValue value;
  if (archive.try_read("step", value)) memory.step = value.toInt();
  TORCH_CHECK(memory.step >= 0, detail::classic,
              "agmohd: the checkpoint has a state with step = ", memory.step,
              ", but it must be at least 0");
  /// Whether `of_policy` was read.
  const auto part = [&](const char* key, auto& of_policy, auto each) {
    if (!archive.try_read(key, value)) return false;
    if (value.isTensor()) return detail::read_bytes(value.toTensor(), key, of_policy, report);
    checkpoint::from_value(value, key, of_policy, each, report);
    return true;
  };
  if constexpr (ruled) rule_known = part("agmohd_memory", memory.rule, detail::OfRule{});
  if constexpr (guarded) guard_known = part("agmohd_guard", memory.guard, detail::OfRule{});
  if constexpr (has_hindrance)
    part("agmohd_hindrance", memory.hindrance, detail::OfHindrance<Recipe>{});
  if constexpr (remembered) part("agmohd_gradient", memory.gradient, detail::OfGradient<Recipe>{});
  if constexpr (Recipe::keeps_snapshots) {
    snapshots_ = {};
    if (part("agmohd_snapshots", memory.snapshots, detail::OfSnapshots<Recipe>{})) {
      for_each_snapshot([&](const std::string& key, at::Tensor& kept) {
        if (archive.try_read(key, value)) kept = within_storage(value.toTensor());
      });
    }
  }
  memory_.load(memory, rule_known, guard_known);
}

}  // namespace agmohd
