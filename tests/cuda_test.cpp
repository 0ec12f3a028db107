// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The CUDA backend against the CPU backend, bit for bit, and what only a GPU has: launches,
// captures, streams, devices.

#include <ATen/cuda/CUDAGraph.h>
#include <ATen/cuda/Sleep.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/cuda/tuning.hpp>
#include <agmohd/wrap/ema.hpp>
#include <agmohd/wrap/lookahead.hpp>
#include <agmohd/wrap/mask.hpp>
#include <agmohd/wrap/sam.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cuda_recipes.hpp"

namespace {

using agmohd::Optimizer;
using testing_recipes::AccumulatedAdamW;
using testing_recipes::CappedAdamW;
using testing_recipes::CentralizedLAMB;
using testing_recipes::ClippedNovoGrad;
using testing_recipes::ClippedPowers;
using testing_recipes::ClippedSGD;
using testing_recipes::Everything;
using testing_recipes::GroupedSGD;
using testing_recipes::HalfState;
using testing_recipes::KeptHyperball;
using testing_recipes::KeptLAMB;
using testing_recipes::MaskedAdamW;
using testing_recipes::MaskedSGD;
using testing_recipes::MeasuredAdafactor;
using testing_recipes::MeasuredAdamMini;
using testing_recipes::MeasuredCAME;
using testing_recipes::MeasuredProdigy;
using testing_recipes::NoisyAdamW;
using testing_recipes::OrthogonalAdafactor;
using testing_recipes::OrthogonalSGD;
using testing_recipes::PlainAdagrad;
using testing_recipes::PlainDAdaptAdam;
using testing_recipes::PlainRMSprop;
using testing_recipes::PlateauLion;
using testing_recipes::ProdigyNorm;
using testing_recipes::RowsAdafactor;
using testing_recipes::RowsAdamMini;
using testing_recipes::RowsCAME;
using testing_recipes::RowsLAMB;
using testing_recipes::RowsSGD;
using testing_recipes::StableHalf;
using torch::Tensor;
using Tensors = std::vector<Tensor>;

/// Odd shapes: empty, one element, ragged, several chunks, channels-last, a view that starts off
/// alignment.
Tensors parameters(at::ScalarType dtype, std::uint64_t seed) {
  torch::manual_seed(seed);
  const auto o = torch::dtype(torch::kFloat);
  Tensors out = {torch::randn({7, 5}, o),
                 torch::randn({1}, o),
                 torch::randn({0, 4}, o),
                 torch::randn({3, 8, 5, 5}, o).contiguous(at::MemoryFormat::ChannelsLast),
                 torch::randn({16384 + 3}, o),
                 torch::randn({50000}, o),
                 torch::randn({33, 65}, o)};
  for (Tensor& t : out) t = t.to(dtype);
  out.push_back(torch::randn({1030}, o).to(dtype).slice(0, 1));
  return out;
}

Tensors copies(const Tensors& from, at::Device device) {
  Tensors out;
  for (const Tensor& t : from) {
    Tensor copy;
    if (t.storage_offset() != 0) {  // keep what is off alignment off alignment
      copy = torch::zeros({t.numel() + t.storage_offset()}, t.options().device(device))
                 .slice(0, t.storage_offset());
      copy.copy_(t);
    } else {
      copy = torch::empty_like(t, t.options().device(device), at::MemoryFormat::Preserve).copy_(t);
    }
    out.push_back(copy.detach().requires_grad_());
  }
  return out;
}

/// The same gradients for every device: step t of `scale` size; some tensors miss some steps.
void set_gradients(const Tensors& params, int t, double scale) {
  torch::manual_seed(1000 + std::uint64_t(t));
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Tensor& p = params[i];
    Tensor g = (torch::randn(p.sizes(), torch::kFloat) * scale).to(p.scalar_type());
    if (i == 3 || (t % 3 == 1 && i == 5)) g = g.as_strided(p.sizes(), p.strides());
    const bool missing = (i == 1 && t < 4) || (i == 4 && t % 5 == 2);
    params[i].mutable_grad() = missing ? Tensor() : g.to(p.device());
  }
}

template <class Recipe>
typename Optimizer<Recipe>::Options options() {
  return typename Optimizer<Recipe>::Options(1e-2);
}
template <>
Optimizer<HalfState>::Options options<HalfState>() {
  return Optimizer<HalfState>::Options(1e-2).max_norm(3).stochastic_rounding(true).seed(5);
}
template <>
Optimizer<Everything>::Options options<Everything>() {
  return Optimizer<Everything>::Options(1e-2)
      .max_norm(3)
      .max_value(2)
      .warmup_steps(5)
      .total_steps(40)
      .weight_decay(0.1);
}
template <>
Optimizer<ClippedSGD>::Options options<ClippedSGD>() {
  return Optimizer<ClippedSGD>::Options(1e-2).momentum(0.9).nesterov(true).max_norm(2);
}
template <>
agmohd::Adam::Options options<agmohd::recipe::Adam>() {
  return agmohd::AdamOptions(1e-2).weight_decay(0.05).amsgrad(true).maximize(true);
}

template <>
Optimizer<PlateauLion>::Options options<PlateauLion>() {
  return Optimizer<PlateauLion>::Options(1e-2)
      .max_norm(3)
      .weight_decay(0.1)
      .warmup_steps(5)
      .set<"patience">(0)
      .set<"plateau_window">(4);
}
template <>
Optimizer<NoisyAdamW>::Options options<NoisyAdamW>() {
  return Optimizer<NoisyAdamW>::Options(1e-2)
      .max_norm(3)
      .weight_decay(0.1)
      .stochastic_rounding(true)
      .set<agmohd::gradient::Noise>({.noise_eta = 0.1});
}
template <>
Optimizer<RowsSGD>::Options options<RowsSGD>() {
  return Optimizer<RowsSGD>::Options(1e-2).momentum(0.9).set<agmohd::gradient::AGC>(
      {.clip_factor = 0.1});
}
template <>
Optimizer<RowsLAMB>::Options options<RowsLAMB>() {
  return Optimizer<RowsLAMB>::Options(1e-2).max_norm(3).set<agmohd::gradient::AGC>(
      {.clip_factor = 0.1});
}
template <>
Optimizer<CentralizedLAMB>::Options options<CentralizedLAMB>() {
  return Optimizer<CentralizedLAMB>::Options(1e-2).max_norm(3);
}
template <>
Optimizer<RowsAdafactor>::Options options<RowsAdafactor>() {
  return Optimizer<RowsAdafactor>::Options(1e-2)
      .max_norm(3)
      .weight_decay(0.1)
      .set<agmohd::gradient::AGC>({.clip_factor = 0.1});
}
template <>
Optimizer<OrthogonalSGD>::Options options<OrthogonalSGD>() {
  return Optimizer<OrthogonalSGD>::Options(1e-2).momentum(0.9);
}
template <>
Optimizer<OrthogonalAdafactor>::Options options<OrthogonalAdafactor>() {
  return Optimizer<OrthogonalAdafactor>::Options(1e-2).max_norm(3).weight_decay(0.1);
}
template <>
Optimizer<ClippedPowers>::Options options<ClippedPowers>() {
  return Optimizer<ClippedPowers>::Options(1e-2).max_norm(3).max_value(2).set<"norm_type">(3);
}
template <>
Optimizer<GroupedSGD>::Options options<GroupedSGD>() {
  return Optimizer<GroupedSGD>::Options(1e-2)
      .momentum(0.9)
      .max_value(0.5)
      .max_norm(3)
      .warmup_steps(7)
      .total_steps(30);
}
template <>
Optimizer<MaskedAdamW>::Options options<MaskedAdamW>() {
  return Optimizer<MaskedAdamW>::Options(1e-2).max_norm(3).total_steps(40);
}
template <>
Optimizer<MaskedSGD>::Options options<MaskedSGD>() {
  return Optimizer<MaskedSGD>::Options(1e-2).momentum(0.9).cycle_steps(9);
}
template <>
Optimizer<MeasuredAdafactor>::Options options<MeasuredAdafactor>() {
  return Optimizer<MeasuredAdafactor>::Options(1e-2).stochastic_rounding(true);
}
template <>
Optimizer<RowsAdamMini>::Options options<RowsAdamMini>() {
  return Optimizer<RowsAdamMini>::Options(1e-2)
      .max_norm(3)
      .weight_decay(0.1)
      .set<agmohd::gradient::AGC>({.clip_factor = 0.1});
}
template <>
Optimizer<MeasuredAdamMini>::Options options<MeasuredAdamMini>() {
  return Optimizer<MeasuredAdamMini>::Options(1e-2).stochastic_rounding(true);
}
template <>
Optimizer<RowsCAME>::Options options<RowsCAME>() {
  return Optimizer<RowsCAME>::Options(1e-3)
      .max_norm(3)
      .weight_decay(0.1)
      .set<agmohd::gradient::AGC>({.clip_factor = 0.1});
}
template <>
Optimizer<MeasuredCAME>::Options options<MeasuredCAME>() {
  return Optimizer<MeasuredCAME>::Options(1e-3).stochastic_rounding(true);
}
template <>
Optimizer<KeptHyperball>::Options options<KeptHyperball>() {
  return Optimizer<KeptHyperball>::Options(1e-2)
      .max_norm(3)
      .weight_decay(0.1)
      .snapshots(true)
      .snapshot_every(10);
}
template <>
Optimizer<CappedAdamW>::Options options<CappedAdamW>() {
  return Optimizer<CappedAdamW>::Options(1e-1).max_norm(3).weight_decay(0.1).set<"max_update">(
      0.01);
}
template <>
Optimizer<ProdigyNorm>::Options options<ProdigyNorm>() {
  return Optimizer<ProdigyNorm>::Options(0.1).max_norm(3).weight_decay(0.1).set<"d0">(1e-2);
}
template <>
Optimizer<MeasuredProdigy>::Options options<MeasuredProdigy>() {
  return Optimizer<MeasuredProdigy>::Options(0.1)
      .set<"d0">(1e-2)
      .set<"beta3">(0.9)
      .set<"use_bias_correction">(true)
      .set<"growth_rate">(1.1);
}
template <>
Optimizer<PlainDAdaptAdam>::Options options<PlainDAdaptAdam>() {
  return Optimizer<PlainDAdaptAdam>::Options(0.1).weight_decay(0.1).set<"d0">(1e-2);
}
template <>
Optimizer<PlainRMSprop>::Options options<PlainRMSprop>() {
  return Optimizer<PlainRMSprop>::Options(1e-2).momentum(0.9).centered(true).weight_decay(0.1);
}
template <>
Optimizer<PlainAdagrad>::Options options<PlainAdagrad>() {
  return Optimizer<PlainAdagrad>::Options(1e-2).initial_accumulator_value(0.5).lr_decay(0.01);
}
template <>
Optimizer<KeptLAMB>::Options options<KeptLAMB>() {
  return Optimizer<KeptLAMB>::Options(1e-2)
      .max_norm(3)
      .weight_decay(0.1)
      .snapshots(true)
      .snapshot_every(10);
}

template <class Recipe>
std::unique_ptr<Optimizer<Recipe>> two_groups(const Tensors& params) {
  using O = Optimizer<Recipe>;
  std::vector<agmohd::OptimizerParamGroup> groups;
  groups.emplace_back(Tensors(params.begin(), params.begin() + 3));
  groups.emplace_back(Tensors(params.begin() + 3, params.end()),
                      std::make_unique<typename O::Options>(5e-3));
  return std::make_unique<O>(groups, options<Recipe>());
}

/// Every third element of each parameter, where the rule has a mask.
template <class O>
void freeze_some(O& optimizer, const Tensors& params) {
  if constexpr (agmohd::wrap::HasMask<O>) {
    for (const Tensor& p : params) {
      agmohd::wrap::set_mask(optimizer, p, torch::arange(p.numel()).view(p.sizes()).remainder(3));
    }
  }
}

void expect_same_bits(const Tensors& a, const Tensors& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Tensor x = a[i].detach().cpu(), y = b[i].detach().cpu();
    EXPECT_TRUE(torch::equal(x, y))
        << what << ", tensor " << i << ": " << (x != y).sum().item<std::int64_t>() << " of "
        << x.numel() << " elements differ";
  }
}

template <class Recipe>
Tensors states(Optimizer<Recipe>& optimizer, const Tensors& params) {
  Tensors out;
  for (const Tensor& p : params) {
    const auto found = optimizer.state().find(p.unsafeGetTensorImpl());
    if (found == optimizer.state().end()) continue;
    auto& state = static_cast<typename Optimizer<Recipe>::ParamState&>(*found->second);
    out.push_back(torch::tensor(state.step()));
    state.for_each_slot([&](std::size_t, Tensor& slot) {
      if (slot.defined()) out.push_back(slot);
    });
  }
  return out;
}

/// Builds for machines that cannot run these tests lack kernels of some recipes.
template <class Recipe>
class CudaBackend : public ::testing::Test {
 protected:
  void SetUp() override {
#ifndef AGMOHD_ALL_TEST_KERNELS
    if (agmohd::cuda::find_kernels<Recipe>() == nullptr) {
      GTEST_SKIP() << "no kernels of " << Recipe::name() << ": built without AGMOHD_CUDA=ON";
    }
#endif
  }
};
using Recipes =
    ::testing::Types<agmohd::recipe::SGD, agmohd::recipe::Adam, agmohd::recipe::AdamW, ClippedSGD,
                     Everything, HalfState, StableHalf, PlateauLion, PlainRMSprop, PlainAdagrad,
                     ClippedNovoGrad, KeptLAMB, NoisyAdamW, RowsSGD, RowsLAMB, CentralizedLAMB,
                     RowsAdafactor, MeasuredAdafactor, OrthogonalSGD, ClippedPowers,
                     OrthogonalAdafactor, RowsAdamMini, MeasuredAdamMini, RowsCAME, MeasuredCAME,
                     KeptHyperball, ProdigyNorm, MeasuredProdigy, PlainDAdaptAdam, GroupedSGD,
                     MaskedAdamW, MaskedSGD, CappedAdamW>;
TYPED_TEST_SUITE(CudaBackend, Recipes);

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

/// Complex tensors of the shapes of parameters(), their halves being two of those.
Tensors complex_parameters(at::ScalarType dtype, std::uint64_t seed) {
  const Tensors real = parameters(dtype, seed), imaginary = parameters(dtype, seed + 1);
  Tensors out;
  for (std::size_t i = 0; i < real.size(); ++i) {
    const Tensor z = torch::complex(real[i], imaginary[i]);
    if (real[i].storage_offset() == 0) {
      out.push_back(torch::empty_like(real[i], z.options()).copy_(z));
    } else {  // off the alignment of 16 bytes
      out.push_back(torch::zeros({z.numel() + 1}, z.options()).slice(0, 1).copy_(z));
    }
  }
  return out;
}

template <class Recipe>
void expect_complex_bits_of_the_cpu() {
  for (const auto dtype : {torch::kFloat, torch::kDouble}) {
    const Tensors start = complex_parameters(dtype, 15);
    const Tensors host = copies(start, torch::kCPU), device = copies(start, torch::kCUDA);
    auto on_host = two_groups<Recipe>(host), on_device = two_groups<Recipe>(device);
    for (int t = 0; t < 25; ++t) {
      const Tensors grads = complex_parameters(dtype, 1000 + 2 * std::uint64_t(t));
      for (std::size_t i = 0; i < start.size(); ++i) {
        const Tensor g = t % 3 == 1 && i == 5 ? at::conj(grads[i]) : grads[i];
        host[i].mutable_grad() = i == 1 && t < 4 ? Tensor() : g;
        // A copy to another device may resolve the conjugate.
        device[i].mutable_grad() = i == 1 && t < 4 ? Tensor()
                                   : g.is_conj()   ? at::conj(grads[i].to(at::kCUDA))
                                                   : g.to(at::kCUDA);
      }
      on_host->step(), on_device->step();
    }
    expect_same_bits(host, device, Recipe::name() + " " + c10::toString(dtype));
    expect_same_bits(states(*on_host, host), states(*on_device, device), "states");
    EXPECT_EQ(on_host->signals().norm2, on_device->signals().norm2);
  }
}
TEST(CudaComplex, HasTheBitsOfTheCpu) {
  expect_complex_bits_of_the_cpu<agmohd::recipe::Adam>();
  expect_complex_bits_of_the_cpu<Everything>();
  expect_complex_bits_of_the_cpu<KeptLAMB>();
}
TEST(CudaComplex, AveragesHaveTheBitsOfTheirParts) {
  const Tensors complex = copies(complex_parameters(at::kFloat, 7), torch::kCUDA);
  Tensors parts;
  for (const Tensor& z : complex) parts.push_back(torch::view_as_real(z.detach()).clone());
  agmohd::wrap::EMA ema(complex, {.decay = 0.3}), other(parts, {.decay = 0.3});
  for (int t = 0; t < 4; ++t) {
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < complex.size(); ++i) {
      torch::view_as_real(complex[i]).mul_(1.25).add_(0.5);
      parts[i].mul_(1.25).add_(0.5);
    }
    ema.update(), other.update();
  }
  for (std::size_t i = 0; i < complex.size(); ++i) {
    EXPECT_TRUE(torch::equal(torch::view_as_real(ema.averages()[i]), other.averages()[i])) << i;
  }
}

/// Of one bfloat16 parameter and its gradient: 9 GB.
TEST(CudaHuge, StepsATensorOfMoreElementsThan32BitsCount) {
  c10::cuda::CUDACachingAllocator::emptyCache();
  std::size_t unused = 0, total = 0;
  ASSERT_EQ(cudaMemGetInfo(&unused, &total), cudaSuccess);
  if (unused < std::size_t{24} << 30) GTEST_SKIP() << "less than 24 GB of device memory is free";
  constexpr std::int64_t kCount = (std::int64_t{1} << 31) + 5;
  const auto options = torch::dtype(torch::kBFloat16).device(torch::kCUDA);
  const Tensor p = torch::zeros({kCount}, options).requires_grad_();
  const Tensor g = torch::ones({kCount}, options);
  const std::pair<std::int64_t, double> marked[] = {
      {0, -2}, {kCount / 2, 3}, {kCount - 6, 5}, {kCount - 5, -6}, {kCount - 1, 4}};
  double norm2 = double(kCount) - 5;
  for (const auto& [element, value] : marked) g[element] = value, norm2 += value * value;
  p.mutable_grad() = g;
  Optimizer<ClippedSGD> optimizer(Tensors{p}, Optimizer<ClippedSGD>::Options(1e4).max_norm(2));
  optimizer.step();
  EXPECT_EQ(optimizer.signals().norm2, norm2);
  EXPECT_EQ(optimizer.signals().max_abs, 6);
  const double step = 1e4 * 2 / std::sqrt(norm2);
  for (const auto& [element, value] : marked) {
    EXPECT_NEAR(p[element].item<double>(), -step * value, 0.004 * std::abs(step * value))
        << element;
  }
  const Tensor other = p.detach()[1];
  EXPECT_NEAR(other.item<double>(), -step, 0.004 * step);
  std::int64_t equal = 0;
  for (std::int64_t first = 0; first < kCount; first += std::int64_t{1} << 28) {
    const std::int64_t end = std::min(kCount, first + (std::int64_t{1} << 28));
    equal += (p.detach().slice(0, first, end) == other).sum().item<std::int64_t>();
  }
  EXPECT_EQ(equal, kCount - 5);
  g[kCount - 1] = std::numeric_limits<float>::quiet_NaN();
  optimizer.step();
  EXPECT_EQ(optimizer.signals().nonfinite, 1);
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

TEST(CudaAccumulate, ReplaysAWindow) {
  const Tensors start = parameters(torch::kBFloat16, 14);
  const Tensors params[2] = {copies(start, torch::kCUDA), copies(start, torch::kCUDA)};
  const auto options = Optimizer<AccumulatedAdamW>::Options(1e-2).set<"accumulation_steps">(3);
  Optimizer<AccumulatedAdamW> eager(params[0], options), graphed(params[1], options);
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  torch::cuda::synchronize();
  std::vector<Tensors> gradients;  // of the calls of a window
  for (int t = 0; t < 3; ++t) {
    set_gradients(params[0], t, 1);
    gradients.emplace_back();
    for (const Tensor& p : params[0]) gradients.back().push_back(p.grad());
  }
  const auto window = [&](auto& optimizer, const Tensors& of) {
    for (const Tensors& call : gradients) {
      for (std::size_t i = 0; i < of.size(); ++i) of[i].mutable_grad() = call[i];
      optimizer.step();
    }
  };
  window(eager, params[0]), window(graphed, params[1]);
  graphed.prepare();
  torch::cuda::synchronize();
  at::cuda::CUDAGraph graph;
  graph.capture_begin();
  window(graphed, params[1]);
  graph.capture_end();
  for (int t = 0; t < 4; ++t) window(eager, params[0]), graph.replay();
  expect_same_bits(params[0], params[1], "parameters");
  EXPECT_EQ(graphed.updates(), 5);
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

/// Kernels and other nodes of a captured step.
template <class Step>
std::pair<int, int> captured_nodes(Step step) {
  const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool();
  const c10::cuda::CUDAStreamGuard guard(side);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamBeginCapture(side, cudaStreamCaptureModeGlobal), cudaSuccess);
  step();
  EXPECT_EQ(cudaStreamEndCapture(side, &graph), cudaSuccess);
  std::size_t count = 0;
  EXPECT_EQ(cudaGraphGetNodes(graph, nullptr, &count), cudaSuccess);
  std::vector<cudaGraphNode_t> nodes(count);
  EXPECT_EQ(cudaGraphGetNodes(graph, nodes.data(), &count), cudaSuccess);
  int kernels = 0;
  for (const cudaGraphNode_t node : nodes) {
    cudaGraphNodeType type{};
    EXPECT_EQ(cudaGraphNodeGetType(node, &type), cudaSuccess);
    kernels += type == cudaGraphNodeTypeKernel ? 1 : 0;
  }
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  return {kernels, int(count) - kernels};
}

TYPED_TEST(CudaBackend, LaunchesAsManyKernelsForAnyNumberOfTensors) {
  for (const int count : {1, 10, 1000}) {
    Tensors params;
    for (int i = 0; i < count; ++i) {
      params.push_back(torch::randn({1 + i % 7, 13}, torch::kCUDA).requires_grad_());
      params.back().mutable_grad() = torch::randn_like(params.back());
    }
    std::vector<agmohd::OptimizerParamGroup> groups;
    for (int i = 0; i < count; i += 4)
      groups.emplace_back(Tensors(params.begin() + i, params.begin() + std::min(i + 4, count)));
    Optimizer<TypeParam> optimizer(groups, options<TypeParam>());
    optimizer.step();
    optimizer.prepare();
    torch::cuda::synchronize();
    const auto [kernels, others] = captured_nodes([&] { optimizer.step(); });
    const int own = TypeParam::two_sweeps ? 5 : TypeParam::wants == 0 ? 1 : 2;
    const int passes =
        (TypeParam::rows ? 2 : 0) + (TypeParam::factored ? 1 : 0) + (TypeParam::residual ? 3 : 0);
    EXPECT_EQ(kernels, own + passes) << count;
    EXPECT_EQ(others, 0) << count << " tensors";
  }
}

TEST(CudaSnapshots, OnTheHostTakeNoneOfTheDevice) {
  const auto used = [](bool on_host) {
    const auto bytes = [] {
      return c10::cuda::CUDACachingAllocator::getDeviceStats(0).allocated_bytes[0].current;
    };
    const Tensors params = copies(parameters(torch::kFloat, 3), torch::kCUDA);
    for (const Tensor& p : params) p.mutable_grad() = torch::randn_like(p);
    agmohd::AGMOHD optimizer(
        params, agmohd::AGMOHDOptions(1e-3).snapshots(true).snapshots_on_host(on_host));
    const auto before = bytes();
    optimizer.step();
    return bytes() - before;
  };
  std::int64_t expected = 0;
  for (const Tensor& p : parameters(torch::kFloat, 3)) expected += 2 * 3 * 4 * p.numel();
  EXPECT_GE(used(false) - used(true), expected);
}

TEST(CudaSnapshots, OfACapturedStepStayWhereTheyAre) {
  const Tensors params = copies(parameters(torch::kFloat, 3), torch::kCUDA);
  for (const Tensor& p : params) p.mutable_grad() = torch::randn_like(p);
  agmohd::AGMOHD optimizer(params, agmohd::AGMOHDOptions(1e-3).snapshots(true));
  torch::cuda::synchronize();
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  optimizer.step();
  optimizer.prepare();
  at::cuda::CUDAGraph graph;
  graph.capture_begin();
  optimizer.step();
  graph.capture_end();
  graph.replay();
  optimizer.options().snapshots_on_host(true);
  EXPECT_THROW(optimizer.step(), c10::Error);
  EXPECT_THROW(optimizer.prepare(), c10::Error);
  optimizer.options().snapshots_on_host(false);
  optimizer.step();
  graph.replay();
  EXPECT_EQ(optimizer.tally().steps, 4);
}

TYPED_TEST(CudaBackend, AllocatesNothingAfterTheFirstStep) {
  const Tensors params = copies(parameters(torch::kFloat, 3), torch::kCUDA);
  auto optimizer = two_groups<TypeParam>(params);
  for (const Tensor& p : params) p.mutable_grad() = torch::randn_like(p);
  optimizer->step();
  const auto allocations = [] {
    return c10::cuda::CUDACachingAllocator::getDeviceStats(0).allocation[0].allocated;
  };
  const auto before = allocations();
  for (int i = 0; i < 10; ++i) {
    optimizer->param_groups()[0].options().set_lr(1e-3 * i);
    optimizer->step();
  }
  EXPECT_EQ(allocations(), before);
}

/// A small model whose whole step, backward included, can be captured.
struct Trainer {
  Tensor x = torch::zeros({32, 16}, torch::kCUDA), y = torch::zeros({32, 4}, torch::kCUDA);
  torch::nn::Sequential model{torch::nn::Linear(16, 64), torch::nn::Tanh(),
                              torch::nn::Linear(64, 4)};
  std::unique_ptr<Optimizer<Everything>> optimizer;

  Trainer() {
    torch::manual_seed(5);
    for (Tensor& p : model->parameters()) {
      const torch::NoGradGuard no_grad;
      p.copy_(torch::randn(p.sizes()) * 0.1);
    }
    model->to(torch::kCUDA);
    optimizer = std::make_unique<Optimizer<Everything>>(
        model->parameters(),
        options<Everything>().max_norm(0.5).total_steps(2000).set<"bound">(50));
  }
  void load(
      int t) {  // every few batches the gradient is small (no clip), and sometimes huge (skip)
    torch::manual_seed(100 + std::uint64_t(t));
    const double scale = t % 11 == 5 ? 100 : t % 4 == 1 ? 0.01 : 1;
    x.copy_(torch::randn({32, 16}));
    y.copy_(torch::randn({32, 4}) * scale);
  }
  void step() {
    optimizer->zero_grad();
    torch::mse_loss(model->forward(x), y).backward();
    optimizer->step();
  }
  void change(int t) {
    if (t % 10 == 3) optimizer->param_groups()[0].options().set_lr(1e-2 / (1 + t % 7));
    if (t == 120) optimizer->options().max_norm(0.2);
    if (t == 150) optimizer->options().set<"bound">(20);
  }
};

TEST(CudaGraph, ReplaysHaveTheBitsOfEagerSteps) {
  Trainer eager, graphed;
  // Warm up on a side stream, as LibTorch's documentation asks, and identically in both.
  const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool();
  for (Trainer* trainer : {&eager, &graphed}) {
    const c10::cuda::CUDAStreamGuard guard(side);
    for (int t = 0; t < 3; ++t) {
      trainer->load(t);
      trainer->step();
    }
  }
  torch::cuda::synchronize();
  at::cuda::CUDAGraph graph;
  {
    const c10::cuda::CUDAStreamGuard guard(side);
    graphed.optimizer->zero_grad();
    graphed.optimizer->prepare();
    torch::cuda::synchronize();
    graph.capture_begin();
    graphed.step();
    graph.capture_end();
  }
  torch::cuda::synchronize();
  int skipped = 0;
  const c10::cuda::CUDAStreamGuard guard(side);
  for (int t = 3; t < 1003; ++t) {
    for (Trainer* trainer : {&eager, &graphed}) {
      trainer->load(t);
      trainer->change(t);
    }
    const Tensor before = eager.model->parameters()[0].detach().clone();
    eager.step();
    skipped += torch::equal(before, eager.model->parameters()[0]) ? 1 : 0;
    graphed.optimizer->prepare();  // uploads options that were changed
    graph.replay();
    if (t % 100 == 0)
      expect_same_bits(eager.model->parameters(), graphed.model->parameters(),
                       "step " + std::to_string(t));
  }
  expect_same_bits(eager.model->parameters(), graphed.model->parameters(), "the end");
  EXPECT_EQ(eager.optimizer->updates(), graphed.optimizer->updates());
  EXPECT_GT(skipped, 10);
  EXPECT_LT(skipped, 500);
  // Eager steps go on from where the replays ended, and the graph from there.
  for (int t = 1003; t < 1013; ++t) {
    eager.load(t);
    graphed.load(t);
    eager.step();
    if (t % 2 == 0) {
      graphed.step();
    } else {
      graph.replay();
    }
  }
  expect_same_bits(eager.model->parameters(), graphed.model->parameters(),
                   "eager and replayed steps in turns");
}

/// Spikes, non-finite gradients, losses and weights, a jump of the learning rate, a new regime.
TEST(CudaGraph, ReplaysIncidentsAsEagerSteps) {
  const auto sides = [] {
    Tensors params = copies(parameters(torch::kFloat, 43), torch::kCUDA);
    for (const Tensor& p : params) p.mutable_grad() = torch::zeros_like(p);
    return params;
  };
  const Tensors a = sides(), b = sides();
  const auto o = agmohd::AGMOHDOptions(1e-3).weight_decay(0.1).snapshots(true).snapshot_every(20);
  agmohd::AGMOHD eager(a, o), graphed(b, o);
  const Tensor loss = torch::zeros({}, torch::kCUDA);
  const auto load = [&loss](const Tensors& params, int t) {
    torch::manual_seed(500 + std::uint64_t(t));
    const double scale = t == 70 || t == 90 || t == 91 ? 3.0 : t < 150 ? 0.002 : 0.02;
    for (const Tensor& p : params) {
      p.grad().copy_(torch::randn(p.sizes()) * scale);
    }
    if (t == 75) params[5].grad()[4321].fill_(std::numeric_limits<float>::infinity());
    loss.fill_(t == 85 ? std::numeric_limits<float>::quiet_NaN() : 2.F - 0.001F * float(t));
    if (t == 110 || t == 503) {
      params[5].detach()[4322].fill_(std::numeric_limits<float>::quiet_NaN());
    }
    loss.add_(params[5].detach().sum(), 0);
  };
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  for (int t = 0; t < 3; ++t) {
    load(a, t), eager.step(loss);
    load(b, t), graphed.step(loss);
  }
  graphed.prepare();
  at::cuda::CUDAGraph graph;
  torch::cuda::synchronize();
  graph.capture_begin();
  graphed.step(loss);
  graph.capture_end();
  for (int t = 3; t < 1003; ++t) {
    const double lr = t >= 120 && t < 125 ? 3e-2 : 1e-3;
    for (auto* optimizer : {&eager, &graphed}) optimizer->param_groups()[0].options().set_lr(lr);
    load(a, t), eager.step(loss);
    load(b, t), graphed.prepare(), graph.replay();
    if (t % 50 == 0) expect_same_bits(a, b, "step " + std::to_string(t));
  }
  expect_same_bits(a, b, "the end");
  const agmohd::Tally x = eager.tally(), y = graphed.tally();
  for (int kind = 0; kind < agmohd::Tally::kinds; ++kind) {
    EXPECT_EQ(x.count[kind], y.count[kind]) << kind;
    EXPECT_EQ(x.last[kind], y.last[kind]) << kind;
  }
  EXPECT_GE(x.count[agmohd::Tally::skip], 5);
  EXPECT_GE(x.count[agmohd::Tally::throttle], 1);
  EXPECT_EQ(x.count[agmohd::Tally::rollback], 2);
  EXPECT_EQ(graphed.records().back().step, 1003);
}

/// A table that prepare() made for many tensors is captured for few, whose chunks blocks share.
TEST(CudaGraph, IsCapturedOfFewOfManyTensors) {
  Tensors graphed, plain;
  for (int i = 0; i < 300; ++i) {
    torch::manual_seed(std::uint64_t(i));
    graphed.push_back(torch::randn({16384}, torch::kCUDA).requires_grad_());
    plain.push_back(graphed.back().detach().clone().requires_grad_());
  }
  const auto options = agmohd::AGMOHDOptions(1e-3).weight_decay(0.1);
  agmohd::AGMOHD a(graphed, options), b(plain, options);
  for (std::size_t i = 0; i < 60; ++i) {
    torch::manual_seed(1000 + i);
    graphed[i].mutable_grad() = 1e-3 * torch::randn_like(graphed[i]);
    plain[i].mutable_grad() = graphed[i].grad().clone();
  }
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  torch::cuda::synchronize();
  a.step(), b.step();
  a.prepare();
  torch::cuda::synchronize();
  at::cuda::CUDAGraph graph;
  graph.capture_begin();
  a.step();
  graph.capture_end();
  for (int t = 0; t < 20; ++t) graph.replay(), b.step();
  expect_same_bits(graphed, plain, "parameters");
  EXPECT_EQ(a.records().back().update_rms, b.records().back().update_rms);
  EXPECT_EQ(a.updates(), 21);
}

TEST(CudaGraph, CapturedWithoutSnapshotsStaysSo) {
  const Tensors params = copies(parameters(torch::kFloat, 44), torch::kCUDA);
  for (const Tensor& p : params) p.mutable_grad() = torch::full_like(p, 1e-3);
  const Tensors plain = copies(params, torch::kCUDA);
  for (const Tensor& p : plain) p.mutable_grad() = torch::full_like(p, 1e-3);
  agmohd::AGMOHD graphed(params, agmohd::AGMOHDOptions(1e-3)),
      eager(plain, agmohd::AGMOHDOptions(1e-3));
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  graphed.step(), eager.step();
  graphed.prepare();
  at::cuda::CUDAGraph graph;
  torch::cuda::synchronize();
  graph.capture_begin();
  graphed.step();
  graph.capture_end();
  graphed.options().snapshots(true).snapshot_every(10);
  graphed.prepare();
  for (int t = 0; t < 35; ++t) {
    if (t >= 30) {
      for (const Tensors* all : {&params, &plain}) {
        (*all)[5].grad()[7].fill_(std::numeric_limits<float>::quiet_NaN());
      }
    }
    graph.replay(), eager.step();
  }
  expect_same_bits(params, plain, "parameters");
  EXPECT_EQ(graphed.updates(), 31);
}

TYPED_TEST(CudaBackend, ReplaysAndEagerStepsMayTakeTurns) {
  Tensors plain = copies(parameters(torch::kFloat, 29), torch::kCUDA),
          mixed = copies(plain, torch::kCUDA);
  auto a = two_groups<TypeParam>(plain), b = two_groups<TypeParam>(mixed);
  for (Tensors* params : {&plain, &mixed}) {
    for (std::size_t i = 0; i < params->size(); ++i) {
      torch::manual_seed(i);
      (*params)[i].mutable_grad() = torch::randn_like((*params)[i]);
    }
  }
  const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool();
  const c10::cuda::CUDAStreamGuard guard(side);
  torch::cuda::synchronize();
  a->step();
  b->step();
  at::cuda::CUDAGraph first, second;
  for (at::cuda::CUDAGraph* graph : {&first, &second}) {
    b->prepare();
    torch::cuda::synchronize();
    graph->capture_begin();
    b->step();
    graph->capture_end();
  }
  for (int t = 0; t < 40; ++t) {
    for (Tensors* params : {&plain, &mixed}) {
      torch::manual_seed(100 + std::uint64_t(t));
      for (Tensor& p : *params) p.mutable_grad().copy_(torch::randn(p.sizes()));
    }
    if (t % 9 == 4) {
      for (auto* o : {a.get(), b.get()}) o->param_groups()[0].options().set_lr(1e-2 / (1 + t));
    }
    a->step();
    if (t % 3 == 0 || t % 7 == 1) {
      b->step();
    } else {
      b->prepare();
      (t % 2 == 0 ? first : second).replay();
    }
  }
  expect_same_bits(plain, mixed, TypeParam::name());
  expect_same_bits(states(*a, plain), states(*b, mixed), "states of " + TypeParam::name());
  EXPECT_EQ(a->updates(), b->updates());
}

/// Nothing waits between prepare() and the capture, and there are more captures than LibTorch has
/// streams.
TEST(CudaGraph, IsCapturedWhileTheDeviceIsBehind) {
  using Recipe = agmohd::recipe::Adam;
  Tensors plain = copies(parameters(torch::kFloat, 37), torch::kCUDA),
          graphed = copies(plain, torch::kCUDA);
  Optimizer<Recipe> a(plain, options<Recipe>()), b(graphed, options<Recipe>());
  const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool();
  const c10::cuda::CUDAStreamGuard guard(side);
  set_gradients(plain, 0, 1), set_gradients(graphed, 0, 1);
  torch::cuda::synchronize();
  a.step(), b.step();
  const Tensor work = torch::zeros({4096, 4096}, torch::kCUDA);
  for (int i = 0; i < 40; ++i) {
    for (int k = 0; k < 3; ++k) torch::mm(work, work);
    b.prepare();
    at::cuda::CUDAGraph graph;
    graph.capture_begin();
    b.step();
    graph.capture_end();
    graph.replay(), a.step();
    side.synchronize();
  }
  expect_same_bits(plain, graphed, "parameters");
  EXPECT_EQ(b.updates(), 41);
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

/// A tensor of more chunks than a warp adds, of a rule that sums something of its own.
TEST(CudaSums, OfALargeTensorHaveTheBitsOfTheCpu) {
  torch::manual_seed(4);
  Tensors start{torch::randn({3}), torch::randn({1100 * 16384 + 5})};
  for (int i = 0; i < 60; ++i) start.push_back(torch::randn({7 + i}));
  const Tensors host = copies(start, torch::kCPU), device = copies(start, torch::kCUDA);
  Optimizer<StableHalf> on_host(host, options<StableHalf>());
  Optimizer<StableHalf> on_device(device, options<StableHalf>());
  for (int t = 0; t < 3; ++t) {
    for (std::size_t i = 0; i < start.size(); ++i) {
      host[i].mutable_grad() = start[i] * (0.1 + 3 * t);
      device[i].mutable_grad() = host[i].grad().to(torch::kCUDA);
    }
    on_host.step();
    on_device.step();
  }
  expect_same_bits(host, device, "parameters");
}

TEST(CudaRange, NormsNeitherOverflowNorVanish) {
  for (const double size : {1e19, 1e-19, 1e-25}) {
    double norms[2];
    int i = 0;
    for (const at::Device device : {at::Device(at::kCPU), at::Device(at::kCUDA)}) {
      const Tensor p = torch::zeros({40000}, device).requires_grad_();
      Optimizer<ClippedSGD> optimizer(Tensors{p}, options<ClippedSGD>());
      p.mutable_grad() = torch::full({40000}, size, device);
      optimizer.step();
      EXPECT_TRUE(torch::isfinite(p).all().item<bool>());
      norms[i++] = optimizer.signals().norm2;
    }
    EXPECT_EQ(norms[0], norms[1]);
    EXPECT_NEAR(norms[1] / (40000 * size * size), 1, 1e-6);
  }
}

TEST(CudaRange, ANonFiniteElementIsSeenWhereverItIs) {
  const Tensors params = copies(parameters(torch::kFloat, 37), torch::kCUDA);
  auto optimizer = two_groups<Everything>(params);
  optimizer->options().template set<"bound">(1e12);
  std::int64_t applied = 0;
  for (std::size_t i = 0; i < params.size(); ++i) {
    for (const std::int64_t at : {std::int64_t{0}, params[i].numel() / 2, params[i].numel() - 1}) {
      if (params[i].numel() == 0) continue;
      for (const Tensor& p : params) p.mutable_grad() = torch::ones_like(p);
      const Tensors before = copies(params, torch::kCUDA);
      const Tensor flat = params[i].grad().as_strided({params[i].numel()}, {1});
      flat[at] = at % 2 == 0 ? std::numeric_limits<float>::quiet_NaN() : INFINITY;
      optimizer->step();
      // ClipByValue, which comes before the measurement, leaves NaN and bounds infinity.
      EXPECT_EQ(optimizer->signals().nonfinite, at % 2 == 0 ? 1 : 0) << i << " " << at;
      if (at % 2 == 0) expect_same_bits(before, params, "a step with NaN");
      applied += at % 2 == 0 ? 0 : 1;
    }
  }
  EXPECT_EQ(optimizer->updates(), applied);
}

TEST(CudaGraph, AnUnpreparedCaptureSaysWhatToCall) {
  Trainer trainer;
  trainer.load(0);
  const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool();
  const c10::cuda::CUDAStreamGuard guard(side);
  torch::mse_loss(trainer.model->forward(trainer.x), trainer.y).backward();
  torch::cuda::synchronize();
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(side, cudaStreamCaptureModeRelaxed), cudaSuccess);
  try {
    trainer.optimizer->step();
    ADD_FAILURE() << "no error";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("prepare()"), std::string::npos) << error.what();
  }
  cudaStreamEndCapture(side, &graph);
  if (graph != nullptr) cudaGraphDestroy(graph);
  (void)cudaGetLastError();
  trainer.optimizer->step();
  EXPECT_EQ(trainer.optimizer->updates(), 1);
}

TEST(CudaGraph, CapturesAModelThatWasMovedFromTheCpu) {
  const Tensor p = torch::ones({1000}).requires_grad_();
  Optimizer<ClippedSGD> optimizer(Tensors{p}, options<ClippedSGD>());
  p.mutable_grad() = torch::ones({1000});
  optimizer.step();
  p.mutable_grad() = Tensor();
  p.set_data(p.detach().to(torch::kCUDA));
  p.mutable_grad() = torch::ones({1000}, torch::kCUDA);
  optimizer.step();
  EXPECT_EQ(optimizer.updates(), 2);
  optimizer.prepare();
  torch::cuda::synchronize();
  const auto [kernels, others] = captured_nodes([&] { optimizer.step(); });
  EXPECT_EQ(kernels, 2);
  EXPECT_EQ(others, 0);
}

TEST(CudaGraph, CapturesBothStepsOfSAM) {
  for (const bool adaptive : {false, true}) {
    Tensors graphed, plain, given;
    for (int i = 0; i < 300; ++i) {
      torch::manual_seed(std::uint64_t(i));
      graphed.push_back(torch::randn({64, 3}, torch::kCUDA).requires_grad_());
      graphed.back().mutable_grad() = torch::zeros_like(graphed.back());
      plain.push_back(graphed.back().detach().clone().requires_grad_());
      plain.back().mutable_grad() = torch::zeros_like(plain.back());
      given.push_back(torch::randn_like(graphed.back()));
    }
    agmohd::AdamW one(graphed, agmohd::AdamWOptions(1e-2)), other(plain, one.options());
    agmohd::wrap::SAM a(one, {.rho = 0.5, .adaptive = adaptive}), b(other, a.options());
    const auto step = [&](auto& sam, const Tensors& params) {
      const auto differentiate = [&] {  // of given p + |p|^2 / 2, in place
        const torch::NoGradGuard no_grad;
        for (std::size_t i = 0; i < params.size(); ++i) {
          params[i].mutable_grad().copy_(given[i] + params[i]);
        }
      };
      differentiate(), sam.first_step(), differentiate(), sam.second_step();
    };
    const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
    torch::cuda::synchronize();
    step(a, graphed), step(b, plain);
    one.prepare();
    torch::cuda::synchronize();
    at::cuda::CUDAGraph graph;
    graph.capture_begin();  // whatever waits is an error from here on
    step(a, graphed);
    graph.capture_end();
    for (int t = 0; t < 20; ++t) graph.replay(), step(b, plain);
    expect_same_bits(graphed, plain, adaptive ? "adaptive SAM" : "SAM");
  }
}

/// average <- average + weight (p - average), each operation rounded by itself.
Tensor lerped(const Tensor& average, const Tensor& p, double weight) {
  const at::ScalarType wide = average.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor a = average.to(wide), b = p.detach().to(wide), gap = b - a;
  const Tensor w = torch::scalar_tensor(weight, wide);
  return (weight < 0.5 ? a + w * gap : b - gap * (1 - w)).to(average.scalar_type());
}

TEST(CudaWrap, AveragesAreLerpsInOneLaunch) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    for (const double decay : {0.9, 0.3, 0.0}) {
      const Tensors host = parameters(dtype, 7), params = copies(host, torch::kCUDA);
      agmohd::wrap::EMA ema(params, {.decay = decay});
      ema.update();
      Tensors expected;
      for (const Tensor& average : ema.averages()) expected.push_back(average.cpu());
      for (int t = 0; t < 3; ++t) {
        const torch::NoGradGuard no_grad;
        const auto version = ema.averages()[0]._version();
        for (std::size_t i = 0; i < params.size(); ++i) {
          host[i].mul_(1.25).add_(0.5);
          params[i].copy_(host[i]);
          expected[i] = lerped(expected[i], host[i], 1 - decay);
        }
        ema.update();
        EXPECT_GT(ema.averages()[0]._version(), version);
      }
      expect_same_bits(ema.averages(), expected, c10::toString(dtype));
      const auto [kernels, others] = captured_nodes([&] { ema.update(); });
      EXPECT_EQ(kernels, 1) << dtype;
      EXPECT_EQ(others, 0) << dtype;
    }
  }
}

TEST(CudaWrap, LookaheadIsALerpInOneLaunch) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    const Tensors host = parameters(dtype, 8), params = copies(host, torch::kCUDA);
    for (const Tensor& p : params) p.mutable_grad() = torch::ones_like(p);
    torch::optim::SGD sgd(params, 0.125);
    agmohd::wrap::Lookahead look(sgd, {.steps = 1, .alpha = 0.75});
    Tensors expected;
    for (const Tensor& p : host) expected.push_back(p.detach().clone());
    for (int t = 0; t < 3; ++t) {
      look.step();
      for (Tensor& slow : expected) {
        const Tensor fast = slow.clone().add_(torch::ones_like(slow), -0.125);
        slow = lerped(slow, fast, 0.75);
      }
    }
    expect_same_bits(params, expected, c10::toString(dtype));
    for (const Tensor& p : params) p.mutable_grad() = Tensor();  // SGD launches nothing
    const auto [kernels, others] = captured_nodes([&] { look.step(); });
    EXPECT_EQ(kernels, 1) << dtype;
    EXPECT_EQ(others, 0) << dtype;
  }
}

TEST(CudaWrap, TablesFollowTensorsAndOutliveGraphs) {
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  Tensors params;
  for (int i = 0; i < 500; ++i) params.push_back(torch::ones({17}, torch::kCUDA));
  agmohd::wrap::EMA ema(params, {.decay = 0.5});
  ema.update(), ema.update();
  at::cuda::CUDAGraph graph;
  torch::cuda::synchronize();
  graph.capture_begin();
  ema.update();
  graph.capture_end();
  Tensors old;
  for (Tensor& p : params) {
    old.push_back(p.detach());
    p.set_data(torch::full({17}, 3.0, torch::kCUDA));
  }
  {  // a table of the new addresses, on another stream
    torch::cuda::synchronize();
    const c10::cuda::CUDAStreamGuard other(c10::cuda::getStreamFromPool());
    ema.update();
    torch::cuda::synchronize();
  }
  for (const Tensor& average : ema.averages()) EXPECT_TRUE((average == 2).all().item<bool>());
  graph.replay();  // averages with what lay at the old addresses: ones
  torch::cuda::synchronize();
  for (const Tensor& average : ema.averages()) ASSERT_TRUE((average == 1.5).all().item<bool>());
}

TEST(CudaStreams, TablesOutliveTheKernelsOfOtherStreams) {
  Tensors runs[2];
  for (int run = 0; run < 2; ++run) {
    Tensors& params = runs[run];
    for (int i = 0; i < 40; ++i) {
      torch::manual_seed(std::uint64_t(i));
      params.push_back(torch::randn({5000}).to(torch::kCUDA).requires_grad_());
      params.back().mutable_grad() = torch::ones_like(params.back());
    }
    agmohd::OptimizerParamGroup first(Tensors{params[0]});
    Optimizer<ClippedSGD> optimizer(std::vector<agmohd::OptimizerParamGroup>{first},
                                    options<ClippedSGD>());
    torch::cuda::synchronize();
    for (std::size_t i = 1; i < params.size(); ++i) {  // the table grows, on one stream or many
      const c10::cuda::CUDAStreamGuard guard(run == 0 ? c10::cuda::getDefaultCUDAStream()
                                                      : c10::cuda::getStreamFromPool());
      optimizer.step();
      optimizer.add_param_group(agmohd::OptimizerParamGroup(Tensors{params[i]}));
      const Tensor garbage = torch::full({20000}, 1e30, torch::kCUDA);  // takes what was freed
    }
    torch::cuda::synchronize();
  }
  expect_same_bits(runs[0], runs[1], "one stream and many");
}

TEST(CudaStreams, AreHonouredAndOrdered) {
  Tensors runs[2];
  for (int run = 0; run < 2; ++run) {
    Tensors& params = runs[run];
    params = copies(parameters(torch::kFloat, 13), torch::kCUDA);
    std::vector<Tensors> gradients;  // all alive until the end: no stream may reuse their memory
    for (int t = 0; t < 30; ++t) {
      set_gradients(params, t, 1);
      // One that is laid out otherwise, and so copied around the step.
      if (t % 2 == 0) params[6].mutable_grad() = params[6].grad().t().contiguous().t();
      Tensors& set = gradients.emplace_back();
      for (const Tensor& p : params) set.push_back(p.grad());
    }
    auto optimizer = two_groups<Everything>(params);
    torch::cuda::synchronize();
    for (const Tensors& set : gradients) {
      const c10::cuda::CUDAStreamGuard guard(run == 0 ? c10::cuda::getDefaultCUDAStream()
                                                      : c10::cuda::getStreamFromPool());
      for (std::size_t i = 0; i < params.size(); ++i) params[i].mutable_grad() = set[i];
      optimizer->step();
    }
    torch::cuda::synchronize();
  }
  expect_same_bits(runs[0], runs[1], "one stream and many");
}

/// So long that a host which waits for nothing is done before: about a second.
constexpr std::int64_t kLong = 2000000000;

/// What is freed goes to the stream that allocated it, here while another still works on it.
TEST(CudaStreams, MemoryIsNotGivenOutWhileOneWorksOnIt) {
  const Tensors params = copies({torch::randn({50000}), torch::randn({50000})}, torch::kCUDA);
  for (const Tensor& p : params) p.mutable_grad() = torch::ones_like(p);
  agmohd::AGMOHD optimizer(params, agmohd::AGMOHDOptions(1e-3).snapshots(true));
  torch::cuda::synchronize();
  const auto first = c10::cuda::getStreamFromPool(), second = c10::cuda::getStreamFromPool();
  std::set<const void*> used;
  {
    const c10::cuda::CUDAStreamGuard guard(first);
    optimizer.step();
    first.synchronize();
    auto& state = static_cast<agmohd::AGMOHD::ParamState&>(
        *optimizer.state().at(params[0].unsafeGetTensorImpl()));
    const auto note = [&](std::size_t, const Tensor& x) {
      if (x.defined()) used.insert(x.const_data_ptr());
    };
    state.for_each_slot(note);
    state.for_each_kept(note);
  }
  EXPECT_EQ(used.size(), 8);
  {
    const c10::cuda::CUDAStreamGuard guard(second);
    at::cuda::sleep(kLong);
    optimizer.step();
    optimizer.state().erase(params[0].unsafeGetTensorImpl());
    params[0].mutable_grad() = Tensor();
    optimizer.step();  // the optimizer itself lets go of it
  }
  Tensors others;
  {
    const c10::cuda::CUDAStreamGuard guard(first);
    for (int i = 0; i < 12; ++i) {
      others.push_back(torch::empty({50000}, torch::kCUDA));
      EXPECT_EQ(used.count(others.back().const_data_ptr()), 0) << i;
    }
  }
  EXPECT_FALSE(second.query()) << "the host was too late to show anything";
  torch::cuda::synchronize();
}

TEST(CudaStreams, PreparingComesAfterTheLastStep) {
  Tensors found;
  for (const bool waits : {true, false}) {
    const Tensor p = torch::ones({64, 64}, torch::kCUDA).requires_grad_();
    const Tensor turned = torch::ones({64, 64}, torch::kCUDA).t();
    const Tensor grad = torch::rand({64, 64}, torch::kCUDA);
    grad.copy_(torch::arange(4096).view({64, 64}));
    const Tensor turned_grad = grad.t().contiguous().t();
    Optimizer<agmohd::recipe::AdamW> optimizer(Tensors{p}, options<agmohd::recipe::AdamW>());
    p.mutable_grad() = grad;
    optimizer.step();
    torch::cuda::synchronize();
    {
      const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
      at::cuda::sleep(kLong / 4);
      optimizer.step();
    }
    if (waits) torch::cuda::synchronize();
    const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
    p.set_data(turned);  // the state has to be laid out anew
    p.mutable_grad() = turned_grad;
    optimizer.prepare();
    torch::cuda::synchronize();
    for (const Tensor& x : states(optimizer, {p})) found.push_back(x.cpu());
  }
  ASSERT_EQ(found.size(), 6);
  expect_same_bits({found.begin(), found.begin() + 3}, {found.begin() + 3, found.end()}, "states");
}

TEST(CudaStreams, OneThatWasDestroyedIsNotAskedAnyMore) {
  Tensors params;
  for (int i = 0; i < 60; ++i) {
    params.push_back(torch::ones({300}, torch::kCUDA).requires_grad_());
    params.back().mutable_grad() = torch::ones_like(params.back());
  }
  Optimizer<ClippedSGD> optimizer(Tensors{params[0]}, options<ClippedSGD>());
  optimizer.step();
  torch::cuda::synchronize();
  cudaStream_t own = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking), cudaSuccess);
  {
    const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromExternal(own, 0));
    optimizer.step();
  }
  ASSERT_EQ(cudaStreamDestroy(own), cudaSuccess);
  optimizer.add_param_group(  // a larger table, so that the one before is freed
      agmohd::OptimizerParamGroup(Tensors(params.begin() + 1, params.end())));
  optimizer.step();
  torch::cuda::synchronize();
  EXPECT_EQ(optimizer.updates(), 3);
}

TEST(CudaStreams, HaveNumbersThatNoneHasAgain) {
  const agmohd::cuda::Gpu gpu{0, agmohd::cuda::find_kernels<ClippedSGD>()->runtime};
  std::set<unsigned long long> numbers{gpu.number_of(nullptr)};
  std::set<cudaStream_t> addresses;
  for (int i = 0; i < 100; ++i) {
    cudaStream_t stream = nullptr;
    ASSERT_EQ(cudaStreamCreate(&stream), cudaSuccess);
    EXPECT_TRUE(numbers.insert(gpu.number_of(stream)).second) << i;
    addresses.insert(stream);
    ASSERT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  }
  RecordProperty("addresses", int(addresses.size()));
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

// ---- Few multiprocessors, many streams

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

// ---- What a watched sweep measures

/// Each chunk is in the sample of one of so many steps, in the same one eagerly, replayed and on
/// the CPU.
TEST(CudaSample, RotatesOverAllPages) {
  Tensors start;
  torch::manual_seed(47);
  for (int i = 0; i < 250; ++i) start.push_back(torch::randn({1 + i * 37 % 2000}));
  start.push_back(torch::randn({3 * 16384 + 77}));
  std::int64_t elements = 0;
  for (const Tensor& t : start) elements += t.numel();
  const Tensors host = copies(start, torch::kCPU), eager = copies(start, torch::kCUDA),
                graphed = copies(start, torch::kCUDA);
  for (std::size_t i = 0; i < start.size(); ++i) {
    torch::manual_seed(i);
    const Tensor g = torch::randn(start[i].sizes()) * 1e-2;
    host[i].mutable_grad() = g;
    eager[i].mutable_grad() = g.cuda(), graphed[i].mutable_grad() = g.cuda();
  }
  agmohd::AGMOHD a(host, agmohd::AGMOHDOptions(1e-3)), b(eager, agmohd::AGMOHDOptions(1e-3)),
      c(graphed, agmohd::AGMOHDOptions(1e-3));
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  torch::cuda::synchronize();
  a.step(), b.step(), c.step();
  c.prepare();
  at::cuda::CUDAGraph graph;
  torch::cuda::synchronize();
  graph.capture_begin();
  c.step();
  graph.capture_end();
  const int every = 254 / 64;
  std::vector<double> updated;
  for (int t = 0; t < 3 * every; ++t) {
    a.step(), b.step(), graph.replay();
    const auto x = a.signals(), y = b.signals(), z = c.signals();
    for (const auto* other : {&y, &z}) {
      EXPECT_EQ(x.updated, other->updated) << t;
      EXPECT_EQ(x.update2, other->update2) << t;
      EXPECT_EQ(x.along_previous, other->along_previous) << t;
      EXPECT_EQ(x.along, other->along) << t;
    }
    updated.push_back(x.updated);
  }
  for (std::size_t t = 0; t + every <= updated.size(); ++t) {
    double sum = 0;
    for (std::size_t i = t; i < t + every; ++i) sum += updated[i];
    EXPECT_EQ(sum, double(elements)) << t;
  }
  expect_same_bits(host, eager, "eager");
  expect_same_bits(host, graphed, "replayed");
}

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
