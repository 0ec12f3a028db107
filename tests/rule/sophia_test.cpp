// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/sophia.hpp>
#include <agmohd/wrap/hessian.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Sophia> {
  static constexpr const char* golden = "sophia";
  static std::vector<rule::Sophia::Options> options() {
    return {{},
            {.betas = {0.8, 0.9}, .rho = 0.1, .eps = 0.5, .weight_decay = 0.05},
            {.betas = {0.0, 0.5}, .weight_decay = 0, .maximize = true}};
  }
  static double first(const rule::Sophia::Options& o, double lr, double p, double g) {
    const double m = (1 - o.betas.first) * (o.maximize ? -g : g);
    return p * (1 - lr * o.weight_decay) - lr * std::clamp(m / o.eps, -1.0, 1.0);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Sophia, RuleContract, rule::Sophia);

namespace {

using TrainedSophia = contract::Trained<Recipe<rule::Sophia>>;
using SophiaState = TrainedSophia::Optimizer::ParamState;

std::int64_t steps_of(const TrainedSophia::Optimizer& optimizer, const at::Tensor& param) {
  const auto found = optimizer.state().find(param.unsafeGetTensorImpl());
  return found == optimizer.state().end() ? 0
                                          : static_cast<const SophiaState&>(*found->second).step();
}
const at::Tensor& hessian_of(const TrainedSophia::Optimizer& optimizer, const at::Tensor& param) {
  const auto& state = *optimizer.state().at(param.unsafeGetTensorImpl());
  return static_cast<const SophiaState&>(state).get<"hessian">();
}
at::Generator seeded(std::uint64_t seed) {
  at::Generator out = at::globalContext().defaultGenerator(at::kCPU).clone();
  out.set_current_seed(seed);
  return out;
}

TEST(Sophia, FollowsItsPeerWithEstimates) {
  golden::expect_follows<Recipe<rule::Sophia>>(
      "sophia", "Sophia+hessian", torch::kCPU, [](TrainedSophia::Optimizer& optimizer) {
        std::vector<at::Tensor> estimates;
        for (const at::Tensor& p : wrap::parameters_of(optimizer)) {
          const at::Tensor& g = p.grad();
          const bool due = g.defined() && steps_of(optimizer, p) % 10 == 0;
          estimates.push_back(due ? 400 * g * g.abs() : at::Tensor());
        }
        wrap::update_hessian(optimizer, estimates);
      });
}

TEST(UpdateHessian, MovesTheMeanAndNothingElse) {
  for (const at::ScalarType dtype : contract::kDtypes) {
    TrainedSophia trained(TrainedSophia::Options(0.01), dtype);
    std::vector<at::Tensor> estimates;
    for (const at::Tensor& p : trained.params) estimates.push_back(at::full_like(p, 3));
    estimates[1] = at::Tensor();
    wrap::update_hessian(trained.optimizer, estimates);  // before the first step
    wrap::update_hessian(trained.optimizer, estimates);
    trained.run(0, 2);
    EXPECT_EQ(steps_of(trained.optimizer, trained.params[0]), 2);
    for (std::size_t i = 0; i < estimates.size(); ++i) {
      const at::Tensor h = hessian_of(trained.optimizer, trained.params[i]).to(at::kDouble);
      const double expected = i == 1 ? 0 : 3 * (1 - 0.99 * 0.99);
      EXPECT_TRUE(at::allclose(h, at::full_like(h, expected), 1e-6, 0)) << i;
    }
  }
}

TEST(UpdateHessian, RefusesOtherNumbersAndShapes) {
  TrainedSophia trained(TrainedSophia::Options(0.01));
  trained.run(0, 2);
  const contract::Snapshot before = trained.now();
  std::vector<at::Tensor> estimates;
  for (const at::Tensor& p : trained.params) estimates.push_back(at::ones_like(p));
  estimates.back() = at::ones({estimates.back().numel() + 1});
  EXPECT_THROW(wrap::update_hessian(trained.optimizer, estimates), c10::Error);
  estimates.pop_back();
  EXPECT_THROW(wrap::update_hessian(trained.optimizer, estimates), c10::Error);
  contract::expect_same(trained.now(), before);
}

TEST(UpdateHessian, ElementsThatAreNotFiniteAreLeftOut) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const at::Tensor p = at::ones({4}, dtype).requires_grad_();
    TrainedSophia::Optimizer optimizer(std::vector<at::Tensor>{p}, 0.01);
    const at::Tensor good = at::full({4}, 3.0, at::kDouble);
    at::Tensor bad = good.clone();
    bad[0] = std::nan(""), bad[1] = inf, bad[2] = dtype == at::kDouble ? -inf : 1e300;
    for (const at::Tensor& estimate : {good, bad}) wrap::update_hessian(optimizer, {estimate});
    const at::Tensor h = hessian_of(optimizer, p).to(at::kDouble);
    for (int i = 0; i < 4; ++i) {
      EXPECT_NEAR(h[i].item<double>(), 3 * (i < 3 ? 0.01 : 1 - 0.99 * 0.99), 1e-7) << i << dtype;
    }
  }
}

TEST(UpdateHessian, FrozenParametersHaveNoEstimate) {
  const at::Tensor w = at::full({2}, 3.0, at::kDouble).requires_grad_(),
                   f = at::full({2}, 2.0, at::kDouble);
  TrainedSophia::Optimizer optimizer(std::vector<at::Tensor>{w, f}, 0.01);
  const std::vector<at::Tensor> all = wrap::parameters_of(optimizer);
  const auto newton = wrap::hutchinson((w * w * f).sum(), all);
  EXPECT_TRUE(at::equal(newton[0], 2 * f));
  EXPECT_FALSE(newton[1].defined());
  const auto gauss = wrap::gauss_newton_bartlett((w * f).view({1, 2}), all);
  EXPECT_TRUE(gauss[0].defined() && !gauss[1].defined());
  wrap::update_hessian(optimizer, newton);
  const at::Tensor before = hessian_of(optimizer, w).clone();
  EXPECT_TRUE(at::allclose(before, at::full_like(before, 0.04), 1e-14, 0));
  EXPECT_THROW(wrap::update_hessian(optimizer, {newton[0], at::ones_like(f)}), c10::Error);
  EXPECT_TRUE(at::equal(hessian_of(optimizer, w), before));
  const auto none = wrap::hutchinson((w * w).sum(), {f});
  EXPECT_FALSE(none[0].defined());
}

/// Softmax of two equal logits, whose gradients are +-1e-4: their squares are below float16.
TEST(GaussNewtonBartlett, SquaresInFloat32) {
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    const at::Tensor w = at::zeros({2}, dtype).requires_grad_();
    const at::Tensor logits = (w * 2e-4).to(at::kFloat).view({1, 2});
    const at::Tensor estimate = wrap::gauss_newton_bartlett(logits, {w})[0];
    EXPECT_EQ(estimate.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::allclose(estimate, at::full({2}, 1e-8), 2e-2, 0)) << estimate;
  }
}

TEST(Sophia, EpsIsAboveZero) {
  EXPECT_THROW(check<rule::Sophia>({.eps = 0}), std::invalid_argument);
}

/// loss = sum a p^2 / 2 + b q + (sum r)^2: Hessians diag(a), 0, and 2 everywhere; s is not in it.
TEST(Hutchinson, IsExactForDiagonalHessiansAndRightInTheMean) {
  const at::Tensor a = contract::random({3, 4}, 1);
  const at::Tensor p = contract::random({3, 4}, 2).requires_grad_();
  const at::Tensor q = contract::random({5}, 3).requires_grad_();
  const at::Tensor r = contract::random({4}, 4).requires_grad_();
  const at::Tensor s = contract::random({2}, 5).requires_grad_();
  const at::Tensor loss = (a * p * p).sum() / 2 + 3 * q.sum() + r.sum().square();
  const std::vector<at::Tensor> once = wrap::hutchinson(loss, {p, q, r, s}, seeded(7));
  EXPECT_TRUE(at::allclose(once[0], a, 1e-14, 1e-14));
  EXPECT_TRUE(at::equal(once[1], at::zeros_like(q)));
  EXPECT_FALSE(once[3].defined());
  const std::vector<at::Tensor> again = wrap::hutchinson(loss, {p, q, r, s}, seeded(7));
  EXPECT_TRUE(at::equal(once[2], again[2]));
  const std::vector<at::Tensor> mean = wrap::hutchinson(loss, {p, q, r, s}, seeded(8), 4000);
  EXPECT_TRUE(at::allclose(mean[2], at::full_like(r, 2), 0, 0.3));  // its deviation is 0.055
  EXPECT_FALSE(once[0].requires_grad());
  loss.backward();  // the graph is still there
  EXPECT_TRUE(at::allclose(p.grad(), a * p, 1e-14, 1e-14));
}

/// Softmax regression, whose Gauss-Newton matrix is the Hessian of its mean cross-entropy: its
/// diagonal is the mean over the rows of q_c (1 - q_c) x_j^2 for the weight of class c and input j.
TEST(GaussNewtonBartlett, IsTheDiagonalOfTheGaussNewtonMatrixInTheMean) {
  const at::Tensor x = contract::random({6, 3}, 1);
  const at::Tensor w = contract::random({4, 3}, 2).requires_grad_();
  const at::Tensor unused = contract::random({2}, 3).requires_grad_();
  const at::Tensor logits = x.matmul(w.t()).reshape({2, 3, 4});
  at::Tensor mean = at::zeros_like(w).detach();
  constexpr int kDraws = 3000;
  at::Generator generator = seeded(11);
  for (int n = 0; n < kDraws; ++n) {
    const auto estimates = wrap::gauss_newton_bartlett(logits, {w, unused}, generator);
    EXPECT_FALSE(estimates[1].defined());
    mean += estimates[0] / kDraws;
  }
  const at::Tensor q = at::softmax(logits.detach().reshape({6, 4}), 1);
  const at::Tensor expected = (q * (1 - q)).t().matmul(x * x) / 6;
  EXPECT_TRUE(at::allclose(mean, expected, 0.2, 1e-3)) << mean << expected;
  EXPECT_FALSE(mean.requires_grad());
  logits.sum().backward();  // the graph is still there
  EXPECT_THROW(wrap::gauss_newton_bartlett(logits.detach(), {w}), c10::Error);
}

}  // namespace
