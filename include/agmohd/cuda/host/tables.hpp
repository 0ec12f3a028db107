// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "../../step/executor.hpp"
#include "per_tensor_memories.hpp"
#include "stream_order.hpp"
#include "table.hpp"

namespace agmohd::cuda {

/// The tables of an executor: one that eager steps use again and again, and one for each captured
/// step, which no later step touches.
template <class Recipe>
class Tables {
 public:
  using Refs = std::vector<TensorRef<Recipe>>;
  using Groups = StableArray<typename Recipe::Group>;
  using Memories = PerTensorMemories<typename Recipe::PerTensor>;

  Tables(const Gpu& gpu, const Tuning& tuning, int multiprocessors)
      : gpu_(gpu),
        tuning_(tuning),
        multiprocessors_(multiprocessors),
        eager_(gpu, tuning, multiprocessors) {}

  void bind(std::span<const TensorRef<Recipe>> tensors) {
    refs_ = in_order_of_work(tensors);
    dirty_ = true;
  }
  /// The same tensors; their gradients lie elsewhere.
  void rebind(std::span<const TensorRef<Recipe>> tensors) {
    for (std::size_t next = 0; next < refs_.size();) {
      const auto wave = refs_[next].wave;
      const auto dtype = refs_[next].dtype;
      for (const auto& ref : tensors) {
        if (ref.wave == wave && ref.dtype == dtype) refs_[next++].grad = ref.grad;
      }
    }
    moved_ = true;
  }

  bool captured() const { return !captured_.empty(); }
  /// That of the step.
  const StepTable<Recipe>& active() const { return *active_; }

  /// Makes one for the next capture of a step over `tensors`.
  void reserve(std::span<const TensorRef<Recipe>> tensors, const Groups& groups,
               const Memories& memories, Uploader& uploader, Stream stream) {
    const Refs all = in_order_of_work(tensors);
    if (!side_) side_.emplace(gpu_);
    if (spare_ && spare_->planned_for(all) && spare_->holds(all)) return;
    if (!spare_) spare_ = std::make_unique<StepTable<Recipe>>(gpu_, tuning_, multiprocessors_);
    spare_->reserve(all);
    spare_->write(all, groups, memories.array(), uploader, stream);
  }

  /// Whether an eager step needs write_eager(): the table is of other tensors, or the last step was
  /// captured.
  bool eager_is_stale() const { return dirty_ || active_ != &eager_; }
  /// Returns it; it counts from use_eager() on, when nothing can fail any more.
  const StepTable<Recipe>& write_eager(const Groups& groups, const Memories& memories,
                                       Uploader& uploader, Stream stream) {
    eager_.write(refs_, groups, memories.array(), uploader, stream);
    active_ = &eager_;
    return eager_;
  }
  void use_eager() { dirty_ = moved_ = false; }
  /// Else: new addresses of gradients, if there are any.
  void write_grads(Uploader& uploader, Stream stream) {
    if (moved_) eager_.write_grads(refs_, uploader, stream);
    moved_ = false;
  }

  /// The table of a step in the capture `id`, written now; null: it is active(). It counts from
  /// use_captured() on, when nothing can fail any more.
  const StepTable<Recipe>* write_captured(unsigned long long id, const Groups& groups,
                                          const Memories& memories, StreamOrder& order) {
    const bool same_capture = active_ != &eager_ && capture_ == id;
    if (same_capture && !dirty_ && !moved_) return nullptr;
    TORCH_CHECK(spare_ != nullptr && spare_->holds(refs_),
                "agmohd: this optimizer step is captured in a CUDA graph, but no table was "
                "prepared for it; call prepare() before each capture, after the last change of "
                "parameters");
    captured_.reserve(captured_.size() + 1);
    order.block(*side_);  // after what prepare() wrote
    spare_->write_captured(refs_, groups, memories.array(), *side_);
    return spare_.get();
  }
  void use_captured(unsigned long long id, Memories& memories) {
    for (const auto& ref : refs_) memories.keep(ref.per_tensor);
    captured_.push_back(std::move(spare_));
    active_ = captured_.back().get();
    capture_ = id;
    dirty_ = moved_ = false;
  }

  /// What may be replaced; the rest lives as long as this.
  void hold_for(const c10::Stream& stream) const {
    eager_.hold_for(stream);
    if (spare_) spare_->hold_for(stream);
  }

 private:
  Gpu gpu_;
  Tuning tuning_;
  int multiprocessors_;
  Refs refs_;
  bool dirty_ = true;   // refs_ are not those of a table
  bool moved_ = false;  // their gradients are not
  StepTable<Recipe> eager_;
  StepTable<Recipe>* active_ = &eager_;
  std::unique_ptr<StepTable<Recipe>> spare_;                  // for the next capture
  std::vector<std::unique_ptr<StepTable<Recipe>>> captured_;  // while the optimizer lives
  unsigned long long capture_ = 0;
  std::optional<OwnStream> side_;  // for tables of captured steps
};

}  // namespace agmohd::cuda
