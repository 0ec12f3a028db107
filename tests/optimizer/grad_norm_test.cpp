// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

using namespace agmohd;

namespace {

std::vector<at::Tensor> parameters(at::ScalarType dtype) {
  std::vector<at::Tensor> params;
  for (const std::int64_t size : {3, 0, 70, 40000}) {
    params.push_back(torch::zeros({size}, dtype).requires_grad_());
    params.back().mutable_grad() = torch::randn({size}, dtype);
  }
  params.push_back(torch::zeros({5}, dtype).requires_grad_());  // without a gradient
  return params;
}

/// Against the value that torch's clip_grad_norm_ returns.
template <class Gradient>
void expect_norm(typename Gradient::Options clip, double type) {
  using Clipped = Optimizer<Recipe<rule::SGD, Gradient>>;
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    const auto params = parameters(dtype);
    Clipped optimizer(params, typename Clipped::Options(0.1).template set<Gradient>(clip));
    EXPECT_EQ(optimizer.grad_norm().template item<double>(), 0) << "before the first step";
    optimizer.step();
    const auto norm = optimizer.grad_norm();
    EXPECT_EQ(norm.dim(), 0);
    EXPECT_EQ(norm.scalar_type(), at::kDouble);
    std::vector<at::Tensor> measured;
    for (const at::Tensor& p : params) {  // torch has no largest magnitude of an empty tensor
      if (p.numel() == 0 || !p.grad().defined()) continue;
      measured.push_back(p.detach().to(at::kDouble).requires_grad_());
      measured.back().mutable_grad() = p.grad().to(at::kDouble);
    }
    const double wanted = torch::nn::utils::clip_grad_norm_(measured, 1e30, type);
    EXPECT_NEAR(norm.template item<double>(), wanted, 1e-6 * wanted) << dtype;
    optimizer.zero_grad();
    params[0].mutable_grad() = torch::full({3}, 2, dtype);
    optimizer.step();
    EXPECT_NEAR(norm.template item<double>(), wanted, 1e-6 * wanted) << "a value of its own";
    EXPECT_NE(optimizer.grad_norm().template item<double>(), norm.template item<double>());
  }
}

TEST(GradNorm, IsWhatClipGradNormReturns) {
  expect_norm<gradient::ClipByNorm>({.max_norm = 0.5}, 2);
  expect_norm<gradient::ClipByPNorm>({.max_norm = 0.5, .norm_type = 3}, 3);
  expect_norm<gradient::ClipByMaxNorm>({.max_abs = 0.5}, std::numeric_limits<double>::infinity());
}

/// Transforms in front of the clip count.
TEST(GradNorm, IsBehindTransformsInFront) {
  using Chained = Optimizer<Recipe<rule::SGD, gradient::ClipByValue, gradient::ClipByNorm>>;
  const auto params = parameters(at::kDouble);
  Chained optimizer(params, Chained::Options(0.1).max_value(0.5).max_norm(1));
  optimizer.step();
  torch::nn::utils::clip_grad_value_(params, 0.5);
  const double wanted = torch::nn::utils::clip_grad_norm_(params, 1e30);
  EXPECT_NEAR(optimizer.grad_norm().item<double>(), wanted, 1e-12 * wanted);
}

TEST(GradNorm, OfAStepThatIsSkipped) {
  const auto params = parameters(at::kFloat);
  AGMOHD optimizer(params);
  params[0].mutable_grad()[1] = std::numeric_limits<float>::infinity();
  optimizer.step(torch::ones({}));
  EXPECT_EQ(optimizer.updates(), 0);
  EXPECT_EQ(optimizer.grad_norm().item<double>(), std::numeric_limits<double>::infinity());
}

template <class O>
concept has_grad_norm = requires(const O& o) {
  o.grad_norm();
};
static_assert(has_grad_norm<AGMOHD> && !has_grad_norm<AdamW>);

}  // namespace
