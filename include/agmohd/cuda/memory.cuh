// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../core/device_host.hpp"

namespace agmohd::cuda {

/// LibTorch, as the program that makes the first executor hands it over.
inline std::atomic<const DeviceHost*> libtorch_of_program{nullptr};
inline const DeviceHost& libtorch() { return *libtorch_of_program.load(std::memory_order_acquire); }

/// A c10::Error, unless `ok`.
inline void require(bool ok, const char* otherwise) {
  if (!ok) libtorch().fail(otherwise);
}
/// A c10::Error that says what CUDA says.
inline void check(cudaError_t status) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();
  libtorch().fail(std::string("agmohd: CUDA error: ") + cudaGetErrorString(status) + " (" +
                  cudaGetErrorName(status) + ")");
}

/// Makes a device the current one of the thread for as long as this lives.
class OnDevice {
 public:
  explicit OnDevice(int device) : before_(libtorch().exchange_device(device)) {}
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  ~OnDevice() { libtorch().restore_device(before_); }

 private:
  int before_;
};

/// Lets this thread use other streams while it captures one.
class RelaxedCapture {
 public:
  RelaxedCapture() { check(cudaThreadExchangeStreamCaptureMode(&mode_)); }
  RelaxedCapture(const RelaxedCapture&) = delete;
  RelaxedCapture& operator=(const RelaxedCapture&) = delete;
  ~RelaxedCapture() { (void)cudaThreadExchangeStreamCaptureMode(&mode_); }

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;  // then the one before
};

inline cudaStream_t current_stream(int device) {
  return static_cast<cudaStream_t>(libtorch().current_stream(device));
}

inline bool capturing(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream, &status));
  return status != cudaStreamCaptureStatusNone;
}

/// Device memory from LibTorch's caching allocator, on the device's current stream. Never during a
/// capture.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(int device, std::size_t bytes) : bytes_(bytes) {
    require(!capturing(current_stream(device)),
            "agmohd: this step needs device memory while a CUDA graph is captured; call prepare() "
            "before the capture, after the last change of parameters, groups or options");
    memory_ = libtorch().allocate(device, bytes > 0 ? bytes : 1);
    data_ = memory_->data();
  }
  /// The current stream uses this memory, too.
  void used_on_current_stream() const {
    if (memory_) memory_->used_on_current_stream();
  }
  template <class T>
  T* at(std::size_t offset) const {
    return reinterpret_cast<T*>(static_cast<char*>(data_) + offset);
  }
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::unique_ptr<DeviceMemory> memory_;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Page-locked host memory.
class PinnedBuffer {
 public:
  explicit PinnedBuffer(std::size_t bytes) : bytes_(bytes) {
    check(cudaHostAlloc(&pointer_, bytes, cudaHostAllocPortable));
  }
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : pointer_(std::exchange(other.pointer_, nullptr)), bytes_(other.bytes_) {}
  PinnedBuffer& operator=(PinnedBuffer&&) = delete;
  ~PinnedBuffer() {
    if (pointer_ != nullptr) (void)(cudaFreeHost(pointer_));
  }
  void* data() const { return pointer_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void* pointer_ = nullptr;
  std::size_t bytes_;
};

/// A stream that no one else has, of the current device.
class OwnStream {
 public:
  OwnStream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;
  ~OwnStream() { (void)cudaStreamDestroy(stream_); }
  operator cudaStream_t() const { return stream_; }  // NOLINT: as c10::cuda::CUDAStream

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  Event() { check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&&) = delete;
  ~Event() {
    if (event_ != nullptr) (void)(cudaEventDestroy(event_));
  }
  void record(cudaStream_t stream) const { check(cudaEventRecord(event_, stream)); }
  void block(cudaStream_t stream) const { check(cudaStreamWaitEvent(stream, event_, 0)); }
  bool reached() const {
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) {
      (void)cudaGetLastError();
      return false;
    }
    check(status);
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
    check(cudaMemcpyAsync(to, filling_->buffer.data(), bytes, cudaMemcpyHostToDevice, stream));
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

  void reserve(int device, std::size_t count) {
    while (blocks_.size() * kBlock < count) blocks_.emplace_back(device, kBlock * sizeof(T));
  }
  void used_on_current_stream() const {
    for (const DeviceBuffer& block : blocks_) block.used_on_current_stream();
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
