// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <utility>
#include <vector>

#include "../lerp.hpp"
#include "memory.hpp"
#include "stream_order.hpp"

namespace agmohd::cuda {

/// Averages of tensors on one device, in one launch on the current stream for any number of them.
/// The table of the tensors is uploaded where they are others than before.
class Lerp {
 public:
  Lerp(int device, const LerpKernels& kernels)
      : gpu_{device, kernels.runtime}, kernels_(kernels), uploader_(gpu_), order_(gpu_) {
    Device found{};
    gpu_.check(gpu_->device(device, &found));
    multiprocessors_ = found.multiprocessors;
  }
  Lerp(const Lerp&) = delete;
  Lerp& operator=(const Lerp&) = delete;
  /// Waits: graphs use the tables.
  ~Lerp() {
    try {
      const OnDevice guard(gpu_.device);
      const RelaxedCapture relaxed(gpu_);
      order_.settle();
      if (captured_ || !kept_.empty()) gpu_.check(gpu_->synchronize_device());
    } catch (const std::exception&) {  // the device is broken, or the program has ended
    }
  }

  /// False: these tensors would need a new table while a CUDA graph is captured, and nothing was
  /// done.
  bool run(const std::vector<LerpTensor>& tensors, double weight, bool write) {
    const OnDevice guard(gpu_.device);
    const Stream stream = gpu_.current_stream();
    const bool capturing = gpu_.capture_of(stream).has_value();
    const bool same = tensors == tensors_;
    if (capturing) {
      if (!same) return false;
      if (!captured_) {  // replays must find the table, on whatever stream they run
        const RelaxedCapture relaxed(gpu_);
        order_.settle();
      }
      captured_ = true;
    } else {
      if (order_.enter(stream)) table_.hold_for(*order_.keeper());
      if (!same) write_table(tensors, stream);
    }
    if (chunks_ > 0) launch(weight, write, stream);
    if (!capturing) order_.leave(stream);
    return true;
  }

 private:
  void write_table(const std::vector<LerpTensor>& tensors, Stream stream) {
    tensors_.clear();  // until the table is theirs
    std::int64_t elements = 0;
    for (const LerpTensor& t : tensors) elements += t.numel;
    const bool small = elements < std::int64_t(kChunk) * 2 * multiprocessors_;
    chunk_elements_ = small ? kSmallChunk : kChunk;
    std::vector<ChunkRef> chunks;
    for (std::size_t t = 0; t < tensors.size(); ++t) {
      const std::int64_t count = (tensors[t].numel + chunk_elements_ - 1) / chunk_elements_;
      for (std::int64_t c = 0; c < count; ++c) {
        chunks.push_back({std::int32_t(t), std::int32_t(c)});
      }
    }
    const std::size_t first = tensors.size() * sizeof(LerpTensor);
    std::vector<char> image(first + chunks.size() * sizeof(ChunkRef));
    std::memcpy(image.data(), tensors.data(), first);
    std::memcpy(image.data() + first, chunks.data(), image.size() - first);
    if (captured_ || table_.bytes() < image.size()) {
      if (captured_) kept_.push_back(std::move(table_));
      captured_ = false;
      table_ = DeviceBuffer(gpu_, image.size());
      if (order_.keeper()) table_.hold_for(*order_.keeper());
    }
    uploader_.upload(table_.data(), image.data(), image.size(), stream);
    chunks_ = int(chunks.size());
    tensors_ = tensors;
  }
  void launch(double weight, bool write, Stream stream) const {
    LerpView view{table_.at<LerpTensor>(0),
                  table_.at<ChunkRef>(tensors_.size() * sizeof(LerpTensor)), chunk_elements_,
                  weight, write};
    void* arguments[] = {&view};
    gpu_.check(gpu_->launch(
        {reinterpret_cast<const void*>(kernels_.lerp), chunks_, kThreads, 0, 1, stream, false},
        arguments));
  }

  static constexpr int kThreads = 256, kChunk = 16384, kSmallChunk = 1024;

  Gpu gpu_;
  LerpKernels kernels_;
  int multiprocessors_ = 0;
  std::vector<LerpTensor> tensors_;  // of the table
  DeviceBuffer table_;
  int chunks_ = 0, chunk_elements_ = kChunk;
  bool captured_ = false;           // the table is a graph's
  std::vector<DeviceBuffer> kept_;  // of graphs, before
  Uploader uploader_;
  StreamOrder order_;
};

}  // namespace agmohd::cuda
