// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The same on every backend, around SGD, and in groups that it was not told of.

#include <gtest/gtest.h>
#include <torch/optim.h>
#include <torch/serialize.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <memory>
#include <sstream>

#include "../cuda_recipes.hpp"
#include "runs.hpp"

namespace {

using namespace testing_agmohd;

TEST(Agmohd, TheTensorBackendAgrees) {
  const Tensors a = parameters(at::kCPU), b = parameters(at::kCPU);
  AGMOHD cpu(a, AGMOHDOptions(1e-3)), reference(b, AGMOHDOptions(1e-3));
  reference.use_tensor_backend();
  const auto run = [&](AGMOHD& o, const Tensors& p) {
    incidents(
        p, [&](std::uint64_t t) { o.step(loss_of(t, at::kCPU)); }, 0, 120);
  };
  run(cpu, a);
  run(reference, b);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(torch::allclose(a[i], b[i], 1e-5, 1e-6));
  const auto x = cpu.records(), y = reference.records();
  ASSERT_EQ(x.size(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(x[i].skipped, y[i].skipped) << i;
    EXPECT_EQ(x[i].flags, y[i].flags) << i;
    EXPECT_NEAR(x[i].update_rms, y[i].update_rms, 1e-4 * y[i].update_rms) << i;
  }
}

TEST(Agmohd, AroundSgd) {
  const Tensors a = parameters(at::kCPU), b = parameters(at::kCPU);
  AGMOHDSGD watched(a, AGMOHDSGDOptions(1e-2).momentum(0.9));
  using Base = Optimizer<testing_recipes::ClippedSGD>;
  Base base(b, Base::Options(1e-2).momentum(0.9).max_norm(1.0));
  for (std::uint64_t t = 0; t < 120; ++t) {
    set_gradients(a, t);
    set_gradients(b, t);
    watched.step(loss_of(t, at::kCPU));
    base.step();
  }
  expect_same_bits(a, b, "parameters");
}

TEST(Agmohd, OptionsOfAnotherOptimizerAreRefusedEverywhere) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(Tensors(p.begin(), p.end() - 1), AGMOHDOptions(1e-3));
  torch::optim::OptimizerParamGroup group({p.back()},
                                          std::make_unique<torch::optim::SGDOptions>(0.1));
  static_cast<torch::optim::Optimizer&>(optimizer).add_param_group(group);
  set_gradients(p, 0);
  std::ostringstream out;
  if (dynamic_cast<torch::optim::SGDOptions*>(&optimizer.param_groups()[1].options()) != nullptr) {
    EXPECT_THROW(optimizer.step(), c10::Error);
    EXPECT_THROW(torch::save(optimizer, out), c10::Error);
  } else {  // LibTorch 2.15 replaced them
    optimizer.step();
  }
}

/// A tensor of more chunks than a warp adds, and so many tensors that blocks which wait for the
/// judge rehearse the decision.
TEST_F(AgmohdCuda, ALargeModelHasTheBitsOfTheCpu) {
  const auto large = [](at::Device device) {
    torch::manual_seed(3);
    Tensors out{torch::randn({33}), torch::randn({1300 * 16384 + 5}), torch::randn({3, 20000})};
    for (int i = 0; i < 60; ++i) out.push_back(torch::randn({7 + i}));
    for (Tensor& t : out) t = (t * 0.1).to(device).detach().requires_grad_();
    return out;
  };
  const Tensors a = large(at::kCPU), b = large(at::kCUDA);
  const Tensors gradients = large(at::kCPU);
  AGMOHD cpu(a, with_snapshots()), cuda(b, with_snapshots());
  for (std::uint64_t t = 0; t < 40; ++t) {
    const double scale = t == 25 ? 3000 : t == 30 || t == 31 ? kNan : 1 + 0.2 * double(t % 3);
    for (std::size_t i = 0; i < a.size(); ++i) {
      a[i].mutable_grad() = gradients[i].detach() * scale;
      b[i].mutable_grad() = a[i].grad().to(at::kCUDA);
    }
    cpu.step(loss_of(t, at::kCPU));
    cuda.step(loss_of(t, at::kCUDA));
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(torch::equal(a[i].detach(), b[i].detach().cpu())) << i;
  }
  EXPECT_EQ(cpu.tally().count[Tally::skip], cuda.tally().count[Tally::skip]);
  EXPECT_GE(cuda.tally().count[Tally::skip], 2);
  EXPECT_EQ(cpu.signals().update2, cuda.signals().update2);
}

/// The last launch of the reduce pass, whose blocks decide for all tensors, is a small one then.
TEST_F(AgmohdCuda, ManyTensorsComeWithATinyOneOfAnotherDtype) {
  const auto many = [](at::Device device) {
    torch::manual_seed(5);
    Tensors out;
    for (int i = 0; i < 150; ++i) out.push_back((torch::randn({256, 256}) * 0.1).to(device));
    out.push_back((torch::randn({16}) * 0.1).to(device, at::kBFloat16));
    for (Tensor& t : out) t = t.detach().requires_grad_();
    return out;
  };
  const Tensors a = many(at::kCPU), b = many(at::kCUDA);
  AGMOHD cpu(a, AGMOHDOptions(1e-3)), cuda(b, AGMOHDOptions(1e-3));
  for (std::uint64_t t = 0; t < 3; ++t) {
    set_gradients(a, t);
    set_gradients(b, t);
    cpu.step(loss_of(t, at::kCPU));
    cuda.step(loss_of(t, at::kCUDA));
  }
  expect_same_bits(a, b, "parameters");
}

TEST_F(AgmohdCuda, HasTheSignalsOfTheCpu) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    const Tensors a = parameters(at::kCPU, dtype), b = parameters(at::kCUDA, dtype);
    AGMOHD cpu(a, AGMOHDOptions(1e-3)), cuda(b, AGMOHDOptions(1e-3));
    for (std::uint64_t t = 0; t < 60; ++t) {
      set_gradients(a, t);
      set_gradients(b, t);
      cpu.step();
      cuda.step();
      const agmohd::Signals x = cpu.signals(), y = cuda.signals();
      EXPECT_EQ(x.norm2, y.norm2) << dtype << t;
      EXPECT_EQ(x.update2, y.update2) << dtype << t;
      EXPECT_EQ(x.updated, y.updated) << dtype << t;
      EXPECT_EQ(x.along, y.along) << dtype << t;
      EXPECT_EQ(x.along_previous, y.along_previous) << dtype << t;
    }
    expect_same_bits(a, b, "parameters");
  }
}

}  // namespace
