// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/core/impl/COW.h>
#include <torch/optim/optimizer.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "../param_state.hpp"
#include "classic.hpp"
#include "lanes.hpp"
#include "parallel.hpp"
#include "validate.hpp"

namespace agmohd {

/// Keeps the table of what a step works on: which parameters have gradients, where they and their
/// states lie, which executor runs them. A step in which nothing but addresses changed compares and
/// updates pointers; anything else is validated as a whole before any of it takes effect.
template <class Recipe>
class Binder {
 public:
  using Groups = std::vector<torch::optim::OptimizerParamGroup>;
  using States = ska::flat_hash_map<void*, std::unique_ptr<torch::optim::OptimizerParamState>>;
  using Lane = typename Lanes<Recipe>::Lane;

  /// From the next step on, look at everything again.
  void invalidate() { *changed_ = true; }
  Lanes<Recipe>& lanes() { return lanes_; }
  const Lanes<Recipe>& lanes() const { return lanes_; }

  /// Brings the executors up to date with the parameters that have gradients now. False: there are
  /// none.
  bool bind(const Groups& groups, States& states, const Settings<Recipe>& settings) {
    // Until all that changed is in force: what refresh() noted of some is lost where others throw.
    const bool known = !std::exchange(*changed_, true);
    const bool same = known && refresh(groups);
    if (same) *changed_ = false;
    std::optional<typename Lanes<Recipe>::Turn> turn;
    if (!same || staging_) turn.emplace(lanes_);
    if (!same) rebuild(groups, states, settings);
    if (bound_.empty()) return false;
    for (Lane& lane : lanes_) {
      if (lane.stale) {
        lane.executor->bind(lane.refs, &lane.handles);
      } else if (lane.moved) {
        lane.executor->rebind(lane.refs);
      }
      lane.stale = lane.moved = false;
    }
    for (const Bound& b : bound_) {
      if (!b.staged) continue;
      if (lanes_[b.lane].executor->capturing()) captured_.push_back(*b.staged);
      b.staged->param.copy_(b.staged->original);
      b.staged->grad.copy_(b.staged->original_grad);
    }
    return true;
  }

  /// After a step: staged parameters go back, and autograd learns that all were written in place.
  void publish() {
    lanes_.stepped();
    parallel_ranges(
        std::int64_t(bound_.size()),
        [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t n = begin; n < end; ++n) {
            c10::TensorImpl* const param = bound_[std::size_t(n)].param;
            if (!param->is_inference()) param->bump_version();  // those have no version
          }
        },
        each_thread(bound_.size()));
    hold();
    if (!staging_) return;
    for (Bound& b : bound_) {
      if (!b.staged) continue;
      b.staged->original.copy_(b.staged->param);
      b.staged->original_grad = at::Tensor();  // zero_grad() is to free it
    }
    for (Lane& lane : lanes_) lane.executor->end();
  }

  /// Creates the states of all parameters, with and without gradients, and makes room for a
  /// capture.
  void prepare(const Groups& groups, States& states, const Settings<Recipe>& settings) {
    const typename Lanes<Recipe>::Turn turn(lanes_);
    std::vector<std::vector<TensorRef<Recipe>>> all(lanes_.size());
    for (Candidate& c : candidates(groups, states, settings, /*with_gradient=*/false)) {
      const std::size_t lane = lanes_.of(c.param.device(), settings);
      all.resize(lanes_.size());
      all[lane].push_back(adopt(c, lane, states, settings));
    }
    invalidate();
    bind(groups, states, settings);
    for (std::size_t i = 0; i < all.size(); ++i) lanes_[i].executor->reserve(all[i]);
  }

 private:
  /// What a step works on and the optimizer may free is not given out again while another stream
  /// works on it. Parameters and gradients are the program's, which sees to them as for any
  /// operation of LibTorch.
  void hold() {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      Lane& lane = lanes_[i];
      if (lane.held || !lane.executor->several_streams()) continue;
      const auto keep = [&](const at::Tensor& x) {
        if (x.defined()) lane.executor->hold(x.storage().data_ptr());
      };
      for (const Bound& b : bound_) {
        if (b.lane != i) continue;
        for (const at::Tensor& slot : b.slots) keep(slot);
        for (const auto& snapshot : b.state->snapshots_) {
          for (const at::Tensor& kept : snapshot) keep(kept);
        }
        if (b.staged) keep(b.staged->param), keep(b.staged->grad);
      }
      lane.held = true;
    }
  }

  /// Copies in a dense layout, for a parameter that is not dense or a gradient that is laid out
  /// differently.
  struct Staged {
    at::Tensor original, original_grad, param, grad;
  };
  struct Bound {
    c10::TensorImpl* param;
    ParamState<Recipe>* state;  // alive: its destructor would have set *changed_
    std::array<at::Tensor, Recipe::slot_count> slots;
    std::array<c10::Storage, Recipe::slot_count> memory;  // kept, should a program swap a slot's
    std::size_t lane, ref;
    std::vector<std::int64_t> strides;
    std::optional<Staged> staged;
    // Where the next step's are likely to lie:
    const c10::TensorImpl* grad = nullptr;
    const void *meta = nullptr, *storage = nullptr, *grad_storage = nullptr;

    /// Asks the memory for what refresh() will read: thousands of tensors lie in as many places.
    /// Inlined early, or GCC drops it, see Page::ask().
    __attribute__((always_inline)) void prefetch() const {
      for (const c10::TensorImpl* impl :
           std::initializer_list<const c10::TensorImpl*>{param, grad}) {
        const auto* const at = reinterpret_cast<const char*>(impl);
        for (std::size_t line = 0; line < sizeof *impl; line += 64) __builtin_prefetch(at + line);
      }
      for (const void* const at : {meta, storage, grad_storage}) {
        __builtin_prefetch(at);
        __builtin_prefetch(static_cast<const char*>(at) + 64);
      }
      __builtin_prefetch(&state->slots_);
    }
  };
  struct Candidate {
    at::Tensor param, grad;
    ParamState<Recipe>* state;
    std::int32_t group, index;  // index: over all groups
    std::size_t position;
  };

  /// A parameter's place among the groups, and in bound_; -1: it has no gradient.
  struct Slot {
    std::int32_t group, position, bound;
  };

  static constexpr std::int64_t kAhead = 6;

  /// How many parameters are worth another thread: what is looked at lies in as many places, and a
  /// core has room for a dozen reads under way. One thread does few, and what calls operators,
  /// whose thread-local modes others do not have.
  std::int64_t each_thread(std::size_t count) {
    const bool simple = !staging_ && std::none_of(lanes_.begin(), lanes_.end(),
                                                  [](const Lane& lane) { return lane.reference; });
    return simple && count >= 1024 ? 256 : std::int64_t(count) + 1;
  }

  /// What became of a parameter since the last step.
  enum class Found { same, moved, stale, changed };

  /// The fast path. False: something other than an address changed.
  bool refresh(const Groups& groups) {
    std::size_t count = 0;
    for (const auto& group : groups) count += group.params().size();
    if (count != places_.size() || groups.size() != group_sizes_.size()) return false;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      if (groups[g].params().size() != group_sizes_[g]) return false;
    }
    std::atomic<bool> same{true};
    std::atomic<std::uint64_t> moved{0}, stale{0};  // bits of lanes
    parallel_ranges(
        std::int64_t(count),
        [&](std::int64_t begin, std::int64_t end) {
          std::uint64_t ours_moved = 0, ours_stale = 0;
          for (std::int64_t i = begin; i < std::min(begin + kAhead, end); ++i) {
            prefetch(places_[std::size_t(i)]);
          }
          for (std::int64_t i = begin; i < end; ++i) {
            if (i + kAhead < end) prefetch(places_[std::size_t(i + kAhead)]);
            const Slot& slot = places_[std::size_t(i)];
            const Found found = refresh(groups, slot);
            if (found == Found::changed) return same.store(false, std::memory_order_relaxed);
            if (found == Found::same) continue;
            const std::uint64_t bit = std::uint64_t{1} << bound_[std::size_t(slot.bound)].lane % 64;
            (found == Found::moved ? ours_moved : ours_stale) |= bit;
          }
          if (ours_moved != 0) moved.fetch_or(ours_moved, std::memory_order_relaxed);
          if (ours_stale != 0) stale.fetch_or(ours_stale, std::memory_order_relaxed);
        },
        each_thread(count));
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      if ((moved.load(std::memory_order_relaxed) >> i % 64 & 1U) != 0) lanes_[i].moved = true;
      if ((stale.load(std::memory_order_relaxed) >> i % 64 & 1U) != 0) lanes_[i].stale = true;
    }
    return same.load(std::memory_order_relaxed);
  }

  __attribute__((always_inline)) void prefetch(const Slot& slot) const {
    if (slot.bound >= 0) bound_[std::size_t(slot.bound)].prefetch();
  }

  /// Several threads at once do this.
  Found refresh(const Groups& groups, const Slot& slot) {
    const at::Tensor& param = groups[std::size_t(slot.group)].params()[std::size_t(slot.position)];
    if (!param.defined()) return Found::changed;  // rebuild() says which
    const at::Tensor& grad = param.grad();
    if (grad.defined() != (slot.bound >= 0)) return Found::changed;
    return slot.bound < 0 ? Found::same : refresh(bound_[std::size_t(slot.bound)], param, grad);
  }

  Found refresh(Bound& b, const at::Tensor& param, const at::Tensor& grad) {
    if (b.param != param.unsafeGetTensorImpl()) return Found::changed;
    Lane& lane = lanes_[b.lane];
    TensorRef<Recipe>& ref = lane.refs[b.ref];
    for (std::size_t j = 0; j < b.slots.size(); ++j) {
      if (!b.slots[j].is_same(b.state->slots_[j])) return Found::changed;
    }
    if (grad.layout() != at::kStrided || param.sizes() != grad.sizes() ||
        param.numel() != ref.numel || param.strides() != at::IntArrayRef(b.strides) ||
        dtype_of(param.scalar_type()) != ref.dtype || grad.scalar_type() != param.scalar_type() ||
        param.device() != lane.device || grad.device() != lane.device) {
      return Found::changed;
    }
    if (b.staged) {
      b.staged->original_grad = grad;
      const bool same = b.staged->original.is_alias_of(param) &&
                        b.staged->original.storage_offset() == param.storage_offset();
      return same ? Found::same : Found::changed;
    }
    if (!readable(grad, param)) return Found::changed;
    b.grad = grad.unsafeGetTensorImpl();
    b.grad_storage = grad.storage().unsafeGetStorageImpl();
    if (b.storage == nullptr) {
      b.storage = param.storage().unsafeGetStorageImpl();
      b.meta = b.param->autograd_meta();
    }
    // Its memory is about to be made its own, by the caller's thread.
    if (c10::impl::cow::is_cow_data_ptr(param.storage().data_ptr())) return Found::changed;
    void* const p = param.mutable_data_ptr();
    const void* const g = grad.const_data_ptr();
    if (lane.reference) {
      lane.handles.params[b.ref] = param.detach();
      lane.handles.grads[b.ref] = grad;
      return Found::stale;
    }
    const Found found = ref.param != p ? Found::stale : ref.grad != g ? Found::moved : Found::same;
    if (found != Found::same) ref.param = p, ref.grad = g;
    return found;
  }

  /// Validates; changes nothing.
  std::vector<Candidate> candidates(const Groups& groups, States& states,
                                    const Settings<Recipe>& settings, bool with_gradient) const {
    std::vector<Candidate> out;
    std::unordered_set<const c10::TensorImpl*> seen;
    std::int32_t index = 0;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const auto& params = groups[g].params();
      for (std::size_t i = 0; i < params.size(); ++i, ++index) {
        const Place place{g, i};
        validate_param(params[i], place);
        TORCH_CHECK(seen.insert(params[i].unsafeGetTensorImpl()).second, detail::classic,
                    "agmohd: ", place,
                    " appears more than once among the parameters of this optimizer");
        const at::Tensor& grad = params[i].grad();
        if (grad.defined()) {
          validate_grad(params[i], grad, place);
        } else if (with_gradient || !params[i].requires_grad()) {
          continue;
        }
        Candidate c{params[i], grad, nullptr, std::int32_t(g), index, i};
        if (const auto found = states.find(params[i].unsafeGetTensorImpl());
            found != states.end()) {
          c.state = &state_of<Recipe>(found->second.get(), place);
          const unsigned used = Recipe::Rule::slots(settings.groups[g].rule);
          for (std::size_t j = 0; j < c.state->slots_.size(); ++j) {
            if ((used >> j & 1U) != 0) {
              validate_slot(c.state->slots_[j], params[i], Recipe::Rule::slot_names[j], place);
            }
          }
        }
        out.push_back(std::move(c));
      }
    }
    return out;
  }

  void rebuild(const Groups& groups, States& states, const Settings<Recipe>& settings) {
    std::vector<Candidate> found = candidates(groups, states, settings, /*with_gradient=*/true);
    bound_.clear();
    places_.clear();
    group_sizes_.clear();
    staging_ = false;
    for (Lane& lane : lanes_) {
      lane.refs.clear();
      lane.handles = {};
      lane.stale = true;
      lane.held = false;
    }
    *changed_ = true;  // until the end: an exception below must not leave half a table in force
    for (Candidate& c : found) {
      const std::size_t i = lanes_.of(c.param.device(), settings);
      TensorRef<Recipe> ref = adopt(c, i, states, settings);
      Lane& lane = lanes_[i];
      Bound b{c.param.unsafeGetTensorImpl(), c.state, c.state->slots_, {}, i, lane.refs.size(),
              c.param.strides().vec(),       {}};
      if (!is_dense(c.param) || !readable(c.grad, c.param)) {
        TORCH_WARN_ONCE(
            "agmohd: a parameter is not dense in memory, or its gradient has other strides; it is "
            "copied to a buffer and back in every step");
        staging_ = true;
        b.staged = Staged{c.param.detach(), c.grad, layout_of(c.param), layout_of(c.param)};
      }
      ref.param = (b.staged ? b.staged->param : c.param).mutable_data_ptr();
      ref.grad = (b.staged ? b.staged->grad : c.grad).const_data_ptr();
      if (lane.reference) {
        lane.handles.params.push_back(b.staged ? b.staged->param : c.param.detach());
        lane.handles.grads.push_back(b.staged ? b.staged->grad : c.grad);
        lane.handles.slots.emplace_back(c.state->slots_.begin(), c.state->slots_.end());
        for (std::size_t j = 0; j < c.state->slots_.size(); ++j) {
          if (ref.slots[j] == nullptr) lane.handles.slots.back()[j] = at::Tensor();
        }
        auto& kept = lane.handles.snapshots.emplace_back();
        for (std::size_t k = 0; k < 2; ++k) {
          kept[k].assign(c.state->snapshots_[k].begin(), c.state->snapshots_[k].end());
        }
      }
      for (std::size_t j = 0; j < b.slots.size(); ++j) {
        if (b.slots[j].defined()) b.memory[j] = b.slots[j].storage();
      }
      lane.refs.push_back(ref);
      bound_.push_back(std::move(b));
    }
    for (const auto& group : groups) {
      const std::size_t size = group.params().size();
      for (std::size_t i = 0; i < size; ++i) {
        places_.push_back({std::int32_t(group_sizes_.size()), std::int32_t(i), -1});
      }
      group_sizes_.push_back(size);
    }
    for (std::size_t n = 0; n < found.size(); ++n) {
      places_[std::size_t(found[n].index)].bound = std::int32_t(n);
    }
    lanes_.activate();
    *changed_ = false;
  }

  /// Gives a parameter a state that fits it, and a record in its executor.
  TensorRef<Recipe> adopt(Candidate& c, std::size_t lane, States& states,
                          const Settings<Recipe>& settings) {
    const auto& executor = lanes_[lane].executor;
    const auto& rule = settings.groups[std::size_t(c.group)].rule;
    const unsigned used = Recipe::Rule::slots(rule);
    const at::ScalarType type = state_type<typename Recipe::Storage>(c.param);
    const auto creating = [&] {
      TORCH_CHECK(
          !executor->capturing(), detail::classic,
          "agmohd: ", Place{std::size_t(c.group), c.position},
          " needs new state while a CUDA graph is captured; call prepare() before the capture");
    };
    if (c.state == nullptr) {
      creating();
      auto state = std::make_unique<ParamState<Recipe>>();
      c.state = state.get();
      states[c.param.unsafeGetTensorImpl()] = std::move(state);
    }
    // Before slots are made: for some rules a defined one is the sign of an earlier update.
    std::optional<typename Recipe::PerTensor> record;
    if (c.state->executor_ != executor) record = c.state->complete_record(rule);
    TensorRef<Recipe> ref;
    for (std::size_t j = 0; j < c.state->slots_.size(); ++j) {
      if ((used >> j & 1U) == 0) continue;
      at::Tensor& slot = c.state->slots_[j];
      if (!slot.defined() || !fits(slot, c.param, type)) {
        creating();
        at::Tensor fresh = layout_of(c.param, type);
        slot.defined() ? fresh.copy_(slot.detach()) : fresh.zero_();
        slot = fresh;
      }
      ref.slots[j] = slot.mutable_data_ptr();
    }
    if constexpr (Recipe::heals) {
      const auto& healing = settings.shared.healing;
      if (healing.snapshots &&
          make_room(*c.state, c.param, ref, healing.snapshots_on_host, creating)) {
        // What snapshots had of it is gone. Captured graphs know the record: only then a new one.
        const auto has = [](const auto& kept) { return kept.stamp != 0; };
        typename Recipe::PerTensor now = record ? *record : c.state->record();
        if (std::any_of(std::begin(now.snapshots.kept), std::end(now.snapshots.kept), has)) {
          now.snapshots = {};
          record = now;
        }
      }
    }
    if (record) {
      creating();
      c.state->attach(executor, executor->add_record(*record), changed_);
    }
    ref.numel = c.param.numel();
    ref.group = c.group;
    ref.record = c.state->index_;
    ref.index = c.index;
    ref.dtype = *dtype_of(c.param.scalar_type());
    return ref;
  }

  /// Gives the state of a parameter room for snapshots, on its device or in pinned memory of the
  /// host; what lies elsewhere is moved. True: some of it is new, so it has none.
  template <class Creating>
  static bool make_room(ParamState<Recipe>& state, const at::Tensor& param, TensorRef<Recipe>& ref,
                        bool on_host, const Creating& creating) {
    bool fresh = false;
    const bool pinned = on_host && !param.is_cpu();
    for (int i = 0; i < 2; ++i) {
      for (std::size_t j = 0; j <= Recipe::slot_count; ++j) {
        if (j > 0 && ref.slots[j - 1] == nullptr) continue;
        at::Tensor& kept = state.snapshots_[std::size_t(i)][j];
        const at::ScalarType type =
            j == 0 ? param.scalar_type() : state_type<typename Recipe::Storage>(param);
        const bool same =
            kept.defined() && kept.sizes() == param.sizes() && ordered_as(kept, param, type);
        if (!same || (pinned ? !kept.is_pinned() : kept.device() != param.device())) {
          creating();
          at::Tensor to = pinned ? at::empty_like(param,
                                                  param.options()
                                                      .requires_grad(false)
                                                      .dtype(type)
                                                      .device(at::kCPU)
                                                      .pinned_memory(true),
                                                  at::MemoryFormat::Preserve)
                                 : layout_of(param, type);
          if (same) to.copy_(kept);
          state.wait_for_snapshots();
          kept = to;
          fresh = fresh || !same;
        }
        ref.snapshots.at[i][j] = kept.mutable_data_ptr();
      }
    }
    return fresh;
  }

  Lanes<Recipe> lanes_;
  std::vector<Bound> bound_;
  std::vector<Slot> places_;  // of all parameters, by index
  std::vector<std::size_t> group_sizes_;
  bool staging_ = false;          // one of them is staged
  std::vector<Staged> captured_;  // what captured graphs copy through, while the optimizer lives
  std::shared_ptr<bool> changed_ =
      std::make_shared<bool>(true);  // shared with every attached ParamState
};

}  // namespace agmohd
