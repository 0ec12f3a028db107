// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/adafactor.hpp>
#include <agmohd/rule/lamb.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "rows.hpp"

using namespace agmohd;

template <>
struct contract::Sample<gradient::MedianFilter> {
  static std::vector<gradient::MedianFilter::Options> options() { return {{}, {1}}; }
};

namespace median_filter {

using gradient::MedianFilter;

template <class... Behind>
using Filtered = Recipe<rule::SGD, contract::SkipAbove, MedianFilter, Behind...>;
template <class... Behind>
using Trained = contract::Trained<Filtered<Behind...>>;

/// The formula, with torch's median, in the gradient's own precision.
at::Tensor expected(const at::Tensor& grad, double outlier_z) {
  const at::Tensor g = grad.scalar_type() == at::kDouble ? grad : grad.to(at::kFloat);
  if (g.numel() <= 10) return g;
  const at::Tensor size = g.abs(), middle = size.median();
  const double deviation = (size - middle).abs().median().item<double>();
  if (!(deviation > 0)) return g;
  const double bound = middle.item<double>() + outlier_z * deviation / 0.6745;
  const at::Tensor limit = at::full({}, bound, g.options());  // rounds as g does
  return at::where(size > limit, at::copysign(middle, g), g);
}

/// With outliers, ties, zeros in more than half, zeros in fewer; more pieces than one; ten and
/// eleven elements.
std::vector<at::Tensor> parameters(at::ScalarType dtype) {
  std::vector<at::Tensor> out = contract::row_parameters(dtype);
  for (const std::int64_t numel : {10, 11, 12, 40, 4096, 4097, 100'001, 0}) {
    out.push_back(at::zeros({numel}).to(dtype).requires_grad_());
  }
  for (at::Tensor& p : out) p = at::zeros_like(p.detach()).requires_grad_();
  return out;
}
void set_gradients(std::vector<at::Tensor>& params, int seed) {
  contract::set_gradients(params, seed);
  int i = 0;
  for (at::Tensor& p : params) {
    at::Tensor& g = p.mutable_grad();
    if (!g.defined()) continue;
    switch (i++ % 4) {
      case 0:
        g = g * g * g * 100;  // heavy tails
        break;
      case 1:
        g = at::where(g > 0.3, g, at::zeros_like(g));
        break;
      case 2:
        g = (g * 3).round();  // many that are equal
        break;
      default:
        break;
    }
  }
}

TEST(MedianFilter, Bounds) { contract::expect_bounds<MedianFilter>(); }

TEST(MedianFilter, ReplacesOutliersByTheMedianWithTheirSign) {
  for (const at::ScalarType dtype : contract::kDtypes) {
    for (const bool reference : {false, true}) {
      for (const double z : {3.5, 1.0}) {
        SCOPED_TRACE(std::string(c10::toString(dtype)) + (reference ? ", reference" : ""));
        std::vector<at::Tensor> params = parameters(dtype);
        set_gradients(params, 5);
        Trained<> trained(
            Trained<>::Options(1.0).set<MedianFilter>({z}).set<contract::SkipAbove>({1e30}), dtype,
            reference, params);
        trained.optimizer.step();
        int changed = 0;
        for (std::size_t i = 0; i < params.size(); ++i) {
          const at::Tensor want = expected(params[i].grad(), z).to(dtype);
          EXPECT_TRUE(at::equal(-params[i].detach(), want)) << "tensor " << i;
          changed += at::equal(want, params[i].grad()) ? 0 : 1;
        }
        EXPECT_GT(changed, 4);
      }
    }
  }
}

/// No element grows, and none changes its sign: what agmohd's Python package does not keep.
TEST(MedianFilter, KeepsSignsAndNeverGrows) {
  std::vector<at::Tensor> params{at::zeros({20'000}).requires_grad_()};
  params[0].mutable_grad() = contract::random({20'000}, 1).pow(5).mul(50).to(at::kFloat);
  Trained<> trained(Trained<>::Options(1.0).set<contract::SkipAbove>({1e30}), at::kFloat, false,
                    params);
  trained.optimizer.step();
  const at::Tensor got = -params[0].detach(), g = params[0].grad();
  EXPECT_TRUE(at::equal(got.sign(), g.sign()));
  EXPECT_TRUE((got.abs() <= g.abs()).all().item<bool>());
  EXPECT_GT((got.abs() < g.abs()).sum().item<std::int64_t>(), 1000);
}

TEST(MedianFilter, AClipBehindItClipsTheFilteredGradient) {
  std::vector<at::Tensor> params = parameters(at::kDouble);
  set_gradients(params, 2);
  double norm2 = 0;
  std::vector<at::Tensor> want;
  for (const at::Tensor& p : params) {
    want.push_back(expected(p.grad(), 3.5));
    norm2 += want.back().square().sum().item<double>();
  }
  using Clipped = Trained<gradient::ClipByNorm>;
  Clipped trained(Clipped::Options(1.0).set<"max_norm">(0.5), at::kDouble, false, params);
  trained.optimizer.step();
  EXPECT_NEAR(trained.optimizer.signals().norm2, norm2, 1e-12 * norm2);
  for (std::size_t i = 0; i < params.size(); ++i) {
    EXPECT_TRUE(at::allclose(-params[i].detach(), want[i] * (0.5 / std::sqrt(norm2)), 1e-12, 0));
  }
}

TEST(MedianFilter, WhatIsNotFiniteIsSeen) {
  for (const float bad :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()}) {
    for (const bool reference : {false, true}) {
      Trained<> trained(Trained<>::Options(0.1), at::kFloat, reference, parameters(at::kFloat));
      trained.run(0, 1);
      set_gradients(trained.params, 2);
      trained.params[6].mutable_grad()[0][3] = bad;
      const auto before = trained.now();
      trained.optimizer.step();  // which is skipped
      contract::expect_same(trained.now(), before);
      EXPECT_EQ(trained.optimizer.signals().nonfinite, 1);
    }
  }
}

TEST(MedianFilter, FindsNothingWhereThereIsNoSpread) {
  const auto none = std::numeric_limits<double>::infinity();
  EXPECT_EQ(MedianFilter::outliers({}, 1, 0, 100).bound, none);
  EXPECT_EQ(MedianFilter::outliers({}, 1, std::nan(""), 100).bound, none);
  EXPECT_EQ(MedianFilter::outliers({}, 1, 1, 10).bound, none);
  EXPECT_DOUBLE_EQ(MedianFilter::outliers({2}, 1, 0.6745, 11).bound, 3);
}

/// With other transforms behind, two sweeps, and a factored slot.
TEST(MedianFilter, BackendsAgreeThreadsDoNotMatterAndItResumes) {
  using Clipped = Filtered<gradient::ClipByValue, gradient::ClipByNorm>;
  contract::expect_joins<Clipped>(contract::Trained<Clipped>::Options(0.1).set<"outlier_z">(1),
                                  contract::row_parameters,
                                  {std::begin(contract::kDtypes), std::end(contract::kDtypes)});
  using Lamb = Recipe<rule::LAMB, MedianFilter, gradient::ClipByNorm, gradient::NormalizeToMedian>;
  contract::expect_joins<Lamb>(contract::Trained<Lamb>::Options(0.01).set<"outlier_z">(1),
                               contract::row_parameters);
  using Factored = Recipe<rule::Adafactor, MedianFilter>;
  contract::expect_joins<Factored>(contract::Trained<Factored>::Options(0.01).set<"outlier_z">(1),
                                   contract::row_parameters);
}

}  // namespace median_filter
