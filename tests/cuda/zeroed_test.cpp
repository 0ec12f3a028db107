// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The count of gradient elements that gradient::ZeroNonfinite makes 0.

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <limits>

#include "backend.hpp"

namespace {

using namespace testing_cuda;

/// Gradients of which some elements are not finite, and in the first tensor all.
void spoil(const Tensors& params, int t) {
  set_gradients(params, t, 1);
  for (const Tensor& p : params) {
    if (!p.grad().defined()) continue;
    Tensor g = p.grad().cpu();
    const Tensor draw = torch::rand(p.sizes());
    g.masked_fill_(draw < 0.05, std::numeric_limits<double>::quiet_NaN());
    g.masked_fill_(draw > 0.95, std::numeric_limits<double>::infinity());
    g.masked_fill_((draw - 0.5).abs() < 0.01, -std::numeric_limits<double>::infinity());
    if (&p == &params.front()) g.fill_(std::numeric_limits<double>::quiet_NaN());
    p.mutable_grad() = g.to(p.device());
  }
}

template <class Recipe>
class CudaZeroed : public CudaBackend<Recipe> {};
using Counting = ::testing::Types<testing_recipes::ZeroedAdamW, testing_recipes::ZeroedDetector,
                                  testing_recipes::ZeroedProdigy, testing_recipes::ZeroedRows,
                                  testing_recipes::ZeroedLAMB, testing_recipes::ZeroedAdafactor>;
TYPED_TEST_SUITE(CudaZeroed, Counting);

TYPED_TEST(CudaZeroed, CountsAsTheCpu) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    const Tensors start = parameters(dtype, 53);
    const Tensors host = copies(start, torch::kCPU), device = copies(start, torch::kCUDA);
    Tensors mixed = copies(start, torch::kCUDA);  // of two devices
    const Tensors others = copies(start, torch::kCPU);
    for (std::size_t i = 0; i < mixed.size(); i += 2) mixed[i] = others[i];
    const auto a = two_groups<TypeParam>(host), b = two_groups<TypeParam>(device),
               c = two_groups<TypeParam>(mixed);
    for (int t = 0; t < 8; ++t) {
      spoil(host, t), spoil(device, t), spoil(mixed, t);
      a->step(), b->step(), c->step();
      EXPECT_GT(a->zeroed(), 0);
      EXPECT_EQ(b->zeroed(), a->zeroed()) << t << " " << dtype;
      EXPECT_EQ(c->zeroed(), a->zeroed()) << t << " " << dtype << ", of two devices";
      if (t == 4) b->updates(b->updates()), c->updates(c->updates());
    }
    b->reset();
    EXPECT_EQ(b->zeroed(), a->zeroed());
  }
}

TYPED_TEST(CudaZeroed, CountsInReplays) {
  const Tensors params = copies(parameters(torch::kFloat, 53), torch::kCUDA);
  const auto optimizer = two_groups<TypeParam>(params);
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  torch::cuda::synchronize();
  spoil(params, 5);
  optimizer->step();
  const std::int64_t once = optimizer->zeroed();
  EXPECT_GT(once, 0);
  optimizer->prepare();
  torch::cuda::synchronize();
  at::cuda::CUDAGraph graph;
  graph.capture_begin();  // whatever waits is an error from here on
  optimizer->step();
  graph.capture_end();
  for (int t = 0; t < 3; ++t) graph.replay();
  EXPECT_EQ(optimizer->updates(), 4);
  EXPECT_EQ(optimizer->zeroed(), 4 * once);
}

/// A step that counts has the launches of one that does not.
TEST(CudaLaunches, OfACountAreNone) {
  const Tensors params = copies(parameters(torch::kFloat, 53), torch::kCUDA);
  spoil(params, 5);
  const auto nodes = [&]<class R>(R*) {
    const auto optimizer = two_groups<R>(params);
    optimizer->step();
    optimizer->prepare();
    torch::cuda::synchronize();
    return captured_nodes([&] { optimizer->step(); });
  };
  if (agmohd::cuda::find_kernels<testing_recipes::ZeroedAdamW>() == nullptr) GTEST_SKIP();
  EXPECT_EQ(nodes(static_cast<testing_recipes::ZeroedAdamW*>(nullptr)),
            nodes(static_cast<agmohd::recipe::AdamW*>(nullptr)));
}

}  // namespace
