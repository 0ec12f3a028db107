// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/adam_mini.hpp>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "../contract/layout.hpp"
#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::AdamMini> {
  static constexpr const char* golden = "adammini";
  static std::vector<rule::AdamMini::Options> options() {
    return {{},
            {.betas = {0.8, 0.5}, .eps = 1e-3, .weight_decay = 0.1},
            {.weight_decay = 0.01, .maximize = true}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(AdamMini, RuleContract, rule::AdamMini);

TEST(AdamMini, FollowsTheFormulaInAnyLayout) {
  for (const auto& [shape, order] : std::vector<contract::Layout>{{{5}, {0}},
                                                                  {{9000}, {0}},
                                                                  {{1, 1}, {0, 1}},
                                                                  {{1, 200}, {0, 1}},
                                                                  {{200, 1}, {1, 0}},
                                                                  {{3, 9000}, {0, 1}},
                                                                  {{3, 9000}, {1, 0}},
                                                                  {{65, 129}, {1, 0}},
                                                                  {{1500, 3}, {0, 1}},
                                                                  {{5, 4, 3, 3}, {0, 2, 3, 1}},
                                                                  {{5, 4, 3, 3}, {2, 0, 1, 3}},
                                                                  {{3, 70, 2, 5}, {1, 3, 0, 2}}}) {
    SCOPED_TRACE(c10::str(at::IntArrayRef(shape), " in the order ", at::IntArrayRef(order)));
    at::Tensor param = contract::laid_out(shape, order, 1);
    at::Tensor p = param.clone(), m = at::zeros_like(p);
    std::vector<std::int64_t> others(shape.size());
    for (std::size_t d = 0; d < others.size(); ++d) others[d] = std::int64_t(d);
    if (shape.size() > 1) others.erase(others.begin());
    at::Tensor v = at::zeros({1}, at::kDouble);
    param.requires_grad_();
    AdamMini optimizer({param}, AdamMini::Options(0.1));
    for (int t = 1; t <= 6; ++t) {
      const at::Tensor g = contract::random(shape, 10 + t) * contract::random(shape, 9).abs();
      param.mutable_grad() =
          at::empty_like(param, at::TensorOptions().requires_grad(false)).copy_(g);
      optimizer.step();
      m = m + 0.1 * (g - m);
      v = v + 0.001 * (g.square().mean(others, true) - v);
      const at::Tensor root = (v / (1 - std::pow(0.999, t))).sqrt() + 1e-8;
      p = p - 0.1 * m / (1 - std::pow(0.9, t)) / root;
    }
    const auto expect_close = [](const at::Tensor& got, const at::Tensor& want) {
      ASSERT_EQ(got.sizes(), want.sizes());
      EXPECT_LE((got - want).norm().item<double>(), 1e-13 * want.norm().item<double>());
    };
    expect_close(param.detach(), p);
    expect_close(contract::state_of(optimizer, param).get<"exp_avg">(), m);
    expect_close(contract::state_of(optimizer, param).get<"exp_avg_sq_row">(), v);
  }
}

TEST(AdamMini, StoresOneAverageForEachRowInFloatOrDouble) {
  for (const at::ScalarType dtype : contract::kDtypes) {
    contract::Trained<Recipe<rule::AdamMini>> trained(AdamMini::Options(), dtype);
    trained.run(0, 3);
    for (const at::Tensor& param : trained.params) {
      const auto& state = contract::state_of(trained.optimizer, param);
      EXPECT_FALSE(state.get<"exp_avg_sq">().defined());
      ASSERT_EQ(state.get<"exp_avg_sq_row">().defined(), param.numel() > 0);
      if (param.numel() == 0) continue;
      EXPECT_EQ(state.get<"exp_avg_sq_row">().scalar_type(),
                dtype == at::kDouble ? at::kDouble : at::kFloat);
      EXPECT_EQ(state.get<"exp_avg_sq_row">().numel(), param.dim() < 2 ? 1 : param.size(0));
    }
  }
}

TEST(AdamMini, SeesGradientsAfterTheTransformsAndRowsOfThoseOfAGC) {
  using Clipped = Recipe<rule::AdamMini, gradient::AGC, gradient::ClipByNorm>;
  contract::expect_backends_agree<Clipped>(
      contract::Trained<Clipped>::Options(0.01).max_norm(0.5).set<gradient::AGC>(
          {.clip_factor = 0.1}));
  at::Tensor p = at::ones({2, 3}, at::kDouble).requires_grad_();
  Optimizer<Recipe<rule::AdamMini, gradient::ClipByValue>> optimizer(
      {p}, Optimizer<Recipe<rule::AdamMini, gradient::ClipByValue>>::Options(0.01).max_value(2));
  p.mutable_grad() = at::full({2, 3}, 100.0, at::kDouble);
  optimizer.step();
  using ClippedState = Optimizer<Recipe<rule::AdamMini, gradient::ClipByValue>>::ParamState;
  const auto& state =
      static_cast<const ClippedState&>(*optimizer.state().at(p.unsafeGetTensorImpl()));
  EXPECT_NEAR(state.get<"exp_avg_sq_row">()[1].item<double>(), 0.004, 1e-15);
}

TEST(AdamMini, AveragesOfAnotherShapeAreErrors) {
  at::Tensor p = at::ones({4, 4}).requires_grad_();
  p.mutable_grad() = at::ones({4, 4});
  AdamMini optimizer({p}, AdamMini::Options());
  auto state = std::make_unique<AdamMini::ParamState>();
  state->set<"exp_avg_sq_row">(at::ones({4, 4}));
  optimizer.state()[p.unsafeGetTensorImpl()] = std::move(state);
  try {
    optimizer.step();
    FAIL();
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what_without_backtrace())
                  .find("exp_avg_sq_row of parameter 0 of group 0 has shape [4, 4]"),
              std::string::npos)
        << error.what_without_backtrace();
  }
}
