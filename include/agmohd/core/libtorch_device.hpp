// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "device_host.hpp"

namespace agmohd {

/// DeviceHost by the part of LibTorch that is the same for every kind of device, so that programs
/// that include this need no header of CUDA.
class LibTorchDevice final : public DeviceHost {
 public:
  explicit LibTorchDevice(c10::DeviceType type) : type_(type), impl_(type) {}

  int exchange_device(int device) const override {
    return impl_.exchangeDevice(at(device)).index();
  }
  void restore_device(int device) const noexcept override { impl_.uncheckedSetDevice(at(device)); }
  void* current_stream(int device) const override {
    return impl_.getStreamNativeHandle(impl_.getStream(at(device)));
  }
  std::unique_ptr<DeviceMemory> allocate(int device, std::size_t bytes) const override {
    return std::make_unique<Bytes>(at(device), bytes, impl_);
  }
  [[noreturn]] void fail(const std::string& what) const override { TORCH_CHECK(false, what); }

 private:
  class Bytes final : public DeviceMemory {
   public:
    Bytes(c10::Device device, std::size_t bytes, const c10::impl::VirtualGuardImpl& impl)
        : impl_(impl),
          tensor_(at::empty({static_cast<std::int64_t>(bytes)},
                            at::TensorOptions().dtype(at::kByte).device(device))) {}
    void* data() const override { return tensor_.data_ptr(); }
    void used_on_current_stream() const override {
      impl_.recordDataPtrOnStream(tensor_.storage().data_ptr(), impl_.getStream(tensor_.device()));
    }

   private:
    c10::impl::VirtualGuardImpl impl_;
    at::Tensor tensor_;
  };

  c10::Device at(int device) const { return {type_, static_cast<c10::DeviceIndex>(device)}; }

  c10::DeviceType type_;
  c10::impl::VirtualGuardImpl impl_;
};

/// For CUDA. Never destroyed: optimizers that live until the program ends still use it.
inline const DeviceHost& libtorch_cuda() {
  static const DeviceHost& host = *new LibTorchDevice(c10::kCUDA);
  return host;
}

}  // namespace agmohd
