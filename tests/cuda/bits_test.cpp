// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The bits of the CPU, in any layout, again and again, however the kernels are launched.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/cuda/tuning.hpp>
#include <cstdint>
#include <sstream>
#include <vector>

#include "backend.hpp"

namespace {

using namespace testing_cuda;

TYPED_TEST(CudaBackend, HasTheBitsOfTheCpu) {
  for (const auto dtype : {torch::kFloat, torch::kDouble, torch::kBFloat16, torch::kHalf}) {
    const Tensors start = parameters(dtype, 7);
    const Tensors host = copies(start, torch::kCPU), device = copies(start, torch::kCUDA);
    auto on_host = two_groups<TypeParam>(host), on_device = two_groups<TypeParam>(device);
    freeze_some(*on_host, host), freeze_some(*on_device, device);
    for (int t = 0; t < 45; ++t) {
      const double scale = t % 7 == 0 ? 1e-3 : 1;  // the clip is active in most steps only
      set_gradients(host, t, scale);
      set_gradients(device, t, scale);
      if (t == 20) {
        for (auto* o : {on_host.get(), on_device.get()})
          o->param_groups()[1].options().set_lr(2e-2);
      }
      const Tensor loss = torch::tensor(t < 8 ? 1.0 - 0.1 * t : 0.3);
      on_host->step(loss);
      on_device->step(loss);
    }
    expect_same_bits(host, device, TypeParam::name() + " " + c10::toString(dtype));
    expect_same_bits(states(*on_host, host), states(*on_device, device),
                     "states of " + TypeParam::name());
    EXPECT_EQ(on_host->updates(), on_device->updates());
  }
}

template <class Recipe>
class CudaFactors : public CudaBackend<Recipe> {};
using OfFactors = ::testing::Types<RowsAdafactor, RowsAdamMini, RowsCAME>;
TYPED_TEST_SUITE(CudaFactors, OfFactors);

TYPED_TEST(CudaFactors, HaveTheBitsOfTheCpuInAnyLayout) {
  for (const auto dtype : {torch::kFloat, torch::kDouble, torch::kBFloat16, torch::kHalf}) {
    Tensors start;
    for (const std::vector<std::int64_t>& shape :
         std::vector<std::vector<std::int64_t>>{{64, 128},
                                                {65, 129},
                                                {300, 200},
                                                {1, 1},
                                                {1, 700},
                                                {700, 1},
                                                {2100, 3},
                                                {3, 2100},
                                                {8, 8},
                                                {40, 30, 3, 3},
                                                {70, 30, 1, 1},
                                                {5, 6, 9, 7},
                                                {3, 9000},
                                                {9000, 3},
                                                {2, 70, 3, 140},
                                                {0, 4}}) {
      const Tensor x = torch::randn(shape).to(dtype);
      start.push_back(x);
      start.push_back(x.transpose(0, 1).clone().transpose(0, 1));
      if (x.dim() == 4) start.push_back(x.contiguous(at::MemoryFormat::ChannelsLast));
      if (x.dim() == 4) start.push_back(x.permute({3, 1, 0, 2}).clone().permute({2, 1, 3, 0}));
    }
    const Tensors host = copies(start, torch::kCPU), device = copies(start, torch::kCUDA);
    Optimizer<TypeParam> a(host, options<TypeParam>()), b(device, options<TypeParam>());
    for (int t = 0; t < 5; ++t) {
      set_gradients(host, t, 1);
      set_gradients(device, t, 1);
      a.step(), b.step();
    }
    expect_same_bits(host, device, c10::toString(dtype));
    expect_same_bits(states(a, host), states(b, device), "states");
  }
}

TEST(CudaSecondSweep, FindsTensorsBehindEmptyOnes) {
  Tensors host;
  for (const std::int64_t size : {4, 0, 0, 0, 0, 0, 0, 5, 0, 40000}) {
    host.push_back(torch::randn({size}).requires_grad_());
  }
  const Tensors device = copies(host, torch::kCUDA);
  Optimizer<KeptLAMB> a(host, options<KeptLAMB>()), b(device, options<KeptLAMB>());
  for (int t = 0; t < 5; ++t) {
    set_gradients(host, t, 1);
    set_gradients(device, t, 1);
    a.step(), b.step();
  }
  expect_same_bits(host, device, "parameters");
}

TEST(CudaAccumulate, HasTheBitsOfTheCpu) {
  for (const auto dtype : {torch::kFloat, torch::kDouble, torch::kBFloat16, torch::kHalf}) {
    const Tensors start = parameters(dtype, 13);
    const Tensors host = copies(start, torch::kCPU), device = copies(start, torch::kCUDA);
    const auto options = Optimizer<AccumulatedAdamW>::Options(1e-2).set<"accumulation_steps">(3);
    Optimizer<AccumulatedAdamW> a(host, options), b(device, options);
    for (int t = 0; t < 11; ++t) {
      set_gradients(host, t, 1);
      set_gradients(device, t, 1);
      a.step(), b.step();
    }
    a.apply_accumulated(), b.apply_accumulated();
    expect_same_bits(host, device, c10::toString(dtype));
    EXPECT_EQ(b.updates(), 4);
  }
}

TYPED_TEST(CudaBackend, RepeatsItsBits) {
  Tensors runs[2];
  for (Tensors& params : runs) {
    params = copies(parameters(torch::kFloat, 9), torch::kCUDA);
    auto optimizer = two_groups<TypeParam>(params);
    for (int t = 0; t < 20; ++t) {
      set_gradients(params, t, 1);
      optimizer->step();
    }
  }
  expect_same_bits(runs[0], runs[1], TypeParam::name());
}

TYPED_TEST(CudaBackend, ContinuesFromACheckpointOfTheCpu) {
  const Tensors host = copies(parameters(torch::kFloat, 11), torch::kCPU);
  auto on_host = two_groups<TypeParam>(host);
  for (int t = 0; t < 10; ++t) {
    set_gradients(host, t, 1);
    on_host->step();
  }
  std::stringstream file;
  torch::save(*on_host, file);
  const Tensors device = copies(host, torch::kCUDA);
  auto on_device = two_groups<TypeParam>(device);
  torch::load(*on_device, file);
  for (int t = 10; t < 20; ++t) {
    set_gradients(host, t, 1);
    set_gradients(device, t, 1);
    on_host->step();
    on_device->step();
  }
  expect_same_bits(host, device, TypeParam::name());
  std::stringstream back;
  torch::save(*on_device, back);
  auto again = two_groups<TypeParam>(host);
  torch::load(*again, back);
  EXPECT_EQ(again->updates(), 20);
  expect_same_bits(states(*again, host), states(*on_device, device), "states loaded back");
}

TYPED_TEST(CudaBackend, BitsDoNotDependOnTuning) {
  const agmohd::cuda::Tuning tunings[] = {{512, 256, 128, 128, 2, 256, 128, 2048, 256, 4},
                                          {128, 64, 256, 32, 1, 128, 64, 100, 0, 1},
                                          {256, 128, 512, 256, 4, 512, 256, 1 << 20, 1 << 20, 8},
                                          {512, 256, 256, 128, 1, 256, 128, 1 << 20, 0, 4},
                                          {512, 256, 512, 128, 8, 256, 128, 1 << 20, 0, 4}};
  Tensors first;
  for (const auto& tuning : tunings) {
    agmohd::cuda::tuning_under_test() = &tuning;
    Tensors params = copies(parameters(torch::kFloat, 31), torch::kCUDA);
    for (int i = 0; i < 300; ++i) {
      torch::manual_seed(std::uint64_t(i));
      params.push_back(torch::randn({1 + i * 7 % 130}).to(torch::kCUDA).requires_grad_());
    }
    auto optimizer = two_groups<TypeParam>(params);
    for (int t = 0; t < 6; ++t) {
      set_gradients(params, t, 1);
      optimizer->step();
    }
    agmohd::cuda::tuning_under_test() = nullptr;
    if (first.empty()) {
      first = params;
    } else {
      expect_same_bits(first, params, TypeParam::name());
    }
  }
}

/// A flat array as tensors that end at `cuts`, most of them off alignment.
template <class Recipe>
Tensor trained_in_parts(at::Device device, at::ScalarType dtype, std::vector<std::int64_t> cuts) {
  constexpr std::int64_t kSize = 70001;
  torch::manual_seed(41);
  const Tensor values = torch::randn({kSize}).to(dtype).to(device);
  cuts.push_back(kSize);
  Tensors params;
  for (std::int64_t begin = 0; const std::int64_t end : cuts) {
    params.push_back(values.slice(0, begin, end).detach().requires_grad_());
    begin = end;
  }
  Optimizer<Recipe> optimizer(params, options<Recipe>());
  for (int t = 0; t < 5; ++t) {
    const Tensor g = torch::randn({kSize}).to(dtype).to(device);
    for (std::int64_t begin = 0; const Tensor& p : params) {
      p.mutable_grad() = g.slice(0, begin, begin + p.numel());
      begin += p.numel();
    }
    optimizer.step();
  }
  return values;
}

TEST(CudaSplit, IntoTensorsLeavesTheElements) {
  using Rule = agmohd::recipe::Adam;  // nothing is measured
  for (const at::Device device : {at::Device(at::kCPU), at::Device(at::kCUDA)}) {
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble}) {
      const Tensor whole = trained_in_parts<Rule>(device, dtype, {});
      std::vector<std::int64_t> tiny;
      for (std::int64_t cut = 3; cut < 60000; cut += 61) tiny.push_back(cut);
      const std::vector<std::vector<std::int64_t>> splits{
          {1}, {16384, 32768}, {5, 20000, 20001}, tiny};
      for (const auto& cuts : splits) {
        const Tensor parts = trained_in_parts<Rule>(device, dtype, cuts);
        EXPECT_TRUE(torch::equal(whole, parts)) << device << ' ' << dtype << ' ' << cuts.size();
      }
    }
  }
}

TEST(CudaSanitize, ASmallStepOfEverything) {
  for (const auto dtype : {torch::kFloat, torch::kBFloat16}) {
    const Tensors params = copies(parameters(dtype, 17), torch::kCUDA);
    auto optimizer = two_groups<Everything>(params);
    for (int t = 0; t < 3; ++t) {
      set_gradients(params, t, 1);
      optimizer->step();
    }
    EXPECT_EQ(optimizer->updates(), 3);
  }
}

TEST(CudaReference, TakesTensorsWithoutKernels) {
  using O = Optimizer<testing_recipes::WithoutKernels>;
  const Tensors start = parameters(torch::kFloat, 19);
  const Tensors host = copies(start, torch::kCPU), device = copies(start, torch::kCUDA);
  O on_host(host, O::Options(1e-2).max_norm(1).total_steps(30)),
      on_device(device, O::Options(1e-2).max_norm(1).total_steps(30));
  for (int t = 0; t < 20; ++t) {
    set_gradients(host, t, 1);
    set_gradients(device, t, 1);
    on_host.step();
    on_device.step();
  }
  for (std::size_t i = 0; i < host.size(); ++i) {
    if (host[i].numel() == 0) continue;
    EXPECT_LE((device[i].cpu() - host[i]).norm().item<double>(),
              2e-6 * host[i].norm().item<double>())
        << i;
  }
}

}  // namespace
