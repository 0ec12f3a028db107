// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A run goes on from a checkpoint, in the middle of an incident too, or begins anew.

#include <gtest/gtest.h>
#include <torch/serialize.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <cstdint>
#include <sstream>
#include <string>

#include "runs.hpp"

namespace {

using namespace testing_agmohd;

void resumes_in_the_middle(at::Device device) {
  const Tensors a = parameters(device);
  AGMOHD whole(a, AGMOHDOptions(1e-3));
  incidents(
      a, [&](std::uint64_t t) { whole.step(loss_of(t, device)); }, 0, 140);
  for (const std::uint64_t cut : {30ULL, 71ULL, 91ULL, 112ULL}) {
    const Tensors b = parameters(device);
    std::string state;
    {
      AGMOHD first(b, AGMOHDOptions(1e-3));
      incidents(
          b, [&](std::uint64_t t) { first.step(loss_of(t, device)); }, 0, cut);
      state = saved(first);
    }
    AGMOHD second(b, AGMOHDOptions(1e-3));
    std::istringstream in(state);
    torch::load(second, in);
    incidents(
        b, [&](std::uint64_t t) { second.step(loss_of(t, device)); }, cut, 140);
    expect_same_bits(a, b, "resumed at " + std::to_string(cut));
    expect_same_bits(states(whole, a), states(second, b), "states");
    const Tally x = whole.tally(), y = second.tally();
    EXPECT_EQ(x.steps, y.steps);
    for (int kind = 0; kind < Tally::kinds; ++kind) {
      EXPECT_EQ(x.count[kind], y.count[kind]) << kind;
      EXPECT_EQ(x.last[kind], y.last[kind]) << kind;
    }
  }
}

TEST(Agmohd, ResumesInTheMiddleOfAnIncident) { resumes_in_the_middle(at::kCPU); }

TEST_F(AgmohdCuda, ResumesInTheMiddleOfAnIncident) { resumes_in_the_middle(at::kCUDA); }

/// A new phase: nothing learnt, nothing recorded, nothing to go back to; training goes on.
void reset_begins_anew(at::Device device) {
  constexpr int kExplosion = 1;  // the bit of Flag::explosion
  const Tensors p = parameters(device);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3).snapshots(true).snapshot_every(10));
  std::uint64_t t = 0;
  const auto run = [&](int steps, double norm) {
    for (int i = 0; i < steps; ++i, ++t) {
      set_gradients(p, t, norm);
      optimizer.step(loss_of(t, device));
    }
  };
  run(70, 0.5);
  run(2, 500);
  EXPECT_EQ(optimizer.tally().count[kExplosion], 2);
  const Tensors state = states(optimizer, p), weights = copies(p);
  const std::int64_t updates = optimizer.updates();
  optimizer.reset();
  EXPECT_EQ(optimizer.tally().steps, 0);
  EXPECT_TRUE(optimizer.records().empty());
  EXPECT_EQ(optimizer.updates(), updates);
  expect_same_bits(states(optimizer, p), state, "states");
  expect_same_bits(p, weights, "parameters");
  run(5, 500);  // no statistic to find that large
  EXPECT_EQ(optimizer.tally().count[kExplosion], 0);
  EXPECT_EQ(optimizer.updates(), updates + 5);
  if (device.is_cuda()) torch::cuda::synchronize();
  ASSERT_EQ(optimizer.records().size(), 5U);
  EXPECT_EQ(optimizer.records().front().step, 1);
  EXPECT_EQ(optimizer.records().front().updates, updates);
  {
    const torch::NoGradGuard no_grad;
    p[0].view(-1)[0] = kNan;
  }
  for (int i = 0; i < 12; ++i, ++t) {
    set_gradients(p, t);
    p[0].mutable_grad().fill_(kNan);
    optimizer.step(loss_of(t, device));
  }
  EXPECT_EQ(optimizer.tally().count[Tally::rollback], 0);
  EXPECT_TRUE(std::isnan(p[0].view(-1)[0].item<double>()));
}

TEST(Agmohd, ResetBeginsAnew) { reset_begins_anew(at::kCPU); }

TEST_F(AgmohdCuda, ResetBeginsAnew) { reset_begins_anew(at::kCUDA); }

/// After a give-up an earlier checkpoint is loaded: its records and give-ups count, no others.
void goes_on_from_a_checkpoint(at::Device device) {
  const Tensors p = parameters(device);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  std::string state;
  for (std::uint64_t t = 0; t < 35; ++t) {
    if (t == 5) state = saved(optimizer);
    set_gradients(p, t);
    if (t >= 10) p[0].mutable_grad().view(-1)[3] = kNan;
    optimizer.step();  // gives up in the last one
  }
  std::istringstream in(state);
  torch::load(optimizer, in);
  EXPECT_TRUE(optimizer.records().empty());
  int thrown = 0;
  for (std::uint64_t t = 0; t < 40; ++t) {
    set_gradients(p, t);
    if (t >= 3) p[0].mutable_grad().view(-1)[3] = kNan;
    if (device.is_cuda()) torch::cuda::synchronize();
    try {
      optimizer.step();
    } catch (const c10::Error&) {
      ++thrown;
    }
    if (t == 10) {
      if (device.is_cuda()) torch::cuda::synchronize();
      EXPECT_EQ(optimizer.records().front().step, 6);
      EXPECT_EQ(optimizer.records().size(), 11U);
      EXPECT_EQ(thrown, 0);
    }
  }
  EXPECT_GT(thrown, 0);
}

TEST(Agmohd, GoesOnFromACheckpoint) { goes_on_from_a_checkpoint(at::kCPU); }

TEST_F(AgmohdCuda, GoesOnFromACheckpoint) { goes_on_from_a_checkpoint(at::kCUDA); }

}  // namespace
