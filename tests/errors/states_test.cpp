// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// States that a program changed.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <memory>
#include <utility>

#include "bad_tensors.hpp"
#include "harmless.hpp"

namespace {

using namespace testing_errors;

Rich::ParamState& state_of(Fixture& f, std::size_t i) {
  return static_cast<Rich::ParamState&>(*f.optimizer.state().at(f.params[i].unsafeGetTensorImpl()));
}

TEST(StateErrors, WrongShapeOrType) {
  struct Case {
    at::Tensor slot;
    Texts texts;
  };
  for (const Case& bad : {Case{at::zeros({4, 3}), {"exp_avg", "[4, 3]", "[3, 4]"}},
                          Case{at::zeros({12}), {"exp_avg", "[12]", "[3, 4]"}},
                          Case{at::zeros({3, 4}, at::kLong), {"exp_avg", "Long", "floating"}},
                          Case{at::zeros({3, 4}).to_sparse(), {"exp_avg", "Sparse", "strided"}}}) {
    Fixture f;
    const at::Tensor own = std::as_const(state_of(f, 0)).exp_avg();
    Texts texts = bad.texts;
    texts.emplace_back("parameter 0 of group 0");
    Fixture untouched;
    state_of(f, 0).exp_avg(bad.slot);
    const at::Tensor param = f.params[0].detach().clone(), other = f.params[2].detach().clone();
    expect_error([&] { f.optimizer.step(); }, texts);
    expect_error([&] { f.optimizer.step(); }, texts);
    EXPECT_TRUE(at::equal(f.params[0].detach(), param) && at::equal(f.params[2].detach(), other));
    EXPECT_EQ(f.optimizer.updates(), 3);
    state_of(f, 0).exp_avg(own);
    f.optimizer.step();
    untouched.optimizer.step();
    EXPECT_TRUE(content(f.optimizer) == content(untouched.optimizer));
  }
}

TEST(StateErrors, WithoutPlainMemory) {
  for (const BadParameter& bad : bad_tensors()) {
    if (bad.tensor.is_quantized()) continue;
    SCOPED_TRACE(bad.texts[0]);
    Texts texts = bad.texts;
    texts.emplace_back("the state exp_avg of parameter 0 of group 0");
    Fixture f;
    const at::Tensor own = std::as_const(state_of(f, 0)).exp_avg();
    state_of(f, 0).exp_avg(bad.tensor);
    expect_error([&] { f.optimizer.step(); }, texts);
    state_of(f, 0).exp_avg(own);
    f.optimizer.step();
    EXPECT_EQ(f.optimizer.updates(), 4);
  }
}

TEST(StateErrors, StateOfAnotherOptimizer) {
  Fixture f;
  f.optimizer.state()[f.params[0].unsafeGetTensorImpl()] =
      std::make_unique<torch::optim::AdamWParamState>();
  const at::Tensor before = f.params[2].detach().clone();
  Fixture fresh;
  // A replaced state announces itself by the old one's end.
  expect_error([&] { f.optimizer.step(); }, {"state of parameter 0 of group 0", "ParamState"});
  EXPECT_TRUE(at::equal(f.params[2].detach(), before));
}

}  // namespace
