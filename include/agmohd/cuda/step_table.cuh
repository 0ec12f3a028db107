// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

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
  int first_page, pages, threads;
};

/// The device's table of one step: tensors, pages, and room for partial sums and coefficients, in
/// one allocation. A step in which only addresses changed uploads the tensors alone.
template <class Recipe>
class StepTable {
 public:
  using Refs = std::vector<TensorRef<Recipe>>;
  using Groups = StableArray<typename Recipe::Group>;
  using Records = StableArray<typename Recipe::PerTensor>;

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
    uploader.upload(buffer_.data(), tensors_.data(), tensors_.size() * sizeof(DeviceTensor<Recipe>),
                    stream);
    if (!pages_uploaded_) {
      uploader.upload(buffer_.template at<char>(pages_at_), pages_.data(),
                      pages_.size() * sizeof(PageRef), stream);
    }
    pages_uploaded_ = true;
  }

  /// The same while `stream` is captured: every replay copies from memory that belongs to this
  /// table.
  void write_captured(const Refs& refs, const Groups& groups, const Records& records,
                      cudaStream_t stream) {
    plan(refs);
    fill(refs, groups, records);
    copy_captured(0, tensors_.data(), tensors_.size() * sizeof(DeviceTensor<Recipe>), stream);
    if (!pages_uploaded_)
      copy_captured(pages_at_, pages_.data(), pages_.size() * sizeof(PageRef), stream);
  }

  void record(c10::cuda::CUDAStream stream) const { buffer_.record(stream); }
  const std::vector<Run>& runs() const { return runs_; }

  View<Recipe> view(Core<Recipe>* core, const double* loss, int parity) const {
    View<Recipe> view{};
    view.tensors = buffer_.template at<DeviceTensor<Recipe>>(0);
    view.pages = buffer_.template at<PageRef>(pages_at_);
    view.partials = buffer_.template at<reduction::Partial>(partials_at_);
    view.coefficients =
        buffer_.template at<typename Recipe::template Coefficients<float>>(coefficients_at_);
    view.coefficients64 =
        buffer_.template at<typename Recipe::template Coefficients<double>>(coefficients64_at_);
    view.core = core;
    view.loss = loss;
    view.tensor_count = int(tensors_.size());
    view.page_count = int(pages_.size());
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
    std::int64_t elements = 0;
    for (std::size_t t = 0; t < refs.size(); ++t) {
      if (refs[t].numel == 0) continue;
      if (runs_.empty() || runs_.back().dtype != refs[t].dtype) {
        runs_.push_back({refs[t].dtype, int(pages_.size()), 0, tuning.threads});
        elements = 0;
      }
      const std::int64_t count = reduction::pages(refs[t].numel);
      TORCH_CHECK(std::int64_t(pages_.size()) + count < (std::int64_t{1} << 31),
                  "agmohd: too many elements on one device for one optimizer");
      for (std::int64_t i = 0; i < count; ++i) pages_.push_back({std::int32_t(t), std::int32_t(i)});
      elements += refs[t].numel;
      Run& run = runs_.back();
      run.pages += int(count);
      run.threads =
          elements / run.pages < tuning.small_page ? tuning.small_threads : tuning.threads;
    }
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
    place(tensor_room_ * sizeof(DeviceTensor<Recipe>));
    pages_at_ = place(page_room_ * sizeof(PageRef));
    partials_at_ = place(Recipe::wants == 0 ? 0 : page_room_ * sizeof(reduction::Partial));
    coefficients_at_ = place(tensor_room_ * sizeof(typename Recipe::template Coefficients<float>));
    coefficients64_at_ =
        place(tensor_room_ * sizeof(typename Recipe::template Coefficients<double>));
    buffer_ = DeviceBuffer(end);
  }

  void fill(const Refs& refs, const Groups& groups, const Records& records) {
    tensors_.resize(refs.size());
    for (std::size_t t = 0; t < refs.size(); ++t) {
      DeviceTensor<Recipe>& to = tensors_[t];
      to.param = refs[t].param;
      to.grad = refs[t].grad;
      std::copy(std::begin(refs[t].slots), std::end(refs[t].slots), std::begin(to.slots));
      to.numel = refs[t].numel;
      to.group = groups.at(std::size_t(refs[t].group));
      to.record = records.at(std::size_t(refs[t].record));
      to.is_double = refs[t].dtype == Dtype::f64 ? 1 : 0;
      to.index = refs[t].index;
    }
  }

  void copy_captured(std::size_t at, const void* from, std::size_t bytes, cudaStream_t stream) {
    if (bytes == 0) return;
    char* const pinned = static_cast<char*>(pinned_->data()) + at;
    std::memcpy(pinned, from, bytes);
    C10_CUDA_CHECK(cudaMemcpyAsync(buffer_.template at<char>(at), pinned, bytes,
                                   cudaMemcpyHostToDevice, stream));
  }

  Refs shapes_;  // that pages_ and runs_ were made of
  bool planned_ = false, pages_uploaded_ = false;
  std::vector<Run> runs_;
  std::vector<DeviceTensor<Recipe>> tensors_;
  std::vector<PageRef> pages_;
  std::size_t tensor_room_ = 0, page_room_ = 0;
  std::size_t pages_at_ = 0, partials_at_ = 0, coefficients_at_ = 0, coefficients64_at_ = 0;
  DeviceBuffer buffer_;
  std::optional<PinnedBuffer> pinned_;
};

}  // namespace agmohd::cuda
