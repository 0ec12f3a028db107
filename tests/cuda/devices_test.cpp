// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// One optimizer on several devices.

#include <ATen/cuda/Sleep.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <memory>
#include <vector>

#include "backend.hpp"

namespace {

using namespace testing_cuda;

/// On some devices, with gradients of one.
Tensors spread(const std::vector<at::Device>& devices) {
  Tensors out;
  for (const at::Device device : devices) {
    out.push_back(torch::zeros({1000}, device).requires_grad_());
    out.back().mutable_grad() = torch::ones({1000}, device);
  }
  return out;
}

TEST(CudaDevices, HaveOneJudge) {
#ifndef AGMOHD_ALL_TEST_KERNELS
  GTEST_SKIP() << "no kernels of MoodySGD: built without AGMOHD_CUDA=ON";
#endif
  const at::Device host(at::kCPU), first(at::kCUDA, 0), second(at::kCUDA, 1);
  std::vector<std::vector<at::Device>> cases = {{first, host}, {host, first}};
  if (torch::cuda::device_count() > 1) {
    cases.push_back({first, second});
    cases.push_back({second, host, first});
  }
  for (const auto& devices : cases) {
    const Tensors params = spread(devices);
    Optimizer<testing_recipes::MoodySGD> optimizer(
        params, Optimizer<testing_recipes::MoodySGD>::Options(1));
    for (int t = 0; t < 60; ++t) optimizer.step();
    const auto updates = double(optimizer.updates());
    EXPECT_GT(updates, 0);
    EXPECT_LT(updates, 60);
    for (const Tensor& p : params) {
      EXPECT_EQ(p.min().item<double>(), -updates) << p.device();
      EXPECT_EQ(p.max().item<double>(), -updates) << p.device();
    }
    EXPECT_EQ(double(optimizer.tally().count[agmohd::Tally::skip]), 60 - updates);
  }
}

TEST(CudaDevices, NeitherWaitNorAreForgottenAtTheEnd) {
  if (torch::cuda::device_count() < 2) GTEST_SKIP() << "needs two GPUs";
  const Tensors params = spread({at::Device(at::kCUDA, 0), at::Device(at::kCUDA, 1)});
  auto optimizer =
      std::make_unique<Optimizer<ClippedSGD>>(params, Optimizer<ClippedSGD>::Options(1));
  optimizer->step();
  for (at::DeviceIndex i = 0; i < 2; ++i) torch::cuda::synchronize(i);
  for (at::DeviceIndex i = 0; i < 2; ++i) {
    const c10::cuda::CUDAGuard guard(i);
    at::cuda::sleep(kLong);
  }
  optimizer->step();
  for (at::DeviceIndex i = 0; i < 2; ++i) {
    EXPECT_FALSE(c10::cuda::getCurrentCUDAStream(i).query()) << "step() waited for " << int(i);
  }
  optimizer.reset();
  for (at::DeviceIndex i = 0; i < 2; ++i) {
    EXPECT_TRUE(c10::cuda::getCurrentCUDAStream(i).query()) << int(i);
  }
}

/// Also when a device has no gradients for some steps: what its last sweep added still counts.
TEST(CudaDevices, HaveOneEstimate) {
  const Tensors start = parameters(torch::kFloat, 23);
  const Tensors host = copies(start, torch::kCPU);
  Tensors spread;
  for (std::size_t i = 0; i < start.size(); ++i) {
    spread.push_back(copies({start[i]}, i % 2 == 0 ? torch::kCUDA : torch::kCPU)[0]);
  }
  const auto optimizer = [](const Tensors& params) {
    using Prodigy = Optimizer<ProdigyNorm>;
    return std::make_unique<Prodigy>(params, Prodigy::Options(0.05).set<"d0">(1e-3));
  };
  const auto on_host = optimizer(host), on_devices = optimizer(spread);
  for (int t = 0; t < 40; ++t) {
    set_gradients(host, 0, 1);  // the same in all steps, so that d grows
    set_gradients(spread, 0, 1);
    for (std::size_t i = 0; t % 8 > 4 && i < start.size(); ++i) {
      if (int(i % 2) != t / 8 % 2) continue;
      host[i].mutable_grad().reset();
      spread[i].mutable_grad().reset();
    }
    on_host->step();
    on_devices->step();
    const double d = on_host->rule_memory().d;
    EXPECT_NEAR(on_devices->rule_memory().d, d, 1e-5 * d) << t;
  }
  EXPECT_GT(on_host->rule_memory().d, 0.1);
}

TEST(CudaDevices, HaveOneNorm) {
  if (torch::cuda::device_count() < 2) GTEST_SKIP() << "needs two GPUs";
  const Tensors start = parameters(torch::kFloat, 23);
  for (const bool with_cpu : {false, true}) {
    const Tensors host = copies(start, torch::kCPU);
    Tensors spread;
    for (std::size_t i = 0; i < start.size(); ++i) {
      const at::Device device = with_cpu && i % 3 == 2
                                    ? at::Device(at::kCPU)
                                    : at::Device(at::kCUDA, at::DeviceIndex(i % 2));
      spread.push_back(copies({start[i]}, device)[0]);
    }
    auto on_host = two_groups<Everything>(host), on_devices = two_groups<Everything>(spread);
    on_host->options().set<"bound">(60000);
    on_devices->options().set<"bound">(60000);
    for (int t = 0; t < 40; ++t) {
      set_gradients(host, t, t % 6 == 5 ? 3 : 1);
      set_gradients(spread, t, t % 6 == 5 ? 3 : 1);
      on_host->step();
      on_devices->step();
    }
    for (std::size_t i = 0; i < host.size(); ++i) {
      if (host[i].numel() == 0) continue;
      EXPECT_LE((spread[i].cpu() - host[i]).norm().item<double>(),
                1e-6 * host[i].norm().item<double>())
          << i;
    }
    EXPECT_EQ(on_devices->updates(), on_host->updates());
    EXPECT_NEAR(on_devices->signals().norm2, on_host->signals().norm2,
                1e-9 * on_host->signals().norm2);
  }
}

}  // namespace
