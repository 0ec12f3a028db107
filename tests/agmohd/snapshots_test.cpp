// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Snapshots follow their parameters, through checkpoints and between devices.

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

/// Saved before, between and after the swaps of a rollback that is undone, and in one that
/// keeps_snapshots.
void snapshots_survive_a_checkpoint(at::Device device, bool on_host = false) {
  for (const std::uint64_t when : {44ULL, 50ULL, 52ULL, 53ULL, 54ULL, 60ULL, 74ULL}) {
    const Tensors a = parameters(device), b = parameters(device);
    AGMOHD through(a, with_snapshots(on_host));
    const auto run = [&](AGMOHD& optimizer, const Tensors& params, std::uint64_t from,
                         std::uint64_t to) {
      for (std::uint64_t t = from; t < to; ++t) {
        if (t == 70) {
          const at::NoGradGuard no_grad;
          params[4][39000] = kNan;
        }
        set_gradients(params, t);
        optimizer.step(t >= 45 && t < 55 ? loss_of(t, device) * kNan : loss_of(t, params));
      }
    };
    run(through, a, 0, when);
    for (std::size_t i = 0; i < a.size(); ++i) b[i].detach().copy_(a[i].detach());
    std::istringstream in(saved(through));
    AGMOHD resumed(b, AGMOHDOptions(5e-3));
    torch::load(resumed, in);
    run(through, a, when, 90);
    run(resumed, b, when, 90);
    expect_same_bits(a, b, "parameters, saved before step " + std::to_string(when));
    EXPECT_EQ(saved(through).size(), saved(resumed).size());
    EXPECT_EQ(through.tally().count[Tally::rollback], resumed.tally().count[Tally::rollback]);
    EXPECT_EQ(resumed.tally().count[Tally::rollback], 3);
  }
}

TEST(Agmohd, SnapshotsSurviveACheckpoint) { snapshots_survive_a_checkpoint(at::kCPU); }

TEST_F(AgmohdCuda, SnapshotsSurviveACheckpoint) {
  snapshots_survive_a_checkpoint(at::kCUDA);
  snapshots_survive_a_checkpoint(at::kCUDA, /*on_host=*/true);
}

/// A rollback brings back all that a snapshot has, and a snapshot has all that was ever updated,
/// whether or not they have gradients in those very steps.
void snapshots_have_parameters_that_rest(at::Device device, at::ScalarType dtype,
                                         bool reference = false, bool on_host = false) {
  // Of the steps from 0: snapshots end 9, 19, 29 and 39, the rollback is in 52.
  const auto has_gradient = [](std::size_t i, int t) {
    switch (i) {
      case 1:
        return t != 52;
      case 2:
        return t != 39;
      case 3:
        return t < 5;
      case 4:
        return t < 35;
      default:
        return true;
    }
  };
  const auto parameters = [&] {
    torch::manual_seed(1);
    Tensors out;
    for (const std::int64_t n : {17000, 2000, 7, 300, 1000}) {
      out.push_back(torch::randn({n}).to(device, dtype).requires_grad_());
    }
    const Tensor whole = torch::randn({6, 8}).to(device, dtype);
    out.push_back(whole.slice(1, 0, 4).requires_grad_());  // rests not dense
    return out;
  };
  const auto step = [&](AGMOHD& optimizer, const Tensors& params, int t, bool bad) {
    torch::manual_seed(std::uint64_t(100 + t));
    for (std::size_t i = 0; i < params.size(); ++i) {
      const Tensor g = 0.5 / std::sqrt(20000.0) * torch::randn(params[i].sizes());
      const bool given = has_gradient(i, t) && (i != 5 || (t != 39 && t != 52));
      params[i].mutable_grad() = given ? g.to(device, dtype) : Tensor();
    }
    optimizer.step(torch::full({}, bad ? std::nan("") : 3.0 / (1.0 + 0.01 * t)));
  };
  const Tensors a = parameters(), b = parameters();
  AGMOHD hit(a, with_snapshots(on_host)), spared(b, with_snapshots());
  if (reference) hit.use_tensor_backend(), spared.use_tensor_backend();
  const auto state_of = [](AGMOHD& optimizer, const Tensor& p) -> agmohd::AGMOHDParamState& {
    return dynamic_cast<agmohd::AGMOHDParamState&>(*optimizer.state().at(p.unsafeGetTensorImpl()));
  };
  for (int t = 0; t < 80; ++t) {
    step(hit, a, t, t >= 45 && t < 53);
    if (t < 40 || t > 52) step(spared, b, t, false);
    if (t != 52 && t != 79) continue;
    ASSERT_EQ(hit.tally().count[agmohd::Tally::rollback], 1);
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_TRUE(torch::equal(a[i], b[i])) << i << ", step " << t;
      const auto &x = state_of(hit, a[i]), &y = state_of(spared, b[i]);
      EXPECT_TRUE(torch::equal(x.exp_avg(), y.exp_avg())) << i << ", step " << t;
      EXPECT_TRUE(torch::equal(x.exp_avg_sq(), y.exp_avg_sq())) << i << ", step " << t;
      EXPECT_EQ(x.step(), y.step()) << i << ", step " << t;
    }
  }
}

TEST(Agmohd, SnapshotsHaveParametersThatRest) {
  snapshots_have_parameters_that_rest(at::kCPU, at::kFloat);
  snapshots_have_parameters_that_rest(at::kCPU, at::kBFloat16);
  snapshots_have_parameters_that_rest(at::kCPU, at::kFloat, /*reference=*/true);
}

TEST_F(AgmohdCuda, SnapshotsHaveParametersThatRest) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    snapshots_have_parameters_that_rest(at::kCUDA, dtype);
  }
  snapshots_have_parameters_that_rest(at::kCUDA, at::kFloat, /*reference=*/true);
  snapshots_have_parameters_that_rest(at::kCUDA, at::kFloat, /*reference=*/false, /*on_host=*/true);
}

/// A snapshot has the tensors that were there; a tensor of another shape is not in it.
void snapshots_follow_the_parameters(at::Device device) {
  const Tensors a = parameters(device);
  AGMOHD optimizer(a, with_snapshots());
  const auto step = [&](std::uint64_t t, bool last) {
    set_gradients(a, t);
    if (!last) a[5].mutable_grad() = Tensor();
    optimizer.step(loss_of(t, a));
  };
  for (std::uint64_t t = 0; t < 35; ++t) step(t, false);  // snapshots after steps 10, 20, 30
  Tensor twenty = a[4].detach().clone();
  for (std::uint64_t t = 35; t < 39; ++t) step(t, true);  // the last one has a gradient from here
  const Tensor late = a[5].detach().clone();
  {
    const at::NoGradGuard no_grad;
    a[4][1] = kNan;
  }
  for (std::uint64_t t = 39; t < 47; ++t) step(t, true);
  EXPECT_TRUE(torch::isfinite(a[4]).all().item<bool>());
  EXPECT_FALSE(torch::equal(a[4], twenty));
  EXPECT_TRUE(torch::equal(a[5], late));
  EXPECT_EQ(optimizer.tally().count[Tally::rollback], 1);
}

TEST(Agmohd, SnapshotsFollowTheParameters) { snapshots_follow_the_parameters(at::kCPU); }

TEST_F(AgmohdCuda, SnapshotsFollowTheParameters) { snapshots_follow_the_parameters(at::kCUDA); }

/// The option may change while snapshots exist: they move.
TEST_F(AgmohdCuda, SnapshotsMoveBetweenHostAndDevice) {
  const Tensors a = parameters(at::kCUDA), b = parameters(at::kCUDA);
  AGMOHD moved(a, with_snapshots()), stayed(b, with_snapshots());
  for (std::uint64_t t = 0; t < 60; ++t) {
    if (t % 7 == 3) {
      auto& options = moved.options();
      options.snapshots_on_host(!options.snapshots_on_host());
    }
    for (const Tensors* p : {&a, &b}) {
      if (t == 45) {
        const at::NoGradGuard no_grad;
        (*p)[4][39000] = kNan;
      }
      set_gradients(*p, t);
      (p == &a ? moved : stayed).step(loss_of(t, *p));
    }
  }
  EXPECT_EQ(moved.tally().count[Tally::rollback], 1);
  expect_same_bits(a, b, "parameters");
  expect_same_bits(states(moved, a), states(stayed, b), "states");
}

}  // namespace
