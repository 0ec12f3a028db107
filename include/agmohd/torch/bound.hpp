// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/core/impl/COW.h>
#include <torch/optim/optimizer.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "../tensor/validate.hpp"
#include "devices.hpp"
#include "sparse_rows.hpp"
#include "state_access.hpp"
#include "states.hpp"

namespace agmohd {

/// Copies in a dense layout that a step works on, for a parameter that is not dense or a gradient
/// that is laid out differently.
struct Staged {
  at::Tensor original, original_grad;
  at::Tensor param;  ///< undefined: it is dense
  at::Tensor grad;
};

/// What became of a parameter since the last step: nothing, only its gradient's memory lies
/// elsewhere (moved), its own does (stale), or something else, which needs a look at everything.
enum class Found { same, moved, stale, changed };

/// A parameter with a gradient, or one that rests, as the last step found it.
template <class Recipe>
struct Bound {
  using Access = detail::StateAccess<Recipe>;
  using Entry = decltype(std::declval<StateMap&>().end().current);
  using Device = typename Devices<Recipe>::Device;

  c10::TensorImpl* param;
  ParamState<Recipe>* state;  // alive: its destructor would have told
  Entry entry;                // of the state, in the array of the map
  std::array<at::Tensor, States<Recipe>::count> slots;
  std::array<c10::Storage, States<Recipe>::count> memory;  // kept, should a program swap a slot's
  std::size_t device, ref;
  std::vector<std::int64_t> strides;
  at::ScalarType type;
  bool resting;  // without a gradient, but in snapshots
  std::optional<Staged> staged;
  std::optional<SparseRows<Recipe>> rows{};  // of a sparse gradient: others in every step
  // Where the next step's are likely to lie:
  const c10::TensorImpl* grad = nullptr;
  const void *meta = nullptr, *storage = nullptr, *grad_storage = nullptr;

  /// Asks the memory for what refresh() will read: thousands of tensors lie in as many places.
  /// Inlined early, or GCC drops it, see Chunk::ask().
  __attribute__((always_inline)) void prefetch() const {
    for (const c10::TensorImpl* impl : std::initializer_list<const c10::TensorImpl*>{param, grad}) {
      const auto* const at = reinterpret_cast<const char*>(impl);
      for (std::size_t line = 0; line < sizeof *impl; line += 64) __builtin_prefetch(at + line);
    }
    for (const void* const at : {meta, storage, grad_storage}) {
      __builtin_prefetch(at);
      __builtin_prefetch(static_cast<const char*>(at) + 64);
    }
    __builtin_prefetch(&Access::slots(*state));
    __builtin_prefetch(entry);
  }

  bool stages_param() const { return staged && staged->param.defined(); }

  /// Compares, and notes new addresses in the device. Several threads do this at once.
  Found refresh(const at::Tensor& now, const at::Tensor& new_grad, Device& to) {
    if (rows || param != now.unsafeGetTensorImpl() || !has_state() ||
        Access::memory(*state).assigned()) {
      return Found::changed;
    }
    for (std::size_t j = 0; j < slots.size(); ++j) {
      if (!slots[j].is_same(Access::slots(*state)[j])) return Found::changed;
    }
    // First of all: of other tensors not even the sizes can be asked for safely.
    const auto fine = staged ? detail::kPlainKeys | detail::kLazyKeys : detail::kPlainKeys;
    if (detail::keys_beside(now, fine) != 0 ||
        (!resting && detail::keys_beside(new_grad, fine) != 0)) {
      return Found::changed;
    }
    TensorRef<Recipe>& as = to.refs[ref];
    if (now.scalar_type() != type || part_count(now) != as.numel ||
        now.strides() != at::IntArrayRef(strides) || now.device() != to.device) {
      return Found::changed;
    }
    if (!resting && (now.sizes() != new_grad.sizes() || new_grad.device() != to.device ||
                     new_grad.scalar_type() != now.scalar_type())) {
      return Found::changed;
    }
    if (staged) {
      if (now.is_neg() != staged->original.is_neg() ||
          now.is_conj() != staged->original.is_conj() || !has_memory(now) ||
          !(resting || new_grad._is_zerotensor() || has_memory(new_grad))) {
        return Found::changed;
      }
      staged->original_grad = new_grad;
      if (staged->param.defined()) {
        const bool same = staged->original.is_alias_of(now) &&
                          staged->original.storage_offset() == now.storage_offset();
        return same ? Found::same : Found::changed;
      }
    } else if (!resting && !same_order(new_grad, now)) {
      return Found::changed;
    }
    if (!resting) grad = new_grad.unsafeGetTensorImpl();
    if (!staged && !resting) grad_storage = new_grad.storage().unsafeGetStorageImpl();
    if (storage == nullptr) {
      storage = now.storage().unsafeGetStorageImpl();
      meta = param->autograd_meta();
    }
    // Its memory is about to be made its own, by the caller's thread.
    if (c10::impl::cow::is_cow_data_ptr(now.storage().data_ptr())) return Found::changed;
    void* const p = now.mutable_data_ptr();
    if (to.reference) {
      if (as.param != p || !(resting || staged || has_memory(new_grad))) return Found::changed;
      if (staged) return Found::same;
      to.handles.params[ref] = parts(now.detach());
      to.handles.grads[ref] = parts(new_grad);
      return Found::stale;
    }
    const void* const g = staged || resting ? as.grad : new_grad.const_data_ptr();
    const Found found = as.param != p ? Found::stale : as.grad != g ? Found::moved : Found::same;
    if (found == Found::same) return found;
    if (!has_memory(now) || !(resting || staged || has_memory(new_grad))) return Found::changed;
    as.param = p;
    as.grad = g;
    return found;
  }

 private:
  /// Whether the map has the state where it was, provided that its array is the same one.
  bool has_state() const {
    return entry->has_value() && entry->value.first == param && entry->value.second.get() == state;
  }
  /// A program may take memory away, as Storage::resize_ does.
  static bool has_memory(const at::Tensor& x) {
    return x.storage().data() != nullptr || x.numel() == 0;
  }
};

/// Where the states of an optimizer lie. As long as this is the same, entries can be looked at by
/// their address: insertions and erasures move entries within the array, or make another one.
struct StateArray {
  const void* end = nullptr;
  std::uint64_t buckets = 0;

  StateArray() = default;
  explicit StateArray(StateMap& states)
      : end(states.end().current), buckets(states.bucket_count()) {}
  bool operator==(const StateArray&) const = default;
};

}  // namespace agmohd
