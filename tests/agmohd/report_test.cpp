// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What the optimizer says of a run: records, summary, learning rate.

#include <gtest/gtest.h>
#include <torch/optim.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "runs.hpp"

namespace {

using namespace testing_agmohd;

void records_say_what_happened(at::Device device) {
  const Tensors p = parameters(device);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  EXPECT_TRUE(optimizer.records().empty());
  incidents(
      p, [&](std::uint64_t t) { optimizer.step(loss_of(t, device)); }, 0, 100);
  if (device.is_cuda()) torch::cuda::synchronize();
  const std::vector<Record> records = optimizer.records();
  ASSERT_EQ(records.size(), 100U);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Record& r = records[i];
    EXPECT_EQ(r.step, std::int64_t(i) + 1);
    const bool exploded = i == 70 || (i >= 90 && i < 93);
    EXPECT_EQ(r.skipped, i == 75 ? 1U : 0U) << i;
    EXPECT_NEAR(r.loss, 3.0 / (1.0 + 0.01 * double(i)), 1e-6);
    EXPECT_EQ(r.lr, 1e-3);
    if (i == 75) {
      EXPECT_TRUE(r.flags & Flag::nonfinite);
    } else {
      EXPECT_NEAR(r.norm, exploded ? 500 : i == 80 ? 0.65 : 0.5, exploded ? 20 : 0.02);
    }
    if (exploded) {
      EXPECT_TRUE(r.flags & Flag::explosion);
      EXPECT_LT(r.clip_factor * r.norm, 2);
    }
    if (i == 0) {
      EXPECT_EQ(r.update_rms, 0);
    } else {
      EXPECT_GT(r.update_rms, 1e-2);
      EXPECT_LT(r.update_rms, 2);
    }
  }
  EXPECT_EQ(records.back().updates, 100 - 1 - 1);
  const std::string text = optimizer.summary();
  EXPECT_NE(text.find("100 steps, 1 skipped"), std::string::npos) << text;
  std::ostringstream csv;
  agmohd::monitor::write_csv(csv, records);
  const std::string lines = csv.str();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 101);
}

TEST(Agmohd, RecordsSayWhatHappened) { records_say_what_happened(at::kCPU); }

TEST_F(AgmohdCuda, RecordsSayWhatHappened) { records_say_what_happened(at::kCUDA); }

TEST(Agmohd, TheLearningRateCanBeRead) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(
      p, AGMOHDOptions(1e-2).lr_schedule(agmohd::schedule::Shape::step).step_size(2).gamma(0.5));
  optimizer.add_param_group(
      torch::optim::OptimizerParamGroup({torch::zeros({3}).requires_grad_()}));
  static_cast<AGMOHDOptions&>(optimizer.param_groups()[1].options()).lr(0.3);
  EXPECT_EQ(optimizer.current_lr(), 1e-2);
  EXPECT_EQ(optimizer.effective_lr(), 1e-2);
  for (std::uint64_t t = 0; t < 4; ++t) {
    EXPECT_EQ(optimizer.current_lr(), t < 2 ? 1e-2 : 0.5e-2);
    EXPECT_EQ(optimizer.current_lr(1), t < 2 ? 0.3 : 0.15);
    set_gradients(p, t);
    optimizer.step();
    EXPECT_EQ(optimizer.effective_lr(), t < 2 ? 1e-2 : 0.5e-2);
  }
  EXPECT_EQ(optimizer.current_lr(), 0.25e-2);
  EXPECT_THROW((void)optimizer.current_lr(2), c10::Error);
  const agmohd::AdamW plain(p, agmohd::AdamWOptions(0.5));
  EXPECT_EQ(plain.current_lr(), 0.5);
}

TEST(Agmohd, TheSummaryAdvisesAndSaysThatNoLossCame) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  set_gradients(p, 0);
  p[0].mutable_grad().view(-1)[3] = kNan;
  optimizer.step();
  const std::string without = optimizer.summary();
  EXPECT_NE(without.find("no loss was handed over, so that Nonfinite, LossSpike, Plateau, "
                         "Oscillation had none to look at: call step(loss)"),
            std::string::npos)
      << without;
  EXPECT_NE(without.find("Seen most: non-finite, last at step 1. What helps: "), std::string::npos)
      << without;
  EXPECT_EQ(without.find("1 step, 1 skipped\n"), 0U) << without;
  optimizer.step(loss_of(0, at::kCPU));
  EXPECT_EQ(optimizer.summary().find("no loss"), std::string::npos) << optimizer.summary();
}

TEST(Agmohd, TheSummaryNamesTheWorstTensor) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  for (std::uint64_t t = 0; t < 80; ++t) {
    set_gradients(p, t);
    if (t == 70 || t == 75) p[0].mutable_grad().mul_(30);  // a small part of the norm
    optimizer.step();
  }
  EXPECT_NE(
      optimizer.summary().find(
          "  1 tensor whose own norm exploded; most often parameter 0 of group 0, in 2 steps\n"),
      std::string::npos)
      << optimizer.summary();
  torch::OrderedDict<std::string, Tensor> named;
  named.insert("embedding.weight", p[0]);
  optimizer.name_parameters(named);
  EXPECT_NE(optimizer.summary().find("most often embedding.weight"), std::string::npos);
}

TEST(Agmohd, TheSummaryOfAnExplosionOfAllTensors) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  for (std::uint64_t t = 0; t < 80; ++t) {
    set_gradients(p, t);
    if (t == 70) {
      for (const Tensor& x : p) x.mutable_grad().mul_(1000);
    }
    optimizer.step();
  }
  EXPECT_NE(
      optimizer.summary().find(
          "  5 tensors whose own norm exploded; most often parameter 0 of group 0, in 1 step\n"),
      std::string::npos)
      << optimizer.summary();
}

}  // namespace
