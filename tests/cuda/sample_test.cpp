// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What a watched sweep measures.

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <vector>

#include "backend.hpp"

namespace {

using namespace testing_cuda;

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

}  // namespace
