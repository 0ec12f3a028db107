// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/util/Exception.h>
#include <c10/util/flat_hash_map.h>
#include <torch/optim/optimizer.h>

#include <algorithm>
#include <array>
#include <memory>

#include "../policy/classic_locale.hpp"
#include "../tensor/validate.hpp"
#include "param_state.hpp"

// The optimizer's side of the states: what a step needs of them, and a program does not see.
namespace agmohd {

/// The states of an optimizer, by the address of their parameter's TensorImpl.
using StateMap = ska::flat_hash_map<void*, std::unique_ptr<torch::optim::OptimizerParamState>>;

namespace detail {

template <class Recipe>
struct StateAccess {
  using State = ParamState<Recipe>;
  using Slots = typename State::Slots;
  using Snapshots = std::array<typename State::Snapshot, 2>;

  static Slots& slots(State& state) { return state.slots_; }
  static const Slots& slots(const State& state) { return state.slots_; }
  static Snapshots& snapshots(State& state) { return state.snapshots_; }
  static const Snapshots& snapshots(const State& state) { return state.snapshots_; }
  static MemoryHandle<Recipe>& memory(State& state) { return state.memory_; }
  static const MemoryHandle<Recipe>& memory(const State& state) { return state.memory_; }
  static void wait_for_snapshots(const State& state) noexcept { state.wait_for_snapshots(); }

  /// The memory, that of the rule and its guard filled in where only the step is known.
  static typename Recipe::PerTensor complete_memory(const State& state,
                                                    const typename Recipe::Rule::Options& options) {
    using Rule = typename Recipe::Rule;
    const MemoryHandle<Recipe>& handle = state.memory_;
    typename Recipe::PerTensor memory = handle.get();
    if (handle.attached() && !handle.assigned()) return memory;
    if (!handle.rule_known()) {
      if constexpr (requires { Rule::without_step; }) {
        const auto defined = [](const at::Tensor& slot) { return slot.defined(); };
        const Slots& all = state.slots_;
        if (memory.step == 0 && std::any_of(all.begin(), all.end(), defined)) memory.step = 1;
      }
      memory.rule = Rule::restore(options, memory.step);
    }
    if constexpr (Recipe::guards) {
      if (!handle.guard_known()) memory.guard = Rule::Guard::restore(options, memory.step);
    }
    return memory;
  }
};

}  // namespace detail

/// A state that a program may have put into the map.
template <class Recipe>
ParamState<Recipe>& state_of(torch::optim::OptimizerParamState* state, Place place) {
  auto* const found = dynamic_cast<ParamState<Recipe>*>(state);
  TORCH_CHECK(found != nullptr, detail::classic, "agmohd: the state of ", place,
              " is not this optimizer's ParamState; copy its tensors into one");
  return *found;
}
/// The state of a parameter; null: it has none, or a program moved it out of the map.
template <class Recipe>
ParamState<Recipe>* find_state(const StateMap& states, const at::Tensor& param, Place place) {
  const auto found = states.find(param.unsafeGetTensorImpl());
  if (found == states.end() || found->second == nullptr) return nullptr;
  return &state_of<Recipe>(found->second.get(), place);
}

}  // namespace agmohd
