// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "../registry.hpp"

// What the CUDA backend holds and enqueues, by the calls that a kernel unit brings and by the part
// of LibTorch that is the same for every kind of device: no header of CUDA is needed.
namespace agmohd::cuda {

inline c10::Device device_at(int device) {
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(device)};
}
/// LibTorch's side of CUDA. Never destroyed: optimizers that live until the program ends use it.
inline const c10::impl::VirtualGuardImpl& libtorch() {
  static const auto& impl = *new c10::impl::VirtualGuardImpl(c10::kCUDA);
  return impl;
}

/// A device, and the calls of the CUDA runtime that the kernels for it were compiled with. Their
/// library stays loaded as long as what refers to it here.
struct Gpu {
  int device;
  const Runtime* runtime;

  const Runtime* operator->() const { return runtime; }
  /// A c10::Error that says what CUDA says.
  void check(int status) const {
    if (status == 0) return;
    runtime->forget_error();
    TORCH_CHECK(false, "agmohd: CUDA error: ", runtime->error_text(status), " (",
                runtime->error_name(status), ")");
  }
  Stream current_stream() const {
    return libtorch().getStreamNativeHandle(libtorch().getStream(device_at(device)));
  }
  unsigned long long number_of(Stream stream) const {
    unsigned long long number = 0;
    check(runtime->stream_number(stream, &number));
    return number;
  }
  /// The number of the capture that the stream is in, if it is in one.
  std::optional<unsigned long long> capture_of(Stream stream) const {
    bool capturing = false;
    unsigned long long number = 0;
    check(runtime->capture(stream, &capturing, &number));
    return capturing ? std::optional(number) : std::nullopt;
  }
};

/// Makes a device the current one of the thread for as long as this lives.
class OnDevice {
 public:
  explicit OnDevice(int device) : before_(libtorch().exchangeDevice(device_at(device))) {}
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  ~OnDevice() { libtorch().uncheckedSetDevice(before_); }

 private:
  c10::Device before_;
};

/// Lets this thread use other streams while it captures one.
class RelaxedCapture {
 public:
  explicit RelaxedCapture(const Gpu& gpu) : gpu_(gpu) { gpu_.check(gpu_->relax_capture(&before_)); }
  RelaxedCapture(const RelaxedCapture&) = delete;
  RelaxedCapture& operator=(const RelaxedCapture&) = delete;
  ~RelaxedCapture() { (void)gpu_->restore_capture(before_); }

 private:
  Gpu gpu_;
  int before_ = 0;
};

/// Device memory from LibTorch's caching allocator, on the device's current stream. Never during a
/// capture.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(const Gpu& gpu, std::size_t bytes) : bytes_(bytes) {
    TORCH_CHECK(!gpu.capture_of(gpu.current_stream()),
                "agmohd: this step needs device memory while a CUDA graph is captured; call "
                "prepare() before the capture, after the last change of parameters, groups or "
                "options");
    memory_ = at::empty({static_cast<std::int64_t>(bytes > 0 ? bytes : 1)},
                        at::TensorOptions().dtype(at::kByte).device(device_at(gpu.device)));
    data_ = memory_.data_ptr();
  }
  /// Once freed, this memory is not given out again before `stream` has done what it then has to.
  void hold_for(const c10::Stream& stream) const {
    if (memory_.defined()) {
      libtorch().recordDataPtrOnStream(memory_.storage().data_ptr(), stream);
    }
  }
  template <class T>
  T* at(std::size_t offset) const {
    return reinterpret_cast<T*>(static_cast<char*>(data_) + offset);
  }
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  at::Tensor memory_;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Page-locked host memory: the device copies from it, and kernels may write to it, while the host
/// goes on.
class PinnedBuffer {
 public:
  PinnedBuffer(const Gpu& gpu, std::size_t bytes) : gpu_(gpu), bytes_(bytes) {
    gpu_.check(gpu_->make_pinned(&pointer_, bytes));
  }
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : gpu_(other.gpu_), pointer_(std::exchange(other.pointer_, nullptr)), bytes_(other.bytes_) {}
  PinnedBuffer& operator=(PinnedBuffer&&) = delete;
  ~PinnedBuffer() {
    if (pointer_ != nullptr) (void)gpu_->free_pinned(pointer_);
  }
  void* data() const { return pointer_; }
  std::size_t bytes() const { return bytes_; }

 private:
  Gpu gpu_;
  void* pointer_ = nullptr;
  std::size_t bytes_;
};

/// A stream that no one else has, of the current device, which `gpu` has to be.
class OwnStream {
 public:
  explicit OwnStream(const Gpu& gpu) : gpu_(gpu) { gpu_.check(gpu_->make_stream(&stream_)); }
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;
  ~OwnStream() { (void)gpu_->destroy_stream(stream_); }
  operator Stream() const { return stream_; }  // NOLINT: as c10::cuda::CUDAStream

 private:
  Gpu gpu_;
  Stream stream_ = nullptr;
};

class Event {
 public:
  explicit Event(const Gpu& gpu) : gpu_(gpu) { gpu_.check(gpu_->make_event(&event_)); }
  Event(Event&& other) noexcept : gpu_(other.gpu_), event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&&) = delete;
  ~Event() {
    if (event_ != nullptr) (void)gpu_->destroy_event(event_);
  }
  void record(Stream stream) const { gpu_.check(gpu_->record_event(event_, stream)); }
  void block(Stream stream) const { gpu_.check(gpu_->wait_event(stream, event_)); }
  void await() const { gpu_.check(gpu_->await_event(event_)); }
  bool reached() const {
    const int status = gpu_->query_event(event_);
    if (gpu_->is_not_ready(status)) {
      gpu_->forget_error();
      return false;
    }
    gpu_.check(status);
    return true;
  }

 private:
  Gpu gpu_;
  NativeEvent event_ = nullptr;
};

/// Copies host values to the device in stream order without waiting: each copy has a pinned buffer
/// of its own until the device has read it. The number of buffers grows with how far the device is
/// behind, never with the number of steps. A search for a free buffer goes once around, from the
/// one after the last; else one is made, of a power of two of bytes from 4096 on. begin() and end()
/// come in pairs.
class Uploader {
 public:
  explicit Uploader(const Gpu& gpu) : gpu_(gpu) {}

  void upload(void* to, const void* from, std::size_t bytes, Stream stream) {
    if (bytes == 0) return;
    std::memcpy(begin(bytes), from, bytes);
    end(to, bytes, stream);
  }
  /// The same in two parts, for values that are written in place: `bytes` of room, then the copy.
  void* begin(std::size_t bytes) { return (filling_ = &acquire(bytes))->buffer.data(); }
  void end(void* to, std::size_t bytes, Stream stream) {
    gpu_.check(gpu_->upload(to, filling_->buffer.data(), bytes, stream));
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
    slots_.push_back(Slot{PinnedBuffer(gpu_, room), Event(gpu_)});
    return slots_.back();
  }
  Gpu gpu_;
  std::deque<Slot> slots_;
  Slot* filling_ = nullptr;
  std::size_t next_ = 0;
};

/// A device array that grows without moving, for what captured graphs point to.
template <class T>
class StableArray {
 public:
  static constexpr std::size_t kBlock = 512;

  void reserve(const Gpu& gpu, std::size_t count) {
    while (blocks_.size() * kBlock < count) blocks_.emplace_back(gpu, kBlock * sizeof(T));
  }
  T* at(std::size_t i) const { return blocks_[i / kBlock].template at<T>(i % kBlock * sizeof(T)); }
  /// Enqueues the copy of values[0 .. count) to the elements from `first` on.
  void upload(Uploader& uploader, std::size_t first, const T* values, std::size_t count,
              Stream stream) const {
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
