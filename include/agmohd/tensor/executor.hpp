// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "../gradient/chain.hpp"
#include "../policy/number.hpp"
#include "../policy/random.hpp"
#include "../step/host_executor.hpp"
#include "factors.hpp"
#include "handles.hpp"
#include "validate.hpp"

namespace agmohd {

/// The tensor number type: one ATen operation for each operation of the equation, on any device.
/// Coefficients are doubles, which ATen rounds to the tensor's type as the other number types do.
template <>
struct number_traits<at::Tensor> {
  using real = double;
  static at::Tensor sqrt(const at::Tensor& x) { return x.sqrt(); }
  static at::Tensor select(const at::Tensor& mask, const at::Tensor& a, const at::Tensor& b) {
    return at::where(mask, a, b);
  }
  static at::Tensor like(const at::Tensor& x, double r) { return at::full_like(x, r); }
  /// By the bound of the tensor's own type.
  static at::Tensor squarable(const at::Tensor& x) {
    const double bound = x.scalar_type() == at::kDouble ? math::largest_squared<double>
                                                        : double{math::largest_squared<float>};
    return at::where(x.isfinite(), x.clamp(-bound, bound), x);
  }
  /// Made on the host, element by element in memory order.
  static at::Tensor centred(const at::Tensor& like, const random::Key& k, const Position& at) {
    at::Tensor host = at::empty_like(like, like.options().device(at::kCPU));
    const auto fill = [&]<class R>(R* to) {
      for (std::int64_t i = 0; i < host.numel(); ++i) to[i] = R(random::centred(k, at.first + i));
    };
    if (host.scalar_type() == at::kDouble) {
      fill(host.mutable_data_ptr<double>());
    } else {
      fill(host.mutable_data_ptr<float>());
    }
    return host.to(like.device());
  }
};
static_assert(Number<at::Tensor>);

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
        if constexpr (Recipe::projects) {
          row_values_[t] = projection(t);
        } else {
          row_values_[t] = row_values(t);
        }
      }
    }
    if constexpr (Recipe::wants != 0) {
      for (std::size_t t = 0; t < tensors_.size(); ++t) {
        const at::Tensor& grad = handles_.grads[t];
        if (grad.numel() == 0) continue;
        const Draw draw{memory_.updates, tensors_[t].index};
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
    const Verdict verdict = this->template decide<double>(
        judge, [&](std::size_t t, const auto& k) { sweep(t, k, sums, guarded); },
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
    if constexpr (Recipe::measures_sweep) {
      if (!verdict.skip) {
        memory_.swept = reduction::swept(sums, sampled_elements_[std::size_t(phase_)],
                                         {guarded, this->throttled_, spoiled});
      }
    }
  }

 private:
  typename Recipe::template Slots<at::Tensor> widened_slots(std::size_t t, double least = 0) const {
    typename Recipe::template Slots<at::Tensor> s;
    for_each_slot<Recipe::slot_count>(s, [&](int j, at::Tensor& slot) {
      const at::Tensor& from = handles_.slots[t][std::size_t(j)];
      slot = from.defined() ? widened(from) : at::zeros_like(widened(handles_.params[t]));
    });
    if constexpr (Recipe::factored) {
      for_each_slot<Recipe::slot_count>(s, [&](int j, at::Tensor& slot) {
        if (j != Recipe::Rule::factored || !tensors_[t].factors.used()) return;
        slot = factored_slot(factor(t, 0), factor(t, 1), least);
      });
    }
    return s;
  }

  void sweep(std::size_t t, const typename Recipe::template Coefficients<double>& k,
             double (&sums)[reduction::kSweepSums], std::int64_t& guarded) const {
    const at::Tensor p = widened(handles_.params[t]), g = grad_of(t);
    double least = 0;
    if constexpr (Recipe::factored) {
      const Factoring<double> f = Recipe::Rule::factoring(k.rule);
      least = f.least;
      if (tensors_[t].factors.used()) {
        move_factors(Recipe::seen(g, k, Position{}), factor(t, 0), factor(t, 1), f);
      }
    }
    typename Recipe::template Slots<at::Tensor> s = widened_slots(t, least);
    at::Tensor result;
    if constexpr (Recipe::measures_sweep) {
      typename Recipe::template SweepValues<at::Tensor> w;
      result = Recipe::sweep(p, g, s, k, Position{}, w);
      const at::Tensor values[] = {w.update.square(), w.along_previous, w.along};
      for (int i = 0; i < reduction::kSweepSums; ++i) {
        sums[i] += sampled(t, values[i]).sum(at::kDouble).template item<double>();
      }
      if (w.doubted) guarded += w.guarded.sum().template item<std::int64_t>();
    } else {
      result = Recipe::sweep(p, g, s, k, Position{});
    }
    for_each_slot<Recipe::slot_count>(s, [&](int j, at::Tensor& slot) {
      const at::Tensor& to = handles_.slots[t][std::size_t(j)];
      if (to.defined()) to.copy_(rounded(slot, k.storage, j));
    });
    if constexpr (Recipe::two_sweeps) {
      const auto stored = widened_slots(t, least);
      const auto squared = Recipe::squared(p, g, stored, k, {});
      const auto norm2 = [](const at::Tensor& x) {
        return x.square().sum(at::kDouble).template item<double>();
      };
      auto second = k;
      Recipe::scale(settings_.groups[std::size_t(tensors_[t].group)], norm2(squared.p),
                    norm2(squared.u), second);
      result = Recipe::second(p, g, stored, second, {});
    }
    handles_.params[t].copy_(result);
  }

  /// The averages of a tensor's rows (0) or columns (1).
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
      } else {
        return reduction::with_row<Recipe>(g, row_values_[t]);
      }
    }
    return g;
  }
  gradient::Projection projection(std::size_t t) const requires(Recipe::projects) {
    const at::Tensor p = handles_.params[t].to(at::kDouble), g = handles_.grads[t].to(at::kDouble);
    const auto sum = [](const at::Tensor& x) { return x.sum().template item<double>(); };
    return Recipe::projection(settings_.shared, sum(p * p), sum(p * g), sum(g * g));
  }
  /// The values of a tensor's rows, to be broadcast.
  at::Tensor row_values(std::size_t t) const requires(Recipe::rows) {
    const at::Tensor g = widened(handles_.grads[t]);
    const RowShape& of = tensors_[t].rows;
    const auto rows = of.count;
    const auto sum = [rows](const at::Tensor& x) { return x.reshape({rows, -1}).sum(1).cpu(); };
    const auto norm2 = [&sum](const at::Tensor& x) { return sum(x.to(at::kDouble).square()); };
    at::Tensor values = Recipe::shifts_rows ? sum(g.to(at::kDouble)) : norm2(g);
    const at::Tensor p2 = norm2(widened(handles_.params[t]));
    for (std::int64_t r = 0; r < rows; ++r) {
      double& value = values.mutable_data_ptr<double>()[r];
      const reduction::RowSums sums{p2.const_data_ptr<double>()[r], value};
      value = reduction::row_value<Recipe>(settings_.shared, sums, of, g.numel() / rows);
    }
    std::vector<std::int64_t> shape(std::size_t(g.dim()), 1);
    if (rows > 1) shape[0] = rows;
    return values.to(g.options()).reshape(shape);
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
  std::vector<std::conditional_t<Recipe::projects, gradient::Projection, at::Tensor>> row_values_;
  std::int64_t phase_ = 0;  // of this step's sample
};

}  // namespace agmohd
