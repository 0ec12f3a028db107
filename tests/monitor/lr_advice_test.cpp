// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What is said of a learning rate: of made-up records, and of runs whose rate is far off.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/monitor/lr_advice.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace {

namespace monitor = agmohd::monitor;
using agmohd::Record;
using monitor::LrEvidence;
using monitor::LrLooks;

/// `count` applied steps, whose loss falls evenly from 2 to 1.
std::vector<Record> falling(std::int64_t count) {
  std::vector<Record> records;
  for (std::int64_t i = 0; i < count; ++i) {
    Record r;
    r.step = i + 1, r.updates = i;
    r.loss = 2 - double(i) / double(count - 1);
    r.lr = 1e-3, r.norm = 2, r.update_rms = i > 0 ? 0.5 : 0;
    r.clip_factor = i % 4 == 0 ? 0.5 : 1;
    records.push_back(r);
  }
  return records;
}

/// Of 200 steps about which nothing is to be said.
LrEvidence calm() {
  LrEvidence e = monitor::lr_evidence(falling(200));
  e.rate = 1, e.relative = 1e-2, e.alignment = 0.02;
  return e;
}

TEST(LrEvidence, IsMediansOfAppliedSteps) {
  const LrEvidence e = monitor::lr_evidence(falling(201));
  EXPECT_EQ(e.steps, 201);
  EXPECT_NEAR(e.fall, 1 - 1.125 / 1.875, 0.01);
  EXPECT_NEAR(e.noise, 0.005 / 1.125, 1e-4);
  EXPECT_EQ(e.growth, 1);
  EXPECT_NEAR(e.clipped, 0.25, 0.01);
  EXPECT_EQ(e.lr, 1e-3);
  EXPECT_EQ(e.update_rms, 0.5);
  EXPECT_EQ(e.moved, 0.5e-3);
  EXPECT_TRUE(std::isnan(e.rate) && std::isnan(e.relative) && std::isnan(e.alignment));
}

TEST(LrEvidence, LeavesOutSkippedAndNonfiniteSteps) {
  std::vector<Record> records = falling(200);
  for (std::size_t i = 50; i < 60; ++i) {
    records[i].skipped = 1;
    records[i].loss = records[i].norm = std::numeric_limits<double>::infinity();
  }
  for (std::size_t i = 50; i < records.size(); ++i) {
    records[i].updates = std::int64_t(i < 60 ? 50 : i - 10);
  }
  records[70].loss = std::numeric_limits<double>::quiet_NaN();
  const LrEvidence e = monitor::lr_evidence(records);
  EXPECT_EQ(e.steps, 189);
  EXPECT_TRUE(std::isfinite(e.fall) && std::isfinite(e.growth));
  EXPECT_EQ(e.moved, 0.5e-3);
}

TEST(LrEvidence, OfFewRecordsOrNoLossIsUnknown) {
  EXPECT_EQ(monitor::lr_evidence(std::vector<Record>{}).steps, 0);
  EXPECT_TRUE(std::isnan(monitor::lr_evidence(falling(3)).fall));
  std::vector<Record> records = falling(200);
  for (Record& r : records) r.loss = std::numeric_limits<double>::quiet_NaN();
  const LrEvidence e = monitor::lr_evidence(records);
  EXPECT_EQ(e.steps, 0);
  EXPECT_EQ(monitor::lr_advice(e).text, "");
}

TEST(LrAdvice, SaysNothingOfWhatIsUsual) {
  EXPECT_EQ(monitor::lr_advice(calm()).looks, LrLooks::unclear);
  EXPECT_EQ(monitor::lr_advice(calm()).text, "");
}

TEST(LrAdvice, SmallStepsThatAgreeAreTooSmall) {
  LrEvidence e = calm();
  e.relative = 2e-4, e.alignment = 0.9;
  const monitor::LrAdvice advice = monitor::lr_advice(e);
  EXPECT_EQ(advice.looks, LrLooks::too_small);
  EXPECT_EQ(advice.text,
            "The learning rate looks too small: at its largest a step moved the parameters by 0.02 "
            "% of their size (usual: 0.4 to 3 %), gradients agree with the step before by 0.9 "
            "(usual: about 0), 25 % of the last 200 steps were clipped.\n");
  e.alignment = 0.05;  // small steps are not enough
  EXPECT_EQ(monitor::lr_advice(e).looks, LrLooks::unclear);
  e.alignment = 0.9, e.relative = 1e-2;  // agreement is not enough
  EXPECT_EQ(monitor::lr_advice(e).looks, LrLooks::unclear);
  e.relative = 2e-4, e.update_rms = 1e-3;  // gradients vanish: the rate is not to blame
  EXPECT_EQ(monitor::lr_advice(e).looks, LrLooks::unclear);
  e.update_rms = 0.5, e.alignment = LrEvidence::unknown;
  EXPECT_EQ(monitor::lr_advice(e).looks, LrLooks::unclear);
}

TEST(LrAdvice, LargeStepsOrStepsUndoneAreTooLarge) {
  LrEvidence e = calm();
  e.relative = 5e-2;
  EXPECT_EQ(monitor::lr_advice(e).looks, LrLooks::too_large);
  EXPECT_EQ(monitor::lr_advice(e).text.find("The learning rate looks too large: at its largest"),
            0U);
  e.alignment = LrEvidence::unknown;
  EXPECT_EQ(monitor::lr_advice(e).looks, LrLooks::too_large);
  e = calm();
  e.alignment = -0.3;
  EXPECT_EQ(monitor::lr_advice(e).looks, LrLooks::too_large);
  EXPECT_NE(monitor::lr_advice(e).text.find("agree with the step before by -0.3"),
            std::string::npos);
}

TEST(LrAdvice, SaysNothingOfSmallStepsThatAreUndone) {
  LrEvidence e = calm();  // as where a loss without noise has converged
  e.relative = 1e-4, e.alignment = -0.9;
  EXPECT_EQ(monitor::lr_advice(e).looks, LrLooks::unclear);
}

TEST(LrAdvice, OfStepsOfUnknownSizeSaysNothing) {
  LrEvidence e = calm();
  e.relative = LrEvidence::unknown;
  for (const double alignment : {-0.9, 0.9}) {
    e.alignment = alignment;
    EXPECT_EQ(monitor::lr_advice(e).looks, LrLooks::unclear);
  }
}

TEST(LrAdvice, TakesTheDecayOfTheRateOutOfTheSteps) {
  LrEvidence e = calm();
  e.relative = 1e-3, e.alignment = 0.5;
  EXPECT_EQ(monitor::lr_advice(e).looks, LrLooks::too_small);
  e.rate = 0.1;  // the steps were ten times as large
  EXPECT_EQ(monitor::lr_advice(e).looks, LrLooks::unclear);
  e.rate = 0.01;
  EXPECT_EQ(monitor::lr_advice(e).looks, LrLooks::too_large);
}

TEST(LrAdvice, NeedsSteps) {
  LrEvidence e = calm();
  e.relative = 1;
  e.steps = monitor::LrBounds{}.steps - 1;
  EXPECT_EQ(monitor::lr_advice(e).looks, LrLooks::unclear);
}

/// The summary of 150 steps on the sum of (p - 3)^2 from p = 1 on, with a little noise.
std::string summary_with(double lr) {
  at::Tensor p = at::ones({64}).requires_grad_();
  agmohd::AGMOHD optimizer({p}, agmohd::AGMOHDOptions(lr));
  for (int t = 0; t < 150; ++t) {
    optimizer.zero_grad();
    const at::Tensor noise = at::linspace(-1, 1, 64) * (t % 3 - 1) * 0.1;
    const at::Tensor loss = (p - 3 + noise).square().sum();
    loss.backward();
    optimizer.step(loss);
  }
  return optimizer.summary();
}

TEST(LrAdvice, IsTheEndOfASummary) {
  const std::string small = summary_with(1e-5);
  EXPECT_NE(small.find("\nThe learning rate looks too small: "), std::string::npos) << small;
  EXPECT_EQ(small.back(), '\n');
  const std::string large = summary_with(3);
  EXPECT_NE(large.find("\nThe learning rate looks too large: "), std::string::npos) << large;
}

TEST(LrAdvice, KnowsTheRatesDecayOfTheProgram) {
  at::Tensor p = at::ones({64}).requires_grad_();
  agmohd::AGMOHD optimizer({p}, agmohd::AGMOHDOptions(1e-2));
  for (int t = 0; t < 400; ++t) {
    if (t == 100) optimizer.param_groups()[0].options().set_lr(1e-3);
    optimizer.zero_grad();
    const at::Tensor loss = (p - 3).square().sum();
    loss.backward();
    optimizer.step(loss);
  }
  const LrEvidence e = optimizer.lr_evidence();
  EXPECT_NEAR(e.rate, 0.1, 1e-6);
  EXPECT_NEAR(e.relative, e.moved / p.detach().square().mean().sqrt().item<double>(), 1e-9);
  EXPECT_GT(e.alignment, 0.5);
}

}  // namespace
