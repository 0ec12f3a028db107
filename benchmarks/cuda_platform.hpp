// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "copy.hpp"
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
    const double wall = now() - begin;
    float milliseconds = 0;
    C10_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start_, stop_));
    return {milliseconds / 1e3, host, wall};
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

  bool stream_copy(int way, at::Tensor& to, const at::Tensor& from) const override {
    if (way >= kCopyWays) return false;
    C10_CUDA_CHECK(copy_kernel(way, to.mutable_data_ptr(), from.const_data_ptr(), from.nbytes(),
                               c10::cuda::getCurrentCUDAStream()));
    return true;
  }

  /// By Kineto. What the profiler itself does is subtracted.
  std::optional<Launches> launches(const Step& step) const override {
    profile([] {});  // the first one loads CUPTI
    const Launches empty = profile([] {});
    Launches all = profile(step);
    all.kernels -= empty.kernels;
    all.copies -= empty.copies;
    all.memsets -= empty.memsets;
    all.synchronisations -= empty.synchronisations;
    return all;
  }

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
  static std::int64_t allocated() {
    return c10::cuda::CUDACachingAllocator::getDeviceStats(0).allocation[0].allocated;
  }
  static Launches profile(const Step& step) {
    namespace impl = torch::profiler::impl;
    namespace profiler = torch::autograd::profiler;
    const impl::ProfilerConfig config(impl::ProfilerState::KINETO);
    const std::set<impl::ActivityType> activities{impl::ActivityType::CUDA};
    C10_CUDA_CHECK(cudaDeviceSynchronize());
    profiler::prepareProfiler(config, activities);
    profiler::enableProfiler(config, activities);
    const std::int64_t before = allocated();
    step();
    Launches found{.allocations = double(allocated() - before)};
    C10_CUDA_CHECK(cudaDeviceSynchronize());
    const auto result = profiler::disableProfiler();
    for (const profiler::KinetoEvent& event : result->events()) {
      const std::string name = event.name();
      if (event.deviceType() == at::kCUDA) {
        const bool copy = name.starts_with("Memcpy"), memset = name.starts_with("Memset");
        (copy ? found.copies : memset ? found.memsets : found.kernels) += 1;
      } else if (name.starts_with("cuda") && name.ends_with("Synchronize")) {
        found.synchronisations += 1;
      }
    }
    return found;
  }

  cudaEvent_t start_ = nullptr, stop_ = nullptr;
};

}  // namespace bench
