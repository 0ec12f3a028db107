// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "../step/executor.hpp"
#include "../tensor/flags.hpp"
#include "../tensor/validate.hpp"
#include "options.hpp"
#include "state_access.hpp"
#include "states.hpp"
#include "stock_options.hpp"

namespace agmohd {

/// The states that torch.optim's optimizer of the rule makes when it gets the parameters.
template <class Recipe>
void make_states_at_once(StateMap& states, const std::vector<at::Tensor>& params,
                         const Options<Recipe>& options) {
  if constexpr (detail::states_at_once<typename Recipe::Rule>) {
    const auto rule = options.group().rule;
    std::vector<std::pair<void*, std::unique_ptr<ParamState<Recipe>>>> made;
    for (const at::Tensor& param : params) {
      // What is never updated may be any tensor.
      if (!is_plain(param) || param.is_meta() || !part_dtype(param.scalar_type())) continue;
      if (states.find(param.unsafeGetTensorImpl()) != states.end()) continue;
      made.emplace_back(param.unsafeGetTensorImpl(), std::make_unique<ParamState<Recipe>>());
      made.back().second->for_each_slot([&](std::size_t j, at::Tensor& slot) {
        if ((States<Recipe>::used(rule, param) >> j & 1U) == 0) return;
        slot = States<Recipe>::make(param, j);
        parts(slot).fill_(States<Recipe>::initial(rule, j));
      });
    }
    for (auto& [key, state] : made) states[key] = std::move(state);
  }
}

/// What gives a parameter a state that fits it, and a per_tensor in its executor. Made in full for
/// all parameters, then committed, so that an error between leaves every state as it was.
template <class Recipe>
struct Adoption {
  using State = ParamState<Recipe>;
  using Access = detail::StateAccess<Recipe>;
  using ExecutorPtr = std::shared_ptr<Executor<Recipe>>;

  at::Tensor param, grad;  ///< grad: undefined in prepare(), and where it rests
  State* state;            ///< null: it has none yet
  Place place;
  TensorRef<Recipe> ref{};  ///< but for the addresses of parameter and gradient
  std::size_t device = 0;

  Adoption(at::Tensor of, at::Tensor gradient, State* has, const Place& at)
      : param(std::move(of)), grad(std::move(gradient)), state(has), place(at) {}

  /// Whether the parameter, without a gradient, takes part in the snapshots of others: it has been
  /// in a step that could write one, and its state still fits.
  bool can_rest(const Settings<Recipe>& settings) const {
    if constexpr (Recipe::keeps_snapshots) {
      if (state == nullptr) return false;
      const unsigned used =
          States<Recipe>::used(settings.groups[std::size_t(ref.group)].rule, param);
      const auto& both = Access::snapshots(*state);
      const auto all_kept = [&](std::size_t j) {
        return std::all_of(both.begin(), both.end(),
                           [&](const auto& s) { return kept_as(s[j], j); });
      };
      if (!all_kept(0)) return false;
      for (std::size_t j = 0; j < Access::slots(*state).size(); ++j) {
        if ((used >> j & 1U) == 0) continue;
        const at::Tensor& x = Access::slots(*state)[j];
        if (!kept_as(x, 1 + j) || !States<Recipe>::fits(x, param, j) || !all_kept(1 + j))
          return false;
      }
      return true;
    } else {
      return false;
    }
  }

  /// Allocates what is missing, and converts what does not fit.
  void plan(const ExecutorPtr& on, const Settings<Recipe>& settings) {
    executor_ = on;
    const auto& rule = settings.groups[std::size_t(ref.group)].rule;
    const unsigned used = States<Recipe>::used(rule, param);
    if (state == nullptr) {
      creating();
      fresh_ = std::make_unique<State>();
    }
    const State& now = state != nullptr ? *state : *fresh_;
    slots_ = Access::slots(now);
    snapshots_ = Access::snapshots(now);
    // Before slots are made: for some rules a defined one is the sign of an earlier update.
    if (!Access::memory(now).attached_to(on) || Access::memory(now).assigned())
      per_tensor_ = Access::complete_memory(now, rule);
    for (std::size_t j = 0; j < slots_.size(); ++j) {
      if ((used >> j & 1U) == 0) continue;
      at::Tensor& slot = slots_[j];
      if (!slot.defined() || !States<Recipe>::fits(slot, param, j)) {
        creating();
        at::Tensor fresh = States<Recipe>::make(param, j);
        slot.defined() ? fresh.copy_(slot.detach())
                       : parts(fresh).fill_(States<Recipe>::initial(rule, j));
        slot = fresh;
      }
      ref.state(j, slot.mutable_data_ptr());
    }
    States<Recipe>::describe(ref, param);
    if constexpr (Recipe::keeps_snapshots) {
      if (settings.shared.recovery.snapshots &&
          make_room(settings.shared.recovery.snapshots_on_host)) {
        // What snapshots had of it is gone. Captured graphs know the per_tensor: only then a new
        // one.
        const auto has = [](const auto& kept) { return kept.stamp != 0; };
        typename Recipe::PerTensor known = per_tensor_ ? *per_tensor_ : Access::memory(now).get();
        if (std::any_of(std::begin(known.snapshots.kept), std::end(known.snapshots.kept), has)) {
          known.snapshots = {};
          per_tensor_ = known;
        }
      }
    }
    if (per_tensor_) creating();
    ref.numel = part_count(param);
    ref.matrix = param.dim() >= 2;
    if constexpr (Recipe::rows) ref.rows = rows_of(param, Recipe::whole_tensors);
    ref.dtype = *part_dtype(param.scalar_type());
    ref.per_tensor = Access::memory(now).number();
  }

  /// As they will be; before commit() only.
  const auto& slots() const { return slots_; }

  /// For a recipe with the median of the tensors' norms.
  static void require_one_device(const std::vector<Adoption>& all) {
    for (const Adoption& a : all) {
      TORCH_CHECK(a.param.device() == all[0].param.device(), detail::classic, "agmohd: ", a.place,
                  " is on ", a.param.device(), ", but ", all[0].place, " on ",
                  all[0].param.device(), "; ", Recipe::Gradient::name(),
                  " wants the median of the tensors' norms, which is made on one device: give each "
                  "device an optimizer of its own");
    }
  }

  /// All take effect, or none. `changed`: what their states will tell of changes to.
  static void commit(std::vector<Adoption>& all, StateMap& states,
                     const std::shared_ptr<bool>& changed) {
    std::size_t done = 0;
    try {
      for (; done < all.size(); ++done) {
        Adoption& a = all[done];
        if (a.fresh_) states[a.key()];
        if (a.per_tensor_) a.ref.per_tensor = a.executor_->add_per_tensor(*a.per_tensor_);
      }
    } catch (...) {
      for (std::size_t i = 0; i <= done; ++i) {
        if (i < done && all[i].per_tensor_)
          all[i].executor_->drop_per_tensor(all[i].ref.per_tensor);
        const auto entered = all[i].fresh_ ? states.find(all[i].key()) : states.end();
        if (entered != states.end()) states.erase(entered);
      }
      throw;
    }
    for (Adoption& a : all) a.take_effect(states, changed);
  }

 private:
  void* key() const { return param.unsafeGetTensorImpl(); }

  /// Whether `x`, maybe on another device, can be part j of a snapshot: 0 the parameter, 1 + j
  /// state number j.
  bool kept_as(const at::Tensor& x, std::size_t j) const {
    if (!x.defined()) return false;
    if (j == 0) return x.sizes() == param.sizes() && ordered_as(x, param, param.scalar_type());
    return x.sizes() == States<Recipe>::sizes(param, j - 1) &&
           States<Recipe>::ordered(x, param, j - 1);
  }

  /// Uninitialised, for that part.
  at::Tensor room(std::size_t j, bool pinned) const {
    if (j > 0 && States<Recipe>::is_factor(j - 1)) {
      const at::Tensor to = States<Recipe>::make(param, j - 1);
      return pinned ? at::empty_strided(to.sizes(), to.strides(), in_host_memory(to)) : to;
    }
    const auto type = j == 0 ? param.scalar_type() : state_type<typename Recipe::Storage>(param);
    return pinned ? at::empty_like(param, in_host_memory(param).dtype(type),
                                   at::MemoryFormat::Preserve)
                  : layout_of(param, type);
  }
  static at::TensorOptions in_host_memory(const at::Tensor& like) {
    return like.options().requires_grad(false).device(at::kCPU).pinned_memory(true);
  }

  void creating() const {
    TORCH_CHECK(!executor_->capturing(), detail::classic, "agmohd: ", place,
                " needs new state while a CUDA graph is captured; call prepare() before the "
                "capture");
  }

  /// Makes room for snapshots on the parameter's device or in pinned memory of the host; what lies
  /// elsewhere is moved. True: some of it is new, so it has none.
  bool make_room(bool on_host) {
    bool fresh = false;
    const bool pinned = on_host && !param.is_cpu();
    for (int i = 0; i < 2; ++i) {
      for (std::size_t j = 0; j <= States<Recipe>::count; ++j) {
        if (j > 0 && ref.state(j - 1) == nullptr) continue;
        at::Tensor& kept = snapshots_[std::size_t(i)][j];
        const bool same = kept_as(kept, j);
        if (!same || (pinned ? !kept.is_pinned() : kept.device() != param.device())) {
          creating();
          const at::Tensor to = room(j, pinned);
          if (same) to.copy_(kept);
          kept = to;
          moved_ = true;
          fresh = fresh || !same;
        }
        ref.snapshots.at[i][j] = kept.mutable_data_ptr();
      }
    }
    return fresh;
  }

  void take_effect(StateMap& states, const std::shared_ptr<bool>& changed) noexcept {
    if (fresh_) {
      state = fresh_.get();
      states.find(key())->second = std::move(fresh_);
    }
    Access::slots(*state) = std::move(slots_);
    if (moved_) Access::wait_for_snapshots(*state);  // before the old ones go
    Access::snapshots(*state) = std::move(snapshots_);
    if (per_tensor_) Access::memory(*state).attach(std::move(executor_), ref.per_tensor, changed);
  }

  ExecutorPtr executor_;
  std::unique_ptr<State> fresh_;
  typename Access::Slots slots_;
  typename Access::Snapshots snapshots_;
  std::optional<typename Recipe::PerTensor> per_tensor_;  // to be added
  bool moved_ = false;
};

}  // namespace agmohd
