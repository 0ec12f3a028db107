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
#include "../tuning.hpp"
#include "../view.hpp"
#include "memory.hpp"

namespace agmohd::cuda {

/// The chunks of all tensors of one wave and dtype: one launch.
struct Run {
  std::int32_t wave;
  Dtype dtype;
  int first_chunk, chunks, reduce_threads, sweep_threads;
  int reduce_chunks;  // of a block
  int reduce_warps;   // of a chunk
  bool tiny;          // in the sweep a warp does a chunk
  std::int64_t elements;

  int reduce_blocks() const { return (chunks + reduce_chunks - 1) / reduce_chunks; }
  int sweep_blocks() const {
    const int warps = sweep_threads / reduction::kWarp;
    return tiny ? (chunks + warps - 1) / warps : chunks;
  }
};

/// The device's table of one step: gradients' addresses, tensors, chunks, and room for partial sums
/// and coefficients, in one allocation. A step in which only gradients moved uploads their
/// addresses alone.
template <class Recipe>
class StepTable {
 public:
  using Refs = std::vector<TensorRef<Recipe>>;
  using Groups = StableArray<typename Recipe::Group>;
  using Records = StableArray<typename Recipe::PerTensor>;

  StepTable(const Gpu& gpu, const Tuning& tuning, int multiprocessors)
      : gpu_(gpu), tuning_(tuning), multiprocessors_(multiprocessors) {}

  /// Room for `refs` and for any part of them, in pinned memory too, so that a capture can write
  /// the table.
  void reserve(const Refs& refs) {
    plan(refs);
    // A part of them may be so few that blocks share chunks.
    allocate(std::min(chunks_.size(), most_few()) * std::size_t(strips_));
    if (!pinned_ || pinned_->bytes() < buffer_.bytes()) pinned_.emplace(gpu_, buffer_.bytes());
  }
  /// Whether the chunks are those of tensors with these shapes.
  bool planned_for(const Refs& refs) const {
    return planned_ && same_chunks<Recipe>(refs, shapes_);
  }
  bool holds(const Refs& refs) const {
    std::int64_t chunks = 0;
    for (const auto& ref : refs) chunks += reduction::chunks(ref.numel);
    return pinned_ && refs.size() <= at_.tensor_room && std::size_t(chunks) <= at_.chunk_room;
  }

  void write(const Refs& refs, const Groups& groups, const Records& records, Uploader& uploader,
             Stream stream) {
    plan(refs);
    allocate();
    fill(refs, groups, records);
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
  void write_captured(const Refs& refs, const Groups& groups, const Records& records, Stream side) {
    plan(refs);
    TORCH_CHECK(swept_needed() <= at_.swept_room,
                "agmohd: this optimizer step is captured in a CUDA graph, but the table that was "
                "prepared is of other parameters; call prepare() before each capture, after the "
                "last change of parameters");
    fill(refs, groups, records);
    copy_now(0, image_.data(), image_.size(), side);
    if (!chunks_uploaded_)
      copy_now(at_.chunks, chunks_.data(), chunks_.size() * sizeof(ChunkRef), side);
    gpu_.check(gpu_->synchronize(side));
    chunks_uploaded_ = true;
  }

  void hold_for(const c10::Stream& stream) const { buffer_.hold_for(stream); }
  const std::vector<Run>& runs() const { return runs_; }
  /// Of tensors that rest, which come behind the others of a view.
  int resting() const { return int(shapes_.size()) - working_; }
  int resting_chunks() const { return int(chunks_.size()) - working_chunks_; }

  View<Recipe> view(Core<Recipe>* core, const typename Recipe::Group* first_group, RecordRing* ring,
                    const LossRef& loss) const {
    View<Recipe> view{};
    view.grads = buffer_.template at<const void*>(0);
    view.tensors = buffer_.template at<DeviceTensor<Recipe>>(at_.tensors);
    view.chunks = buffer_.template at<ChunkRef>(at_.chunks);
    view.partials = Partials(buffer_.template at<char>(at_.partials), at_.chunk_room);
    if constexpr (Recipe::sums) view.summed = buffer_.template at<double>(at_.summed);
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
    view.strips = Recipe::measures_sweep && split_ > 1 ? strips_ : 0;
    return view;
  }

 private:
  /// Chunks and launches follow from shapes alone.
  void plan(const Refs& refs) {
    if (planned_for(refs)) return;
    planned_ = chunks_uploaded_ = false;
    shapes_ = refs;
    chunks_.clear();
    working_chunks_ = 0;
    runs_.clear();
    working_ = int(
        std::count_if(refs.begin(), refs.end(), [](const auto& ref) { return !ref.resting(); }));
    std::int64_t largest = 0;
    for (std::size_t t = 0; t < refs.size(); ++t) {
      if (refs[t].numel == 0) continue;
      if (refs[t].resting()) {
        add_chunks(t, refs[t].numel);
        continue;
      }
      if (runs_.empty() || runs_.back().dtype != refs[t].dtype ||
          runs_.back().wave != refs[t].wave) {
        runs_.push_back(
            {refs[t].wave, refs[t].dtype, int(chunks_.size()), 0, 0, 0, 1, 1, false, 0});
      }
      runs_.back().chunks += add_chunks(t, refs[t].numel);
      working_chunks_ = int(chunks_.size());
      runs_.back().elements += refs[t].numel;
      largest = std::max(largest, std::min(refs[t].numel, std::int64_t(reduction::kChunk)));
    }
    const auto count = std::int64_t{working_chunks_};
    sampled_elements_.assign(std::size_t(reduction::sample_every(count)), 0);
    std::int64_t first_chunk = 0;
    for (const auto& ref : refs) {
      if (ref.resting()) break;  // so do all behind it
      reduction::add_sampled(sampled_elements_.data(), std::int64_t(sampled_elements_.size()),
                             first_chunk, ref.numel);
      first_chunk += reduction::chunks(ref.numel);
    }
    // Where there are fewer chunks than multiprocessors, several blocks of the sweep share one.
    few_ = std::size_t(count) <= most_few();
    for (Run& run : runs_) shape(run);
    split_ = 1;
    strips_ = int((largest + 4 * reduction::kWarp - 1) / (4 * reduction::kWarp));
    if (few_ && count > 0) {
      const int warps = runs_.front().sweep_threads / reduction::kWarp;
      const int most = 4 * multiprocessors_ / int(count);
      split_ = std::clamp((strips_ + warps - 1) / warps, 1, std::max(1, most));
    }
    reduce_blocks_ = Recipe::measures_sweep ? 1 : 0;
    sweep_blocks_ = 0;
    for (const Run& run : runs_) {
      reduce_blocks_ += run.reduce_blocks();
      sweep_blocks_ += run.sweep_blocks() * split_;
    }
    deciders_ = share_ = 1;
    planned_ = true;
    if (runs_.empty() || Recipe::wants == 0) return;
    // Blocks of the last launch decide: as many as it takes for one round, but not all that are
    // there, since the sweep's blocks take their places.
    const int warps = runs_.back().reduce_threads / reduction::kWarp;
    const int blocks = std::min(runs_.back().reduce_blocks(), multiprocessors_);
    share_ = share(warps, blocks);
    const int shares = (working_ + share_ - 1) / share_;
    deciders_ = shares < warps ? 1 : std::clamp((shares + warps) / warps, 1, blocks);
  }

 public:
  /// How many tensors a warp decides at a time, where `blocks` blocks of `warps` warps do.
  int share(int warps, int blocks) const {
    const int wanted = working_ / (warps * blocks) + 1;
    return std::min(wanted, most_share<Recipe>(warps));
  }

 private:
  /// Returns how many chunks they are.
  int add_chunks(std::size_t tensor, std::int64_t numel) {
    const std::int64_t count = reduction::chunks(numel);
    TORCH_CHECK(std::int64_t(chunks_.size()) + count < (std::int64_t{1} << 31),
                "agmohd: too many elements on one device for one optimizer");
    for (std::int64_t i = 0; i < count; ++i) {
      chunks_.push_back({std::int32_t(tensor), std::int32_t(i)});
    }
    return int(count);
  }
  /// Fewer chunks than that are shared by blocks.
  std::size_t most_few() const {
    return std::size_t(std::min<std::int64_t>(multiprocessors_, reduction::kMostSamples));
  }
  void shape(Run& run) const {
    const std::int64_t average = run.elements / run.chunks;
    run.tiny = !few_ && average < tuning_.tiny_chunk;
    const bool small = !few_ && average < tuning_.small_chunk;
    const auto pick = [&](int tiny_one, int small_one, int one) {
      return run.tiny ? tiny_one : small ? small_one : one;
    };
    run.reduce_threads =
        pick(tuning_.tiny_reduce_threads, tuning_.small_reduce_threads, tuning_.reduce_threads);
    run.sweep_threads = pick(tuning_.tiny_sweep_threads, tuning_.small_sweep_threads,
                             few_ ? tuning_.small_sweep_threads : tuning_.sweep_threads);
    run.sweep_threads = std::min(run.sweep_threads, most_sweep_threads<Recipe>);
    const int warps = run.reduce_threads / reduction::kWarp;
    run.reduce_warps = pick(1, std::min(tuning_.small_reduce_warps, warps), warps);
    // So few that every multiprocessor still gets many blocks.
    const int share = run.chunks / (8 * multiprocessors_);
    run.reduce_chunks =
        run.tiny || small ? warps / run.reduce_warps : std::clamp(share, 1, tuning_.reduce_chunks);
    run.reduce_chunks = std::min(run.reduce_chunks, kMostChunks);
  }

  /// Where the parts of the table lie, for so many tensors and chunks.
  struct Layout {
    std::size_t tensor_room = 0, chunk_room = 0;
    std::size_t swept_room = 0;
    std::size_t tensors = 0, sampled = 0, chunks = 0, partials = 0, summed = 0, swept = 0,
                coefficients = 0, coefficients64 = 0;
    std::size_t end = 0;

    std::size_t place(std::size_t bytes) {
      const std::size_t at = (end + 255) / 256 * 256;
      end = at + bytes;
      return at;
    }
  };

  /// How many sums the planned step's measuring sweep leaves.
  std::size_t swept_needed() const {
    if (!Recipe::measures_sweep) return 0;
    const std::size_t strips = std::size_t(working_chunks_) * std::size_t(strips_);
    return std::max(split_ > 1 ? strips : 0, std::size_t(reduction::kMostSamples));
  }
  /// `strips`: of chunks that are shared by blocks, at least.
  void allocate(std::size_t strips = 0) {
    const std::size_t swept = std::max(swept_needed(), Recipe::measures_sweep ? strips : 0);
    if (buffer_.data() != nullptr && shapes_.size() <= at_.tensor_room &&
        chunks_.size() <= at_.chunk_room && swept <= at_.swept_room) {
      return;
    }
    Layout to;
    to.tensor_room = shapes_.size() + shapes_.size() / 8;
    to.chunk_room = chunks_.size() + chunks_.size() / 8;
    to.swept_room = swept;
    to.place(to.tensor_room * sizeof(void*));
    to.tensors = to.place(to.tensor_room * sizeof(DeviceTensor<Recipe>));
    to.sampled = to.place(std::size_t(reduction::sample_every(std::int64_t(to.chunk_room))) *
                          sizeof(double));
    to.chunks = to.place(to.chunk_room * sizeof(ChunkRef));
    to.partials = to.place(Recipe::wants == 0 ? 0 : to.chunk_room * Partials::kBytes);
    to.summed = to.place(Recipe::sums ? to.chunk_room * sizeof(double) : 0);
    to.swept = to.place(swept * sizeof(reduction::SweptPartial));
    to.coefficients =
        to.place(to.tensor_room * sizeof(typename Recipe::template Coefficients<float>));
    to.coefficients64 =
        to.place(to.tensor_room * sizeof(typename Recipe::template Coefficients<double>));
    buffer_ = DeviceBuffer(gpu_, to.end);
    at_ = to;
    chunks_uploaded_ = false;
  }

  void fill(const Refs& refs, const Groups& groups, const Records& records) {
    image_.resize(at_.sampled + sampled_elements_.size() * sizeof(double));
    std::memcpy(image_.data() + at_.sampled, sampled_elements_.data(),
                sampled_elements_.size() * sizeof(double));
    fill_grads(refs, reinterpret_cast<const void**>(image_.data()));
    std::int64_t chunk = 0;
    for (std::size_t t = 0; t < refs.size(); ++t) {
      DeviceTensor<Recipe>& to =
          reinterpret_cast<DeviceTensor<Recipe>*>(image_.data() + at_.tensors)[t];
      to.param = refs[t].param;
      std::copy(std::begin(refs[t].slots), std::end(refs[t].slots), std::begin(to.slots));
      to.numel = refs[t].numel;
      to.group = groups.at(std::size_t(refs[t].group));
      to.record = records.at(std::size_t(refs[t].record));
      to.dtype = refs[t].dtype;
      to.index = refs[t].index;
      to.first_chunk = int(chunk);
      to.snapshots = refs[t].snapshots;
      chunk += reduction::chunks(refs[t].numel);
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
  Tuning tuning_;
  int multiprocessors_;
  int reduce_blocks_ = 0, sweep_blocks_ = 0, deciders_ = 1, share_ = 1;
  int split_ = 1, strips_ = 0;
  Refs shapes_;                           // that chunks_ and runs_ were made of
  std::vector<double> sampled_elements_;  // by phase
  bool planned_ = false, chunks_uploaded_ = false, few_ = false;
  int working_ = 0, working_chunks_ = 0;  // tensors, chunks
  std::vector<Run> runs_;
  std::vector<char> image_;  // of the table's beginning, up to the chunks
  std::vector<ChunkRef> chunks_;
  Layout at_;
  DeviceBuffer buffer_;
  std::optional<PinnedBuffer> pinned_;
};

}  // namespace agmohd::cuda
