// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/capped.hpp>
#include <agmohd/rule/sgd.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Capped<rule::AdamW>> {
  using Options = rule::Capped<rule::AdamW>::Options;
  static std::vector<Options> options() {
    Options tight, other;
    tight.cap.max_update = 1e-3;
    other.betas = {0.8, 0.99}, other.weight_decay = 0.1, other.amsgrad = true;
    return {{}, tight, other};
  }
  static constexpr double lr = 0.1;
};

INSTANTIATE_TYPED_TEST_SUITE_P(CappedAdamW, RuleContract, rule::Capped<rule::AdamW>);

namespace {

using CappedSGD = Optimizer<Recipe<rule::Capped<rule::SGD>>>;

/// |change| / |p| of one step of a tensor of 3000 elements, and what plain SGD would do.
std::pair<double, double> moved(double lr, double max_update, at::ScalarType dtype,
                                bool reference) {
  at::Tensor p = contract::random({3, 1000}, 1).to(dtype).requires_grad_();
  const at::Tensor before = p.detach().to(at::kDouble).clone();
  p.mutable_grad() = contract::random({3, 1000}, 2).to(dtype);
  CappedSGD optimizer({p}, CappedSGD::Options(lr).set<"max_update">(max_update));
  if (reference) optimizer.use_tensor_backend();
  optimizer.step();
  const double norm = before.norm().item<double>();
  return {(p.detach().to(at::kDouble) - before).norm().item<double>() / norm,
          lr * p.grad().to(at::kDouble).norm().item<double>() / norm};
}

}  // namespace

TEST(Capped, MovesByTheShareAtMost) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    for (const bool reference : {false, true}) {
      const auto [small, as_sgd] = moved(1e-4, 0.02, dtype, reference);
      EXPECT_NEAR(small, as_sgd, 1e-5 * as_sgd);  // below the bound it is the rule
      EXPECT_NEAR(moved(10, 0.02, dtype, reference).first, 0.02, 1e-7);
      EXPECT_NEAR(moved(10, 0.5, dtype, reference).first, 0.5, 1e-6);
    }
  }
}

TEST(Capped, TensorsOfZerosMoveAsTheRuleSays) {
  at::Tensor p = at::zeros({40}, at::kDouble).requires_grad_();
  p.mutable_grad() = at::ones_like(p).detach();
  CappedSGD optimizer({p}, 0.5);
  optimizer.step();
  EXPECT_TRUE((p == -0.5).all().item<bool>());
}
