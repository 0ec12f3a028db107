// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Chains of three transforms, drawn from all of them: the bits of the CPU, and those of eager steps
// where a graph is replayed.

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstddef>
#include <type_traits>
#include <vector>

#include "../gradient/random_chains.hpp"
#include "tensors.hpp"

namespace {

using namespace testing_cuda;

template <class Index>
class CudaChains : public ::testing::Test {
 protected:
  using Recipe = random_chains::Drawn<Index::value>;
  using Optimizer = agmohd::Optimizer<Recipe>;

  void SetUp() override {
    if (agmohd::cuda::find_kernels<Recipe>() == nullptr) {
      GTEST_SKIP() << "no kernels of " << Recipe::name() << ": built without AGMOHD_CUDA=ON";
    }
  }
  static Optimizer make(const Tensors& params) {
    return Optimizer(params,
                     random_chains::acting_options<Index::value, typename Optimizer::Options>());
  }
};
template <std::size_t I>
using Number = std::integral_constant<std::size_t, I>;
using Numbers =
    ::testing::Types<Number<0>, Number<1>, Number<2>, Number<3>, Number<4>, Number<5>, Number<6>>;
TYPED_TEST_SUITE(CudaChains, Numbers);

TYPED_TEST(CudaChains, HaveTheBitsOfTheCpu) {
  SCOPED_TRACE(random_chains::names<TypeParam::value>());
  for (const auto dtype : {torch::kFloat, torch::kDouble, torch::kBFloat16, torch::kHalf}) {
    const Tensors start = parameters(dtype, 7);
    const Tensors host = copies(start, torch::kCPU), device = copies(start, torch::kCUDA);
    auto a = TestFixture::make(host), b = TestFixture::make(device);
    for (int t = 0; t < 12; ++t) {
      const double scale = t % 5 == 0 ? 1e-3 : 1;
      set_gradients(host, t, scale);
      set_gradients(device, t, scale);
      a.step(), b.step();
    }
    expect_same_bits(host, device, c10::toString(dtype));
    EXPECT_EQ(a.updates(), b.updates());
  }
}

/// A step, of two calls with Accumulate.
TYPED_TEST(CudaChains, ReplayTheBitsOfEagerSteps) {
  SCOPED_TRACE(random_chains::names<TypeParam::value>());
  const Tensors start = parameters(torch::kFloat, 31);
  const Tensors params[2] = {copies(start, torch::kCUDA), copies(start, torch::kCUDA)};
  auto eager = TestFixture::make(params[0]), graphed = TestFixture::make(params[1]);
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  torch::cuda::synchronize();
  std::vector<Tensors> gradients;
  constexpr int kCalls = TestFixture::Recipe::accumulates ? 2 : 1;
  for (int t = 0; t < kCalls; ++t) {
    set_gradients(params[0], t, 1);
    gradients.emplace_back();
    for (const Tensor& p : params[0]) gradients.back().push_back(p.grad());
  }
  const auto step = [&](auto& optimizer, const Tensors& of) {
    for (const Tensors& call : gradients) {
      for (std::size_t i = 0; i < of.size(); ++i) of[i].mutable_grad() = call[i];
      optimizer.step();
    }
  };
  step(eager, params[0]), step(graphed, params[1]);
  graphed.prepare();
  torch::cuda::synchronize();
  at::cuda::CUDAGraph graph;
  graph.capture_begin();
  step(graphed, params[1]);
  graph.capture_end();
  for (int t = 0; t < 5; ++t) step(eager, params[0]), graph.replay();
  expect_same_bits(params[0], params[1], "parameters");
  EXPECT_EQ(graphed.updates(), eager.updates());
}

}  // namespace
