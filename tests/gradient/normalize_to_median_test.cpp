// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "rows.hpp"

using namespace agmohd;

/// Its formula is of several tensors, so it joins no suite.
template <>
struct contract::Sample<gradient::NormalizeToMedian> {
  static std::vector<gradient::NormalizeToMedian::Options> options() { return {{}}; }
};

namespace normalize_to_median {

using gradient::NormalizeToMedian;

template <class... Before>
using Normalized = Recipe<rule::SGD, contract::SkipAbove, Before..., NormalizeToMedian>;
template <class... Before>
using Trained = contract::Trained<Normalized<Before...>>;

/// The mean of the two in the middle, of the norms of tensors that have elements and a gradient.
double median_norm(const std::vector<at::Tensor>& params) {
  std::vector<double> norms;
  for (const at::Tensor& p : params) {
    if (p.numel() == 0 || !p.grad().defined()) continue;
    norms.push_back(p.grad().to(at::kDouble).norm().item<double>());
  }
  std::sort(norms.begin(), norms.end());
  return (norms[(norms.size() - 1) / 2] + norms[norms.size() / 2]) / 2;
}

/// What SGD subtracted, against what it should have.
void expect_normalized(const std::vector<at::Tensor>& params, const std::vector<at::Tensor>& before,
                       double median, at::ScalarType dtype) {
  for (std::size_t i = 0; i < params.size(); ++i) {
    SCOPED_TRACE("tensor " + std::to_string(i));
    const at::Tensor got = before[i].to(at::kDouble) - params[i].detach().to(at::kDouble);
    if (!params[i].grad().defined()) {
      EXPECT_EQ(got.abs().sum().item<double>(), 0);
      continue;
    }
    const at::Tensor g = params[i].grad().to(at::kDouble);
    const double norm = g.norm().item<double>();
    const at::Tensor want = norm > 0 ? g * (median / norm) : g;
    EXPECT_TRUE(at::allclose(got, want, contract::epsilon(dtype), 1e-30));
  }
}

TEST(NormalizeToMedian, Bounds) { contract::expect_bounds<NormalizeToMedian>(); }

TEST(NormalizeToMedian, GivesEachTensorTheMedianOfTheNorms) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    for (const bool reference : {false, true}) {
      for (const int left_out : {0, 1}) {  // an even and an odd number
        for (const double scale : {1e-3, 1e3}) {
          SCOPED_TRACE(std::string(c10::toString(dtype)) + (reference ? ", reference" : ""));
          std::vector<at::Tensor> params = contract::row_parameters(dtype);
          params.push_back(at::zeros({40}).to(dtype).requires_grad_());
          for (at::Tensor& p : params) p = at::zeros_like(p.detach()).requires_grad_();
          contract::set_gradients(params, 0, scale);
          params.back().mutable_grad().zero_();
          if (left_out != 0) params[params.size() - 2].mutable_grad() = at::Tensor();
          std::vector<at::Tensor> before;
          for (const at::Tensor& p : params) before.push_back(p.detach().clone());
          Trained<> trained(Trained<>::Options(1.0).set<contract::SkipAbove>({.limit = 1e30}),
                            dtype, reference, params);
          trained.optimizer.step();
          expect_normalized(params, before, median_norm(params), dtype);
        }
      }
    }
  }
}

/// Behind a clip the median is of clipped gradients.
TEST(NormalizeToMedian, IsOfWhatAClipLeaves) {
  std::vector<at::Tensor> params = contract::row_parameters(at::kDouble), before;
  for (at::Tensor& p : params) p = at::zeros_like(p.detach()).requires_grad_();
  contract::set_gradients(params, 3);
  double norm2 = 0;
  for (const at::Tensor& p : params) {
    before.push_back(p.detach().clone());
    norm2 += p.grad().square().sum().item<double>();
  }
  using Clipped = Trained<gradient::ClipByNorm>;
  Clipped trained(Clipped::Options(1.0).set<"max_norm">(0.25), at::kDouble, false, params);
  trained.optimizer.step();
  expect_normalized(params, before, median_norm(params) * 0.25 / std::sqrt(norm2), at::kDouble);
}

/// A clip behind it keeps the norm of what it makes, and leaves that alone where it is small.
TEST(NormalizeToMedian, AClipBehindItIsOfItsNorm) {
  for (const double max_norm : {0.5, 50.0}) {
    for (const bool reference : {false, true}) {
      std::vector<at::Tensor> params, before;
      for (const double norm : {1.0, 10.0, 100.0, 0.0, 5.0}) {
        params.push_back(at::zeros({4}, at::kDouble).requires_grad_());
        params.back().mutable_grad() = at::full({4}, norm / 2, at::kDouble);
        before.push_back(at::zeros({4}, at::kDouble));
      }
      using Both = Recipe<rule::SGD, NormalizeToMedian, gradient::ClipByNorm>;
      contract::Trained<Both> trained(Options<Both>(1.0).max_norm(max_norm), at::kDouble, reference,
                                      params);
      trained.optimizer.step();  // to norms of 5, but for the zeros: 10 together
      expect_normalized(params, before, 5 * std::min(1.0, max_norm / 10), at::kDouble);
    }
  }
}

TEST(NormalizeToMedian, BackendsAgreeThreadsDoNotMatterAndItResumes) {
  using Tested = Normalized<gradient::ClipByValue, gradient::ClipByNorm>;
  using One = contract::Trained<Tested>;
  const auto options = One::Options(0.1);
  contract::expect_backends_agree<Tested>(options);
  contract::expect_resumes<Tested>(options, at::kFloat);
  One cpu(options, at::kFloat, false, contract::row_parameters(at::kFloat));
  cpu.run(0, 3);
  const contract::Threads one(1);
  One alone(options, at::kFloat, false, contract::row_parameters(at::kFloat));
  contract::expect_same(alone.run(0, 3).now(), cpu.now());
}

/// The number of tensors with a gradient changes from step to step.
TEST(NormalizeToMedian, FollowsWhoHasAGradient) {
  std::vector<at::Tensor> params = contract::row_parameters(at::kFloat);
  Trained<> trained(Trained<>::Options(1.0).set<contract::SkipAbove>({.limit = 1e30}), at::kFloat,
                    false, params);
  for (int step = 0; step < 6; ++step) {
    contract::set_gradients(params, step);
    for (std::size_t i = 0; i < params.size(); ++i) {
      if ((i + std::size_t(step)) % 3 == 0) params[i].mutable_grad() = at::Tensor();
    }
    std::vector<at::Tensor> before;
    for (at::Tensor& p : params) {
      const at::NoGradGuard guard;
      p.zero_();
      before.push_back(p.detach().clone());
    }
    trained.optimizer.step();
    expect_normalized(params, before, median_norm(params), at::kFloat);
  }
}

TEST(NormalizeToMedian, TellsTheRuleItsNorm) {
  Signals s{.norm2 = 400, .median = 0.3, .nonzero_tensors = 5};
  TensorSignals ts{.norm2 = 144, .max_abs = 8, .numel = 9};
  const auto k = NormalizeToMedian::at<double>({}, s, {}, ts, {});
  EXPECT_DOUBLE_EQ(s.norm2, 5 * 36);
  EXPECT_DOUBLE_EQ(k.factor, 0.5);
  EXPECT_DOUBLE_EQ(ts.norm2, 36);
  EXPECT_DOUBLE_EQ(ts.max_abs, 4);
}

TEST(NormalizeToMedian, WhatIsNotFiniteIsNaNEverywhereAndSkipped) {
  Trained<> trained(Trained<>::Options(0.1), at::kFloat, false,
                    contract::row_parameters(at::kFloat));
  trained.run(0, 1);
  contract::set_gradients(trained.params, 1);
  trained.params[6].mutable_grad()[0][0] = std::numeric_limits<float>::infinity();
  const auto before = trained.now();
  trained.optimizer.step();
  contract::expect_same(trained.now(), before);
  EXPECT_EQ(trained.optimizer.signals().nonfinite, 1);

  Signals s{.norm2 = std::numeric_limits<double>::infinity()};
  TensorSignals ts{.norm2 = 144, .max_abs = 8, .numel = 9}, none;
  EXPECT_TRUE(std::isnan(NormalizeToMedian::at<float>({}, s, {}, ts, {}).factor));
  EXPECT_EQ(NormalizeToMedian::at<float>({}, s, {}, none, {}).factor, 1);
}

/// LibTorch takes cpu and cpu:0 for two devices.
TEST(NormalizeToMedian, RefusesTwoDevicesAndLeavesAll) {
  float memory[] = {1, 1, 1};
  const at::Device second(at::kCPU, 0);
  std::vector<at::Tensor> params{at::ones({3}), at::for_blob(memory, {3})
                                                    .target_device(second)
                                                    .options(at::TensorOptions().device(second))
                                                    .make_tensor()};
  for (at::Tensor& p : params) {
    p.requires_grad_();
    p.mutable_grad() = p.detach();
  }
  Trained<> trained(Trained<>::Options(0.1), at::kFloat, false, params);
  try {
    trained.optimizer.step();
    ADD_FAILURE() << "it took parameters on two devices";
  } catch (const c10::Error& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("parameter 1 of group 0 is on cpu:0, but parameter 0 of group 0 on cpu;"),
              std::string::npos)
        << text;
  }
  for (const at::Tensor& p : params) EXPECT_EQ(*p.const_data_ptr<float>(), 1);
  EXPECT_TRUE(trained.optimizer.state().empty());
  params[1].mutable_grad() = at::Tensor();
  trained.optimizer.step();
  EXPECT_NE(*params[0].const_data_ptr<float>(), 1);
}

}  // namespace normalize_to_median
