// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/compiler.hpp"

#include <ATen/core/Tensor.h>
#include <torch/optim/optimizer.h>
#include <torch/serialize/archive.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "../policy/classic_locale.hpp"
#include "../policy/fixed_string.hpp"
#include "../step/executor.hpp"
#include "../step/recipe.hpp"
#include "../tensor/validate.hpp"
#include "load_report.hpp"
#include "memory_handle.hpp"
#include "memory_values.hpp"
#include "states.hpp"

namespace agmohd {

namespace detail {

template <class Recipe>
struct SlotTable {
  static constexpr std::size_t find(std::string_view name) {
    std::size_t i = 0;
    while (i < States<Recipe>::count && name != States<Recipe>::names[i]) ++i;
    return i;
  }
};

/// What the optimizer itself sees of a state.
template <class Recipe>
struct StateAccess;

}  // namespace detail

/// The state of one parameter: the rule's tensors under PyTorch's names (exp_avg(),
/// momentum_buffer(), ...; undefined where the options do not use one) and step(), the number of
/// applied updates. While the optimizer holds it, step() reads the device's counter and waits for
/// it. A copy has tensors of its own and carries everything but snapshots, so a program may copy,
/// change and re-key states as it grows or prunes its parameters. (Copies of torch.optim's states
/// share their tensors.)
template <class Recipe>
class ParamState : public torch::optim::OptimizerCloneableParamState<ParamState<Recipe>> {
  static constexpr std::size_t count = States<Recipe>::count;
  using PerTensor = typename Recipe::PerTensor;
  /// Whether the hindrance policy, the gradient policy, remember something of each tensor.
  static constexpr bool has_hindrance = has::judge_tensor<typename Recipe::Hindrance>;
  static constexpr bool remembered =
      !std::is_empty_v<typename agmohd::detail::TensorMemory<typename Recipe::Gradient>::type>;
  /// Whether the rule, its guard, remember something beside the step.
  static constexpr bool ruled = !std::is_empty_v<typename Recipe::Rule::Memory>;
  static constexpr bool guarded = !std::is_empty_v<typename Recipe::Guard::Memory>;

  using Names = detail::SlotTable<Recipe>;
  using Slots = std::array<at::Tensor, count>;
  /// A snapshot of the parameter and its slots; undefined: none.
  using Snapshot = std::array<at::Tensor, Recipe::keeps_snapshots ? 1 + count : 0>;

 public:
  ParamState() = default;
  ParamState(const ParamState& other)
      : torch::optim::OptimizerCloneableParamState<ParamState>(other),
        memory_(other.memory_),  // waits: what is copied then is complete
        slots_(clones(other.slots_)) {}
  ParamState& operator=(const ParamState& other) {
    if (this == &other) return *this;
    MemoryHandle<Recipe> memory = other.memory_;
    Slots slots = clones(other.slots_);
    detach();
    memory_ = memory;
    slots_ = std::move(slots);
    snapshots_ = {};
    return *this;
  }
  ~ParamState() override { detach(); }

  std::int64_t step() const { return memory_.get().step; }
  /// To be assigned or counted up, as torch.optim's; the next step sees it. Take it anew after a
  /// step.
  std::int64_t& step() { return memory_.shown_step(); }
  /// Sets the number of updates; what else the rule remembers of them follows from it and the
  /// group's options.
  ParamState& step(std::int64_t step) {
    TORCH_CHECK(step >= 0, detail::classic, "agmohd: step = ", step, ", but it must be at least 0");
    detach();
    memory_.restart(step);
    return *this;
  }

  /// Steps in which the hindrance policy clipped this parameter by itself; waits for the device.
  std::int64_t exploded() const requires(has_hindrance) { return memory_.get().hindrance.exploded; }
  /// Steps in which its gradient had vanished; waits for the device.
  std::int64_t vanished() const requires(has_hindrance) { return memory_.get().hindrance.vanished; }
  /// Steps in which the hindrance policy lowered its learning rate; waits for the device.
  std::int64_t throttled() const requires(has_hindrance) {
    return memory_.get().hindrance.throttled;
  }

  /// Forgets what hindrance and gradient policies learnt of this parameter, and its snapshots;
  /// waits for the device.
  void forget() {
    if (memory_.assigned()) step(memory_.assigned_step());
    PerTensor memory = memory_.get();
    memory.hindrance = {};
    memory.gradient = {};
    memory.snapshots = {};
    memory_.set(memory);
  }

  /// A tensor of the state by name, also for rules of one's own.
  template <FixedString Name>
  const at::Tensor& get() const {
    return slot<Names::find(Name.view())>();
  }
  template <FixedString Name>
  at::Tensor& get() {
    return slot<Names::find(Name.view())>();
  }
  template <FixedString Name>
  ParamState& set(at::Tensor value) {
    get<Name>() = std::move(value);
    return *this;
  }

#define AGMOHD_SLOT(name)                                                   \
  ParamState& name(at::Tensor value) requires(Names::find(#name) < count) { \
    slot<Names::find(#name)>() = std::move(value);                          \
    return *this;                                                           \
  }                                                                         \
  const at::Tensor& name() const requires(Names::find(#name) < count) {     \
    return slot<Names::find(#name)>();                                      \
  }                                                                         \
  at::Tensor& name() requires(Names::find(#name) < count) { return slot<Names::find(#name)>(); }
  // clang-format off
  AGMOHD_SLOT(momentum_buffer)
  AGMOHD_SLOT(exp_avg)
  AGMOHD_SLOT(exp_avg_sq)
  AGMOHD_SLOT(max_exp_avg_sq)
  AGMOHD_SLOT(square_avg)
  AGMOHD_SLOT(grad_avg)
  AGMOHD_SLOT(sum)
// clang-format on
#undef AGMOHD_SLOT

  /// Equal tensors under each name and, where torch.optim's state has a step, equal steps; waits
  /// for the device.
  friend bool operator==(const ParamState& a, const ParamState& b) {
    const auto same = [](const at::Tensor& x, const at::Tensor& y) {
      return x.defined() == y.defined() && (!x.defined() || at::equal(x, y));
    };
    constexpr bool has_step = !requires { Recipe::Rule::without_step; };
    return (!has_step || a.step() == b.step()) &&
           std::equal(a.slots_.begin(), a.slots_.end(), b.slots_.begin(), same);
  }

  void serialize(torch::serialize::OutputArchive& archive) const override { write(archive); }
  /// Into anything with write(key, value).
  template <class Archive>
  void write(Archive& archive) const;

  void serialize(torch::serialize::InputArchive& archive) override {
    checkpoint::Report report;
    read(archive, report);
    report.warn(Recipe::name());
  }
  void read(torch::serialize::InputArchive& archive, checkpoint::Report& report);

  /// Calls f(index, tensor) for every tensor of the state, in the order of States<Recipe>::names.
  template <class F>
  void for_each_slot(F f) {
    memory_.touch();
    for (std::size_t j = 0; j < count; ++j) f(j, slots_[j]);
  }

  /// Calls f(index, tensor) for every tensor of the snapshots: 0 for the parameter, 1 + j for slot
  /// j.
  template <class F>
  void for_each_kept(F f) {
    memory_.touch();
    for (Snapshot& snapshot : snapshots_) {
      for (std::size_t j = 0; j < snapshot.size(); ++j) f(j, snapshot[j]);
    }
  }

 private:
  friend detail::StateAccess<Recipe>;

  template <std::size_t I>
  const at::Tensor& slot() const {
    static_assert(I < count, "agmohd: the rule of this recipe has no state of that name");
    return slots_[I];
  }
  template <std::size_t I>
  at::Tensor& slot() {
    static_assert(I < count, "agmohd: the rule of this recipe has no state of that name");
    memory_.touch();
    return slots_[I];
  }

  static Slots clones(Slots slots) {
    for (at::Tensor& slot : slots) {
      if (slot.defined()) slot = slot.detach().clone();
    }
    return slots;
  }
  bool has_snapshots() const {
    if constexpr (Recipe::keeps_snapshots) return snapshots_[0][0].defined();
    return false;
  }
  /// f(key in an archive, tensor)
  template <class F>
  void for_each_snapshot(const F& f) {
    for_each_snapshot(snapshots_, f);
  }
  template <class F>
  void for_each_snapshot(const F& f) const {
    for_each_snapshot(snapshots_, f);
  }
  template <class Snapshots, class F>
  static void for_each_snapshot(Snapshots& snapshots, const F& f) {
    for (std::size_t i = 0; i < snapshots.size(); ++i) {
      const std::string prefix = "agmohd_snapshot_" + std::to_string(i) + "_";
      for (std::size_t j = 0; j < snapshots[i].size(); ++j) {
        f(prefix + (j == 0 ? "param" : States<Recipe>::names[j - 1]), snapshots[i][j]);
      }
    }
  }
  /// A view would take the whole of its storage into the file.
  static at::Tensor compact(const at::Tensor& x) {
    return x.storage().nbytes() > x.nbytes() ? x.clone() : x;
  }

  /// Before snapshots in the host's memory go: unlike the device's, others may get it at once,
  /// while steps that write it are under way.
  void wait_for_snapshots() const noexcept {
    if (has_snapshots() && !snapshots_[0][0].is_cuda()) memory_.wait();
  }
  void detach() noexcept {
    wait_for_snapshots();
    memory_.detach();
  }

  MemoryHandle<Recipe> memory_;
  Slots slots_;
  std::array<Snapshot, 2> snapshots_;
};

}  // namespace agmohd

#include "param_state_archive.hpp"  // what is declared here alone
