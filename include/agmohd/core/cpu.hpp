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

#include "cpu_page.hpp"
#include "host_executor.hpp"
#include "parallel.hpp"
#include "reduction.hpp"

namespace agmohd::cpu {

// The same loops for two instruction sets, chosen when the program runs. AVX2 without FMA:
// contraction would give the CPU other bits than the other lanes.
#if defined(__x86_64__) && defined(__GNUC__)
#define AGMOHD_TARGET_AVX2 __attribute__((target("avx2"), flatten))
inline bool has_avx2() { return __builtin_cpu_supports("avx2"); }
#else
#define AGMOHD_TARGET_AVX2
inline bool has_avx2() { return false; }
#endif

template <class Recipe, class E, class K>
AGMOHD_TARGET_AVX2 std::int64_t sweep_page_avx2(const Page<Recipe, E>& page, const K& k) {
  return sweep_page(page, k);
}
template <class Recipe, class E, class K>
__attribute__((flatten)) std::int64_t sweep_page_base(const Page<Recipe, E>& page, const K& k) {
  return sweep_page(page, k);
}
template <class Recipe, class E, class K>
AGMOHD_TARGET_AVX2 std::int64_t measured_sweep_page_avx2(const Page<Recipe, E>& page, const K& k,
                                                         reduction::SweptPartial& out) {
  return measured_sweep_page(page, k, out);
}
template <class Recipe, class E, class K>
__attribute__((flatten)) std::int64_t measured_sweep_page_base(const Page<Recipe, E>& page,
                                                               const K& k,
                                                               reduction::SweptPartial& out) {
  return measured_sweep_page(page, k, out);
}
template <class Recipe, class E>
AGMOHD_TARGET_AVX2 reduction::Partial measure_page_avx2(const Page<Recipe, E>& page,
                                                        const typename Recipe::Shared& o) {
  return measure_page(page, o);
}
template <class Recipe, class E>
__attribute__((flatten)) reduction::Partial measure_page_base(const Page<Recipe, E>& page,
                                                              const typename Recipe::Shared& o) {
  return measure_page(page, o);
}
#undef AGMOHD_TARGET_AVX2

/// Steps of CPU tensors, in the calling thread and LibTorch's pool.
template <class Recipe>
class CpuExecutor final : public HostExecutor<Recipe> {
  using Host = HostExecutor<Recipe>;
  using Host::memory_;
  using Host::settings_;
  using Host::signals_;
  using Host::tensor_signals_;
  using Host::tensors_;

 public:
  void bind(std::span<const TensorRef<Recipe>> tensors, const Handles*) override {
    std::vector<TensorRef<Recipe>> sorted = sorted_by_dtype(tensors);
    const bool same = same_pages<Recipe>(sorted, tensors_);
    tensors_ = std::move(sorted);
    if (same) return;
    pages_.clear();
    std::int32_t samples = 0;
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      for (std::int64_t first = 0; first < tensors_[t].numel; first += reduction::kPage) {
        const bool sampled = reduction::sampled(first / reduction::kPage);
        pages_.push_back({std::int32_t(t), Recipe::watched && sampled ? samples++ : -1, first});
      }
    }
    tensor_signals_.assign(tensors_.size(), TensorSignals{});
    coefficients_.resize(tensors_.size());
    coefficients64_.resize(tensors_.size());
    if constexpr (Recipe::wants != 0) partials_.resize(pages_.size());
    if constexpr (Recipe::watched) swept_.resize(std::size_t(samples));
  }

  void measure(const LossRef& loss, bool /*alone*/) override {
    Signals sums;
    if constexpr (Recipe::wants != 0) {
      for_each_page(Reads::gradients, -1, [this](std::size_t i, const auto& page) {
        partials_[i] = has_avx2() ? measure_page_avx2(page, settings_.shared)
                                  : measure_page_base(page, settings_.shared);
      });
      sums = reduction::combine(partials_.data(), std::int64_t(partials_.size()));
    }
    if constexpr ((Recipe::wants & kTensors) != 0) {
      const reduction::Partial* from = partials_.data();
      for (std::size_t t = 0; t < tensors_.size(); ++t) {
        const std::int64_t pages = reduction::pages(tensors_[t].numel);
        tensor_signals_[t] = reduction::combine_tensor(from, pages, tensors_[t].numel);
        from += pages;
      }
    }
    this->measured(sums, loss);
  }

  void finish(std::span<const std::shared_ptr<Executor<Recipe>>> all) override {
    std::vector<char> swaps;  // tensors
    const Verdict verdict = this->template decide<float>(
        all,
        [this](std::size_t t, const auto& k) {
          this->template coefficients<std::remove_cvref_t<decltype(k.lr)>>()[t] = k;
        },
        [&](std::size_t t, int) {
          swaps.resize(tensors_.size());
          swaps[t] = 1;
        });
    if constexpr (Recipe::heals) {
      if (!swaps.empty()) {
        for_each_page(Reads::nothing, verdict.swap, [&](std::size_t i, const auto& page) {
          if (swaps[std::size_t(pages_[i].tensor)] != 0) swap_page(page);
        });
      }
    }
    if (verdict.skip) return;
    std::atomic<std::int64_t> guarded = 0;
    for_each_page(
        Reads::everything, verdict.save, [&]<class E>(std::size_t i, const Page<Recipe, E>& page) {
          const auto& k = coefficients<Compute<E>>()[std::size_t(pages_[i].tensor)];
          std::int64_t changed = 0;
          if (const std::int32_t sample = pages_[i].sample; Recipe::watched && sample >= 0) {
            if constexpr (Recipe::watched) {
              auto& sums = swept_[std::size_t(sample)];
              changed = has_avx2() ? measured_sweep_page_avx2(page, k, sums)
                                   : measured_sweep_page_base(page, k, sums);
            }
          } else {
            changed = has_avx2() ? sweep_page_avx2(page, k) : sweep_page_base(page, k);
          }
          if (changed != 0) guarded += changed;
        });
    if constexpr (Recipe::watched) {
      memory_.swept = reduction::combine(swept_.data(), std::int64_t(swept_.size()),
                                         this->sampled_elements(), guarded);
    }
  }

 private:
  struct PageRef {
    std::int32_t tensor;
    std::int32_t sample;  // its number among those that are measured, or -1
    std::int64_t first;   // element
  };

  template <class E>
  Page<Recipe, E> page(const PageRef& ref, int snapshot) const {
    const auto& t = tensors_[std::size_t(ref.tensor)];
    Page<Recipe, E> page{static_cast<E*>(t.param) + ref.first,
                         static_cast<const E*>(t.grad) + ref.first,
                         {},
                         std::min<std::int64_t>(reduction::kPage, t.numel - ref.first),
                         ref.first,
                         nullptr,
                         {}};
    using Slot = typename Page<Recipe, E>::Slot;
    for (int j = 0; j < Recipe::slot_count; ++j) {
      page.slots[j] = t.slots[j] == nullptr ? nullptr : static_cast<Slot*>(t.slots[j]) + ref.first;
    }
    if constexpr (Recipe::heals) {
      if (snapshot < 0) return page;
      const auto& kept = t.snapshots.at[snapshot];
      page.kept_param = static_cast<E*>(kept[0]) + ref.first;
      for (int j = 0; j < Recipe::slot_count; ++j) {
        if (page.slots[j] == nullptr) continue;
        page.kept_slots[j] = static_cast<Slot*>(kept[1 + j]) + ref.first;
      }
    }
    return page;
  }

  enum class Reads { nothing, gradients, everything };

  /// Asks the memory for a small tensor, since hardware looks ahead within a long stream alone.
  void prefetch(const TensorRef<Recipe>& t, Reads reads) const {
    if (t.numel > 4096 || reads == Reads::nothing) return;
    const auto ask = [&t](const void* from, int size) {
      const char* const end = static_cast<const char*>(from) + t.numel * size;
      for (auto at = static_cast<const char*>(from); at < end; at += 64) __builtin_prefetch(at);
    };
    ask(t.grad, size_of(t.dtype));
    if (reads == Reads::gradients) return;
    ask(t.param, size_of(t.dtype));
    for (int j = 0; j < Recipe::slot_count; ++j) {
      if (t.slots[j] != nullptr)
        ask(t.slots[j], t.dtype == Dtype::f64 ? 8 : sizeof(typename Recipe::Storage::Float));
    }
  }

  /// work(index, Page<Recipe, E>), in parallel; pages with their part of a snapshot, or -1.
  template <class Work>
  void for_each_page(Reads reads, int snapshot, const Work& work) const {
    parallel_ranges(std::int64_t(pages_.size()), [&](std::int64_t begin, std::int64_t end) {
      for (auto i = std::size_t(begin); i < std::size_t(end); ++i) {
        if (i + 1 < std::size_t(end)) prefetch(tensors_[std::size_t(pages_[i + 1].tensor)], reads);
        switch (tensors_[std::size_t(pages_[i].tensor)].dtype) {
          case Dtype::f32:
            work(i, page<float>(pages_[i], snapshot));
            break;
          case Dtype::f64:
            work(i, page<double>(pages_[i], snapshot));
            break;
          case Dtype::bf16:
            work(i, page<Bf16>(pages_[i], snapshot));
            break;
          case Dtype::f16:
            work(i, page<F16>(pages_[i], snapshot));
            break;
        }
      }
    });
  }

  template <class R>
  auto& coefficients() {
    if constexpr (std::is_same_v<R, double>) {
      return coefficients64_;
    } else {
      return coefficients_;
    }
  }

  std::vector<PageRef> pages_;
  std::vector<reduction::Partial> partials_;
  std::vector<reduction::SweptPartial> swept_;
  std::vector<typename Recipe::template Coefficients<float>> coefficients_;
  std::vector<typename Recipe::template Coefficients<double>> coefficients64_;
};

}  // namespace agmohd::cpu
