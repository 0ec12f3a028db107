// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <typeinfo>
#include <vector>

#include "../version.hpp"
#include "device_host.hpp"
#include "elements.hpp"
#include "record.hpp"
#include "signals.hpp"

namespace agmohd {

/// Where the two snapshots of a tensor lie: the parameter, then its slots. Null: nowhere.
template <class Recipe, bool heals = Recipe::heals>
struct SnapshotRefs {
  void* at[2][1 + Recipe::slot_count] = {};

  /// Of a tensor of `numel` elements: whether it has room for snapshots.
  AGMOHD_HD bool room(std::int64_t numel) const { return numel == 0 || at[0][0] != nullptr; }
};
template <class Recipe>
struct SnapshotRefs<Recipe, false> {
  AGMOHD_HD bool room(std::int64_t) const { return false; }
};

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
  std::int32_t record = 0;  ///< of the tensor's memory, from Executor::add_record
  std::int32_t index = 0;   ///< the parameter's number over all groups
  Dtype dtype = Dtype::f32;
};

/// Whether two lists of tensors have the same pages.
template <class Recipe>
bool same_pages(std::span<const TensorRef<Recipe>> a, std::span<const TensorRef<Recipe>> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.numel == y.numel && x.dtype == y.dtype;
  });
}

/// The tensors by dtype, otherwise in their order: a launch does one dtype, and the norm is added
/// in this order in every lane.
template <class Recipe>
std::vector<TensorRef<Recipe>> sorted_by_dtype(std::span<const TensorRef<Recipe>> tensors) {
  std::vector<TensorRef<Recipe>> out(tensors.begin(), tensors.end());
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.dtype < b.dtype; });
  return out;
}

/// All options of an optimizer as the lanes read them.
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

/// The tensors themselves, for the reference lane; see core/reference.hpp.
struct Handles;

/// Runs the steps of one recipe on one device and owns the recipe's memory there. A step is bind
/// (if tensors changed), configure (if options changed), measure, finish. With several executors
/// all of them are measured first; each then decides on the same sums, so that their memories stay
/// equal.
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

  virtual void bind(std::span<const TensorRef<Recipe>> tensors, const Handles* handles) = 0;
  /// The tensors of the last bind() again, but for the addresses of gradients.
  virtual void rebind(std::span<const TensorRef<Recipe>> tensors) { bind(tensors, nullptr); }
  virtual void configure(const Settings<Recipe>& settings) = 0;

  /// Phase 1 and, when this executor is alone, phase 2.
  virtual void measure(const LossRef& loss, bool alone) = 0;
  /// Phases 2 (unless alone) and 3. `all`: every executor of the optimizer, this one included, all
  /// measured.
  virtual void finish(std::span<const std::shared_ptr<Executor>> all) = 0;
  /// What this device measured; waits for it.
  virtual Signals signals() = 0;
  /// The last records, as far as they have arrived; null where nothing is recorded.
  virtual const RecordRing* records() const { return nullptr; }
  /// They are of another run; waits for the device.
  virtual void forget_records() {}

  // The rest waits for the device.
  virtual void wait() {}  ///< for all steps so far
  virtual std::int32_t add_record(const PerTensor& value) = 0;
  virtual PerTensor read_record(std::int32_t record) = 0;
  virtual Memory read_memory() = 0;
  virtual void write_memory(const Memory& memory) = 0;
};

/// Where kernel units register. One for a program and the libraries it links: visible whatever the
/// flags, and keyed by text, since the visibility of a template is that of its arguments.
class __attribute__((visibility("default"))) KernelRegistry {
 public:
  using Function = void (*)();
  static void put(const std::string& recipe, Function make) {
    const std::lock_guard lock(instance().mutex_);
    instance().makers_[recipe] = make;
  }
  static Function find(const std::string& recipe) {
    const std::lock_guard lock(instance().mutex_);
    const auto found = instance().makers_.find(recipe);
    return found == instance().makers_.end() ? nullptr : found->second;
  }

 private:
  static KernelRegistry& instance() {
    static KernelRegistry registry;
    return registry;
  }
  std::mutex mutex_;
  std::map<std::string, Function> makers_;
};

/// The makers of CUDA executors in the registry.
template <class Recipe>
struct CudaKernels {
  using Make = std::shared_ptr<Executor<Recipe>> (*)(int device, const DeviceHost& host);
  static void put(Make make) {
    KernelRegistry::put(key(), reinterpret_cast<KernelRegistry::Function>(make));
  }
  /// Null: no kernels were compiled for the recipe.
  static Make find() { return reinterpret_cast<Make>(KernelRegistry::find(key())); }

 private:
  /// With version and sizes: libraries of one program may have been built with several versions.
  static std::string key() {
    std::string out = typeid(Recipe).name();
    for (const std::size_t part :
         {std::size_t{AGMOHD_VERSION_MAJOR}, std::size_t{AGMOHD_VERSION_MINOR},
          std::size_t{AGMOHD_VERSION_PATCH}, sizeof(typename Recipe::Memory),
          sizeof(typename Recipe::PerTensor), sizeof(typename Recipe::Shared),
          sizeof(typename Recipe::Group), sizeof(TensorRef<Recipe>)}) {
      out += ' ';
      out += std::to_string(part);
    }
    return out;
  }
};

}  // namespace agmohd
