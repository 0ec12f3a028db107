// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Snapshots of rules that store averages over rows and columns, or remember an estimate.

#include <gtest/gtest.h>
#include <torch/serialize.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/rule/adafactor.hpp>
#include <agmohd/rule/adam_mini.hpp>
#include <agmohd/rule/came.hpp>
#include <agmohd/rule/dadapt_adam.hpp>
#include <agmohd/rule/prodigy.hpp>
#include <cmath>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "runs.hpp"

namespace {

using namespace testing_agmohd;

template <class Rule>
using Hindered = Optimizer<agmohd::recipe::Hindered<Rule>>;

template <class Rule>
typename Hindered<Rule>::Options options() {
  auto o = typename Hindered<Rule>::Options(1e-3).snapshots(true).snapshot_every(10);
  if constexpr (agmohd::recipe::Hindered<Rule>::totals) o.lr(1), o.template set<"d0">(1e-2);
  return o;
}

Tensors matrices(at::ScalarType dtype) {
  torch::manual_seed(1);
  Tensors out;
  for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{
           {50, 130}, {7, 5}, {40}, {3, 4, 6, 5}, {1}, {70, 9}, {0, 4}}) {
    out.push_back(torch::randn(shape).to(dtype).requires_grad_());
  }
  return out;
}

/// Of the steps from 0: snapshots end 9, 19, 29 and 39, the rollback is in 52.
template <class O>
void step(O& optimizer, const Tensors& params, int t, bool bad) {
  torch::manual_seed(std::uint64_t(100 + t));
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Tensor g = 0.004 * torch::randn(params[i].sizes()) + 0.01 * params[i].detach();
    const bool given = i != 5 || t < 35;  // it rests when the last snapshot is written
    params[i].mutable_grad() = given ? g.to(params[i].scalar_type()) : Tensor();
  }
  optimizer.step(torch::full({}, bad ? kNan : 3.0 / (1.0 + 0.01 * t)));
}
constexpr bool bad(int t) { return t >= 45 && t < 53; }

template <class O>
Tensors states(O& optimizer, const Tensors& params) {
  Tensors out;
  for (const Tensor& p : params) {
    auto& state =
        static_cast<typename O::ParamState&>(*optimizer.state().at(p.unsafeGetTensorImpl()));
    out.push_back(torch::tensor(state.step()));
    state.for_each_slot([&](std::size_t, Tensor& x) {
      if (x.defined()) out.push_back(x);
    });
  }
  if constexpr (O::Recipe::totals) {
    auto memory = optimizer.rule_memory();
    static_assert(sizeof memory % sizeof(double) == 0);
    out.push_back(torch::from_blob(&memory, {sizeof memory / sizeof(double)}, at::kDouble).clone());
    EXPECT_GT(memory.d, 1e-2);
  }
  return out;
}

/// A rollback brings back all that a snapshot has.
template <class Rule>
void expect_rollback(at::ScalarType dtype, bool reference) {
  const Tensors a = matrices(dtype), b = matrices(dtype);
  Hindered<Rule> hit(a, options<Rule>()), spared(b, options<Rule>());
  if (reference) hit.use_tensor_backend(), spared.use_tensor_backend();
  for (int t = 0; t < 80; ++t) {
    step(hit, a, t, bad(t));
    if (t < 40 || t > 52) step(spared, b, t, false);
    if (t != 52 && t != 79) continue;
    ASSERT_EQ(hit.tally().count[Tally::rollback], 1);
    expect_same_bits(a, b, "parameters");
    expect_same_bits(states(hit, a), states(spared, b), "states");
  }
}

/// Also in a file, before and between the steps of a rollback.
template <class Rule>
void expect_checkpoints() {
  for (const int when : {44, 52, 53}) {
    const Tensors a = matrices(at::kFloat), b = matrices(at::kFloat);
    Hindered<Rule> through(a, options<Rule>());
    for (int t = 0; t < when; ++t) step(through, a, t, bad(t));
    for (std::size_t i = 0; i < a.size(); ++i) b[i].detach().copy_(a[i].detach());
    std::istringstream in(saved(through));
    Hindered<Rule> resumed(b);
    torch::load(resumed, in);
    for (int t = when; t < 60; ++t) step(through, a, t, bad(t)), step(resumed, b, t, bad(t));
    EXPECT_EQ(resumed.tally().count[Tally::rollback], 1);
    expect_same_bits(a, b, "saved before step " + std::to_string(when));
    expect_same_bits(states(through, a), states(resumed, b), "states");
  }
}

template <class Rule>
void expect_snapshots() {
  expect_rollback<Rule>(at::kDouble, false);
  expect_rollback<Rule>(at::kBFloat16, false);
  expect_rollback<Rule>(at::kFloat, true);
  expect_checkpoints<Rule>();
}

TEST(Snapshots, HaveFactors) { expect_snapshots<agmohd::rule::Adafactor>(); }
TEST(Snapshots, HaveFactorsOfResiduals) { expect_snapshots<agmohd::rule::CAME>(); }
TEST(Snapshots, HaveTheEstimateOfProdigy) { expect_snapshots<agmohd::rule::Prodigy>(); }
TEST(Snapshots, HaveTheEstimateOfDAdaptAdam) { expect_snapshots<agmohd::rule::DAdaptAdam>(); }
TEST(Snapshots, HaveAveragesOfRows) { expect_snapshots<agmohd::rule::AdamMini>(); }

}  // namespace
