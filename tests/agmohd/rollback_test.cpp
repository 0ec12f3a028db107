// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Rollbacks, and what they do where a snapshot is broken.

#include <gtest/gtest.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <cstdint>

#include "runs.hpp"

namespace {

using namespace testing_agmohd;

/// A NaN weight: the eighth bad loss brings the newer snapshot back, with state and steps, and
/// training goes on as if what came after that snapshot had not been.
void rolls_back(at::Device device, at::ScalarType dtype = at::kFloat, bool reference = false,
                bool on_host = false) {
  const Tensors a = parameters(device, dtype), b = parameters(device, dtype);
  AGMOHD hit(a, with_snapshots(on_host)), spared(b, with_snapshots());
  if (reference) hit.use_tensor_backend(), spared.use_tensor_backend();
  for (std::uint64_t t = 0; t < 80; ++t) {
    if (t == 45) {
      const at::NoGradGuard no_grad;
      a[4][39000] = kNan;
    }
    set_gradients(a, t);
    hit.step(loss_of(t, a));
    if (t == 52) {
      expect_same_bits(a, b, "parameters");
      expect_same_bits(states(hit, a), states(spared, b), "states");
    }
    if (t >= 40 && t <= 52) continue;
    set_gradients(b, t);
    spared.step(loss_of(t, b));
  }
  expect_same_bits(a, b, "parameters at the end");
  expect_same_bits(states(hit, a), states(spared, b), "states at the end");
  const Tally tally = hit.tally();
  EXPECT_EQ(tally.count[Tally::rollback], 1);
  EXPECT_EQ(tally.last[Tally::rollback], 53);
  EXPECT_EQ(tally.count[Tally::skip], 8);
  EXPECT_EQ(hit.updates(), 72);
}

TEST(Agmohd, RollsBack) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    rolls_back(at::kCPU, dtype);
  }
}

TEST(Agmohd, RollsBackInTheTensorBackend) { rolls_back(at::kCPU, at::kFloat, true); }

TEST_F(AgmohdCuda, RollsBack) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    rolls_back(at::kCUDA, dtype);
    rolls_back(at::kCUDA, dtype, /*reference=*/false, /*on_host=*/true);
  }
}

/// Where the cause is not in the weights, what was swapped out comes back.
void swaps_back(at::Device device) {
  const Tensors a = parameters(device), b = parameters(device);
  AGMOHD hit(a, with_snapshots()), spared(b, AGMOHDOptions(1e-3).weight_decay(0.1));
  for (std::uint64_t t = 0; t < 80; ++t) {
    const bool bad = t >= 45 && t < 55;
    set_gradients(a, t);
    if (t == 52) a[5].mutable_grad() = Tensor();  // not in the rollback: not to be swapped back
    hit.step(bad ? loss_of(t, device) * kNan : loss_of(t, device));
    if (t == 52) {
      EXPECT_FALSE(torch::equal(a[4], b[4]));
    }
    if (bad) continue;
    set_gradients(b, t);
    spared.step(loss_of(t, device));
  }
  expect_same_bits(a, b, "parameters");
  expect_same_bits(states(hit, a), states(spared, b), "states");
  EXPECT_EQ(hit.tally().count[Tally::skip], 10);
  EXPECT_EQ(hit.tally().count[Tally::rollback], 2);
}

TEST(Agmohd, SwapsBack) { swaps_back(at::kCPU); }

TEST_F(AgmohdCuda, SwapsBack) { swaps_back(at::kCUDA); }

/// A weight that is broken in the very step that writes a snapshot, with gradients that are sound:
/// a number that is not finite gives the snapshot away; what is finite and broken is found out
/// after the rollback, and the other snapshot is tried.
void a_broken_snapshot_is_not_the_end(at::Device device, bool reference = false) {
  for (const double broken : {kNan, 1e38}) {
    const Tensors a = parameters(device), b = parameters(device);
    AGMOHD hit(a, with_snapshots()), spared(b, with_snapshots());
    if (reference) hit.use_tensor_backend(), spared.use_tensor_backend();
    for (std::uint64_t t = 0; t < 70; ++t) {
      if (t == 39) {  // the 40th step, which writes one; the one before holds the 30th
        const at::NoGradGuard no_grad;
        a[4][39000] = broken;
      }
      set_gradients(a, t);
      const bool sound = t == 39 || (a[4].detach().abs() < 1e30).all().item<bool>();
      hit.step(sound ? loss_of(t, device) : loss_of(t, device) * kNan);
      if (t < 30) {
        set_gradients(b, t);
        spared.step(loss_of(t, device));
      } else if (t == (std::isnan(broken) ? 47U : 50U)) {
        expect_same_bits(a, b, "parameters as they were after 30 steps");
      }
    }
    EXPECT_EQ(hit.tally().count[Tally::rollback], std::isnan(broken) ? 1 : 3);
    EXPECT_EQ(hit.tally().count[9], 0);  // no give-up
    EXPECT_TRUE((a[4].detach().abs() < 1e30).all().item<bool>());
  }
}

TEST(Agmohd, ABrokenSnapshotIsNotTheEnd) {
  a_broken_snapshot_is_not_the_end(at::kCPU);
  a_broken_snapshot_is_not_the_end(at::kCPU, true);
}

TEST_F(AgmohdCuda, ABrokenSnapshotIsNotTheEnd) { a_broken_snapshot_is_not_the_end(at::kCUDA); }

}  // namespace
