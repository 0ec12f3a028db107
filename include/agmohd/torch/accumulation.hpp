// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <torch/optim/optimizer.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "../policy/policy.hpp"
#include "../storage/native.hpp"
#include "../tensor/same_kind.hpp"
#include "../tensor/validate.hpp"

namespace agmohd {

/// What gradient::Accumulate has added since the last update: sums of gradients, beside the
/// parameters, and the losses. A few launches for any number of tensors; never waits.
template <class = void>  // for units without an optimizer, as in tensor/overlap.hpp
class BasicAccumulation {
 public:
  using Groups = std::vector<torch::optim::OptimizerParamGroup>;

  /// A sum, float32 (float64 for float64, complex for complex), in the memory order of its
  /// parameter; and for parameters of half precision room for the gradient that is made of it.
  struct Sum {
    at::Tensor sum, narrow;
    bool begun = false;  ///< whether it has something of this window
  };

  /// Calls of add() since the last update.
  std::int64_t calls() const { return calls_; }
  /// Whether the next call is added, with windows of `steps` calls; else it is an update by itself.
  bool adds(std::int64_t steps) const { return steps > 1 || calls_ > 0; }

  /// Adds the gradients of one call, and its loss, of one element, if there is one. Checks all of
  /// them first. False: no parameter has a gradient, and the call does not count.
  bool add(const Groups& groups, const at::Tensor& loss, bool capturing) {
    TORCH_CHECK(calls_ == 0 || capturing == captured_, detail::classic,
                "agmohd: a CUDA graph holds whole windows of gradient::Accumulate, but one was ",
                capturing ? "begun" : "ended", " after ", calls_, " of the calls of a window");
    std::vector<const at::Tensor*> params;  // with gradients
    for_each(groups, [&](const at::Tensor& param, const Place& place) {
      validate_param(param, place);
      if (!param.grad().defined()) return;
      TORCH_CHECK(!param.grad().is_sparse(), detail::classic, "agmohd: the gradient of ", place,
                  " has layout Sparse, but it must be strided: gradient::Accumulate adds dense "
                  "gradients. Leave it out, or build the embedding with sparse(false)");
      validate_grad(param, param.grad(), place);
      params.push_back(&param);
    });
    if (params.empty()) return false;
    if (calls_ == 0) drop_others(groups);
    std::vector<detail::SameKind> begin, more;  // gradients and their sums
    std::vector<Sum*> begun;
    for (const at::Tensor* param : params) {
      const at::Tensor& grad = param->grad();
      Sum& to = room(*param);
      detail::add_by_kind(to.begun ? more : begin, parts(is_plain(grad) ? grad : grad.clone()),
                          parts(to.sum));
      begun.push_back(&to);
    }
    if (loss.defined() && !(loss_.defined() && loss_.device() == loss.device())) {
      const at::Tensor fresh = at::zeros({}, loss.options().dtype(at::kDouble));
      if (losses_ > 0) fresh.copy_(loss_);
      loss_ = fresh;
    }
    for (detail::SameKind& some : begin) at::_foreach_copy_(some.others, some.params);
    for (detail::SameKind& some : more) {
      at::_foreach_add_(some.others, detail::in_dtype_of(some.others, some.params));
    }
    for (Sum* sum : begun) sum->begun = true;
    if (loss.defined()) {
      const at::Tensor one = loss.detach().reshape({});
      losses_ > 0 ? loss_.add_(one) : loss_.copy_(one);
      losses_ += 1;
    }
    calls_ += 1;
    captured_ = capturing;
    return true;
  }

  /// Makes room for the sums of all parameters, for a capture, if there are to be any.
  template <class Options>
  void prepare(const Groups& groups, const Options& options) {
    if (!adds(options.template get<"accumulation_steps">())) return;
    for_each(groups, [this](const at::Tensor& param, const Place&) {
      if (param.requires_grad() || param.grad().defined()) room(param);
    });
  }

  /// The mean of the losses; undefined: there were none.
  at::Tensor loss() const { return losses_ > 0 ? loss_ / double(losses_) : at::Tensor(); }

  /// While it lives, the parameters' gradients are the sums, or means; then they are what they
  /// were. A parameter that added none has none. After done() a new window begins; without it, as
  /// after an error, the sums are what they were, up to rounding.
  class AsGradients {
   public:
    AsGradients(BasicAccumulation& from, const Groups& groups, bool mean) : from_(from) {
      std::vector<detail::SameKind> narrowed;  // what is rounded, and its sums
      from.for_each(groups, [&](const at::Tensor& param, const Place&) {
        const auto found = from.sums_.find(param.unsafeGetTensorImpl());
        if (found == from.sums_.end() || !found->second.begun) {
          swaps_.emplace_back(param, at::Tensor());
          return;
        }
        Sum& of = found->second;
        sums_.push_back(parts(of.sum));
        if (of.narrow.defined()) detail::add_by_kind(narrowed, of.narrow, of.sum);
        swaps_.emplace_back(param, of.narrow.defined() ? of.narrow : of.sum);
      });
      if (mean && from.calls_ > 1) {
        scaled_ = true;
        scale(1 / double(from.calls_));  // not a division, which ATen does otherwise on CUDA
      }
      for (detail::SameKind& some : narrowed) at::_foreach_copy_(some.params, some.others);
      swap();
    }
    AsGradients(const AsGradients&) = delete;
    AsGradients& operator=(const AsGradients&) = delete;
    ~AsGradients() {
      swap();
      if (done_) return;
      try {
        if (scaled_) scale(double(from_.calls_));
      } catch (const std::exception&) {  // the device is broken
      }
    }
    void done() {
      done_ = true;
      from_.begin_anew();
    }

   private:
    void scale(double factor) {
      for (detail::SameKind& some : detail::by_kind(sums_, sums_)) {
        at::_foreach_mul_(some.others, factor);
      }
    }
    void swap() noexcept {
      for (auto& [param, grad] : swaps_) std::swap(param.mutable_grad(), grad);
    }

    BasicAccumulation& from_;
    bool scaled_ = false, done_ = false;
    std::vector<at::Tensor> sums_;
    std::vector<std::pair<at::Tensor, at::Tensor>> swaps_;  // parameters and their other gradients
  };

  /// Forgets what was added; the memory stays, for the next window.
  void begin_anew() noexcept {
    for (auto& [param, sum] : sums_) sum.begun = false;
    calls_ = losses_ = 0;
  }

  /// f(parameter, place) of each parameter, once.
  template <class F>
  static void for_each(const Groups& groups, const F& f) {
    std::unordered_set<const void*> seen;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      for (std::size_t i = 0; i < groups[g].params().size(); ++i) {
        const at::Tensor& param = groups[g].params()[i];
        if (seen.insert(param.unsafeGetTensorImpl()).second) f(param, Place{g, i});
      }
    }
  }

  /// For checkpoints.
  struct Saved {
    struct Entry {
      Place place;
      at::Tensor param, sum;
    };
    std::int64_t calls = 0, losses = 0;
    at::Tensor loss;
    std::vector<Entry> sums;
  };
  Saved saved(const Groups& groups) const {
    Saved out{calls_, losses_, losses_ > 0 ? loss_ : at::Tensor(), {}};
    for_each(groups, [&](const at::Tensor& param, const Place& place) {
      const auto found = sums_.find(param.unsafeGetTensorImpl());
      if (found != sums_.end() && found->second.begun) {
        out.sums.push_back({place, param, found->second.sum});
      }
    });
    return out;
  }
  void restore(const Saved& saved) {
    begin_anew();
    for (const auto& [place, param, sum] : saved.sums) {
      Sum& to = room(param);
      to.sum.copy_(sum);
      to.begun = true;
    }
    calls_ = saved.calls, losses_ = saved.losses, loss_ = saved.loss;
  }

 private:
  /// The sum of a parameter, which may be new, or moved to another device since.
  Sum& room(const at::Tensor& param) {
    Sum& of = sums_[param.unsafeGetTensorImpl()];
    const at::ScalarType type = state_type<storage::Native>(param);
    const bool known = of.sum.defined() && of.sum.sizes() == param.sizes();
    if (!known || !fits(of.sum, param, type)) {
      at::Tensor fresh = layout_of(param, type);
      of.begun = of.begun && known;
      if (of.begun) fresh.copy_(of.sum);
      of.sum = fresh;
    }
    if (type == param.scalar_type()) {
      of.narrow = at::Tensor();
    } else if (!of.narrow.defined() || of.narrow.sizes() != param.sizes() ||
               !fits(of.narrow, param, param.scalar_type())) {
      of.narrow = layout_of(param);
    }
    return of;
  }
  /// What belongs to parameters that are gone.
  void drop_others(const Groups& groups) {
    std::unordered_set<const void*> here;
    for_each(groups, [&](const at::Tensor& param, const Place&) {
      here.insert(param.unsafeGetTensorImpl());
    });
    std::erase_if(sums_, [&](const auto& entry) { return !here.contains(entry.first); });
  }

  std::unordered_map<const void*, Sum> sums_;
  at::Tensor loss_;  // the sum, in double; what it has without losses does not count
  std::int64_t calls_ = 0, losses_ = 0;
  bool captured_ = false;  // the last call
};

using Accumulation = BasicAccumulation<>;

/// Or nothing, of a recipe without gradient::Accumulate.
template <class Recipe>
using AccumulationOf = std::conditional_t<Recipe::accumulates, Accumulation, detail::NoMemory>;

}  // namespace agmohd
