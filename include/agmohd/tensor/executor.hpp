// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "../gradient/chain.hpp"
#include "../step/host_executor.hpp"
#include "factors.hpp"
#include "handles.hpp"
#include "number.hpp"
#include "row_slot.hpp"
#include "rows.hpp"
#include "validate.hpp"

namespace agmohd {

/// The reference: the step as plain tensor operations. Slow, and where the recipe measures, it
/// waits for the device; for devices without kernels and as an oracle for the other backends.
template <class Recipe>
class TensorExecutor final : public HostExecutor<Recipe> {
  using Host = HostExecutor<Recipe>;
  using Host::first_chunks_;
  using Host::memory_;
  using Host::sample_every_;
  using Host::sampled_elements_;
  using Host::settings_;
  using Host::signals_;
  using Host::tensor_signals_;
  using Host::tensors_;

 public:
  void bind(std::span<const TensorRef<Recipe>> tensors, const Handles* handles) override {
    tensors_.assign(tensors.begin(), tensors.end());
    handles_ = *handles;
    this->number_chunks();
  }

  void measure(const LossRef& loss, bool /*alone*/) override {
    Signals sums;
    tensor_signals_.assign(tensors_.size(), TensorSignals{});
    if constexpr (Recipe::rows) {
      row_values_.assign(tensors_.size(), {});
      for (std::size_t t = 0; t < tensors_.size(); ++t) {
        if (tensors_[t].numel == 0 || tensors_[t].resting()) continue;
        row_values_[t] =
            values_of_rows<Recipe>(settings_.shared, tensors_[t].rows, widened(handles_.params[t]),
                                   widened(handles_.grads[t]));
      }
    }
    if constexpr (Recipe::measures_gradients) {
      for (std::size_t t = 0; t < tensors_.size(); ++t) {
        const at::Tensor& grad = handles_.grads[t];
        if (grad.numel() == 0) continue;
        const Draw draw = this->draw(tensors_[t]);
        const auto prefix = Recipe::template prefix<double>(settings_.shared, draw);
        const at::Tensor measured = Recipe::measured(grad_of(t), prefix, {});
        const at::Tensor g = measured.to(at::kDouble);
        Signals one;
        at::Tensor summed = g.square();
        if constexpr (Recipe::powers) summed = g.abs().pow(Recipe::power(settings_.shared));
        one.norm2 = summed.sum().template item<double>();
        one.max_abs = g.abs().max().template item<double>();
        one.nonfinite = g.isfinite().logical_not().sum().template item<std::int64_t>();
        reduction::accumulate(sums, one);
        tensor_signals_[t] = {one.norm2, one.max_abs, one.nonfinite, grad.numel()};
        if constexpr (Recipe::sums) {
          const auto k = this->template summing<double>(tensors_[t]);
          at::Tensor x;
          if constexpr (Recipe::sums_parameter) {
            x = Recipe::Rule::summed(widened(handles_.params[t]), measured, widened_slots(t), k);
          } else {
            x = Recipe::Rule::summed(measured, widened_slots(t), k);
          }
          tensor_signals_[t].summed = x.sum(at::kDouble).template item<double>();
        }
      }
    }
    this->measured(sums, loss);
  }

  void finish(Executor<Recipe>& judge) override {
    phase_ = this->phase();
    double sums[reduction::kSweepSums] = {};
    std::int64_t guarded = 0;
    Totals<Recipe::total_count> totals;
    const Verdict verdict = this->template decide<double>(
        judge, [&](std::size_t t, const auto& k) { sweep(t, k, sums, guarded, totals); },
        [&](std::size_t t, int snapshot) {
          for_each_kept(t, snapshot, [](at::Tensor& tensor, at::Tensor& kept) {
            const at::Tensor back = kept.clone();
            kept.copy_(tensor);
            tensor.copy_(back);
          });
        });
    std::int64_t spoiled = 0;
    if (verdict.save >= 0) {
      for (std::size_t t = 0; t < tensors_.size(); ++t) {
        for_each_kept(t, verdict.save, [&](at::Tensor& tensor, at::Tensor& kept) {
          kept.copy_(tensor);
          spoiled += kept.isfinite().logical_not().sum().template item<std::int64_t>();
        });
      }
    }
    if constexpr (Recipe::totals) {
      if (!verdict.skip) memory_.totals = totals;
    }
    if constexpr (Recipe::measures_sweep) {
      if (!verdict.skip) {
        memory_.swept = reduction::swept(sums, sampled_elements_[std::size_t(phase_)],
                                         {guarded, this->throttled_, spoiled});
      }
    }
  }

 private:
  typename Recipe::template Slots<at::Tensor> widened_slots(std::size_t t) const {
    typename Recipe::template Slots<at::Tensor> s;
    for_each_slot<Recipe::slot_count>(s, [&](int j, at::Tensor& slot) {
      const at::Tensor& from = handles_.slots[t][std::size_t(j)];
      slot = from.defined() ? widened(from) : at::zeros_like(widened(handles_.params[t]));
    });
    return s;
  }
  /// With slot number `number` as the factors from `first` on have it.
  void take_factored(std::size_t t, int number, int first, double least,
                     typename Recipe::template Slots<at::Tensor>& s) const {
    for_each_slot<Recipe::slot_count>(s, [&](int j, at::Tensor& slot) {
      if (j != number) return;
      slot = Recipe::by_rows ? factor(t, 0).expand(slot.sizes())
                             : factored_slot(factor(t, first), factor(t, first + 1), least,
                                             Recipe::inverse_roots);
    });
  }
  /// Moves the averages of a tensor on, and adapts its coefficients.
  void move_averages(std::size_t t, const at::Tensor& g,
                     typename Recipe::template Coefficients<double>& k) const {
    [[maybe_unused]] const bool used = tensors_[t].factors.used();
    const at::Tensor h = Recipe::seen(g, k, Position{});
    const auto f = Recipe::Rule::factoring(k.rule);
    if constexpr (Recipe::by_rows) {
      if (used) move_row_slot(h, factor(t, 0), f.gain);
    } else {
      if (used) move_factors(h, factor(t, 0), factor(t, 1), f);
    }
    if constexpr (Recipe::residual) {
      auto s = widened_slots(t);
      if (used) take_factored(t, Recipe::Rule::factored, 0, f.least, s);
      const at::Tensor measured = Recipe::Rule::measured(h, s, k.rule);
      Recipe::Rule::resize(k.rule, measured.square().sum(at::kDouble).template item<double>());
      if (!used) return;
      move_factors(Recipe::Rule::residual(h, s, k.rule), factor(t, 2), factor(t, 3),
                   Recipe::Rule::refactoring(k.rule));
    }
  }
  /// The slots of a sweep.
  typename Recipe::template Slots<at::Tensor> slots_of(
      std::size_t t,
      [[maybe_unused]] const typename Recipe::template Coefficients<double>& k) const {
    auto s = widened_slots(t);
    if constexpr (Recipe::factored) {
      if (!tensors_[t].factors.used()) return s;
      take_factored(t, Recipe::Rule::factored, 0, Recipe::Rule::factoring(k.rule).least, s);
      if constexpr (Recipe::residual) {
        take_factored(t, Recipe::Rule::refactored, 2, Recipe::Rule::refactoring(k.rule).least, s);
      }
    }
    return s;
  }

  void sweep(std::size_t t, const typename Recipe::template Coefficients<double>& decided,
             double (&sums)[reduction::kSweepSums], std::int64_t& guarded,
             [[maybe_unused]] Totals<Recipe::total_count>& totals) {
    const at::Tensor p = widened(handles_.params[t]), g = grad_of(t);
    if constexpr (Recipe::counts_zeroed) {
      this->add_zeroed(g.isfinite().logical_not().sum().template item<std::int64_t>());
    }
    auto k = decided;
    if constexpr (Recipe::factored) move_averages(t, g, k);
    typename Recipe::template Slots<at::Tensor> s = slots_of(t, k);
    const auto swept = [&](auto&... results) {
      if constexpr (!Recipe::totals) {
        return Recipe::sweep(p, g, s, k, Position{}, results...);
      } else {
        typename Recipe::template TotalValues<at::Tensor> w;
        at::Tensor out = Recipe::sweep(p, g, s, k, Position{}, results..., w);
        for (int i = 0; i < Recipe::total_count; ++i) {
          totals.of[i] += w.totals.of[i].sum(at::kDouble).template item<double>();
        }
        return out;
      }
    };
    at::Tensor result;
    if constexpr (Recipe::measures_sweep) {
      typename Recipe::template SweepValues<at::Tensor> w;
      result = swept(w);
      const at::Tensor values[] = {w.update.square(), w.along_previous, w.along};
      for (int i = 0; i < reduction::kSweepSums; ++i) {
        sums[i] += sampled(t, values[i]).sum(at::kDouble).template item<double>();
      }
      if (w.doubted) guarded += w.guarded.sum().template item<std::int64_t>();
    } else {
      result = swept();
    }
    for_each_slot<Recipe::slot_count>(s, [&](int j, at::Tensor& slot) {
      const at::Tensor& to = handles_.slots[t][std::size_t(j)];
      if (to.defined()) to.copy_(rounded(slot, k.storage, j));
    });
    if constexpr (Recipe::two_sweeps) {
      const auto stored = slots_of(t, k);
      const auto squared = Recipe::squared(p, g, stored, k, {});
      const auto dot = [](const at::Tensor& x, const at::Tensor& y) {
        return (x * y).sum(at::kDouble).template item<double>();
      };
      double norms[Recipe::norm_sums];
      norms[0] = dot(squared.p, squared.p), norms[1] = dot(squared.u, squared.u);
      if constexpr (Recipe::products) norms[2] = dot(squared.p, squared.u);
      auto second = k;
      this->scale_tensor(t, norms, second);
      result = Recipe::second(p, g, stored, second, {});
    }
    handles_.params[t].copy_(result);
  }

  /// The averages of a tensor's rows (0) or columns (1), of residuals 2 and 3.
  const at::Tensor& factor(std::size_t t, int number) const {
    return handles_.slots[t][std::size_t(Recipe::slot_count + number)];
  }
  /// The gradient, with the values of its rows.
  at::Tensor grad_of(std::size_t t) const {
    at::Tensor g = widened(handles_.grads[t]);
    if constexpr (Recipe::rows) {
      if (g.numel() == 0) return g;
      if constexpr (Recipe::projects) {
        return reduction::projected(g, widened(handles_.params[t]), row_values_[t]);
      } else if constexpr (Recipe::filters) {
        return reduction::filtered(g, row_values_[t]);
      } else {
        return reduction::with_row<Recipe>(g, row_values_[t]);
      }
    }
    return g;
  }

  /// f(tensor, its place in a snapshot) for the parameter and its slots.
  template <class F>
  void for_each_kept(std::size_t t, int snapshot, const F& f) {
    std::vector<at::Tensor>& kept = handles_.snapshots[t][std::size_t(snapshot)];
    f(handles_.params[t], kept[0]);
    for (std::size_t j = 0; j < handles_.slots[t].size(); ++j) {
      if (handles_.slots[t][j].defined()) f(handles_.slots[t][j], kept[1 + j]);
    }
  }

  /// The elements of sampled chunks; `x` is dense, in the memory order of parameter `t`.
  at::Tensor sampled(std::size_t t, const at::Tensor& x) const {
    if (sample_every_ == 1) return x;
    const at::Tensor chunks =
        at::arange(x.numel(), x.options().dtype(at::kLong)).div(reduction::kChunk, "floor");
    return x.as_strided({x.numel()}, {1})
        .masked_select((chunks + first_chunks_[t]).remainder(sample_every_) == phase_);
  }

  /// What the storage makes of a slot, element by element in memory order.
  static at::Tensor rounded(const at::Tensor& x, const typename Recipe::Storage::Key& key, int j) {
    if (!Recipe::Storage::rounds(key) || x.scalar_type() == at::kDouble) return x;
    at::Tensor host = x.to(x.options().device(at::kCPU), false, /*copy=*/true);
    auto* const to = host.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < host.numel(); ++i) {
      to[i] = Recipe::Storage::rounded(to[i], key, i, j);
    }
    return host;
  }

  static at::Tensor widened(const at::Tensor& x) {
    return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  }

  Handles handles_;
  // Of this step, from before it wrote a parameter.
  std::vector<ValuesOfRows<Recipe>> row_values_;
  std::int64_t phase_ = 0;  // of this step's sample
};

}  // namespace agmohd
