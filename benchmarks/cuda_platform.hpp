// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>

#include "platform.hpp"

namespace bench {

/// The first CUDA device, on its default stream.
class Cuda final : public Platform {
 public:
  Cuda() {
    C10_CUDA_CHECK(cudaEventCreate(&start_));
    C10_CUDA_CHECK(cudaEventCreate(&stop_));
  }
  at::Device device() const override { return {at::kCUDA, 0}; }

  Seconds time(std::int64_t count, const Step& step) const override {
    const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
    C10_CUDA_CHECK(cudaStreamSynchronize(stream));
    C10_CUDA_CHECK(cudaEventRecord(start_, stream));
    const double begin = now();
    for (std::int64_t i = 0; i < count; ++i) step();
    const double host = now() - begin;
    C10_CUDA_CHECK(cudaEventRecord(stop_, stream));
    C10_CUDA_CHECK(cudaEventSynchronize(stop_));
    float milliseconds = 0;
    C10_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start_, stop_));
    return {milliseconds / 1e3, host};
  }

  Step captured(const Step& step) const override {
    auto graph = std::make_shared<at::cuda::CUDAGraph>();
    C10_CUDA_CHECK(cudaDeviceSynchronize());
    {
      const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
      graph->capture_begin();
      step();
      graph->capture_end();
    }
    return [graph] { graph->replay(); };
  }

  bool stream_copy(at::Tensor&, const at::Tensor&) const override { return false; }

  std::int64_t held() const override {
    C10_CUDA_CHECK(cudaDeviceSynchronize());
    return c10::cuda::CUDACachingAllocator::getDeviceStats(0).allocated_bytes[0].current;
  }
  std::int64_t available() const override {
    std::size_t free = 0, total = 0;
    C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
    return static_cast<std::int64_t>(free);
  }
  void trim() const override { c10::cuda::CUDACachingAllocator::emptyCache(); }

 private:
  cudaEvent_t start_ = nullptr, stop_ = nullptr;
};

}  // namespace bench
