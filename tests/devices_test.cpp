// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A model on several devices, without a GPU: LibTorch takes cpu and cpu:0 for two devices, each of
// which gets an executor of its own.

#include <gtest/gtest.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/cuda/host/launch_plan.hpp>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

namespace {

using torch::Tensor;

int judged = 0;  // how often

/// Lets a step pass if the memory at hand is what the last judge left: not if two judge, and not if
/// a device judges that has another memory.
struct OneJudge {
  struct Options {};
  struct Memory {
    std::int64_t number = 0;
  };
  static constexpr auto fields = agmohd::describe();
  static constexpr unsigned wants = agmohd::kNorm | agmohd::kLoss;
  static const char* name() { return "OneJudge"; }
  static agmohd::Verdict judge(const Options&, const agmohd::Signals& s, Memory& m) {
    agmohd::Verdict v;
    v.skip = m.number != judged;
    v.lr_factor = s.has_loss ? s.loss : 1;
    m.number = ++judged;
    return v;
  }
};
using Recipe = agmohd::Recipe<agmohd::rule::SGD, OneJudge>;

/// Four ones on a device of the host.
Tensor ones(const at::Device device) {
  static std::vector<std::unique_ptr<std::vector<float>>> memory;
  memory.push_back(std::make_unique<std::vector<float>>(4, 1.0F));
  return at::for_blob(memory.back()->data(), {4})
      .target_device(device)
      .options(at::TensorOptions().device(device))
      .make_tensor();
}

struct Part {
  Tensor param, grad;

  explicit Part(at::Device device) : param(ones(device)), grad(ones(device)) {
    param.set_requires_grad(true);
  }
  void has_gradient(bool yes) { param.mutable_grad() = yes ? grad : Tensor(); }
  float value() const { return *param.const_data_ptr<float>(); }
};

class Devices : public ::testing::Test {
 protected:
  void SetUp() override {
    judged = 0;
    ASSERT_NE(p.param.device(), q.param.device());
  }
  Part p{at::Device(at::kCPU)}, q{at::Device(at::kCPU, 0)};
  agmohd::Optimizer<Recipe> optimizer{std::vector<Tensor>{p.param, q.param},
                                      agmohd::Optimizer<Recipe>::Options(0.125)};
};

TEST_F(Devices, HaveOneJudge) {
  p.has_gradient(true), q.has_gradient(true);
  for (int t = 0; t < 4; ++t) optimizer.step();
  EXPECT_EQ(judged, 4);
  EXPECT_EQ(optimizer.updates(), 4);
  EXPECT_EQ(p.value(), 0.5F);
  EXPECT_EQ(q.value(), 0.5F);
  EXPECT_EQ(optimizer.signals().norm2, 8);
  EXPECT_EQ(optimizer.records().size(), 4);
}

TEST_F(Devices, HandTheMemoryToTheNextJudge) {
  // The first with a gradient judges.
  const std::pair<bool, bool> gradients[] = {{true, true}, {false, true}, {false, true},
                                             {true, true}, {true, false}, {false, true},
                                             {true, true}};
  for (const auto& [of_p, of_q] : gradients) {
    p.has_gradient(of_p), q.has_gradient(of_q);
    optimizer.step();
  }
  EXPECT_EQ(judged, 7);
  EXPECT_EQ(optimizer.updates(), 7);
  EXPECT_EQ(p.value(), 1 - 4 * 0.125F);
  EXPECT_EQ(q.value(), 1 - 6 * 0.125F);
  EXPECT_EQ(optimizer.tally().steps, 7);
}

TEST_F(Devices, TakeTheVerdictOfTheLossThatTheJudgeSees) {
  p.has_gradient(true), q.has_gradient(true);
  optimizer.step(torch::tensor(0.5));
  EXPECT_EQ(p.value(), 1 - 0.0625F);
  EXPECT_EQ(q.value(), 1 - 0.0625F);
  EXPECT_EQ(optimizer.signals().loss, 0.5);
}

TEST_F(Devices, LeaveNothingDoneWhereTheJudgeSkips) {
  p.has_gradient(true), q.has_gradient(true);
  judged = 5;
  optimizer.step();
  EXPECT_EQ(p.value(), 1);
  EXPECT_EQ(q.value(), 1);
  EXPECT_EQ(optimizer.updates(), 0);
}

/// Sums over all tensors are over those of all devices, also of one that has no gradient any more
/// in the step that uses them.
TEST(DevicesOfARule, HaveOneEstimate) {
  const auto run = [](at::Device second) {
    using Prodigy = agmohd::Optimizer<agmohd::Recipe<agmohd::rule::Prodigy>>;
    Part p{at::Device(at::kCPU)}, q{second};
    Prodigy optimizer(std::vector<Tensor>{p.param, q.param}, Prodigy::Options(1.0).set<"d0">(1e-3));
    std::vector<double> out;
    const std::pair<bool, bool> gradients[] = {{true, true},  {true, true},  {false, true},
                                               {false, true}, {true, true},  {true, false},
                                               {true, false}, {false, true}, {true, true}};
    for (const auto& [of_p, of_q] : gradients) {
      p.has_gradient(of_p), q.has_gradient(of_q);
      optimizer.step();
      out.push_back(optimizer.rule_memory().d);
      out.push_back(optimizer.rule_memory().numerator);
    }
    EXPECT_GT(optimizer.rule_memory().d, 1e-3);
    out.push_back(p.value());
    out.push_back(q.value());
    return out;
  };
  EXPECT_EQ(run(at::Device(at::kCPU)), run(at::Device(at::kCPU, 0)));
}

/// The count is of all devices, also of one that has no gradient for some steps or joins late,
/// whoever judges.
template <class R>
void expect_counts_of_all(bool sets) {
  judged = 0;
  Part p{at::Device(at::kCPU)}, q{at::Device(at::kCPU, 0)};
  const auto grad = [](const Part& part) { return part.grad.template mutable_data_ptr<float>(); };
  grad(p)[1] = std::numeric_limits<float>::quiet_NaN();
  grad(q)[0] = grad(q)[3] = std::numeric_limits<float>::infinity();
  agmohd::Optimizer<R> optimizer(std::vector<Tensor>{p.param, q.param}, 0.125);
  std::int64_t expected = 0;
  const std::pair<bool, bool> gradients[] = {{true, false},  {true, true},  {false, true},
                                             {false, true},  {true, true},  {true, false},
                                             {false, false}, {false, true}, {true, true}};
  for (const auto& [of_p, of_q] : gradients) {
    p.has_gradient(of_p), q.has_gradient(of_q);
    optimizer.step();
    expected += (of_p ? 1 : 0) + (of_q ? 2 : 0);
    EXPECT_EQ(optimizer.zeroed(), expected) << R::name();
    if (sets) optimizer.updates(optimizer.updates());
  }
  EXPECT_EQ(optimizer.updates(), 8);
}

TEST(DevicesOfATransform, HaveOneCount) {
  using agmohd::gradient::ZeroNonfinite;
  for (const bool sets : {false, true}) {
    expect_counts_of_all<agmohd::Recipe<agmohd::rule::SGD, ZeroNonfinite>>(sets);
    expect_counts_of_all<agmohd::Recipe<agmohd::rule::SGD, OneJudge, ZeroNonfinite>>(sets);
    expect_counts_of_all<agmohd::Recipe<agmohd::rule::Prodigy, ZeroNonfinite>>(sets);
    expect_counts_of_all<
        agmohd::Recipe<agmohd::rule::AdamW, agmohd::hindrance::StepTooLarge, ZeroNonfinite>>(sets);
  }
}

template <class Planned>
struct Plan : agmohd::cuda::LaunchPlan<Planned> {
  using Base = agmohd::cuda::LaunchPlan<Planned>;
  using Base::Base, Base::plan;
};

/// Blocks share the last chunks of a sweep, but no chunk whose updates are measured, on large and
/// small GPUs.
TEST(LaunchPlan, SharesNoMeasuredChunk) {
  using Measured = agmohd::recipe::AGMOHD;
  using agmohd::reduction::sample_every;
  int shared = 0;
  for (const int multiprocessors : {1, 14, 20, 46, 132, 160}) {
    for (int chunks = 1; chunks < 3000; chunks += chunks < 300 ? 1 : 101) {
      Plan<Measured> plan(agmohd::cuda::default_tuning, multiprocessors);
      std::vector<agmohd::TensorRef<Measured>> tensors(1);
      tensors[0].numel = std::int64_t(chunks) * agmohd::reduction::kChunk;
      plan.plan(tensors);
      ASSERT_EQ(plan.runs().size(), 1U);
      const agmohd::cuda::Run& run = plan.runs()[0];
      ASSERT_EQ(run.chunks, chunks);
      const auto every = int(sample_every(chunks));
      const int measured = (chunks + every - 1) / every;  // the first of the sweep
      if (run.tail == 0) continue;
      EXPECT_LE(measured + run.tail, chunks) << multiprocessors;
      shared += 1;
    }
  }
  EXPECT_GT(shared, 1000);
}

/// Sums of all devices come back with a snapshot: the judge has them, whoever judges next.
TEST(DevicesOfARule, KeepWhatARollbackBroughtBack) {
  using Kept = agmohd::Optimizer<agmohd::recipe::Hindered<agmohd::rule::Prodigy>>;
  const auto run = [](at::Device second, bool counts) {
    Part p{at::Device(at::kCPU)}, q{second};
    Kept o(std::vector<Tensor>{p.param, q.param},
           Kept::Options(1.0).set<"d0">(1e-2).snapshots(true).snapshot_every(10));
    std::vector<double> out;
    for (int t = 0; t < 40; ++t) {
      p.has_gradient(t != 33), q.has_gradient(true);  // in 33 q judges, and the step is skipped
      o.step(torch::full({}, t >= 25 && t < 34 ? std::nan("") : 3 / (1 + 0.01 * t)));
      if (counts && t == 32) o.updates(o.updates());
      const auto m = o.rule_memory();
      out.insert(out.end(), {m.d, m.numerator, double(p.value()), double(q.value())});
    }
    EXPECT_EQ(o.tally().count[agmohd::Tally::rollback], 1);
    return out;
  };
  for (const bool counts : {false, true}) {
    EXPECT_EQ(run(at::Device(at::kCPU), counts), run(at::Device(at::kCPU, 0), counts));
  }
}

}  // namespace
