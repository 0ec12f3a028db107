// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <torch/optim/optimizer.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "../cpu/parallel.hpp"
#include "../policy/classic_locale.hpp"
#include "../tensor/validate.hpp"
#include "adoption.hpp"
#include "bound_table.hpp"
#include "devices.hpp"
#include "loss.hpp"
#include "state_access.hpp"
#include "states.hpp"
#include "validate_param.hpp"
#include "waves.hpp"

namespace agmohd {

/// Keeps the table of what a step works on: which parameters have gradients, where they and their
/// states lie, which executor runs them. A step in which nothing but addresses changed compares and
/// updates pointers; anything else is validated as a whole before any of it takes effect.
template <class Recipe>
class Binder {
 public:
  using Groups = std::vector<torch::optim::OptimizerParamGroup>;
  using Access = detail::StateAccess<Recipe>;
  using Device = typename Devices<Recipe>::Device;
  using Entry = typename BoundTable<Recipe>::Entry;

  /// From the next step on, look at everything again.
  void invalidate() { *changed_ = true; }
  Devices<Recipe>& devices() { return devices_; }
  const Devices<Recipe>& devices() const { return devices_; }

  /// Brings the executors up to date with the parameters that have gradients now. False: there are
  /// none.
  bool bind(const Groups& groups, StateMap& states, const Settings<Recipe>& settings) {
    // Until all that changed is in force: what refresh() noted of some is lost where others throw.
    const bool known = !std::exchange(*changed_, true) && array_ == StateArray(states);
    const bool same = known && table_.refresh(groups, devices_);
    if (same) *changed_ = false;
    std::optional<typename Devices<Recipe>::Turn> turn;
    if (!same || table_.staging) turn.emplace(devices_);
    if (!same) rebuild(groups, states, settings);
    if (working_ == 0) return false;
    for (Device& device : devices_) {
      if (device.stale) {
        device.executor->bind(device.refs, &device.handles);
      } else if (device.moved) {
        device.executor->rebind(device.refs);
      }
      device.stale = device.moved = false;
    }
    if (!table_.staging) return true;
    for (const Bound<Recipe>& b : table_.bound) {
      if (!b.staged) continue;
      if (devices_[b.device].executor->capturing()) captured_.push_back(*b.staged);
      if (b.stages_param()) b.staged->param.copy_(b.staged->original);
      if (!b.resting) b.staged->grad.copy_(b.staged->original_grad);
    }
    return true;
  }

  /// After bind(): a step with its loss, which may be undefined. Staged parameters go back, and
  /// autograd learns that all were written in place.
  void step(const at::Tensor& loss) {
    const Device& judge = devices_.judge();
    devices_.step(detail::StepLoss<Recipe>(loss, judge.device, judge.reference).ref());
    devices_.stepped();
    parallel_ranges(
        std::int64_t(table_.bound.size()),
        [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t n = begin; n < end; ++n) {
            const Bound<Recipe>& b = table_.bound[std::size_t(n)];
            // Those of inference have no version, and those that rest hardly ever change.
            if (!b.resting && !b.param->is_inference()) b.param->bump_version();
          }
        },
        table_.each_thread(table_.bound.size(), devices_));
    hold();
    if (!table_.staging) return;
    for (Bound<Recipe>& b : table_.bound) {
      if (b.rows) b.rows->give_back();
      if (!b.staged) continue;
      if (b.stages_param()) b.staged->original.copy_(b.staged->param);
      b.staged->original_grad = at::Tensor();  // zero_grad() is to free it
    }
    for (Device& device : devices_) device.executor->end();
  }

  /// Creates the states of all parameters, with and without gradients, and makes room for a
  /// capture.
  void prepare(const Groups& groups, StateMap& states, const Settings<Recipe>& settings) {
    const typename Devices<Recipe>::Turn turn(devices_);
    std::vector<std::vector<TensorRef<Recipe>>> all;
    std::vector<Entry> places;
    for (const auto& a : adopt(groups, states, settings, /*with_gradient=*/false, places)) {
      all.resize(devices_.size());
      all[a.device].push_back(a.ref);
    }
    invalidate();
    bind(groups, states, settings);
    all.resize(devices_.size());
    for (std::size_t i = 0; i < all.size(); ++i) devices_[i].executor->reserve(all[i]);
  }

 private:
  /// What a step works on and the optimizer may free is not given out again while another stream
  /// works on it. Parameters and gradients are the program's, which sees to them as for any
  /// operation of LibTorch.
  void hold() {
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      Device& device = devices_[i];
      if (device.held || !device.executor->several_streams()) continue;
      const auto keep = [&](const at::Tensor& x) {
        if (x.defined()) device.executor->hold(x.storage().data_ptr());
      };
      for (const Bound<Recipe>& b : table_.bound) {
        if (b.device != i) continue;
        for (const at::Tensor& slot : b.slots) keep(slot);
        for (const auto& snapshot : Access::snapshots(*b.state)) {
          for (const at::Tensor& kept : snapshot) keep(kept);
        }
        if (b.staged) keep(b.staged->param), keep(b.staged->grad);
      }
      device.held = true;
    }
  }

  static bool wants_snapshots(const Settings<Recipe>& settings) {
    if constexpr (Recipe::keeps_snapshots) return settings.shared.recovery.snapshots;
    return false;
  }

  /// Validates; changes nothing. `places` become those of all parameters, in order.
  std::vector<Adoption<Recipe>> candidates(const Groups& groups, StateMap& states,
                                           const Settings<Recipe>& settings, bool with_gradient,
                                           std::vector<Entry>& places) const {
    const bool snapshots = wants_snapshots(settings);
    std::vector<Adoption<Recipe>> out;
    FirstPlaces firsts;
    std::int32_t index = 0;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const auto& params = groups[g].params();
      for (std::size_t i = 0; i < params.size(); ++i, ++index) {
        const Place place{g, i};
        validate_param_of<Recipe>(params[i], place);
        const Place first = firsts.add(params[i], place);
        places.push_back({std::int32_t(g), std::int32_t(i), -1, std::int32_t(first.position)});
        if (first != place) continue;
        const at::Tensor& grad = params[i].grad();
        if (grad.defined()) validate_any_grad<Recipe>(params[i], grad, snapshots, place);
        const bool rests = !grad.defined() && (with_gradient || !params[i].requires_grad());
        if (rests && !snapshots) continue;
        Adoption<Recipe> a{params[i], grad, find_state<Recipe>(states, params[i], place), place};
        a.ref.group = std::int32_t(g);
        a.ref.index = index;
        if (rests) {
          if (!a.can_rest(settings)) continue;
          a.ref.wave = TensorRef<Recipe>::kResting;
        }
        if (a.state != nullptr) {
          TORCH_CHECK(
              !Access::memory(*a.state).assigned() || Access::memory(*a.state).assigned_step() >= 0,
              detail::classic, "agmohd: the state of ", place,
              " has step = ", Access::memory(*a.state).assigned_step(),
              ", but it must be at least 0");
          const unsigned used = States<Recipe>::used(settings.groups[g].rule, params[i]);
          for (std::size_t j = 0; j < Access::slots(*a.state).size(); ++j) {
            if ((used >> j & 1U) != 0) {
              validate_slot(Access::slots(*a.state)[j], params[i],
                            States<Recipe>::sizes(params[i], j), States<Recipe>::names[j], place);
            }
          }
        }
        out.push_back(std::move(a));
      }
    }
    return out;
  }

  /// Gives all of them states that fit them, or changes nothing.
  std::vector<Adoption<Recipe>> adopt(const Groups& groups, StateMap& states,
                                      const Settings<Recipe>& settings, bool with_gradient,
                                      std::vector<Entry>& places) {
    std::vector<Adoption<Recipe>> all = candidates(groups, states, settings, with_gradient, places);
    if constexpr (Recipe::median_norm) Adoption<Recipe>::require_one_device(all);
    for (Adoption<Recipe>& a : all) a.device = devices_.of(a.param.device(), settings);
    Waves waves;
    for (Adoption<Recipe>& a : all) {
      a.plan(devices_[a.device].executor, settings);
      const bool rows = a.grad.defined() && a.grad.is_sparse();
      waves.add(a.param, a.slots(), a.ref, rows || !writable(a.param), a.place);
    }
    const std::vector<std::int32_t> found =
        waves.find(States<Recipe>::names.data(), States<Recipe>::shareable);
    for (std::size_t n = 0; n < all.size(); ++n) {
      if (!all[n].ref.resting()) all[n].ref.wave = found[n];
    }
    if (wants_snapshots(settings)) waves.require_none("snapshots = true");
    Adoption<Recipe>::commit(all, states, changed_);
    return all;
  }

  void rebuild(const Groups& groups, StateMap& states, const Settings<Recipe>& settings) {
    std::vector<Entry> places;
    const std::vector<Adoption<Recipe>> found = adopt(groups, states, settings, true, places);
    // From here on an exception must not leave half a table in force: *changed_ is true.
    table_.bound.clear();
    table_.places = std::move(places);
    table_.group_sizes.clear();
    working_ = 0;
    table_.staging = false;
    for (Device& device : devices_) {
      device.refs.clear();
      device.handles = {};
      device.stale = true;
      device.held = false;
    }
    for (const auto& group : groups) table_.group_sizes.push_back(group.params().size());
    for (const Adoption<Recipe>& a : found) {
      table_.places[std::size_t(a.ref.index)].bound = std::int32_t(table_.bound.size());
      bind(a, states.find(a.param.unsafeGetTensorImpl()).current);
    }
    devices_.activate();
    array_ = StateArray(states);
    *changed_ = false;
  }

  /// A row of the table.
  void bind(const Adoption<Recipe>& a, typename Bound<Recipe>::Entry entry) {
    Device& device = devices_[a.device];
    Bound<Recipe> b{a.param.unsafeGetTensorImpl(),
                    a.state,
                    entry,
                    Access::slots(*a.state),
                    {},
                    a.device,
                    device.refs.size(),
                    a.param.strides().vec(),
                    a.param.scalar_type(),
                    a.ref.resting(),
                    {}};
    at::Tensor param = a.param, grad = a.grad;
    TensorRef<Recipe> ref = a.ref;
    if (!b.resting) ++working_;
    if (!b.resting && grad.is_sparse()) {
      table_.staging = true;
      b.rows.emplace(param, grad, b.slots, ref);
      param = b.rows->param, grad = b.rows->grad;
    } else if (!writable(param) || (!b.resting && !readable(grad, param))) {
      TORCH_WARN_ONCE(
          "agmohd: a parameter is not dense in memory, or its gradient is laid out differently; it "
          "is copied to a buffer in every step");
      table_.staging = true;
      b.staged = Staged{param.detach(), grad, {}, {}};
      if (!b.resting) grad = b.staged->grad = layout_of(param);
      if (!writable(param)) param = b.staged->param = layout_of(param);
    }
    ref.param = param.mutable_data_ptr();
    ref.grad = b.resting ? nullptr : grad.const_data_ptr();
    if (device.reference) {
      const auto used = [&ref](std::size_t j) { return ref.state(j) != nullptr; };
      device.handles.add(param, grad, b.rows ? b.rows->slots : b.slots, used,
                         Access::snapshots(*a.state));
    }
    for (std::size_t j = 0; j < b.slots.size(); ++j) {
      if (b.slots[j].defined()) b.memory[j] = b.slots[j].storage();
    }
    device.refs.push_back(ref);
    table_.bound.push_back(std::move(b));
  }

  Devices<Recipe> devices_;
  BoundTable<Recipe> table_;
  std::size_t working_ = 0;  // of table_.bound, with a gradient
  StateArray array_;
  std::vector<Staged> captured_;  // what captured graphs copy through, while the optimizer lives
  std::shared_ptr<bool> changed_ =
      std::make_shared<bool>(true);  // shared with every attached ParamState
};

}  // namespace agmohd
