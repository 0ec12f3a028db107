// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "../step/host_executor.hpp"
#include "../step/reduction.hpp"
#include "dispatch.hpp"
#include "kept_averages.hpp"
#include "medians.hpp"
#include "parallel.hpp"
#include "row_slot_pass.hpp"

namespace agmohd::cpu {

/// Steps of CPU tensors, in the calling thread and LibTorch's pool.
template <class Recipe>
class CpuExecutor final : public HostExecutor<Recipe> {
  using Host = HostExecutor<Recipe>;
  using Host::memory_;
  using Host::settings_;
  using Host::signals_;
  using Host::tensor_signals_;
  using Host::tensors_;
  using Host::working_chunks_;

 public:
  void bind(std::span<const TensorRef<Recipe>> tensors, const Handles*) override {
    std::vector<TensorRef<Recipe>> sorted = in_order_of_work(tensors);
    if (same_chunks<Recipe>(sorted, tensors_)) {
      tensors_ = std::move(sorted);
      return;
    }
    tensors_.clear();  // until there is room for all
    list_chunks(sorted, chunks_, waves_);
    tensor_signals_.assign(sorted.size(), TensorSignals{});
    coefficients_.resize(sorted.size());
    coefficients64_.resize(sorted.size());
    if constexpr (Recipe::wants != 0) partials_.resize(chunks_.size());
    if constexpr (Recipe::sums) summed_.resize(chunks_.size());
    if constexpr (Recipe::totals) totals_.resize(chunks_.size());
    if constexpr (Recipe::rows) rows_.bind(sorted);
    if constexpr (Recipe::factored) factors_.bind(sorted);
    if constexpr (Recipe::residual) residuals_.bind(sorted);
    tensors_ = std::move(sorted);
    this->number_chunks();
    if constexpr (Recipe::measures_sweep) {
      swept_.resize(std::size_t(reduction::samples(working_chunks_)));
    }
    std::int64_t elements = 0;
    for (const auto& tensor : tensors_) elements += tensor.numel;
    thread_chunks_ = worth_a_thread(std::int64_t(chunks_.size()), elements);
  }

  void measure(const LossRef& loss, bool /*alone*/) override {
    Signals sums;
    if constexpr (Recipe::rows) rows_.measure(tensors_, settings_.shared);
    if constexpr (Recipe::measures_gradients) {
      const auto measure = [this]<class E>(std::size_t i, const Chunk<Recipe, E>& chunk) {
        const TensorRef<Recipe>& tensor = tensors_[std::size_t(chunks_[i].tensor)];
        const Draw draw = this->draw(tensor);
        const auto prefix = Recipe::template prefix<Compute<E>>(settings_.shared, draw);
        if constexpr (Recipe::powers) {
          partials_[i] = measure_powers(chunk, prefix, Recipe::power(settings_.shared));
        } else {
          partials_[i] =
              has_avx2() ? measure_chunk_avx2(chunk, prefix) : measure_chunk_base(chunk, prefix);
        }
        if constexpr (Recipe::sums) {
          const auto k = this->template summing<Compute<E>>(tensor);
          summed_[i] =
              has_avx2() ? sum_chunk_avx2(chunk, prefix, k) : sum_chunk_base(chunk, prefix, k);
        }
      };
      for_each_chunk(0, working_chunks_, -1, measure);
      sums = reduction::combine(partials_.data(), working_chunks_);
    }
    if constexpr ((Recipe::wants & kTensors) != 0) {
      std::int64_t first = 0;
      for (std::size_t t = 0; t < tensors_.size(); ++t) {
        if (tensors_[t].resting()) break;  // so do all behind it
        const std::int64_t chunks = reduction::chunks(tensors_[t].numel);
        tensor_signals_[t] = reduction::combine_tensor(
            partials_.data() + first, Recipe::sums ? summed_.data() + first : nullptr, chunks,
            tensors_[t].numel);
        first += chunks;
      }
    }
    this->measured(sums, loss);
  }

  void finish(Executor<Recipe>& judge) override {
    std::vector<char> swaps;  // tensors
    const auto every = std::size_t(this->sample_every_), phase = std::size_t(this->phase());
    const Verdict verdict = this->template decide<float>(
        judge,
        [this](std::size_t t, const auto& k) {
          this->template coefficients<std::remove_cvref_t<decltype(k.lr)>>()[t] = k;
        },
        [&](std::size_t t, int) {
          swaps.resize(tensors_.size());
          swaps[t] = 1;
        });
    std::atomic<std::int64_t> guarded = 0, broken = 0;
    if constexpr (Recipe::keeps_snapshots) {
      if (!swaps.empty()) {
        for_each_chunk(0, std::int64_t(chunks_.size()), verdict.swap,
                       [&](std::size_t i, const auto& chunk) {
                         if (swaps[std::size_t(chunks_[i].tensor)] != 0) swap_chunk(chunk);
                       });
        for (std::size_t t = 0; t < tensors_.size(); ++t) {
          if (swaps[t] != 0) swap_averages(tensors_[t], verdict.swap);
        }
      }
      if (verdict.save >= 0) {
        for_each_chunk(working_chunks_, std::int64_t(chunks_.size()), verdict.save,
                       [&](std::size_t, const auto& chunk) {
                         keep_chunk(chunk);
                         broken += spoiled(chunk);
                       });
      }
    }
    if (verdict.skip) return;
    if constexpr (Recipe::factored) factors_.run(tensors_, rows_, coefficients_, coefficients64_);
    if constexpr (Recipe::residual) {
      scale(0, working_chunks_);
      residuals_.run(tensors_, rows_, coefficients_, coefficients64_, factors_);
    }
    if constexpr (Recipe::keeps_averages) {
      if (verdict.save >= 0) {
        for (const auto& tensor : tensors_) broken += keep_averages(tensor, verdict.save);
      }
    }
    const auto sweep = [&]<class E>(std::size_t i, const Chunk<Recipe, E>& chunk) {
      const auto& k = coefficients<Compute<E>>()[std::size_t(chunks_[i].tensor)];
      if constexpr (Recipe::counts_zeroed && !Recipe::two_sweeps) this->add_zeroed(zeroed(chunk));
      if (stores_nothing(chunk)) return;
      const bool sampled = Recipe::measures_sweep && i % every == phase;
      std::int64_t changed = 0;
      if constexpr (Recipe::totals) {
        sweep_totals(chunk, k, totals_[i], sampled ? &swept_[i / every] : nullptr);
      } else if (sampled) {
        if constexpr (Recipe::measures_sweep) {
          auto& sums = swept_[i / every];
          changed = has_avx2() ? measured_sweep_chunk_avx2(chunk, k, sums)
                               : measured_sweep_chunk_base(chunk, k, sums);
        }
      } else {
        changed = has_avx2() ? sweep_chunk_avx2(chunk, k) : sweep_chunk_base(chunk, k);
      }
      if (changed != 0) guarded += changed;
      if constexpr (Recipe::keeps_snapshots) {
        if (chunk.kept_param != nullptr) broken += spoiled(chunk);
      }
    };
    for (std::size_t wave = 0; wave + 1 < waves_.size(); ++wave) {
      if (waves_[wave] == working_chunks_) break;
      for_each_chunk(waves_[wave], waves_[wave + 1], verdict.save, sweep);
      if constexpr (Recipe::two_sweeps) {
        broken +=
            second_sweep(waves_[wave], std::min(waves_[wave + 1], working_chunks_), verdict.save);
      }
    }
    if constexpr (Recipe::totals) {
      memory_.totals = reduction::combine(totals_.data(), working_chunks_);
    }
    if constexpr (Recipe::measures_sweep) {
      memory_.swept = reduction::combine(
          swept_.data(), reduction::samples(working_chunks_, std::int64_t(phase)),
          this->sampled_elements_[phase], {guarded, this->throttled_, broken});
    }
  }

 private:
  template <class E>
  const auto& k_of(std::size_t i, E) {
    return coefficients<Compute<E>>()[std::size_t(chunks_[i].tensor)];
  }
  /// Of some chunks, of whole tensors: norms, and what each tensor makes of them.
  void scale(std::int64_t first, std::int64_t last) {
    norms_.resize(chunks_.size());
    for_each_chunk(first, last, -1, [&]<class E>(std::size_t i, const Chunk<Recipe, E>& chunk) {
      const auto& k = k_of(i, E{});
      has_avx2() ? norms_of_chunk_avx2(chunk, k, norms_[i])
                 : norms_of_chunk_base(chunk, k, norms_[i]);
    });
    for (std::int64_t begin = first; begin < last;) {
      const auto t = std::size_t(chunks_[std::size_t(begin)].tensor);
      const std::int64_t count = reduction::chunks(tensors_[t].numel);
      const Norms<Recipe> norms = combine(norms_.data() + begin, count);
      const auto to = [&](auto& k) { this->scale_tensor(t, norms.of, k); };
      tensors_[t].dtype == Dtype::f64 ? to(coefficients64_[t]) : to(coefficients_[t]);
      begin += count;
    }
  }
  /// Of the chunks of one wave: norms, the factor of each tensor, and what writes the parameters.
  /// Returns how many elements of a snapshot that it wrote are not finite.
  std::int64_t second_sweep(std::int64_t first, std::int64_t last, int snapshot) {
    scale(first, last);
    std::atomic<std::int64_t> broken = 0;
    for_each_chunk(first, last, snapshot,
                   [&]<class E>(std::size_t i, const Chunk<Recipe, E>& chunk) {
                     const auto& k = k_of(i, E{});
                     if constexpr (Recipe::counts_zeroed) this->add_zeroed(zeroed(chunk));
                     broken += has_avx2() ? write_chunk_avx2(chunk, k) : write_chunk_base(chunk, k);
                   });
    return broken;
  }

  template <class E>
  Chunk<Recipe, E> chunk(const ChunkRef& ref, int snapshot) const {
    const auto& t = tensors_[std::size_t(ref.tensor)];
    Chunk<Recipe, E> chunk{};
    chunk.param = static_cast<E*>(t.param) + ref.first;
    chunk.grad = static_cast<const E*>(t.grad) + ref.first;
    chunk.count = std::min<std::int64_t>(reduction::kChunk, t.numel - ref.first);
    chunk.first = ref.first;
    if constexpr (Recipe::rows) chunk.rows = rows_.of(std::size_t(ref.tensor), t);
    if constexpr (Recipe::factored) {
      chunk.factors = factors_.template of<Compute<E>>(std::size_t(ref.tensor), t.factors);
    }
    if constexpr (Recipe::residual) {
      chunk.residuals = residuals_.template of<Compute<E>>(std::size_t(ref.tensor), t.factors);
    }
    using Slot = typename Chunk<Recipe, E>::Slot;
    for (int j = 0; j < Recipe::slot_count; ++j) {
      chunk.slots[j] = t.slots[j] == nullptr ? nullptr : static_cast<Slot*>(t.slots[j]) + ref.first;
    }
    if constexpr (Recipe::keeps_snapshots) {
      if (snapshot < 0) return chunk;
      const auto& kept = t.snapshots.at[snapshot];
      chunk.kept_param = static_cast<E*>(kept[0]) + ref.first;
      for (int j = 0; j < Recipe::slot_count; ++j) {
        if (chunk.slots[j] == nullptr) continue;
        chunk.kept_slots[j] = static_cast<Slot*>(kept[1 + j]) + ref.first;
      }
    }
    return chunk;
  }

  /// work(index, Chunk<Recipe, E>) for chunks from `first` to `last`, in parallel; with their part
  /// of a snapshot, or -1.
  template <class Work>
  void for_each_chunk(std::int64_t first, std::int64_t last, int snapshot, const Work& work) const {
    const auto work_on = [&](std::int64_t begin, std::int64_t end) {
      std::int64_t i = first + begin;
      end += first;
      const auto dtype = [&](std::int64_t at) {
        return tensors_[std::size_t(chunks_[std::size_t(at)].tensor)].dtype;
      };
      const auto run = [&]<class E>(E) {  // the chunks of one dtype
        auto now = chunk<E>(chunks_[std::size_t(i)], snapshot);
        for (const Dtype same = dtype(i);; ++i) {
          const bool more = i + 1 < end && dtype(i + 1) == same;
          Chunk<Recipe, E> next;
          if (more) next = chunk<E>(chunks_[std::size_t(i + 1)], snapshot);
          now.next = more ? &next : nullptr;
          work(std::size_t(i), now);
          if (!more) break;
          now = next;
        }
      };
      for (; i < end; ++i) with_element(dtype(i), run);
    };
    parallel_ranges(last - first, work_on, thread_chunks_);
  }

  template <class R>
  auto& coefficients() {
    if constexpr (std::is_same_v<R, double>) {
      return coefficients64_;
    } else {
      return coefficients_;
    }
  }

  std::vector<ChunkRef> chunks_;
  std::int64_t thread_chunks_ = 1;   // that hold so many, on average
  std::vector<std::int64_t> waves_;  // the first chunk of each, and the end
  PassOfRows<Recipe> rows_;
  AveragePass<Recipe> factors_;
  ResidualPass<Recipe> residuals_;
  std::vector<reduction::Partial> partials_;
  std::vector<double> summed_;        // of the rule, a chunk each
  std::vector<Norms<Recipe>> norms_;  // of a rule with two sweeps
  std::vector<Totals<Recipe::total_count>> totals_;
  std::vector<reduction::SweptPartial> swept_;
  std::vector<typename Recipe::template Coefficients<float>> coefficients_;
  std::vector<typename Recipe::template Coefficients<double>> coefficients64_;
};

}  // namespace agmohd::cpu
