// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "../../step/executor.hpp"
#include "../../step/reduction.hpp"
#include "../view.hpp"
#include "launch_plan.hpp"
#include "layout.hpp"
#include "memory.hpp"

namespace agmohd::cuda {

/// The device's table of one step: gradients' addresses, tensors, chunks, and room for partial sums
/// and coefficients, in one allocation. A step in which only gradients moved uploads their
/// addresses alone.
template <class Recipe>
class StepTable : public LaunchPlan<Recipe> {
  using Plan = LaunchPlan<Recipe>;
  using Plan::most_few;
  using Plan::shapes_, Plan::sampled_elements_, Plan::chunks_, Plan::working_,
      Plan::working_chunks_, Plan::reduce_blocks_, Plan::sweep_blocks_, Plan::deciders_,
      Plan::share_, Plan::split_, Plan::strips_, Plan::rows_, Plan::pieces_, Plan::factors_;

 public:
  using typename Plan::Refs;
  using Groups = StableArray<typename Recipe::Group>;
  using Memories = StableArray<typename Recipe::PerTensor>;

  StepTable(const Gpu& gpu, const Tuning& tuning, int multiprocessors)
      : Plan(tuning, multiprocessors), gpu_(gpu) {}

  /// Room for `refs` and for any part of them, in pinned memory too, so that a capture can write
  /// the table.
  void reserve(const Refs& refs) {
    plan(refs);
    // A part of them may be so few that blocks share chunks.
    allocate(std::min(chunks_.size(), most_few()) * std::size_t(strips_));
    if (!pinned_ || pinned_->bytes() < buffer_.bytes()) pinned_.emplace(gpu_, buffer_.bytes());
  }
  bool holds(const Refs& refs) const {
    std::int64_t chunks = 0;
    for (const auto& ref : refs) chunks += reduction::chunks(ref.numel);
    if constexpr (Recipe::rows) {
      std::int64_t rows = 0, pieces = 0;
      for (const auto& ref : refs) {
        if (ref.resting() || ref.numel == 0) continue;
        rows += ref.rows.count;
        pieces += Plan::pieces_of(ref);
      }
      if (std::size_t(rows) > at_.row_room || std::size_t(pieces) > at_.piece_room) return false;
    }
    if constexpr (Recipe::factored) {
      FactorTotals found;
      for (const auto& ref : refs) found.add(ref);
      if (!has_room(found)) return false;
    }
    return pinned_ && refs.size() <= at_.tensor_room && std::size_t(chunks) <= at_.chunk_room;
  }

  void write(const Refs& refs, const Groups& groups, const Memories& memories, Uploader& uploader,
             Stream stream) {
    plan(refs);
    allocate();
    fill(refs, groups, memories);
    uploader.upload(buffer_.data(), image_.data(), image_.size(), stream);
    if (!chunks_uploaded_) {
      uploader.upload(buffer_.template at<char>(at_.chunks), chunks_.data(),
                      chunks_.size() * sizeof(ChunkRef), stream);
    }
    chunks_uploaded_ = true;
  }

  /// After write(): the same tensors have gradients elsewhere.
  void write_grads(const Refs& refs, Uploader& uploader, Stream stream) {
    void* const pinned = uploader.begin(refs.size() * sizeof(void*));
    fill_grads(refs, static_cast<const void**>(pinned));
    uploader.end(buffer_.data(), refs.size() * sizeof(void*), stream);
  }

  /// write() while a stream is captured: at once, on another stream, so that replays copy nothing.
  /// Nothing else uses this table before the capture is replayed.
  void write_captured(const Refs& refs, const Groups& groups, const Memories& memories,
                      Stream side) {
    plan(refs);
    TORCH_CHECK(swept_needed() <= at_.swept_room && totals_needed() <= at_.totals_room,
                "agmohd: this optimizer step is captured in a CUDA graph, but the table that was "
                "prepared is of other parameters; call prepare() before each capture, after the "
                "last change of parameters");
    fill(refs, groups, memories);
    copy_now(0, image_.data(), image_.size(), side);
    if (!chunks_uploaded_)
      copy_now(at_.chunks, chunks_.data(), chunks_.size() * sizeof(ChunkRef), side);
    gpu_.check(gpu_->synchronize(side));
    chunks_uploaded_ = true;
  }

  void hold_for(const c10::Stream& stream) const { buffer_.hold_for(stream); }
  View<Recipe> view(Core<Recipe>* core, const typename Recipe::Group* first_group, RecordRing* ring,
                    const LossRef& loss) const {
    View<Recipe> view{};
    view.grads = buffer_.template at<const void*>(0);
    view.tensors = buffer_.template at<DeviceTensor<Recipe>>(at_.tensors);
    view.chunks = buffer_.template at<ChunkRef>(at_.chunks);
    view.partials = Partials(buffer_.template at<char>(at_.partials), at_.chunk_room);
    if constexpr (Recipe::sums) view.summed = buffer_.template at<double>(at_.summed);
    if constexpr (Recipe::median_norm)
      view.tensor_norms = buffer_.template at<double>(at_.tensor_norms);
    if constexpr (Recipe::scales) {
      for (std::size_t w = 0; w < Recipe::norm_sums; ++w) {
        view.norms[w] = buffer_.template at<double>(at_.norms) + w * at_.chunk_room;
      }
    }
    if constexpr (Recipe::rows) {
      if constexpr (Recipe::projects) {
        auto* const sums = buffer_.template at<double>(at_.pieces);
        for (std::size_t i = 0; i < 3; ++i) view.sums[i] = sums + i * at_.piece_room;
        view.projections = buffer_.template at<gradient::Projection>(at_.rows);
      } else if constexpr (Recipe::filters) {
        view.searches = buffer_.template at<MedianSearch>(at_.pieces);
        view.outliers = buffer_.template at<gradient::Outliers>(at_.rows);
      } else {
        view.of_pieces = buffer_.template at<reduction::RowSums>(at_.pieces);
        view.row_values = buffer_.template at<double>(at_.rows);
      }
      view.row_count = int(rows_);
      view.piece_count = int(pieces_);
    }
    if constexpr (Recipe::factored) {
      view.factor_partials = buffer_.template at<double>(at_.factor_partials);
      view.factor_jobs = int(factors_.jobs);
      view.factor_folds = int(factors_.folds);
      view.factor_matrices = int(factors_.matrices);
    }
    if constexpr (Recipe::totals) view.totals = buffer_.template at<double>(at_.totals);
    view.coefficients =
        buffer_.template at<typename Recipe::template Coefficients<float>>(at_.coefficients);
    view.coefficients64 =
        buffer_.template at<typename Recipe::template Coefficients<double>>(at_.coefficients64);
    view.swept = buffer_.template at<reduction::SweptPartial>(at_.swept);
    view.sampled_elements = buffer_.template at<double>(at_.sampled);
    view.first_group = first_group;
    view.ring = ring;
    view.core = core;
    view.loss = loss.at;
    view.loss_dtype = loss.dtype;
    view.tensor_count = working_;
    view.chunk_count = working_chunks_;
    view.sample_every = int(sampled_elements_.size());
    view.reduce_blocks = reduce_blocks_;
    view.sweep_blocks = sweep_blocks_;
    view.deciders = deciders_;
    view.share = share_;
    view.split = split_;
    view.strips = Recipe::settles && split_ > 1 ? strips_ : 0;
    return view;
  }

 private:
  void plan(const Refs& refs) {
    if (Plan::plan(refs)) chunks_uploaded_ = false;
  }

  /// How many sums the planned step's measuring sweep leaves.
  std::size_t swept_needed() const {
    if (!Recipe::measures_sweep) return 0;
    const std::size_t strips = std::size_t(working_chunks_) * std::size_t(strips_);
    return std::max(split_ > 1 ? strips : 0, std::size_t(reduction::kMostSamples));
  }
  /// The same of the sums over all tensors; `strips`: of chunks that are shared by blocks.
  std::size_t totals_needed(std::size_t strips = 0) const {
    if (!Recipe::totals) return 0;
    if (split_ > 1) strips = std::max(strips, std::size_t(working_chunks_ * strips_));
    return std::max(strips, chunks_.size()) * std::size_t(Recipe::total_count);
  }
  bool has_room(const FactorTotals& factors) const {
    return std::size_t(factors.partials) <= at_.partial_room &&
           std::size_t(factors.scaled) <= at_.scaled_room;
  }
  /// `strips`: of chunks that are shared by blocks, at least.
  void allocate(std::size_t strips = 0) {
    const std::size_t swept = std::max(swept_needed(), Recipe::measures_sweep ? strips : 0);
    if (buffer_.data() != nullptr && shapes_.size() <= at_.tensor_room &&
        chunks_.size() <= at_.chunk_room && swept <= at_.swept_room &&
        totals_needed(strips) <= at_.totals_room && std::size_t(rows_) <= at_.row_room &&
        std::size_t(pieces_) <= at_.piece_room && has_room(factors_)) {
      return;
    }
    TableLayout to;
    to.tensor_room = shapes_.size() + shapes_.size() / 8;
    to.chunk_room = chunks_.size() + chunks_.size() / 8;
    to.swept_room = swept;
    to.totals_room = totals_needed(strips);
    to.row_room = std::size_t(rows_ + rows_ / 8);
    to.piece_room = std::size_t(pieces_ + pieces_ / 8);
    to.partial_room = std::size_t(factors_.partials + factors_.partials / 8);
    to.scaled_room = std::size_t(factors_.scaled + factors_.scaled / 8);
    to.place(to.tensor_room * sizeof(void*));
    to.tensors = to.place(to.tensor_room * sizeof(DeviceTensor<Recipe>));
    to.sampled = to.place(std::size_t(reduction::sample_every(std::int64_t(to.chunk_room))) *
                          sizeof(double));
    to.chunks = to.place(to.chunk_room * sizeof(ChunkRef));
    to.partials = to.place(Recipe::wants == 0 ? 0 : to.chunk_room * Partials::kBytes);
    to.summed = to.place(Recipe::sums ? to.chunk_room * sizeof(double) : 0);
    to.norms = to.place(Recipe::scales ? Recipe::norm_sums * to.chunk_room * sizeof(double) : 0);
    to.rows = to.place(to.row_room * sizeof(reduction::ValueOfRow<Recipe>));
    to.pieces = to.place(Recipe::filters ? to.row_room * sizeof(MedianSearch)
                                         : to.piece_room * sizeof(reduction::SumsOf<Recipe>));
    to.tensor_norms = to.place(Recipe::median_norm ? to.tensor_room * sizeof(double) : 0);
    to.factor_partials = to.place(to.partial_room * sizeof(double));
    to.scaled = to.place(to.scaled_room);
    to.swept = to.place(swept * sizeof(reduction::SweptPartial));
    to.totals = to.place(to.totals_room * sizeof(double));
    to.coefficients =
        to.place(to.tensor_room * sizeof(typename Recipe::template Coefficients<float>));
    to.coefficients64 =
        to.place(to.tensor_room * sizeof(typename Recipe::template Coefficients<double>));
    buffer_ = DeviceBuffer(gpu_, to.end);
    at_ = to;
    chunks_uploaded_ = false;
  }

  void fill(const Refs& refs, const Groups& groups, const Memories& memories) {
    image_.resize(at_.sampled + sampled_elements_.size() * sizeof(double));
    std::memcpy(image_.data() + at_.sampled, sampled_elements_.data(),
                sampled_elements_.size() * sizeof(double));
    fill_grads(refs, reinterpret_cast<const void**>(image_.data()));
    std::int64_t chunk = 0;
    [[maybe_unused]] std::int64_t row = 0, piece = 0;
    [[maybe_unused]] FactorTotals factors;
    for (std::size_t t = 0; t < refs.size(); ++t) {
      DeviceTensor<Recipe>& to =
          reinterpret_cast<DeviceTensor<Recipe>*>(image_.data() + at_.tensors)[t];
      to.param = refs[t].param;
      std::copy(std::begin(refs[t].slots), std::end(refs[t].slots), std::begin(to.slots));
      to.numel = refs[t].numel;
      to.group = groups.at(std::size_t(refs[t].group));
      to.per_tensor = memories.at(std::size_t(refs[t].per_tensor));
      to.dtype = refs[t].dtype;
      to.index = refs[t].index;
      to.first_chunk = int(chunk);
      to.snapshots = refs[t].snapshots;
      if constexpr (Recipe::products) to.matrix = refs[t].matrix;
      chunk += reduction::chunks(refs[t].numel);
      if constexpr (Recipe::rows) {
        to.rows = refs[t].rows;
        to.first_row = int(row);
        to.first_piece = int(piece);
        row += refs[t].numel == 0 ? 0 : refs[t].rows.count;
        piece += Plan::pieces_of(refs[t]);
      }
      if constexpr (Recipe::factored) {
        to.factors = refs[t].factors;
        to.scaled = buffer_.template at<char>(at_.scaled) + factors.scaled;
        to.first_partial = factors.partials;
        to.first_job = int(factors.jobs);
        to.first_fold = int(factors.folds);
        to.first_matrix = int(factors.matrices);
        factors.add(refs[t]);
      }
    }
  }

  static void fill_grads(const Refs& refs, const void** to) {
    for (std::size_t t = 0; t < refs.size(); ++t) to[t] = refs[t].grad;
  }

  void copy_now(std::size_t at, const void* from, std::size_t bytes, Stream side) {
    if (bytes == 0) return;
    char* const pinned = static_cast<char*>(pinned_->data()) + at;
    std::memcpy(pinned, from, bytes);
    gpu_.check(gpu_->upload(buffer_.template at<char>(at), pinned, bytes, side));
  }

  Gpu gpu_;
  bool chunks_uploaded_ = false;
  std::vector<char> image_;  // of the table's beginning, up to the chunks
  TableLayout at_;
  DeviceBuffer buffer_;
  std::optional<PinnedBuffer> pinned_;
};

}  // namespace agmohd::cuda
