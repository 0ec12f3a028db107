// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "../hindrance/hindrance.hpp"
#include "../rule/rule.hpp"
#include "executor.hpp"
#include "reduction.hpp"

namespace agmohd {

/// What the executors share that decide on the host: the recipe's memory, and phase 2 of a step.
template <class Recipe>
class HostExecutor : public Executor<Recipe> {
 public:
  using typename Executor<Recipe>::Memory;
  using typename Executor<Recipe>::PerTensor;

  void configure(const Settings<Recipe>& settings) override { settings_ = settings; }
  void forget_records() override { ring_ = {}; }
  const RecordRing* records() const override {
    if constexpr (Recipe::recorded) return &ring_;
    return nullptr;
  }
  typename Recipe::AllSignals signals() override { return signals_; }
  const Signals* measured() const override { return &signals_; }
  void judge(std::span<const std::shared_ptr<Executor<Recipe>>> all) override {
    typename Recipe::AllSignals sums = signals_;
    if (Recipe::wants != 0 && all.size() > 1) {
      sums = {};
      sums.loss = signals_.loss;
      sums.has_loss = signals_.has_loss;
      for (const auto& executor : all) reduction::accumulate(sums, executor->signals());
    }
    judgement_.verdict = Recipe::judge(settings_.shared, settings_.groups.front(), sums, memory_);
    judgement_.signals = sums;
    if (all.size() > 1) judgement_.memory = memory_;
  }
  const typename Recipe::Judgement* judgement() const override { return &judgement_; }
  std::int32_t add_per_tensor(const PerTensor& value) override {
    if (!free_per_tensor_.empty()) {
      const std::int32_t number = free_per_tensor_.back();
      free_per_tensor_.pop_back();
      per_tensor_[std::size_t(number)] = value;
      return number;
    }
    per_tensor_.push_back(value);
    free_per_tensor_.reserve(per_tensor_.capacity());  // to drop one throws nothing
    return std::int32_t(per_tensor_.size() - 1);
  }
  void drop_per_tensor(std::int32_t number) noexcept override {
    free_per_tensor_.push_back(number);
  }
  PerTensor read_per_tensor(std::int32_t number) override {
    return per_tensor_[std::size_t(number)];
  }
  void write_per_tensor(std::int32_t number, const PerTensor& value) override {
    per_tensor_[std::size_t(number)] = value;
  }
  Memory read_memory() override { return memory_; }
  void write_memory(const Memory& memory) override { memory_ = memory; }

 protected:
  /// Decides for all tensors as `judge` judged: calls use(t, coefficients<R>) for each, R double
  /// for float64 tensors and `Narrow` for the others, or in a rollback swap(t, snapshot) for those
  /// that the snapshot has.
  template <class Narrow, class Use, class Swap>
  Verdict decide(const Executor<Recipe>& judge, const Use& use, const Swap& swap) {
    const typename Recipe::Judgement& judged = *judge.judgement();
    const Signals& sums = judged.signals;
    const Verdict& verdict = judged.verdict;
    if (&judge != this) Recipe::take(judged.memory, memory_, verdict.swap >= 0);
    throttled_ = 0;
    saved_ = verdict.save;
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      PerTensor& tensor = per_tensor_[std::size_t(tensors_[t].per_tensor)];
      if constexpr (Recipe::keeps_snapshots) {
        if (verdict.swap >= 0 && has_room(t) && Recipe::swap(memory_, tensor, verdict.swap)) {
          swap(t, verdict.swap);
        }
      }
      if (verdict.skip) continue;
      if (tensors_[t].resting()) {
        if constexpr (Recipe::keeps_snapshots) {
          if (verdict.save >= 0 && has_room(t)) Recipe::keep(memory_, tensor, verdict.save);
        }
        continue;
      }
      const auto& group = settings_.groups[std::size_t(tensors_[t].group)];
      const auto decide_in = [&]<class R>(R) {
        auto k = Recipe::template decide<R>(settings_.shared, group, sums, verdict, memory_, tensor,
                                            tensors_[t].index, tensor_signals_[t], has_room(t),
                                            &throttled_);
        if constexpr (Recipe::factored) Recipe::Rule::suit(k.rule, tensors_[t].kind());
        use(t, k);
      };
      tensors_[t].dtype == Dtype::f64 ? decide_in(double{}) : decide_in(Narrow{});
    }
    if (!verdict.skip) memory_.updates += 1;
    if constexpr (Recipe::recorded) {
      ring_.put(
          Recipe::remember(settings_.shared, settings_.groups.front(), sums, verdict, memory_));
    }
    return verdict;
  }

  /// Adds to what Optimizer::zeroed() counts; by any thread.
  void add_zeroed(std::int64_t elements) requires(Recipe::counts_zeroed) {
    if (elements != 0) __atomic_fetch_add(&memory_.zeroed, elements, __ATOMIC_RELAXED);
  }
  /// Adapts a tensor's coefficients to its sums.
  template <class K>
  void scale_tensor(std::size_t t, const double (&sums)[Recipe::norm_sums],
                    K& k) requires(Recipe::scales) {
    if constexpr (Recipe::products) {
      Recipe::project(per_tensor_[std::size_t(tensors_[t].per_tensor)], tensors_[t].matrix, sums, k,
                      saved_);
    } else {
      Recipe::scale(settings_.groups[std::size_t(tensors_[t].group)], sums[0], sums[1], k);
    }
  }
  /// The coefficients of what the rule sums of a tensor.
  template <class R>
  auto summing(const TensorRef<Recipe>& tensor) const requires(Recipe::sums) {
    return Recipe::Rule::template summing<R>(settings_.groups[std::size_t(tensor.group)].rule,
                                             per_tensor_[std::size_t(tensor.per_tensor)].rule);
  }
  /// What transforms are told of a tensor.
  Draw draw(const TensorRef<Recipe>& tensor) const {
    return Recipe::draw(memory_.updates, tensor.index, settings_.groups[std::size_t(tensor.group)]);
  }
  bool has_room(std::size_t t) const { return tensors_[t].snapshots.room(tensors_[t].numel); }
  /// What this device measured, with what its last sweep did.
  void measured(const Signals& sums, const LossRef& loss) {
    static_cast<Signals&>(signals_) = sums;
    if constexpr (Recipe::median_norm) measure_median(sums.norm2);
    Recipe::join(signals_, memory_);
    if (loss.at == nullptr) return;
    signals_.loss = *static_cast<const double*>(loss.at);  // the host's losses are doubles
    signals_.has_loss = true;
  }
  /// Numbers the chunks of tensors_ in the order of work, those that rest behind the others.
  void number_chunks() {
    std::vector<std::size_t> order(tensors_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
      return works_before(tensors_[a], tensors_[b]);
    });
    first_chunks_.resize(tensors_.size());
    working_chunks_ = 0;
    std::int64_t chunks = 0;
    for (const std::size_t t : order) {
      first_chunks_[t] = chunks;
      chunks += reduction::chunks(tensors_[t].numel);
      if (!tensors_[t].resting()) working_chunks_ = chunks;
    }
    sample_every_ = reduction::sample_every(working_chunks_);
    sampled_elements_.assign(std::size_t(sample_every_), 0);
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      if (tensors_[t].resting()) continue;
      reduction::add_sampled(sampled_elements_.data(), sample_every_, first_chunks_[t],
                             tensors_[t].numel);
    }
  }
  /// The first chunk of this step's sample; before decide(), which counts the step.
  std::int64_t phase() const { return reduction::sample_phase(memory_.updates, sample_every_); }

  Settings<Recipe> settings_;
  std::vector<TensorRef<Recipe>> tensors_;
  typename Recipe::AllSignals signals_;
  std::vector<TensorSignals> tensor_signals_;  // of tensors_; zeros where nobody wants them
  std::vector<std::int64_t> first_chunks_;     // of tensors_
  std::int64_t working_chunks_ = 0;
  std::int64_t sample_every_ = 1;
  std::vector<double> sampled_elements_{0};  // by phase()
  std::int64_t throttled_ = 0;               // tensors of this step
  int saved_ = -1;                           // the snapshot that this step writes
  Memory memory_{};

 private:
  /// Of the norms of tensors with a gradient.
  void measure_median(double norm2) {
    norms_.clear();
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      if (tensors_[t].resting() || tensors_[t].numel == 0) continue;
      norms_.push_back(std::bit_cast<std::uint64_t>(tensor_signals_[t].norm2));
    }
    signals_.nonzero_tensors =
        std::count_if(norms_.begin(), norms_.end(), [](std::uint64_t bits) { return bits != 0; });
    if (norms_.empty()) return;
    const auto lower = norms_.begin() + std::ptrdiff_t(norms_.size() - 1) / 2;
    const auto upper = norms_.begin() + std::ptrdiff_t(norms_.size()) / 2;
    std::nth_element(norms_.begin(), lower, norms_.end());
    if (lower != upper) std::nth_element(upper, upper, norms_.end());
    signals_.median = reduction::median_share(std::bit_cast<double>(*lower),
                                              std::bit_cast<double>(*upper), norm2);
  }

  std::conditional_t<Recipe::recorded, RecordRing, detail::NoMemory> ring_{};
  std::vector<PerTensor> per_tensor_;
  typename Recipe::Judgement judgement_{};
  std::vector<std::uint64_t> norms_;  // of tensors: bits of squares, if their median is wanted
  std::vector<std::int32_t> free_per_tensor_;  // of per_tensor_
};

}  // namespace agmohd
