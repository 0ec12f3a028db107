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
#include "memory_values.hpp"

namespace agmohd {

namespace detail {

template <class Rule>
struct SlotTable {
  static constexpr std::size_t find(std::string_view name) {
    std::size_t i = 0;
    while (i < Rule::slot_names.size() && name != Rule::slot_names[i]) ++i;
    return i;
  }
};

}  // namespace detail

/// The states of an optimizer, by the address of their parameter's TensorImpl.
using StateMap = ska::flat_hash_map<void*, std::unique_ptr<torch::optim::OptimizerParamState>>;

/// The state of one parameter: the rule's tensors under PyTorch's names (exp_avg(),
/// momentum_buffer(), ...; undefined where the options do not use one) and step(), the number of
/// applied updates. While the optimizer holds it, step() reads the device's counter and waits for
/// it. A copy has tensors of its own and carries everything but snapshots, so a program may copy,
/// change and re-key states as it grows or prunes its parameters. (Copies of torch.optim's states
/// share their tensors.)
template <class Recipe>
class ParamState : public torch::optim::OptimizerCloneableParamState<ParamState<Recipe>> {
  static constexpr std::size_t count = Recipe::slot_count;
  using PerTensor = typename Recipe::PerTensor;
  /// Whether the hindrance policy, the gradient policy, remember something of each tensor.
  static constexpr bool has_hindrance = has::judge_tensor<typename Recipe::Hindrance>;
  static constexpr bool remembered =
      !std::is_empty_v<typename agmohd::detail::TensorMemory<typename Recipe::Gradient>::type>;
  /// Whether the rule, its guard, remember something beside the step.
  static constexpr bool ruled = !std::is_empty_v<typename Recipe::Rule::Memory>;
  static constexpr bool guarded = !std::is_empty_v<typename Recipe::Guard::Memory>;

  using Names = detail::SlotTable<typename Recipe::Rule>;
  using Slots = std::array<at::Tensor, count>;
  /// A snapshot of the parameter and its slots; undefined: none.
  using Snapshot = std::array<at::Tensor, Recipe::keeps_snapshots ? 1 + count : 0>;

 public:
  ParamState() = default;
  ParamState(const ParamState& other)
      : torch::optim::OptimizerCloneableParamState<ParamState>(other),
        record_(without_snapshots(other.record())),  // waits: what is copied then is complete
        slots_(clones(other.slots_)),
        rule_known_(other.rule_known_ && !other.assigned()),
        guard_known_(other.guard_known_ && !other.assigned()) {}
  ParamState& operator=(const ParamState& other) {
    if (this == &other) return *this;
    const PerTensor record = without_snapshots(other.record());
    Slots slots = clones(other.slots_);
    detach();
    slots_ = std::move(slots);
    snapshots_ = {};
    record_ = record;
    rule_known_ = other.rule_known_ && !other.assigned();
    guard_known_ = other.guard_known_ && !other.assigned();
    shown_ = seen_;
    return *this;
  }
  ~ParamState() override { detach(); }

  std::int64_t step() const { return record().step; }
  /// To be assigned or counted up, as torch.optim's; the next step sees it. Take it anew after a
  /// step.
  std::int64_t& step() {
    shown_ = seen_ = record().step;
    return shown_;
  }
  /// Sets the number of updates; what else the rule remembers of them follows from it and the
  /// group's options.
  ParamState& step(std::int64_t step) {
    TORCH_CHECK(step >= 0, detail::classic, "agmohd: step = ", step, ", but it must be at least 0");
    detach();
    record_ = PerTensor{};
    record_.step = shown_ = seen_ = step;
    rule_known_ = guard_known_ = false;
    return *this;
  }

  /// Steps in which the hindrance policy clipped this parameter by itself; waits for the device.
  std::int64_t exploded() const requires(has_hindrance) { return record().hindrance.exploded; }
  /// Steps in which its gradient had vanished; waits for the device.
  std::int64_t vanished() const requires(has_hindrance) { return record().hindrance.vanished; }
  /// Steps in which the hindrance policy lowered its learning rate; waits for the device.
  std::int64_t throttled() const requires(has_hindrance) { return record().hindrance.throttled; }

  /// Forgets what hindrance and gradient policies learnt of this parameter, and its snapshots;
  /// waits for the device.
  void forget() {
    if (assigned()) step(shown_);
    PerTensor record = this->record();
    record.hindrance = {};
    record.gradient = {};
    record.snapshots = {};
    if (attached()) {
      executor_->write_per_tensor(index_, record);
    } else {
      record_ = record;
    }
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
  void write(Archive& archive) const {
    using checkpoint::to_value;
    const PerTensor record = this->record();
    archive.write("step", c10::IValue(record.step));
    for (std::size_t i = 0; i < count; ++i) {
      if (!slots_[i].defined()) continue;
      archive.write(Recipe::Rule::slot_names[i], c10::IValue(compact(slots_[i])));
    }
    if constexpr (ruled) {
      if (rule_known_ && !assigned())
        archive.write("agmohd_memory", to_value(record.rule, OfRule{}));
    }
    if constexpr (guarded) {
      if (guard_known_ && !assigned())
        archive.write("agmohd_guard", to_value(record.guard, OfRule{}));
    }
    if constexpr (has_hindrance) {
      archive.write("agmohd_hindrance", to_value(record.hindrance, OfHindrance{}));
    }
    if constexpr (remembered) {
      archive.write("agmohd_gradient", to_value(record.gradient, OfGradient{}));
    }
    if constexpr (Recipe::keeps_snapshots) {
      if (!has_snapshots()) return;
      archive.write("agmohd_snapshots", to_value(record.snapshots, OfSnapshots{}));
      for_each_snapshot([&](const std::string& key, const at::Tensor& kept) {
        if (kept.defined()) archive.write(key, c10::IValue(compact(kept)));
      });
    }
  }

  void serialize(torch::serialize::InputArchive& archive) override {
    checkpoint::Report report;
    read(archive, report);
    report.warn(Recipe::name());
  }
  void read(torch::serialize::InputArchive& archive, checkpoint::Report& report) {
    detach();
    record_ = PerTensor{};
    shown_ = seen_;
    rule_known_ = guard_known_ = false;
    for (std::size_t i = 0; i < count; ++i) {
      c10::IValue value;
      slots_[i] = archive.try_read(Recipe::Rule::slot_names[i], value)
                      ? within_storage(value.toTensor())
                      : at::Tensor();
    }
    c10::IValue value;
    if (archive.try_read("step", value)) record_.step = value.toInt();
    TORCH_CHECK(record_.step >= 0, detail::classic,
                "agmohd: the checkpoint has a state with step = ", record_.step,
                ", but it must be at least 0");
    /// Whether `memory` was read.
    const auto part = [&](const char* key, auto& memory, auto each) {
      if (!archive.try_read(key, value)) return false;
      if (value.isTensor()) return read_bytes(value.toTensor(), key, memory, report);
      checkpoint::from_value(value, key, memory, each, report);
      return true;
    };
    if constexpr (ruled) rule_known_ = part("agmohd_memory", record_.rule, OfRule{});
    if constexpr (guarded) guard_known_ = part("agmohd_guard", record_.guard, OfRule{});
    if constexpr (has_hindrance) part("agmohd_hindrance", record_.hindrance, OfHindrance{});
    if constexpr (remembered) part("agmohd_gradient", record_.gradient, OfGradient{});
    if constexpr (Recipe::keeps_snapshots) {
      snapshots_ = {};
      if (!part("agmohd_snapshots", record_.snapshots, OfSnapshots{})) return;
      for_each_snapshot([&](const std::string& key, at::Tensor& kept) {
        if (archive.try_read(key, value)) kept = within_storage(value.toTensor());
      });
    }
  }

  /// Calls f(index, tensor) for every slot of the rule.
  template <class F>
  void for_each_slot(F f) {
    touch();
    for (std::size_t j = 0; j < count; ++j) f(j, slots_[j]);
  }

  /// Calls f(index, tensor) for every tensor of the snapshots: 0 for the parameter, 1 + j for slot
  /// j.
  template <class F>
  void for_each_kept(F f) {
    touch();
    for (Snapshot& snapshot : snapshots_) {
      for (std::size_t j = 0; j < snapshot.size(); ++j) f(j, snapshot[j]);
    }
  }

 private:
  template <class>
  friend class Binder;
  template <class>
  friend struct Bound;
  template <class>
  friend struct Adoption;

  // The memories of a checkpoint, for checkpoint::to_value() and from_value(). Not lambdas: their
  // types would keep this class from being instantiated elsewhere ("extern template").
  struct OfRule {
    void operator()(auto& m, const auto& leaf) const { checkpoint::each_member("", m, leaf); }
  };
  struct OfHindrance {
    void operator()(auto& m, const auto& leaf) const {
      checkpoint::Memories<Recipe>::hindrance(m, leaf);
    }
  };
  struct OfGradient {
    void operator()(auto& m, const auto& leaf) const {
      checkpoint::Memories<Recipe>::gradient(m, leaf);
    }
  };
  struct OfSnapshots {
    void operator()(auto& m, const auto& leaf) const {
      checkpoint::Memories<Recipe>::snapshots(m, leaf);
    }
  };
  /// Version 0.1 wrote bytes. Those of rules and guards have not changed since; others begin anew.
  template <class M>
  static bool read_bytes(const at::Tensor& bits, const std::string& key, M& memory,
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

  template <std::size_t I>
  const at::Tensor& slot() const {
    static_assert(I < count, "agmohd: the rule of this recipe has no state of that name");
    return slots_[I];
  }
  template <std::size_t I>
  at::Tensor& slot() {
    static_assert(I < count, "agmohd: the rule of this recipe has no state of that name");
    touch();
    return slots_[I];
  }

  static Slots clones(Slots slots) {
    for (at::Tensor& slot : slots) {
      if (slot.defined()) slot = slot.detach().clone();
    }
    return slots;
  }
  /// A copy has none: two parameters must not share their memory.
  static PerTensor without_snapshots(PerTensor record) {
    record.snapshots = {};
    return record;
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
        f(prefix + (j == 0 ? "param" : Recipe::Rule::slot_names[j - 1]), snapshots[i][j]);
      }
    }
  }
  /// A view would take the whole of its storage into the file.
  static at::Tensor compact(const at::Tensor& x) {
    return x.storage().nbytes() > x.nbytes() ? x.clone() : x;
  }

  bool attached() const { return executor_ != nullptr; }
  PerTensor record() const {
    if (!assigned()) return attached() ? executor_->read_per_tensor(index_) : record_;
    PerTensor anew{};
    anew.step = shown_;
    return anew;
  }
  /// Whether a program set the reference that step() gave it.
  bool assigned() const { return shown_ != seen_; }
  /// The record with the memory of the rule and its guard filled in where only the step is known.
  PerTensor complete_per_tensor(const typename Recipe::Rule::Options& options) const {
    PerTensor record = this->record();
    if (attached() && !assigned()) return record;
    if (!rule_known_ || assigned()) {
      if constexpr (requires { Recipe::Rule::without_step; }) {
        const auto defined = [](const at::Tensor& slot) { return slot.defined(); };
        if (record.step == 0 && std::any_of(slots_.begin(), slots_.end(), defined)) record.step = 1;
      }
      record.rule = Recipe::Rule::restore(options, record.step);
    }
    if constexpr (Recipe::guards) {
      if (!guard_known_ || assigned())
        record.guard = Recipe::Rule::Guard::restore(options, record.step);
    }
    return record;
  }
  void attach(std::shared_ptr<Executor<Recipe>> executor, std::int32_t position,
              std::shared_ptr<bool> changed) noexcept {
    if (attached()) executor_->drop_per_tensor(index_);
    executor_ = std::move(executor);
    index_ = position;
    changed_ = std::move(changed);
    shown_ = seen_;
    rule_known_ = guard_known_ = true;
  }
  /// Before snapshots in the host's memory go: unlike the device's, others may get it at once,
  /// while steps that write it are under way.
  void wait_for_snapshots() const noexcept {
    if (!attached() || !has_snapshots() || snapshots_[0][0].is_cuda()) return;
    try {
      executor_->wait();
    } catch (const std::exception&) {  // the device is broken, and writes nothing any more
    }
  }
  void detach() noexcept {
    wait_for_snapshots();
    touch();
    if (attached()) executor_->drop_per_tensor(index_);
    executor_.reset();
    changed_.reset();
  }
  /// Tells the optimizer that holds this state to look at it again.
  void touch() const {
    if (changed_) *changed_ = true;
  }

  PerTensor record_{};  // while not attached
  Slots slots_;
  std::array<Snapshot, 2> snapshots_;
  // Of record_: else what the rule, its guard, remember follows from the step.
  bool rule_known_ = false, guard_known_ = false;
  std::shared_ptr<Executor<Recipe>> executor_;  // holds the record while attached
  std::int32_t index_ = 0;
  std::shared_ptr<bool> changed_;
  std::int64_t shown_ = 0, seen_ = 0;  // what step() last gave out, and was then
};

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
