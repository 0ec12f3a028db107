// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace agmohd::cuda {

inline bool capturing(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  C10_CUDA_CHECK(cudaStreamIsCapturing(stream, &status));
  return status != cudaStreamCaptureStatusNone;
}

/// Device memory from LibTorch's caching allocator, on the current device and stream. Never during
/// a capture.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::size_t bytes) : bytes_(bytes) {
    TORCH_CHECK(
        !capturing(c10::cuda::getCurrentCUDAStream()),
        "agmohd: this step needs device memory while a CUDA graph is captured; call prepare() "
        "before the capture, after the last change of parameters, groups or options");
    pointer_ = c10::cuda::CUDACachingAllocator::get()->allocate(bytes > 0 ? bytes : 1);
  }
  /// Kernels on `stream` use this memory, too: it is not given out again before they are done.
  void record(c10::cuda::CUDAStream stream) const {
    if (pointer_) c10::cuda::CUDACachingAllocator::recordStream(pointer_, stream);
  }
  template <class T>
  T* at(std::size_t offset) const {
    return reinterpret_cast<T*>(static_cast<char*>(pointer_.get()) + offset);
  }
  void* data() const { return pointer_.get(); }
  std::size_t bytes() const { return bytes_; }

 private:
  c10::DataPtr pointer_;
  std::size_t bytes_ = 0;
};

/// Page-locked host memory.
class PinnedBuffer {
 public:
  explicit PinnedBuffer(std::size_t bytes) : bytes_(bytes) {
    C10_CUDA_CHECK(cudaHostAlloc(&pointer_, bytes, cudaHostAllocPortable));
  }
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : pointer_(std::exchange(other.pointer_, nullptr)), bytes_(other.bytes_) {}
  PinnedBuffer& operator=(PinnedBuffer&&) = delete;
  ~PinnedBuffer() {
    if (pointer_ != nullptr) C10_CUDA_IGNORE_ERROR(cudaFreeHost(pointer_));
  }
  void* data() const { return pointer_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void* pointer_ = nullptr;
  std::size_t bytes_;
};

class Event {
 public:
  Event() { C10_CUDA_CHECK(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&&) = delete;
  ~Event() {
    if (event_ != nullptr) C10_CUDA_IGNORE_ERROR(cudaEventDestroy(event_));
  }
  void record(cudaStream_t stream) const { C10_CUDA_CHECK(cudaEventRecord(event_, stream)); }
  void block(cudaStream_t stream) const { C10_CUDA_CHECK(cudaStreamWaitEvent(stream, event_, 0)); }
  bool reached() const {
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) {
      (void)cudaGetLastError();
      return false;
    }
    C10_CUDA_CHECK(status);
    return true;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

/// Copies host values to the device in stream order without waiting: each copy has a pinned buffer
/// of its own until the device has read it. The number of buffers grows with how far the device is
/// behind, never with the number of steps.
class Uploader {
 public:
  void upload(void* to, const void* from, std::size_t bytes, cudaStream_t stream) {
    if (bytes == 0) return;
    std::memcpy(begin(bytes), from, bytes);
    end(to, bytes, stream);
  }
  /// The same in two parts, for values that are written in place: `bytes` of room, then the copy.
  void* begin(std::size_t bytes) { return (filling_ = &acquire(bytes))->buffer.data(); }
  void end(void* to, std::size_t bytes, cudaStream_t stream) {
    C10_CUDA_CHECK(
        cudaMemcpyAsync(to, filling_->buffer.data(), bytes, cudaMemcpyHostToDevice, stream));
    filling_->read.record(stream);
  }

 private:
  struct Slot {
    PinnedBuffer buffer;
    Event read;
  };
  Slot& acquire(std::size_t bytes) {
    for (std::size_t tried = 0; tried < slots_.size(); ++tried) {
      Slot& slot = slots_[next_];
      next_ = (next_ + 1) % slots_.size();
      if (slot.buffer.bytes() >= bytes && slot.read.reached()) return slot;
    }
    std::size_t room = 4096;
    while (room < bytes) room *= 2;
    slots_.push_back(Slot{PinnedBuffer(room), Event()});
    return slots_.back();
  }
  std::deque<Slot> slots_;
  Slot* filling_ = nullptr;
  std::size_t next_ = 0;
};

/// A device array that grows without moving, for what captured graphs point to.
template <class T>
class StableArray {
 public:
  static constexpr std::size_t kBlock = 512;

  void reserve(std::size_t count) {
    while (blocks_.size() * kBlock < count) blocks_.emplace_back(kBlock * sizeof(T));
  }
  void record(c10::cuda::CUDAStream stream) const {
    for (const DeviceBuffer& block : blocks_) block.record(stream);
  }
  T* at(std::size_t i) const { return blocks_[i / kBlock].template at<T>(i % kBlock * sizeof(T)); }
  /// Enqueues the copy of values[0 .. count) to the elements from `first` on.
  void upload(Uploader& uploader, std::size_t first, const T* values, std::size_t count,
              cudaStream_t stream) const {
    while (count > 0) {
      const std::size_t run = count < kBlock - first % kBlock ? count : kBlock - first % kBlock;
      uploader.upload(at(first), values, run * sizeof(T), stream);
      first += run;
      values += run;
      count -= run;
    }
  }

 private:
  std::vector<DeviceBuffer> blocks_;
};

}  // namespace agmohd::cuda
