// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What is calm, or stays what it has become, is left alone; a bad value leaves no trace.

#include <gtest/gtest.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

#include "runs.hpp"

namespace {

using namespace testing_agmohd;

void calm_means_untouched(at::Device device, at::ScalarType dtype) {
  const Tensors a = parameters(device, dtype), b = parameters(device, dtype);
  AGMOHD watched(a, AGMOHDOptions(1e-3).betas({0.9, 0.95}).weight_decay(0.1));
  using Base = Optimizer<testing_recipes::Calm>;
  Base base(b, Base::Options(1e-3).betas({0.9, 0.95}).weight_decay(0.1).max_norm(1.0));
  for (std::uint64_t t = 0; t < 150; ++t) {
    const double norm = t % 7 == 3 ? 1.3 : 0.9;  // the base clip is at work in some steps
    set_gradients(a, t, norm);
    set_gradients(b, t, norm);
    watched.step(loss_of(t, device));
    base.step();
  }
  expect_same_bits(a, b, "parameters");
  expect_same_bits(states(watched, a), states(base, b), "states");
  const Tally tally = watched.tally();
  EXPECT_EQ(tally.steps, 150);
  EXPECT_EQ(tally.count[Tally::skip], 0);
  EXPECT_EQ(tally.count[Tally::bound], 0);
  EXPECT_EQ(tally.count[Tally::throttle], 0);
  EXPECT_EQ(tally.count[Tally::momentum], 0);
  EXPECT_GT(tally.count[Tally::clip], 10);
}

TEST(Agmohd, CalmMeansUntouched) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    calm_means_untouched(at::kCPU, dtype);
  }
}

TEST_F(AgmohdCuda, CalmMeansUntouched) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    calm_means_untouched(at::kCUDA, dtype);
  }
}

/// One bad value somewhere: nothing changes, and what follows is as if the step had not been.
void a_bad_value_leaves_no_trace(at::Device device) {
  struct Bad {
    std::size_t tensor;
    std::int64_t element;  // -1: the loss
    double value;
  };
  const std::vector<Bad> all{{0, 0, kNan},   {3, 16386, kInf}, {4, 39999, -kInf},
                             {6, 512, kNan}, {0, -1, kNan},    {0, -1, kInf}};
  for (const std::uint64_t when : {60ULL, 90ULL}) {
    for (const Bad& bad : all) {
      const Tensors a = parameters(device), b = parameters(device);
      AGMOHD hit(a, AGMOHDOptions(1e-3)), spared(b, AGMOHDOptions(1e-3));
      for (std::uint64_t t = 0; t < when + 40; ++t) {
        if (t == when) {
          set_gradients(a, 5000);
          Tensor loss = loss_of(t, device);
          if (bad.element < 0) {
            loss = torch::full({}, bad.value, loss.options());
          } else {
            a[bad.tensor].mutable_grad().view(-1)[bad.element] = bad.value;
          }
          const Tensors before = copies(a), moments = states(hit, a);
          const std::int64_t updates = hit.updates();
          hit.step(loss);
          expect_same_bits(a, before, "parameters of a skipped step");
          expect_same_bits(states(hit, a), moments, "states of a skipped step");
          EXPECT_EQ(hit.updates(), updates);
        }
        set_gradients(a, t);
        set_gradients(b, t);
        hit.step(loss_of(t, device));
        spared.step(loss_of(t, device));
      }
      expect_same_bits(a, b, "the trajectory after it");
      expect_same_bits(states(hit, a), states(spared, b), "the states after it");
      EXPECT_EQ(hit.tally().count[Tally::skip], 1) << bad.value << " at " << bad.element;
    }
  }
}

TEST(Agmohd, ABadValueLeavesNoTrace) { a_bad_value_leaves_no_trace(at::kCPU); }

TEST_F(AgmohdCuda, ABadValueLeavesNoTrace) { a_bad_value_leaves_no_trace(at::kCUDA); }

void a_new_regime_is_accepted(at::Device device) {
  for (const double factor : {5.0, 100.0}) {
    const Tensors p = parameters(device);
    AGMOHD optimizer(p, AGMOHDOptions(1e-4).max_norm(1e6));
    for (std::uint64_t t = 0; t < 120; ++t) {
      set_gradients(p, t, t < 80 ? 0.5 : 0.5 * factor);
      optimizer.step();
    }
    const Tally tally = optimizer.tally();
    EXPECT_LE(tally.count[Tally::skip], 5);
    EXPECT_LE(tally.last[Tally::skip], 80 + 10);
    EXPECT_EQ(optimizer.updates(), 120 - tally.count[Tally::skip]);
    if (device.is_cuda()) torch::cuda::synchronize();
    for (const Record& r : optimizer.records()) {
      if (r.step > 110) {
        EXPECT_EQ(r.clip_factor, 1) << r.step;
      }
    }
  }
}

TEST(Agmohd, ANewRegimeIsAccepted) { a_new_regime_is_accepted(at::kCPU); }

TEST_F(AgmohdCuda, ANewRegimeIsAccepted) { a_new_regime_is_accepted(at::kCUDA); }

void a_corrupt_moment_is_bounded(at::Device device) {
  const Tensors p = parameters(device);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3).weight_decay(0));
  for (std::uint64_t t = 0; t < 20; ++t) {
    set_gradients(p, t);
    optimizer.step();
  }
  EXPECT_EQ(optimizer.tally().count[3], 0);
  auto& state = static_cast<AGMOHD::ParamState&>(*optimizer.state().at(p[4].unsafeGetTensorImpl()));
  state.exp_avg().view(-1)[777] = 1e20;
  const float before = p[4].view(-1)[777].item<float>();
  set_gradients(p, 20);
  optimizer.step();
  EXPECT_LT(std::abs(p[4].view(-1)[777].item<float>() - before), 0.1);
  set_gradients(p, 21);
  optimizer.step();
  EXPECT_EQ(optimizer.tally().count[3], 1);
}

TEST(Agmohd, ACorruptMomentIsBounded) { a_corrupt_moment_is_bounded(at::kCPU); }

TEST_F(AgmohdCuda, ACorruptMomentIsBounded) { a_corrupt_moment_is_bounded(at::kCUDA); }

TEST(Agmohd, AJumpOfTheLearningRateIsCut) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  for (std::uint64_t t = 0; t < 130; ++t) {
    if (t == 120) optimizer.options().lr(0), optimizer.param_groups()[0].options().set_lr(3e-2);
    set_gradients(p, t);
    optimizer.step();
  }
  for (const Record& r : optimizer.records()) {
    if (r.step <= 120) {
      EXPECT_EQ(r.lr_factor, 1) << r.step;
    } else if (r.step == 121) {
      EXPECT_LT(r.lr_factor, 0.1);
      EXPECT_TRUE(r.flags & Flag::step_too_large);
    }
  }
}

}  // namespace
