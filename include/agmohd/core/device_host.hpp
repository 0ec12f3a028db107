// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace agmohd {

/// Memory of a device, given back at the end.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;
  virtual void* data() const = 0;
  /// The current stream uses it, too: it is not given out again before that stream is done with it.
  virtual void used_on_current_stream() const = 0;
};

/// What the lane of a device asks of LibTorch. Kernel units know this interface alone: LibTorch's
/// headers would be most of what they compile.
class DeviceHost {
 public:
  virtual ~DeviceHost() = default;

  /// Makes `device` the current one of this thread; returns the one before.
  virtual int exchange_device(int device) const = 0;
  virtual void restore_device(int device) const noexcept = 0;
  /// The native handle (cudaStream_t) of the current stream of a device.
  virtual void* current_stream(int device) const = 0;
  /// From the caching allocator, on the current stream of the device.
  virtual std::unique_ptr<DeviceMemory> allocate(int device, std::size_t bytes) const = 0;
  /// Throws c10::Error.
  [[noreturn]] virtual void fail(const std::string& what) const = 0;
};

}  // namespace agmohd
