// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Few multiprocessors, many streams.

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "backend.hpp"

namespace {

using namespace testing_cuda;

/// Waits for the streams, but not for ever: a device that hangs ends the program with a message.
void expect_end(const std::vector<c10::cuda::CUDAStream>& streams, const char* what) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  for (const c10::cuda::CUDAStream& stream : streams) {
    while (cudaStreamQuery(stream) == cudaErrorNotReady) {
      if (std::chrono::steady_clock::now() > deadline) {
        std::fprintf(stderr, "%s: the device hangs\n", what);
        std::_Exit(1);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

Tensors equal_parameters(int count, std::int64_t elements, const torch::TensorOptions& options) {
  Tensors out;
  for (int i = 0; i < count; ++i) {
    out.push_back(torch::full({elements}, 0.1, options).requires_grad_());
    out.back().mutable_grad() = torch::full({elements}, 1e-3, options);
  }
  return out;
}

/// A stream on some of the multiprocessors; see "Green Contexts" in the CUDA driver's manual.
class GreenContext {
 public:
  explicit GreenContext(unsigned multiprocessors) {
    CUdevice device = 0;
    CUdevResource all{}, some{};
    CUdevResourceDesc description = nullptr;
    unsigned groups = 1;
    cudaFree(nullptr);  // makes the primary context
    made_ =
        call<decltype(&cuDeviceGet)>("cuDeviceGet", &device, 0) &&
        call<decltype(&cuDeviceGetDevResource)>("cuDeviceGetDevResource", device, &all,
                                                CU_DEV_RESOURCE_TYPE_SM) &&
        call<decltype(&cuDevSmResourceSplitByCount)>("cuDevSmResourceSplitByCount", &some, &groups,
                                                     &all, nullptr, 0U, multiprocessors) &&
        call<decltype(&cuDevResourceGenerateDesc)>("cuDevResourceGenerateDesc", &description, &some,
                                                   1U) &&
        call<decltype(&cuGreenCtxCreate)>("cuGreenCtxCreate", &context_, description, device,
                                          unsigned(CU_GREEN_CTX_DEFAULT_STREAM)) &&
        call<decltype(&cuGreenCtxStreamCreate)>("cuGreenCtxStreamCreate", &stream_, context_,
                                                unsigned(CU_STREAM_NON_BLOCKING), 0);
  }
  GreenContext(const GreenContext&) = delete;
  GreenContext& operator=(const GreenContext&) = delete;
  ~GreenContext() {
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
    if (context_ != nullptr) call<decltype(&cuGreenCtxDestroy)>("cuGreenCtxDestroy", context_);
  }
  bool made() const { return made_; }
  c10::cuda::CUDAStream stream() const { return c10::cuda::getStreamFromExternal(stream_, 0); }

 private:
  template <class Function, class... A>
  static bool call(const char* name, A... arguments) {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result{};
    if (cudaGetDriverEntryPointByVersion(name, &found, CUDA_VERSION, cudaEnableDefault, &result) !=
            cudaSuccess ||
        found == nullptr) {
      return false;
    }
    return reinterpret_cast<Function>(found)(arguments...) == CUDA_SUCCESS;
  }

  bool made_ = false;
  CUgreenCtx context_ = nullptr;
  CUstream stream_ = nullptr;
};

template <class Recipe>
void steps_on_few_multiprocessors(int count, std::int64_t elements, at::ScalarType dtype) {
  const Tensors params =
      equal_parameters(count, elements, torch::device(torch::kCUDA).dtype(dtype));
  torch::cuda::synchronize();
  const GreenContext context(16);
  if (!context.made()) GTEST_SKIP() << "the driver makes no green context";
  const c10::cuda::CUDAStreamGuard guard(context.stream());
  Optimizer<Recipe> optimizer(params, options<Recipe>());
  for (int t = 0; t < 20; ++t) optimizer.step();
  expect_end({context.stream()}, Recipe::name().c_str());
  EXPECT_EQ(optimizer.updates(), 20);
}

TEST(CudaResidency, AGreenContextOf16MultiprocessorsIsEnough) {
  steps_on_few_multiprocessors<agmohd::recipe::AGMOHD>(580, 5000, torch::kFloat);
  steps_on_few_multiprocessors<agmohd::recipe::AGMOHD>(4000, 100, torch::kFloat);
  steps_on_few_multiprocessors<Everything>(4000, 5000, torch::kDouble);
  steps_on_few_multiprocessors<agmohd::recipe::AdamW>(20000, 1000, torch::kFloat);
  steps_on_few_multiprocessors<agmohd::recipe::AdamW>(5000, 2000, torch::kDouble);
}

template <class Recipe>
void steps_in_four_streams() {
  std::vector<c10::cuda::CUDAStream> streams;
  std::vector<std::unique_ptr<Optimizer<Recipe>>> optimizers;
  for (int i = 0; i < 4; ++i) {
    streams.push_back(c10::cuda::getStreamFromPool());
    optimizers.push_back(std::make_unique<Optimizer<Recipe>>(
        equal_parameters(1500, 3000, torch::device(torch::kCUDA)), options<Recipe>()));
  }
  torch::cuda::synchronize();
  for (int t = 0; t < 200; ++t) {
    for (int i = 0; i < 4; ++i) {
      const c10::cuda::CUDAStreamGuard guard(streams[std::size_t(i)]);
      optimizers[std::size_t(i)]->step();
    }
  }
  expect_end(streams, Recipe::name().c_str());
  for (const auto& optimizer : optimizers) EXPECT_EQ(optimizer->updates(), 200);
}

TEST(CudaResidency, FourStreamsStepAtOnce) {
  steps_in_four_streams<agmohd::recipe::AGMOHD>();
  steps_in_four_streams<Everything>();
  steps_in_four_streams<agmohd::recipe::AdamW>();
}

}  // namespace
