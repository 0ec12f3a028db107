// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "../policy/element.hpp"
#include "../policy/policy.hpp"
#include "../policy/signals.hpp"
#include "factors.hpp"
#include "record.hpp"
#include "row_slot.hpp"
#include "rows.hpp"
#include "snapshot_refs.hpp"

namespace c10 {
class DataPtr;
}

namespace agmohd {

/// One tensor of a step, as an executor sees it: memory in the parameter's order, gradient and
/// state laid out alike.
template <class Recipe>
struct TensorRef {
  static constexpr int slot_room = Recipe::slot_count > 0 ? Recipe::slot_count : 1;
  void* param = nullptr;
  const void* grad = nullptr;
  void* slots[slot_room] = {};  ///< null: these options do not use the slot
  SnapshotRefs<Recipe> snapshots{};
  std::int64_t numel = 0;
  std::int32_t group = 0;
  std::int32_t per_tensor =
      0;                   ///< the number of the tensor's memory, from Executor::add_per_tensor
  std::int32_t index = 0;  ///< the parameter's number over all groups
  /// The sweep does waves one after the other: tensors that share memory are in different ones, in
  /// the order of the parameters.
  std::int32_t wave = 0;
  /// The wave of a tensor without a gradient in this step: only snapshots save and swap it.
  static constexpr std::int32_t kResting = std::numeric_limits<std::int32_t>::max();
  bool resting() const { return wave == kResting; }
  Dtype dtype = Dtype::f32;
  std::conditional_t<Recipe::rows, RowShape, detail::NoMemory> rows{};
  AverageRefs<Recipe> factors{};
  bool matrix = false;  ///< it has two or more dimensions

  /// Where a tensor of its state lies: slot `j`, or behind the slots one of the factors.
  void* state(std::size_t j) const { return state_of(*this, j); }
  void state(std::size_t j, void* at) { state_of(*this, j) = at; }
  /// What a rule with a factored slot is told of the tensor.
  TensorKind kind() const requires(Recipe::factored) {
    return {numel, factors.used(), dtype == Dtype::f64};
  }

 private:
  template <class Ref>
  static auto& state_of(Ref& ref, std::size_t j) {
    if constexpr (Recipe::factored) {
      if (j >= std::size_t(Recipe::slot_count)) {
        return ref.factors.average(j - std::size_t(Recipe::slot_count));
      }
    }
    return ref.slots[j];
  }
};

/// Whether two lists of tensors have the same chunks.
template <class Recipe>
bool same_chunks(std::span<const TensorRef<Recipe>> a, std::span<const TensorRef<Recipe>> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    if constexpr (Recipe::rows) {
      if (x.rows != y.rows) return false;
    }
    if constexpr (Recipe::factored) {
      if (x.factors.used() != y.factors.used() || x.factors.shape != y.factors.shape) return false;
    }
    return x.numel == y.numel && x.dtype == y.dtype && x.wave == y.wave;
  });
}

/// The order in which backends number chunks, and add the norm: by wave, then by dtype, since a
/// launch does one wave of one dtype; otherwise that of the parameters.
template <class Recipe>
bool works_before(const TensorRef<Recipe>& a, const TensorRef<Recipe>& b) {
  return a.wave != b.wave ? a.wave < b.wave : a.dtype < b.dtype;
}
template <class Recipe>
std::vector<TensorRef<Recipe>> in_order_of_work(std::span<const TensorRef<Recipe>> tensors) {
  std::vector<TensorRef<Recipe>> out(tensors.begin(), tensors.end());
  std::stable_sort(out.begin(), out.end(), works_before<Recipe>);
  return out;
}

/// All options of an optimizer as the backends read them.
template <class Recipe>
struct Settings {
  typename Recipe::Shared shared{};
  std::vector<typename Recipe::Group> groups;
};

/// A loss as it was handed over: one element, on the executor's device or on the host.
struct LossRef {
  const void* at = nullptr;  ///< null: none
  Dtype dtype = Dtype::f64;
  bool on_host = false;
};

/// The tensors themselves, for the tensor backend; see tensor/executor.hpp.
struct Handles;

/// Runs the steps of one recipe on one device and owns the recipe's memory there. A step is bind
/// (if tensors changed), configure (if options changed), measure, judge, finish. With several
/// executors all measure, one judges on the sums of all, and the others take its judgement: host
/// and device may round std::log differently, and a threshold may lie between. A recipe that
/// measures nothing has nothing to judge; each CUDA device then decides for itself.
template <class Recipe>
class Executor {
 public:
  using Memory = typename Recipe::Memory;
  using PerTensor = typename Recipe::PerTensor;

  virtual ~Executor() = default;

  /// Whether the device records a graph: nothing may then be created, and `bind` uses a table that
  /// `reserve` made.
  virtual bool capturing() const { return false; }
  /// Whether one was recorded: what it points to is not moved any more.
  virtual bool captured() const { return false; }
  /// Makes room for a later capture of a step over these tensors.
  virtual void reserve(std::span<const TensorRef<Recipe>> /*tensors*/) {}

  /// Around work of the caller's own on the tensors of this executor: orders the current stream
  /// after earlier steps, and later steps after the current stream.
  virtual void begin() {}
  virtual void end() {}

  /// Whether steps took turns on several streams. Then memory that they use is to be held.
  virtual bool several_streams() const { return false; }
  /// Once freed, `memory` is not given out again before all steps until then are done.
  virtual void hold(const c10::DataPtr& /*memory*/) {}

  virtual void bind(std::span<const TensorRef<Recipe>> tensors, const Handles* handles) = 0;
  /// The tensors of the last bind() again, but for the addresses of gradients.
  virtual void rebind(std::span<const TensorRef<Recipe>> tensors) { bind(tensors, nullptr); }
  virtual void configure(const Settings<Recipe>& settings) = 0;

  /// Phase 1; on a CUDA device that is alone also phase 2.
  virtual void measure(const LossRef& loss, bool alone) = 0;
  /// The part of phase 2 that is of the optimizer as a whole. `all`: every executor of the step,
  /// this one included, all measured.
  virtual void judge(std::span<const std::shared_ptr<Executor>> all) = 0;
  /// What judge() found, where it runs on the host; null elsewhere.
  virtual const typename Recipe::Judgement* judgement() const { return nullptr; }
  /// The rest of phase 2, and phase 3. `judge`: the executor that judged, maybe this one.
  virtual void finish(Executor& judge) = 0;
  /// What this device measured; waits for it.
  virtual typename Recipe::AllSignals signals() = 0;
  /// Where it has that, in its device's memory or, if the host decides, the host's, for work that
  /// is enqueued between begin() and end(); null before the first step.
  virtual const Signals* measured() const = 0;
  /// The last records, as far as they have arrived; null where nothing is recorded.
  virtual const RecordRing* records() const { return nullptr; }
  /// They are of another run; waits for the device.
  virtual void forget_records() {}

  // The rest waits for the device.
  virtual void wait() {}  ///< for all steps so far
  virtual std::int32_t add_per_tensor(const PerTensor& value) = 0;
  /// The tensor with this memory is gone; a later one may get its place. Does not wait.
  virtual void drop_per_tensor(std::int32_t number) noexcept = 0;
  virtual PerTensor read_per_tensor(std::int32_t number) = 0;
  virtual void write_per_tensor(std::int32_t number, const PerTensor& value) = 0;
  virtual Memory read_memory() = 0;
  virtual void write_memory(const Memory& memory) = 0;
};

}  // namespace agmohd
