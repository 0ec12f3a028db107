// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "../core/executor.hpp"
#include "../core/reduction.hpp"
#include "memory.cuh"
#include "table.cuh"
#include "tuning.hpp"

namespace agmohd::cuda {

/// The pages of all tensors of one dtype: one launch.
struct Run {
  Dtype dtype;
  int first_page, pages, reduce_threads, sweep_threads;
  int reduce_pages;  // of a block
  bool tiny;         // a warp does a page

  int reduce_blocks() const { return (pages + reduce_pages - 1) / reduce_pages; }
  int sweep_blocks() const {
    return tiny
               ? (pages + sweep_threads / reduction::kWarp - 1) / (sweep_threads / reduction::kWarp)
               : pages;
  }
};

/// The device's table of one step: gradients' addresses, tensors, pages, and room for partial sums
/// and coefficients, in one allocation. A step in which only gradients moved uploads their
/// addresses alone.
template <class Recipe>
class StepTable {
 public:
  using Refs = std::vector<TensorRef<Recipe>>;
  using Groups = StableArray<typename Recipe::Group>;
  using Records = StableArray<typename Recipe::PerTensor>;

  StepTable(const Tuning& tuning, int multiprocessors)
      : tuning_(tuning), multiprocessors_(multiprocessors) {}

  /// Room for `refs`, in pinned memory too, so that a capture can write the table.
  void reserve(const Refs& refs) {
    plan(refs);
    allocate();
    if (!pinned_ || pinned_->bytes() < buffer_.bytes()) pinned_.emplace(buffer_.bytes());
  }
  /// Whether the pages are those of tensors with these shapes.
  bool planned_for(const Refs& refs) const { return planned_ && same_pages<Recipe>(refs, shapes_); }
  bool holds(const Refs& refs) const {
    std::int64_t pages = 0;
    for (const auto& ref : refs) pages += reduction::pages(ref.numel);
    return pinned_ && refs.size() <= tensor_room_ && std::size_t(pages) <= page_room_;
  }

  void write(const Refs& refs, const Groups& groups, const Records& records, Uploader& uploader,
             cudaStream_t stream) {
    plan(refs);
    allocate();
    fill(refs, groups, records);
    uploader.upload(buffer_.data(), image_.data(), image_.size(), stream);
    if (!pages_uploaded_) {
      uploader.upload(buffer_.template at<char>(pages_at_), pages_.data(),
                      pages_.size() * sizeof(PageRef), stream);
    }
    pages_uploaded_ = true;
  }

  /// After write(): the same tensors have gradients elsewhere.
  void write_grads(const Refs& refs, Uploader& uploader, cudaStream_t stream) {
    void* const pinned = uploader.begin(refs.size() * sizeof(void*));
    fill_grads(refs, static_cast<const void**>(pinned));
    uploader.end(buffer_.data(), refs.size() * sizeof(void*), stream);
  }

  /// write() while a stream is captured: at once, on another stream, so that replays copy nothing.
  /// Nothing else uses this table before the capture is replayed.
  void write_captured(const Refs& refs, const Groups& groups, const Records& records,
                      cudaStream_t side) {
    plan(refs);
    fill(refs, groups, records);
    copy_now(0, image_.data(), image_.size(), side);
    if (!pages_uploaded_) copy_now(pages_at_, pages_.data(), pages_.size() * sizeof(PageRef), side);
    C10_CUDA_CHECK(cudaStreamSynchronize(side));
    pages_uploaded_ = true;
  }

  void record(c10::cuda::CUDAStream stream) const { buffer_.record(stream); }
  const std::vector<Run>& runs() const { return runs_; }

  View<Recipe> view(Core<Recipe>* core, const typename Recipe::Group* first_group, RecordRing* ring,
                    const LossRef& loss, int parity) const {
    View<Recipe> view{};
    view.grads = buffer_.template at<const void*>(0);
    view.tensors = buffer_.template at<DeviceTensor<Recipe>>(tensors_at_);
    view.pages = buffer_.template at<PageRef>(pages_at_);
    view.partials = Partials(buffer_.template at<char>(partials_at_), page_room_);
    if constexpr (Recipe::sums) view.summed = buffer_.template at<double>(summed_at_);
    view.coefficients =
        buffer_.template at<typename Recipe::template Coefficients<float>>(coefficients_at_);
    view.coefficients64 =
        buffer_.template at<typename Recipe::template Coefficients<double>>(coefficients64_at_);
    view.swept = buffer_.template at<reduction::SweptPartial>(swept_at_);
    view.many = buffer_.template at<std::int32_t>(many_at_);
    view.first_group = first_group;
    view.ring = ring;
    view.sampled_elements = sampled_elements_;
    view.core = core;
    view.loss = loss.at;
    view.loss_dtype = loss.dtype;
    view.tensor_count = int(shapes_.size());
    view.page_count = int(pages_.size());
    view.sample_count = samples_;
    view.many_count = int(many_.size());
    view.reduce_blocks = reduce_blocks_;
    view.sweep_blocks = sweep_blocks_;
    view.deciders = deciders_;
    view.first_decider = first_decider_;
    view.rehearse = rehearse_;
    view.spares = buffer_.template at<Spare<Recipe>>(spares_at_);
    view.parity = parity;
    return view;
  }

 private:
  /// Pages and launches follow from shapes alone.
  void plan(const Refs& refs) {
    if (planned_for(refs)) return;
    planned_ = true;
    pages_uploaded_ = false;
    shapes_ = refs;
    pages_.clear();
    runs_.clear();
    sampled_elements_ = 0;
    samples_ = 0;
    many_.clear();
    std::int64_t elements = 0;
    for (std::size_t t = 0; t < refs.size(); ++t) {
      if (refs[t].numel == 0) continue;
      if (runs_.empty() || runs_.back().dtype != refs[t].dtype) {
        runs_.push_back({refs[t].dtype, int(pages_.size()), 0, 0, 0, 1, false});
        elements = 0;
      }
      const std::int64_t count = reduction::pages(refs[t].numel);
      TORCH_CHECK(std::int64_t(pages_.size()) + count < (std::int64_t{1} << 31),
                  "agmohd: too many elements on one device for one optimizer");
      for (std::int64_t i = 0; i < count; ++i) pages_.push_back({std::int32_t(t), std::int32_t(i)});
      if (count > reduction::kManyPages) many_.push_back(std::int32_t(t));
      elements += refs[t].numel;
      sampled_elements_ += double(reduction::sampled_elements(refs[t].numel));
      samples_ += int(reduction::sampled_pages(refs[t].numel));
      Run& run = runs_.back();
      run.pages += int(count);
      run.tiny = elements / run.pages < tuning_.tiny_page;
      const bool small = elements / run.pages < tuning_.small_page;
      const auto pick = [&](int tiny_one, int small_one, int one) {
        return run.tiny ? tiny_one : small ? small_one : one;
      };
      run.reduce_threads =
          pick(tuning_.tiny_reduce_threads, tuning_.small_reduce_threads, tuning_.reduce_threads);
      run.sweep_threads =
          pick(tuning_.tiny_sweep_threads, tuning_.small_sweep_threads, tuning_.sweep_threads);
      run.sweep_threads = std::min(run.sweep_threads, most_sweep_threads<Recipe>);
      // So few that every multiprocessor still gets many blocks.
      const int share = run.pages / (8 * multiprocessors_);
      const int most = std::min(tuning_.reduce_pages, kMostPages);
      run.reduce_pages = run.tiny ? std::min(run.reduce_threads / reduction::kWarp, kMostPages)
                         : small  ? 1
                                  : std::clamp(share, 1, most);
    }
    reduce_blocks_ = sweep_blocks_ = 0;
    deciders_ = 1;
    if (runs_.empty()) return;
    for (const Run& run : runs_) {
      reduce_blocks_ += run.reduce_blocks();
      sweep_blocks_ += run.sweep_blocks();
    }
    const Run& last = runs_.back();  // those who wait for each other are of one launch
    const int threads = Recipe::wants == 0 ? last.sweep_threads : last.reduce_threads;
    const int share = (Recipe::wants & kTensors) != 0 ? threads / reduction::kWarp : threads;
    // One more, which judges.
    const int wanted = (int(refs.size()) + share - 1) / share + (Recipe::wants == 0 ? 0 : 1);
    const int blocks = Recipe::wants == 0 ? last.sweep_blocks() : last.reduce_blocks();
    deciders_ = std::min({wanted, most_deciders(last.dtype), blocks});
    // In a long pass they rehearse, for which they arrive in time. Then they take places that
    // others could have, but they are few, and it is for as long as two blocks take.
    const int registers = last.dtype == Dtype::f64 ? 512 : 1024;  // for so many threads at least
    const int running = multiprocessors_ * std::max(1, registers / threads);
    rehearse_ = blocks >= 4 * running;
    first_decider_ = reduce_blocks_ - (rehearse_ ? 2 * running : deciders_);
  }

  /// So few that blocks of several optimizers, in several streams, can wait at once: of the one
  /// kernel a multiprocessor holds two blocks, of that for float64 one.
  int most_deciders(Dtype dtype) const {
    return std::max(1, multiprocessors_ / (dtype == Dtype::f64 ? 8 : 2));
  }

  void allocate() {
    if (buffer_.data() != nullptr && shapes_.size() <= tensor_room_ && pages_.size() <= page_room_)
      return;
    pages_uploaded_ = false;
    tensor_room_ = shapes_.size() + shapes_.size() / 8;
    page_room_ = pages_.size() + pages_.size() / 8;
    std::size_t end = 0;
    const auto place = [&end](std::size_t bytes) {
      const std::size_t at = (end + 255) / 256 * 256;
      end = at + bytes;
      return at;
    };
    place(tensor_room_ * sizeof(void*));
    tensors_at_ = place(tensor_room_ * sizeof(DeviceTensor<Recipe>));
    many_at_ = place(page_room_ / reduction::kManyPages * sizeof(std::int32_t));
    pages_at_ = place(page_room_ * sizeof(PageRef));
    partials_at_ = place(Recipe::wants == 0 ? 0 : page_room_ * Partials::kBytes);
    summed_at_ = place(Recipe::sums ? page_room_ * sizeof(double) : 0);
    spares_at_ = place(
        Recipe::wants == 0 ? 0 : std::size_t(most_deciders(Dtype::f32)) * sizeof(Spare<Recipe>));
    swept_at_ = place(Recipe::watched ? page_room_ * sizeof(reduction::SweptPartial) : 0);
    coefficients_at_ = place(tensor_room_ * sizeof(typename Recipe::template Coefficients<float>));
    coefficients64_at_ =
        place(tensor_room_ * sizeof(typename Recipe::template Coefficients<double>));
    buffer_ = DeviceBuffer(end);
  }

  void fill(const Refs& refs, const Groups& groups, const Records& records) {
    image_.resize(many_at_ + many_.size() * sizeof(std::int32_t));
    if (!many_.empty()) {
      std::memcpy(image_.data() + many_at_, many_.data(), many_.size() * sizeof(std::int32_t));
    }
    fill_grads(refs, reinterpret_cast<const void**>(image_.data()));
    std::int64_t page = 0, sample = 0;
    for (std::size_t t = 0; t < refs.size(); ++t) {
      DeviceTensor<Recipe>& to =
          reinterpret_cast<DeviceTensor<Recipe>*>(image_.data() + tensors_at_)[t];
      to.param = refs[t].param;
      std::copy(std::begin(refs[t].slots), std::end(refs[t].slots), std::begin(to.slots));
      to.numel = refs[t].numel;
      to.group = groups.at(std::size_t(refs[t].group));
      to.record = records.at(std::size_t(refs[t].record));
      to.is_double = refs[t].dtype == Dtype::f64 ? 1 : 0;
      to.index = refs[t].index;
      to.first_page = int(page);
      to.first_sample = int(sample);
      to.snapshots = refs[t].snapshots;
      page += reduction::pages(refs[t].numel);
      sample += reduction::sampled_pages(refs[t].numel);
    }
  }

  static void fill_grads(const Refs& refs, const void** to) {
    for (std::size_t t = 0; t < refs.size(); ++t) to[t] = refs[t].grad;
  }

  void copy_now(std::size_t at, const void* from, std::size_t bytes, cudaStream_t side) {
    if (bytes == 0) return;
    char* const pinned = static_cast<char*>(pinned_->data()) + at;
    std::memcpy(pinned, from, bytes);
    C10_CUDA_CHECK(cudaMemcpyAsync(buffer_.template at<char>(at), pinned, bytes,
                                   cudaMemcpyHostToDevice, side));
  }

  Tuning tuning_;
  int multiprocessors_;
  int reduce_blocks_ = 0, sweep_blocks_ = 0, deciders_ = 1, first_decider_ = 0;
  Refs shapes_;  // that pages_ and runs_ were made of
  double sampled_elements_ = 0;
  int samples_ = 0;
  bool planned_ = false, pages_uploaded_ = false, rehearse_ = false;
  std::vector<Run> runs_;
  std::vector<char> image_;  // of the table's beginning, up to the pages
  std::vector<PageRef> pages_;
  std::vector<std::int32_t> many_;
  std::size_t tensor_room_ = 0, page_room_ = 0;
  std::size_t tensors_at_ = 0, many_at_ = 0, pages_at_ = 0, partials_at_ = 0, summed_at_ = 0,
              spares_at_ = 0, swept_at_ = 0, coefficients_at_ = 0, coefficients64_at_ = 0;
  DeviceBuffer buffer_;
  std::optional<PinnedBuffer> pinned_;
};

}  // namespace agmohd::cuda
