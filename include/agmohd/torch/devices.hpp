// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/core/Device.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "../step/executor.hpp"
#include "../step/reduction.hpp"
#include "make_executor.hpp"

namespace agmohd {

/// The executors of an optimizer, one a device, made when a device first has a parameter.
template <class Recipe>
class Devices {
 public:
  using ExecutorPtr = std::shared_ptr<Executor<Recipe>>;

  struct Device {
    c10::Device device;
    ExecutorPtr executor;
    std::vector<TensorRef<Recipe>> refs;
    Handles handles;  // filled for the tensor backend only
    bool reference = false;
    bool stale = true;    // refs are not what the executor has
    bool moved = false;   // gradients lie elsewhere than the executor has them
    bool held = false;    // what refs point to, for several streams
    bool current = true;  // it took part in the last step, or has the optimizer's memory since
  };

  /// While it lives, the caller may enqueue work of its own on the devices' tensors: it comes after
  /// earlier steps, and later steps after it, also where it ends in an exception.
  class Turn {
   public:
    explicit Turn(const Devices& devices) : devices_(devices) {
      for (const Device& device : devices_) device.executor->begin();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      for (const Device& device : devices_) {
        try {
          device.executor->end();
        } catch (const std::exception&) {  // the device is broken
        }
      }
    }

   private:
    const Devices& devices_;
  };

  void use_tensor_backend() {
    TORCH_CHECK(devices_.empty(), "agmohd: use_tensor_backend() comes before the first step");
    reference_ = true;
  }

  /// The position of a device.
  std::size_t of(c10::Device wanted, const Settings<Recipe>& settings) {
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      if (devices_[i].device == wanted) return i;
    }
    Device device{wanted, reference_ ? nullptr : make_executor<Recipe>(wanted), {}, {}};
    if (device.executor == nullptr) {
      device.executor = make_tensor_executor<Recipe>();
      device.reference = true;
    }
    device.executor->begin();  // this stream is about to make what its steps use
    device.executor->configure(settings);
    device.executor->write_memory(devices_.empty() ? memory() : without_sweeps());
    devices_.push_back(std::move(device));
    return devices_.size() - 1;
  }

  std::size_t size() const { return devices_.size(); }
  Device& operator[](std::size_t i) { return devices_[i]; }
  const Device& operator[](std::size_t i) const { return devices_[i]; }
  auto begin() { return devices_.begin(); }
  auto end() { return devices_.end(); }
  auto begin() const { return devices_.begin(); }
  auto end() const { return devices_.end(); }
  /// The devices that have tensors in this step, and their executors. A device that was left out of
  /// steps gets the optimizer's memory when it comes back.
  const std::vector<ExecutorPtr>& executors() const { return executors_; }
  void activate() {
    executors_.clear();
    std::optional<std::size_t> next;  // to judge
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      if (devices_[i].refs.empty()) continue;
      if (!devices_[i].current) catch_up(*devices_[i].executor);
      devices_[i].current = true;
      executors_.push_back(devices_[i].executor);
      // The first on the host, which has to wait for what the devices measured, else the first. One
      // whose tensors all rest has nothing to say.
      const auto rank = [this](std::size_t device) {
        const auto& refs = devices_[device].refs;
        const bool works =
            std::any_of(refs.begin(), refs.end(), [](const auto& ref) { return !ref.resting(); });
        return (works ? 2 : 0) + (devices_[device].executor->judgement() != nullptr ? 1 : 0);
      };
      if (!next || rank(i) > rank(*next)) next = i;
    }
    if (!next) return;
    if (*next != judge_) {
      typename Recipe::Memory memory = devices_[*next].executor->read_memory();
      Recipe::take(judge().executor->read_memory(), memory, /*swapped=*/false);
      devices_[*next].executor->write_memory(memory);
      judge_ = *next;
    }
    if constexpr (Recipe::totals) take_totals();
  }
  /// Whose executor judges for all of executors(). Its memory is the optimizer's.
  const Device& judge() const { return devices_[judge_]; }
  /// After a step: the others have not counted it.
  void stepped() {
    for (Device& device : devices_) device.current = !device.refs.empty();
  }

  /// Whether a CUDA graph is being captured.
  bool capturing() const {
    return std::any_of(devices_.begin(), devices_.end(),
                       [](const Device& device) { return device.executor->capturing(); });
  }
  void configure(const Settings<Recipe>& settings) {
    for (const Device& device : devices_) device.executor->configure(settings);
  }
  /// The optimizer's memory. What sweeps measured is in it the sum of what the devices did.
  typename Recipe::Memory memory() const {
    if (devices_.empty()) return initial_memory_;
    typename Recipe::Memory memory = judge().executor->read_memory();
    if constexpr (Recipe::settles || Recipe::counts_zeroed) {
      for (std::size_t i = 0; i < devices_.size(); ++i) {
        if (i == judge_ || !(devices_[i].current || Recipe::counts_zeroed)) continue;
        const typename Recipe::Memory own = devices_[i].executor->read_memory();
        if (devices_[i].current) Recipe::add_sweeps(memory, own);
        Recipe::add_counts(memory, own);
      }
    }
    return memory;
  }
  void set_memory(typename Recipe::Memory memory) {
    initial_memory_ = memory;
    for (Device& device : devices_) {
      device.executor->write_memory(memory);
      device.current = true;
      Recipe::forget_sweeps(memory);  // the first has it
    }
  }
  /// One step of all executors. `loss`: for that which judges.
  void step(const LossRef& loss) {
    const auto& judging = judge().executor;
    for (const auto& executor : executors_) {
      executor->measure(executor == judging ? loss : LossRef{}, executors_.size() == 1);
    }
    judging->judge(executors_);
    for (const auto& executor : executors_) {  // the devices first: the host works beside them
      if (executor != judging) executor->finish(*judging);
    }
    judging->finish(*judging);
  }
  /// What the last step measured on all devices; waits for them.
  Signals signals() const {
    Signals sums;
    for (const auto& executor : executors_) {
      const Signals one = executor->signals();
      reduction::accumulate(sums, one);
      if (executor != judge().executor) continue;
      sums.loss = one.loss;
      sums.has_loss = one.has_loss;
    }
    return sums;
  }
  /// A part of that, one double, on the device that judges: what `join` makes of that of each
  /// device. Does not wait. 0 before the first step.
  template <class Join>
  at::Tensor signal(double Signals::*part, const Join& join) const {
    const Turn turn(*this);
    at::Tensor all;
    for (const Device& device : devices_) {
      const Signals* const measured = device.executor->measured();
      if (!device.current || device.refs.empty() || measured == nullptr) continue;
      const c10::Device to = judge().device;
      const auto own =
          at::from_blob(const_cast<double*>(&(measured->*part)), {},
                        at::device(device.reference ? at::kCPU : device.device).dtype(at::kDouble))
              .to(to, at::kDouble, /*non_blocking=*/!to.is_cpu(), /*copy=*/true);
      all = all.defined() ? join(all, own) : own;
    }
    return all.defined() ? all : at::zeros({}, at::kDouble);
  }
  void forget_records() {
    for (const Device& device : devices_) device.executor->forget_records();
  }
  /// The records of the last steps; null if there are none.
  const RecordRing* records() const {
    return executors_.empty() ? nullptr : judge().executor->records();
  }

 private:
  /// The sums of a device that took part in the last step and does not in this one are the judge's.
  void take_totals() requires(Recipe::totals) {
    for (Device& device : devices_) {
      if (!device.current || !device.refs.empty()) continue;
      typename Recipe::Memory from = device.executor->read_memory();
      typename Recipe::Memory to = judge().executor->read_memory();
      to.totals += from.totals;
      judge().executor->write_memory(to);
      from.totals = {};
      device.executor->write_memory(from);
      device.current = false;
    }
  }
  /// A device that was left out of steps gets the optimizer's memory, beside what it counted.
  void catch_up(Executor<Recipe>& executor) {
    typename Recipe::Memory memory = without_sweeps();
    if constexpr (Recipe::counts_zeroed) Recipe::add_counts(memory, executor.read_memory());
    executor.write_memory(memory);
  }
  /// For a device that joins: the others have what sweeps measured.
  typename Recipe::Memory without_sweeps() const {
    typename Recipe::Memory joining = memory();
    Recipe::forget_sweeps(joining);
    return joining;
  }

  std::vector<Device> devices_;
  std::vector<ExecutorPtr> executors_;
  std::size_t judge_ = 0;
  typename Recipe::Memory initial_memory_{};
  bool reference_ = false;
};

}  // namespace agmohd
