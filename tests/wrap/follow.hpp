// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Training as a scenario of the golden files says.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/wrap/ema.hpp>
#include <agmohd/wrap/lookahead.hpp>
#include <agmohd/wrap/sam.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../golden.hpp"

namespace testing_wrap {

using agmohd::wrap::EMA;
using agmohd::wrap::Lookahead;
using agmohd::wrap::SAM;
using agmohd::wrap::SWA;
using agmohd::wrap::Warmup;
using golden::Inputs;
using golden::Scenario;
using golden::Tensors;

inline void expect_close(const Tensors& got, const Tensors& want, double bound,
                         const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const at::Tensor x = got[i].to(at::kDouble), y = want[i].to(at::kDouble);
    if (y.numel() == 0) continue;
    EXPECT_LE((x - y).norm().item<double>(), bound * y.norm().item<double>()) << what << " " << i;
  }
}

/// Trains as the scenario says. step(optimizer, n) takes step number n, from 1.
template <class Optimizer, class Step>
void follow(const Scenario& scenario, const Inputs& inputs, const Tensors& params,
            const typename Optimizer::Options& options, at::ScalarType dtype, const Step& step) {
  std::vector<torch::optim::OptimizerParamGroup> first;
  const auto group = [&](const golden::Group& given) {
    Tensors members;
    for (const std::int64_t i : given.tensors) members.push_back(params[std::size_t(i)]);
    torch::optim::OptimizerParamGroup out(members);
    if (given.options.empty()) return out;
    typename Optimizer::Options own(given.options.at("lr").toDouble());
    if (given.options.contains("weight_decay")) {
      own.weight_decay(given.options.at("weight_decay").toDouble());
    }
    out.set_options(std::make_unique<typename Optimizer::Options>(own));
    return out;
  };
  for (const auto& given : scenario.groups()) {
    if (given.joins == 0) first.push_back(group(given));
  }
  Optimizer optimizer(first, options);
  auto stepped = step(optimizer);
  for (std::int64_t n = 0; n < golden::kSteps; ++n) {
    for (const auto& given : scenario.groups()) {
      if (given.joins > 0 && given.joins == n) optimizer.add_param_group(group(given));
    }
    const Tensors gradients = inputs.gradients(n, torch::dtype(dtype));
    for (std::size_t i = 0; i < params.size(); ++i) params[i].mutable_grad() = gradients[i];
    stepped(n + 1);
  }
}

/// follow() in float32 and in float64, where what is compared differs from the golden file by
/// `bound32` and `bound64` of its norm at most. begin(optimizer, params, check) returns what takes
/// step number n; check(n, got, prefix) compares with the file's tensors "prefix_n".
template <class Optimizer, class Begin>
void follow_file(const std::string& name, const typename Optimizer::Options& options,
                 double bound32, double bound64, const Begin& begin) {
  const Inputs inputs;
  const Scenario scenario(name);
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    Tensors params = inputs.initial(torch::dtype(dtype));
    for (at::Tensor& p : params) p.requires_grad_();
    const auto expected = scenario.expected(inputs, dtype);
    const auto check = [&](std::int64_t n, const Tensors& got, const std::string& prefix) {
      const std::string key = prefix + "_" + std::to_string(n);
      ASSERT_TRUE(expected.tensors.contains(key)) << name << " " << key;
      expect_close(got, expected.tensors.at(key), dtype == at::kDouble ? bound64 : bound32,
                   name + " " + key);
    };
    follow<Optimizer>(scenario, inputs, params, options, dtype,
                      [&](Optimizer& optimizer) { return begin(optimizer, params, check); });
  }
}

inline double number(const Scenario& scenario, const char* name) {
  return scenario.options().at(name).toDouble();
}

}  // namespace testing_wrap
