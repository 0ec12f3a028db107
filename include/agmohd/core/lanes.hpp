// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "classic.hpp"
#include "executor.hpp"
#include "executors.hpp"

namespace agmohd {

/// The executors of an optimizer, one a device, made when a device first has a parameter.
template <class Recipe>
class Lanes {
 public:
  using ExecutorPtr = std::shared_ptr<Executor<Recipe>>;

  struct Lane {
    c10::Device device;
    ExecutorPtr executor;
    std::vector<TensorRef<Recipe>> refs;
    Handles handles;  // filled for the reference lane alone
    bool reference = false;
    bool stale = true;    // refs are not what the executor has
    bool moved = false;   // gradients lie elsewhere than the executor has them
    bool held = false;    // what refs point to, for several streams
    bool current = true;  // it took part in the last step, or has the optimizer's memory since
  };

  /// While it lives, the caller may enqueue work of its own on the lanes' tensors: it comes after
  /// earlier steps, and later steps after it, also where it ends in an exception.
  class Turn {
   public:
    explicit Turn(Lanes& lanes) : lanes_(lanes) {
      for (Lane& lane : lanes_) lane.executor->begin();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      for (Lane& lane : lanes_) {
        try {
          lane.executor->end();
        } catch (const std::exception&) {  // the device is broken
        }
      }
    }

   private:
    Lanes& lanes_;
  };

  void use_reference_lane() {
    TORCH_CHECK(lanes_.empty(), "agmohd: use_reference_lane() comes before the first step");
    reference_ = true;
  }

  /// The position of the lane of a device.
  std::size_t of(c10::Device device, const Settings<Recipe>& settings) {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      if (lanes_[i].device == device) return i;
    }
    Lane lane{device, reference_ ? nullptr : make_executor<Recipe>(device), {}, {}};
    if (lane.executor == nullptr) {
      lane.executor = make_reference_executor<Recipe>();
      lane.reference = true;
    }
    lane.executor->begin();  // this stream is about to make what its steps use
    lane.executor->configure(settings);
    lane.executor->write_memory(lanes_.empty() ? memory() : without_sweeps());
    lanes_.push_back(std::move(lane));
    return lanes_.size() - 1;
  }

  std::size_t size() const { return lanes_.size(); }
  Lane& operator[](std::size_t i) { return lanes_[i]; }
  const Lane& operator[](std::size_t i) const { return lanes_[i]; }
  auto begin() { return lanes_.begin(); }
  auto end() { return lanes_.end(); }
  /// The lanes that have tensors in this step, and their executors. A device that was left out of
  /// steps gets the optimizer's memory when it comes back.
  const std::vector<ExecutorPtr>& executors() const { return executors_; }
  void activate() {
    executors_.clear();
    std::optional<std::size_t> next;  // to judge
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      if (lanes_[i].refs.empty()) continue;
      if (!lanes_[i].current) lanes_[i].executor->write_memory(without_sweeps());
      lanes_[i].current = true;
      executors_.push_back(lanes_[i].executor);
      // The first on the host, which has to wait for what the devices measured, else the first. One
      // whose tensors all rest has nothing to say.
      const auto rank = [this](std::size_t lane) {
        const auto& refs = lanes_[lane].refs;
        const bool works =
            std::any_of(refs.begin(), refs.end(), [](const auto& ref) { return !ref.resting(); });
        return (works ? 2 : 0) + (lanes_[lane].executor->judgement() != nullptr ? 1 : 0);
      };
      if (!next || rank(i) > rank(*next)) next = i;
    }
    if (!next || *next == judge_) return;
    typename Recipe::Memory memory = lanes_[*next].executor->read_memory();
    Recipe::take(judge().executor->read_memory(), memory);
    lanes_[*next].executor->write_memory(memory);
    judge_ = *next;
  }
  /// Whose executor judges for all of executors(). Its memory is the optimizer's.
  const Lane& judge() const { return lanes_[judge_]; }
  /// After a step: the others have not counted it.
  void stepped() {
    for (Lane& lane : lanes_) lane.current = !lane.refs.empty();
  }

  /// Whether a CUDA graph is being captured.
  bool capturing() const {
    return std::any_of(lanes_.begin(), lanes_.end(),
                       [](const Lane& lane) { return lane.executor->capturing(); });
  }
  void configure(const Settings<Recipe>& settings) {
    for (const Lane& lane : lanes_) lane.executor->configure(settings);
  }
  /// The optimizer's memory. What sweeps measured is in it the sum of what the devices did.
  typename Recipe::Memory memory() const {
    if (lanes_.empty()) return initial_memory_;
    typename Recipe::Memory memory = judge().executor->read_memory();
    if constexpr (Recipe::watched) {
      for (std::size_t i = 0; i < lanes_.size(); ++i) {
        if (!lanes_[i].current || i == judge_) continue;
        add_swept(memory.swept, lanes_[i].executor->read_memory().swept);
      }
    }
    return memory;
  }
  void set_memory(typename Recipe::Memory memory) {
    initial_memory_ = memory;
    for (Lane& lane : lanes_) {
      lane.executor->write_memory(memory);
      lane.current = true;
      if constexpr (Recipe::watched) memory.swept = {};  // the first has it
    }
  }
  void forget_records() {
    for (const Lane& lane : lanes_) lane.executor->forget_records();
  }
  /// The records of the last steps; null if there are none.
  const RecordRing* records() const {
    return executors_.empty() ? nullptr : judge().executor->records();
  }

 private:
  /// For a device that joins: the others have what sweeps measured.
  typename Recipe::Memory without_sweeps() const {
    typename Recipe::Memory joining = memory();
    if constexpr (Recipe::watched) joining.swept = {};
    return joining;
  }

  std::vector<Lane> lanes_;
  std::vector<ExecutorPtr> executors_;
  std::size_t judge_ = 0;
  typename Recipe::Memory initial_memory_{};
  bool reference_ = false;
};

}  // namespace agmohd
