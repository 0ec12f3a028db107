// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A run that cannot go on says so, once an incident.

#include <gtest/gtest.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "runs.hpp"

namespace {

using namespace testing_agmohd;

void gives_up_with_a_reason(at::Device device) {
  const Tensors p = parameters(device);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  std::string message;
  int steps = 0;
  for (; steps < 60 && message.empty(); ++steps) {
    set_gradients(p, std::uint64_t(steps));
    if (steps >= 10) p[0].mutable_grad().view(-1)[3] = kNan;
    try {
      optimizer.step();
    } catch (const c10::Error& error) {
      message = error.what();
    }
    if (device.is_cuda()) torch::cuda::synchronize();
  }
  EXPECT_EQ(steps, 10 + 25 + 1);
  EXPECT_NE(message.find("training cannot be repaired"), std::string::npos) << message;
  EXPECT_NE(message.find("non-finite"), std::string::npos) << message;
  EXPECT_NE(message.find("Not finite now: the gradient of parameter 0 of group 0. What helps: go"),
            std::string::npos)
      << message;
  EXPECT_EQ(optimizer.updates(), 10);
}

TEST(Agmohd, GivesUpWithAReason) { gives_up_with_a_reason(at::kCPU); }

TEST_F(AgmohdCuda, GivesUpWithAReason) { gives_up_with_a_reason(at::kCUDA); }

/// A loop that catches the error and goes on hears of it once, and again after 100 applied steps.
void gives_up_once_an_incident(at::Device device) {
  const Tensors p = parameters(device);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  torch::OrderedDict<std::string, Tensor> named;
  for (std::size_t i = 0; i < p.size(); ++i) named.insert("layer" + std::to_string(i), p[i]);
  optimizer.name_parameters(named);
  std::vector<std::string> thrown;
  std::uint64_t t = 0;
  const auto run = [&](int steps, bool broken) {
    for (int i = 0; i < steps; ++i, ++t) {
      set_gradients(p, t);
      if (broken) {
        for (const Tensor& x : p) x.mutable_grad().fill_(kInf);
      }
      try {
        optimizer.step();
      } catch (const c10::Error& error) {
        thrown.emplace_back(error.what_without_backtrace());
      }
      if (device.is_cuda()) torch::cuda::synchronize();
    }
  };
  run(10, false);
  run(200, true);
  ASSERT_EQ(thrown.size(), 1U);
  EXPECT_NE(thrown[0].find("Not finite now: the gradient of layer0, the gradient of layer1, the "
                           "gradient of layer3, the gradient of layer4 and 2 more."),
            std::string::npos)
      << thrown[0];
  EXPECT_EQ(optimizer.tally().count[Tally::give_up], 1);
  EXPECT_EQ(optimizer.tally().steps, 209) << "the call that threw did no step";
  run(50, false);
  run(60, true);
  EXPECT_EQ(thrown.size(), 1U);
  run(50, false);
  run(60, true);
  EXPECT_EQ(thrown.size(), 2U);
}

TEST(Agmohd, GivesUpOnceAnIncident) { gives_up_once_an_incident(at::kCPU); }

TEST_F(AgmohdCuda, GivesUpOnceAnIncident) { gives_up_once_an_incident(at::kCUDA); }

TEST(Agmohd, PrepareSaysThatItGaveUp) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  set_gradients(p, 0);
  optimizer.step();
  p[1].mutable_grad().fill_(kNan);
  for (int i = 0; i < 25; ++i) optimizer.step();
  EXPECT_THROW(optimizer.prepare(), c10::Error);
  optimizer.prepare();  // said once
}

}  // namespace
