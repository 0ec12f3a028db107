// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/adafactor.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "../contract/layout.hpp"
#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Adafactor> {
  static constexpr const char* golden = "adafactor";
  static std::vector<rule::Adafactor::Options> options() {
    return {{},
            {.beta2_decay = -0.5, .eps = {1e-3, 0.75}, .d = 2},
            {.eps = {1e-6, 1e-3}, .weight_decay = 0.1, .maximize = true}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Adafactor, RuleContract, rule::Adafactor);

namespace {

/// One step, from the averages of the step before; as in the comment of the rule.
void step_by_hand(at::Tensor& p, const at::Tensor& g, at::Tensor& row, at::Tensor& column, double t,
                  double lr) {
  const double gain = std::pow(t, -0.8);
  row = row + gain * (g.square().mean(-1, true) - row);
  column = column + gain * (g.square().mean(-2, true) - column);
  const at::Tensor v = row.matmul(column) / row.mean(-2, true).clamp_min(1e-6);
  const at::Tensor u = g / v.clamp_min(1e-12).sqrt();
  const auto rms = [](const at::Tensor& x) { return std::sqrt(x.square().mean().item<double>()); };
  const double rate = std::min(lr, 1 / std::sqrt(t)) * std::max(1e-3, rms(p));
  p = p - rate / std::max(1.0, rms(u)) * u;
}

}  // namespace

TEST(Adafactor, FollowsTheFormulaInAnyLayout) {
  for (const auto& [shape, order] : contract::layouts()) {
    SCOPED_TRACE(c10::str(at::IntArrayRef(shape), " in the order ", at::IntArrayRef(order)));
    at::Tensor param = contract::laid_out(shape, order, 1);
    at::Tensor p = param.clone(), row = at::zeros({1}, at::kDouble), column = row;
    param.requires_grad_();
    Adafactor optimizer({param}, Adafactor::Options(0.3).set<"eps">({1e-6, 1e-3}));
    for (int t = 1; t <= 12; ++t) {
      const at::Tensor g = contract::random(shape, 10 + t) * contract::random(shape, 9).abs();
      param.mutable_grad() =
          at::empty_like(param, at::TensorOptions().requires_grad(false)).copy_(g);
      optimizer.step();
      step_by_hand(p, g, row, column, t, 0.3);
    }
    const auto expect_close = [](const at::Tensor& got, const at::Tensor& want) {
      ASSERT_EQ(got.sizes(), want.sizes());
      EXPECT_LE((got - want).norm().item<double>(), 1e-13 * want.norm().item<double>());
    };
    expect_close(param.detach(), p);
    expect_close(contract::state_of(optimizer, param).get<"row_var">(), row);
    expect_close(contract::state_of(optimizer, param).get<"col_var">(), column);
  }
}

TEST(Adafactor, StoresAveragesOfMatricesInFloatOrDouble) {
  for (const at::ScalarType dtype : contract::kDtypes) {
    contract::Trained<Recipe<rule::Adafactor>> trained(Adafactor::Options(), dtype);
    trained.run(0, 3);
    for (const at::Tensor& param : trained.params) {
      const auto& state = contract::state_of(trained.optimizer, param);
      const bool factored = param.dim() >= 2 && param.numel() > 0;
      EXPECT_EQ(state.get<"variance">().defined(), !factored);
      EXPECT_EQ(state.get<"row_var">().defined(), factored);
      EXPECT_EQ(state.get<"col_var">().defined(), factored);
      if (!factored) continue;
      const auto type = dtype == at::kDouble ? at::kDouble : at::kFloat;
      EXPECT_EQ(state.get<"row_var">().scalar_type(), type);
      EXPECT_EQ(state.get<"row_var">().numel(), param.numel() / param.size(-1));
      EXPECT_EQ(state.get<"col_var">().numel(), param.numel() / param.size(-2));
    }
  }
}

TEST(Adafactor, TinyAndHugeGradientsLeaveAllFinite) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    for (const double eps : {0.0, 1e-30, 1e-3}) {
      for (const double scale : {0.0, 1e-38, 1e-20, 1e18}) {
        contract::Trained<Recipe<rule::Adafactor>> trained(
            Adafactor::Options().set<"eps">({eps, 1e-3}), dtype);
        EXPECT_TRUE(contract::all_finite(trained.run(0, 3, scale).now()))
            << dtype << ", eps " << eps << ", gradients of " << scale;
      }
    }
  }
}

TEST(Adafactor, TheRateIsAtMostOneOverTheRootOfTheStep) {
  at::Tensor p = at::ones({4}, at::kDouble).requires_grad_();
  Adafactor optimizer({p}, Adafactor::Options(10.0));
  for (int t = 1; t <= 3; ++t) {
    const double before = p[0].item<double>();
    p.mutable_grad() = at::ones({4}, at::kDouble);
    optimizer.step();
    EXPECT_NEAR(p[0].item<double>(), before - std::max(1e-3, std::abs(before)) / std::sqrt(t),
                1e-15);
  }
}

TEST(Adafactor, AveragesOfAnotherShapeOrSharedMemoryAreErrors) {
  const auto with = [](at::Tensor row, at::Tensor column) {
    at::Tensor p = at::ones({4, 4}).requires_grad_();
    p.mutable_grad() = at::ones({4, 4});
    Adafactor optimizer({p}, Adafactor::Options());
    auto state = std::make_unique<Adafactor::ParamState>();
    state->set<"row_var">(row).set<"col_var">(column);
    optimizer.state()[p.unsafeGetTensorImpl()] = std::move(state);
    try {
      optimizer.step();
    } catch (const c10::Error& error) {
      return std::string(error.what_without_backtrace());
    }
    return std::string();
  };
  const at::Tensor both = at::ones({4});
  EXPECT_EQ(with(at::ones({4, 1}), at::ones({1, 4})), "");
  EXPECT_NE(with(at::ones({1, 4}), at::ones({1, 4}))
                .find("row_var of parameter 0 of group 0 has "
                      "shape [1, 4]"),
            std::string::npos);
  EXPECT_NE(
      with(both.view({4, 1}), both.view({1, 4})).find("share memory: give each memory of its"),
      std::string::npos);
}
