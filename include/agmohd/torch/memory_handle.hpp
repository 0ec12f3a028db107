// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

#include "../step/executor.hpp"

namespace agmohd {

/// What policies remember of one tensor, as its ParamState holds it: a value, or while an optimizer
/// holds the state, a place in one of its executors. What a program assigned to step() counts from
/// the next step on.
template <class Recipe>
class MemoryHandle {
 public:
  using PerTensor = typename Recipe::PerTensor;

  MemoryHandle() = default;
  /// A copy is a value; waits. It has no snapshots: two parameters must not share their memory.
  MemoryHandle(const MemoryHandle& other)
      : value_(without_snapshots(other.get())),
        rule_known_(other.rule_known()),
        guard_known_(other.guard_known()) {}
  MemoryHandle& operator=(const MemoryHandle& other) {
    if (this == &other) return *this;
    const PerTensor value = without_snapshots(other.get());
    const bool rule = other.rule_known(), guard = other.guard_known();
    detach();
    value_ = value;
    rule_known_ = rule;
    guard_known_ = guard;
    shown_ = seen_;
    return *this;
  }
  ~MemoryHandle() { detach(); }

  /// Waits for the device.
  PerTensor get() const {
    if (!assigned()) return attached() ? executor_->read_per_tensor(number_) : value_;
    PerTensor anew{};
    anew.step = shown_;
    return anew;
  }
  void set(const PerTensor& value) {
    if (attached()) {
      executor_->write_per_tensor(number_, value);
    } else {
      value_ = value;
    }
  }
  /// A tensor after so many updates, of which nothing else is known.
  void restart(std::int64_t step) {
    detach();
    value_ = PerTensor{};
    value_.step = shown_ = seen_ = step;
    rule_known_ = guard_known_ = false;
  }
  /// From a checkpoint.
  void load(const PerTensor& value, bool rule_known, bool guard_known) {
    detach();
    value_ = value;
    shown_ = seen_;
    rule_known_ = rule_known;
    guard_known_ = guard_known;
  }

  /// The step, for a program to read and assign.
  std::int64_t& shown_step() {
    shown_ = seen_ = get().step;
    return shown_;
  }
  /// Whether a program assigned to shown_step().
  bool assigned() const { return shown_ != seen_; }
  std::int64_t assigned_step() const { return shown_; }

  /// Whether the memory of the rule, of its guard, is known: else it follows from the step.
  bool rule_known() const { return rule_known_ && !assigned(); }
  bool guard_known() const { return guard_known_ && !assigned(); }

  bool attached() const { return executor_ != nullptr; }
  bool attached_to(const std::shared_ptr<Executor<Recipe>>& executor) const {
    return executor_ == executor;
  }
  /// Of its place in the executor.
  std::int32_t number() const { return number_; }
  /// From now on in an executor. `changed`: what touch() sets.
  void attach(std::shared_ptr<Executor<Recipe>> executor, std::int32_t number,
              std::shared_ptr<bool> changed) noexcept {
    if (attached()) executor_->drop_per_tensor(number_);
    executor_ = std::move(executor);
    number_ = number;
    changed_ = std::move(changed);
    shown_ = seen_;
    rule_known_ = guard_known_ = true;
  }
  void detach() noexcept {
    touch();
    if (attached()) executor_->drop_per_tensor(number_);
    executor_.reset();
    changed_.reset();
  }
  /// Tells the optimizer that holds the state to look at it again.
  void touch() const {
    if (changed_) *changed_ = true;
  }
  /// Waits for the steps that are under way.
  void wait() const noexcept {
    if (!attached()) return;
    try {
      executor_->wait();
    } catch (const std::exception&) {  // the device is broken, and writes nothing any more
    }
  }

 private:
  static PerTensor without_snapshots(PerTensor value) {
    value.snapshots = {};
    return value;
  }

  PerTensor value_{};  // while not attached
  bool rule_known_ = false, guard_known_ = false;
  std::shared_ptr<Executor<Recipe>> executor_;
  std::int32_t number_ = 0;
  std::shared_ptr<bool> changed_;
  std::int64_t shown_ = 0, seen_ = 0;  // what shown_step() last gave out, and was then
};

}  // namespace agmohd
