// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Parameters that an optimizer cannot take.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <vector>

#include "bad_tensors.hpp"
#include "harmless.hpp"

namespace {

using namespace testing_errors;

std::vector<BadParameter> bad_parameters() {
  std::vector<BadParameter> out = bad_tensors();
  const std::vector<BadParameter> more = {
      {at::Tensor(), {"undefined tensor"}},
      {at::ones({3}).requires_grad_() * 2, {"non-leaf"}},
      {at::ones({3}, at::kInt), {"Int", "must be Float, Double, BFloat16 or Half"}},
      {at::ones({3}, at::kLong), {"Long", "must be Float, Double, BFloat16 or Half"}},
      {at::ones({3}, at::kBool), {"Bool", "must be Float, Double, BFloat16 or Half"}},
      {at::empty({3}, at::kComplexHalf), {"ComplexHalf", "or ComplexFloat or ComplexDouble"}},
      {at::ones({3}).to_sparse().requires_grad_(), {"Sparse", "must be strided"}},
      {at::ones({1, 3}).expand({4, 3}).requires_grad_(), {"expanded", "dimension 0"}},
      {at::ones({1}).expand({5}).requires_grad_(), {"expanded", "dimension 0"}},
      {at::ones({9}).as_strided({5, 5}, {1, 1}), {"strides [1, 1]", "share memory"}},
      {zero(), {"ZeroTensor", "pass a clone"}},
      {meta(), {"device meta", "no memory"}},
  };
  out.insert(out.end(), more.begin(), more.end());
  for (const BadParameter& bad : out) {  // without a gradient they would be left alone
    if (bad.tensor.defined() && !bad.tensor.requires_grad()) {
      bad.tensor.mutable_grad() = at::ones({3});
    }
  }
  return out;
}

TEST(ParameterErrors, NoneWithoutAGradient) {
  Tensors parameters{parameter()};
  for (const BadParameter& bad : bad_parameters()) {
    if (!bad.tensor.defined() || bad.tensor.requires_grad()) continue;
    bad.tensor.mutable_grad() = at::Tensor();
    parameters.push_back(bad.tensor);
  }
  ASSERT_GT(parameters.size(), 10U);
  agmohd::AGMOHD watched(parameters, agmohd::AGMOHDOptions(0.1).snapshots(true));
  Rich optimizer(parameters, good());
  for (int t = 0; t < 3; ++t) {
    const at::Tensor before = parameters[0].detach().clone();
    parameters[0].mutable_grad() = at::ones_like(before);
    optimizer.prepare();
    optimizer.step();
    watched.step();
    EXPECT_FALSE(at::equal(before, parameters[0]));
  }
  EXPECT_EQ(optimizer.state().size(), 1U);
  EXPECT_EQ(watched.updates(), 3);
  watched.summary();
}

TEST(ParameterErrors, AtConstruction) {
  for (const BadParameter& bad : bad_parameters()) {
    SCOPED_TRACE(bad.texts[0]);
    Texts texts = bad.texts;
    texts.emplace_back("parameter 1 of group 0");
    expect_error([&] { Rich(Tensors{parameter(), bad.tensor}, good()); }, texts);
  }
}

TEST(ParameterErrors, InAGroupAddedLater) {
  for (const BadParameter& bad : bad_parameters()) {
    SCOPED_TRACE(bad.texts[0]);
    Texts texts = bad.texts;
    texts.emplace_back("parameter 1 of group 2");
    Fixture f;
    expect_harmless(
        f,
        [&] {
          f.optimizer.add_param_group(Group({parameter(), bad.tensor}));
        },
        texts);
    EXPECT_EQ(f.optimizer.param_groups().size(), 2U);
  }
}

TEST(ParameterErrors, PutInPlaceOfAnother) {
  for (const BadParameter& bad : bad_parameters()) {
    SCOPED_TRACE(bad.texts[0]);
    Texts texts = bad.texts;
    texts.emplace_back("parameter 1 of group 0");
    Fixture f;
    at::Tensor& place = f.optimizer.param_groups()[0].params()[1];
    expect_harmless(
        f,
        [&] {
          place = bad.tensor;
          f.optimizer.step();
        },
        texts, [&] { place = f.params[1]; });
  }
}

TEST(ParameterErrors, TheSameTensorInTwoGroups) {
  const at::Tensor p = parameter();
  expect_error(
      [&] {
        Rich(Groups{Group(Tensors{p}), Group(Tensors{parameter(), p})}, good());
      },
      {"more than one parameter group", "parameter 1 of group 1"});
  Fixture f;
  expect_harmless(f, [&] { f.optimizer.add_param_group(Group({f.params[0]})); },
                  {"more than one parameter group", "parameter 0 of group 2"});
  Fixture h;
  expect_harmless(
      h,
      [&] {
        h.optimizer.param_groups()[1].params().push_back(h.params[0]);
        h.optimizer.step();
      },
      {"more than one parameter group", "parameter 1 of group 1 is also parameter 0 of group 0"},
      [&] { h.optimizer.param_groups()[1].params().pop_back(); });
}

}  // namespace
