// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/came.hpp>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "../contract/layout.hpp"
#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::CAME> {
  static constexpr const char* golden = "came";
  static std::vector<rule::CAME::Options> options() {
    return {{},
            {.betas = {0.8, 0.95}, .beta3 = 0.99, .eps = {1e-6, 1e-4}, .clip_threshold = 0.5},
            {.clip_threshold = 2, .weight_decay = 0.1, .maximize = true}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(CAME, RuleContract, rule::CAME);

namespace {

/// A product of averages, moved on by the squares of x.
at::Tensor moved(const at::Tensor& x, at::Tensor& row, at::Tensor& column, double gain,
                 double added) {
  row = row + gain * ((x.square() + added).mean(-1, true) - row);
  column = column + gain * ((x.square() + added).mean(-2, true) - column);
  return row.matmul(column) / row.mean(-2, true);
}

}  // namespace

TEST(CAME, FollowsTheFormulaInAnyLayout) {
  for (const auto& [shape, order] : contract::layouts()) {
    SCOPED_TRACE(c10::str(at::IntArrayRef(shape), " in the order ", at::IntArrayRef(order)));
    at::Tensor param = contract::laid_out(shape, order, 1);
    at::Tensor p = param.clone(), m = at::zeros_like(p);
    at::Tensor row = at::zeros({1}, at::kDouble), column = row, row2 = row, column2 = row;
    param.requires_grad_();
    CAME optimizer({param},
                   CAME::Options(0.01).set<"clip_threshold">(0.7).set<"eps">({1e-8, 1e-6}));
    for (int t = 1; t <= 8; ++t) {
      const at::Tensor g = contract::random(shape, 10 + t) * contract::random(shape, 9).abs();
      param.mutable_grad() =
          at::empty_like(param, at::TensorOptions().requires_grad(false)).copy_(g);
      optimizer.step();
      at::Tensor u = g / moved(g, row, column, 0.001, 1e-8).sqrt();
      u = u / std::max(1.0, std::sqrt(u.square().mean().item<double>()) / 0.7);
      m = m + 0.1 * (u - m);
      p = p - 0.01 * m / moved(u - m, row2, column2, 1e-4, 1e-6).sqrt();
    }
    const auto expect_close = [](const at::Tensor& got, const at::Tensor& want) {
      ASSERT_EQ(got.sizes(), want.sizes());
      EXPECT_LE((got - want).norm().item<double>(), 1e-12 * want.norm().item<double>());
    };
    const auto& state = contract::state_of(optimizer, param);
    expect_close(param.detach(), p);
    expect_close(state.get<"exp_avg">(), m);
    expect_close(state.get<"exp_avg_sq_row">(), row);
    expect_close(state.get<"exp_avg_sq_col">(), column);
    expect_close(state.get<"exp_avg_res_row">(), row2);
    expect_close(state.get<"exp_avg_res_col">(), column2);
  }
}

TEST(CAME, AveragesThatUnderflowGiveFiniteSteps) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    for (const bool reference : {false, true}) {
      const at::Tensor param = at::ones({3, 5}, dtype).requires_grad_();
      param.mutable_grad() = at::zeros({3, 5}, dtype);
      CAME optimizer({param}, CAME::Options(0.1).set<"eps">({1e-45, 1e-45}));
      if (reference) optimizer.use_tensor_backend();
      for (int t = 0; t < 3; ++t) optimizer.step();
      EXPECT_TRUE(param.equal(at::ones({3, 5}, dtype)));
      param.mutable_grad()[1][2] = 1e-30;
      optimizer.step();
      EXPECT_TRUE(param.isfinite().all().item<bool>());
      EXPECT_LT(param[1][2].item<double>(), 1);
    }
  }
}

TEST(CAME, StoresAveragesOfMatricesInFloatOrDouble) {
  for (const at::ScalarType dtype : contract::kDtypes) {
    contract::Trained<Recipe<rule::CAME>> trained(CAME::Options(), dtype);
    trained.run(0, 3);
    for (const at::Tensor& param : trained.params) {
      const auto& state = contract::state_of(trained.optimizer, param);
      const bool factored = param.dim() >= 2 && param.numel() > 0;
      EXPECT_EQ(state.get<"exp_avg_sq">().defined(), !factored);
      EXPECT_FALSE(state.get<"exp_avg_res">().defined());
      EXPECT_EQ(state.get<"exp_avg_res_col">().defined(), factored);
      if (!factored) continue;
      const auto type = dtype == at::kDouble ? at::kDouble : at::kFloat;
      EXPECT_EQ(state.get<"exp_avg_res_row">().scalar_type(), type);
      EXPECT_EQ(state.get<"exp_avg_res_row">().numel(), param.numel() / param.size(-1));
      EXPECT_EQ(state.get<"exp_avg_res_col">().numel(), param.numel() / param.size(-2));
    }
  }
}

TEST(CAME, BackendsAgreeWithTransformsByRowsAndStateInBfloat16) {
  using Clipped = Recipe<rule::CAME, gradient::AGC, gradient::ClipByNorm>;
  contract::expect_backends_agree<Clipped>(
      contract::Trained<Clipped>::Options(0.01).max_norm(0.5).set<gradient::AGC>(
          {.clip_factor = 0.1}));
  using Half = Recipe<rule::CAME, storage::BFloat16>;
  contract::Trained<Half> cpu(contract::Trained<Half>::Options(1e-3), at::kFloat),
      reference(contract::Trained<Half>::Options(1e-3), at::kFloat, true);
  contract::expect_close(cpu.run(0, 3).now(), reference.run(0, 3).now(), 1e-2);
}

TEST(CAME, StatesThatShareMemoryAreErrors) {
  at::Tensor p = at::ones({4, 4}).requires_grad_(), q = at::ones({4, 4}).requires_grad_();
  p.mutable_grad() = at::ones({4, 4}), q.mutable_grad() = at::ones({4, 4});
  CAME optimizer({p, q}, CAME::Options());
  const at::Tensor shared = at::zeros({4, 4});
  for (const at::Tensor& param : {p, q}) {
    auto state = std::make_unique<CAME::ParamState>();
    state->set<"exp_avg">(shared);
    optimizer.state()[param.unsafeGetTensorImpl()] = std::move(state);
  }
  try {
    optimizer.step();
    FAIL();
  } catch (const c10::Error& error) {
    EXPECT_NE(
        std::string(error.what_without_backtrace()).find("share memory: give each memory of its"),
        std::string::npos)
        << error.what_without_backtrace();
  }
}
