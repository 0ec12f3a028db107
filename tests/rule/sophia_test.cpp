// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/sophia.hpp>
#include <agmohd/wrap/hessian.hpp>
#include <algorithm>
#include <cstdint>
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
