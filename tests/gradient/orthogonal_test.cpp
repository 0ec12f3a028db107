// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/adafactor.hpp>
#include <agmohd/rule/lamb.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "rows.hpp"

using namespace agmohd;

template <>
struct contract::Sample<gradient::Orthogonal> {
  static std::vector<gradient::Orthogonal::Options> options() { return {{}}; }
};

namespace orthogonal {

using gradient::Orthogonal;

template <class... Behind>
using Turned = Recipe<rule::SGD, contract::SkipAbove, Orthogonal, Behind...>;
template <class... Behind>
using Trained = contract::Trained<Turned<Behind...>>;

/// Algorithm 1.
at::Tensor expected(const at::Tensor& param, const at::Tensor& grad) {
  const at::Tensor p = param.detach().to(at::kDouble), g = grad.to(at::kDouble);
  if (g.numel() < 2) return at::zeros_like(g);
  const at::Tensor h = g - (p * g).sum() / ((p * p).sum() + 1e-30) * p;
  return h * (g.norm() / (h.norm() + 1e-30));
}

/// More chunks of sums than 32 lanes have, and a tensor of zeros.
std::vector<at::Tensor> parameters(at::ScalarType dtype) {
  std::vector<at::Tensor> out = contract::row_parameters(dtype);
  out.push_back(at::zeros({40}).to(dtype).requires_grad_());
  out.push_back(contract::random({300, 500}, 300).to(dtype).requires_grad_());
  return out;
}

TEST(Orthogonal, Bounds) { contract::expect_bounds<Orthogonal>(); }

TEST(Orthogonal, RemovesThePartAlongTheParameterAndKeepsTheNorm) {
  for (const at::ScalarType dtype : contract::kDtypes) {
    for (const bool reference : {false, true}) {
      SCOPED_TRACE(std::string(c10::toString(dtype)) + (reference ? ", reference" : ""));
      std::vector<at::Tensor> params = parameters(dtype);
      contract::set_gradients(params, 0);
      std::vector<at::Tensor> want;
      for (const at::Tensor& p : params) {
        want.push_back((p.detach().to(at::kDouble) - expected(p, p.grad())).to(dtype));
      }
      Trained<> trained(Trained<>::Options(1.0), dtype, reference, params);
      trained.optimizer.step();
      for (std::size_t i = 0; i < params.size(); ++i) {
        EXPECT_TRUE(at::allclose(params[i].detach().to(at::kDouble), want[i].to(at::kDouble),
                                 contract::epsilon(dtype), contract::epsilon(dtype)))
            << "tensor " << i;
      }
    }
  }
}

TEST(Orthogonal, ASmallStepDoesNotChangeTheNorm) {
  std::vector<at::Tensor> params{contract::random({30, 40}, 7).to(at::kDouble).requires_grad_()};
  params[0].mutable_grad() = contract::random({30, 40}, 8).to(at::kDouble) + params[0].detach();
  const double before = params[0].norm().item<double>(),
               size = params[0].grad().norm().item<double>();
  Trained<> trained(Trained<>::Options(1e-6), at::kDouble, false, params);
  trained.optimizer.step();
  EXPECT_NEAR(params[0].norm().item<double>(), before, 1e-12 * size * size);
}

TEST(Orthogonal, AClipBehindItClipsTheProjectedGradient) {
  std::vector<at::Tensor> params = parameters(at::kDouble);
  contract::set_gradients(params, 0);
  double norm2 = 0;
  std::vector<at::Tensor> want;
  for (const at::Tensor& p : params) {
    want.push_back(expected(p, p.grad()));
    norm2 += want.back().square().sum().item<double>();
  }
  for (std::size_t i = 0; i < params.size(); ++i) {
    want[i] = params[i].detach().to(at::kDouble) - want[i] * (0.5 / std::sqrt(norm2));
  }
  using Clipped = Trained<gradient::ClipByNorm>;
  Clipped trained(Clipped::Options(1.0).set<"max_norm">(0.5), at::kDouble, false, params);
  trained.optimizer.step();
  EXPECT_NEAR(trained.optimizer.signals().norm2, norm2, 1e-12 * norm2);
  for (std::size_t i = 0; i < params.size(); ++i) {
    EXPECT_TRUE(at::allclose(params[i].detach(), want[i], 1e-12, 1e-12)) << "tensor " << i;
  }
}

TEST(Orthogonal, AGradientAlongTheParameterBecomesZero) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    std::vector<at::Tensor> params{contract::random({50, 7}, 1).to(dtype).requires_grad_()};
    params[0].mutable_grad() = params[0].detach() * -3;
    const at::Tensor before = params[0].detach().clone();
    Trained<> trained(Trained<>::Options(1.0), dtype, false, params);
    trained.optimizer.step();
    EXPECT_TRUE(at::equal(params[0].detach(), before));
  }
  EXPECT_EQ(Orthogonal::projection({}, 4, -12, 36).scale, 0);
  EXPECT_EQ(Orthogonal::projection({}, 0, 0, 36).scale, 1);
  EXPECT_EQ(Orthogonal::projection({}, 4, 0, 0).scale, 0);
}

TEST(Orthogonal, AGradientThatIsNotFiniteIsSeen) {
  Trained<> trained(Trained<>::Options(0.1), at::kFloat, false, parameters(at::kFloat));
  trained.run(0, 1);
  contract::set_gradients(trained.params, 1);
  trained.params[6].mutable_grad()[3][2] = std::numeric_limits<float>::infinity();
  const auto before = trained.now();
  trained.optimizer.step();  // which is skipped
  contract::expect_same(trained.now(), before);
  EXPECT_EQ(trained.optimizer.signals().nonfinite, 1);
}

/// With another transform behind, two sweeps, and a factored slot.
TEST(Orthogonal, BackendsAgreeThreadsDoNotMatterAndItResumes) {
  using Clipped = Turned<gradient::ClipByValue, gradient::ClipByNorm>;
  contract::expect_joins<Clipped>(contract::Trained<Clipped>::Options(0.1), parameters,
                                  {std::begin(contract::kDtypes), std::end(contract::kDtypes)});
  using Lamb = Recipe<rule::LAMB, Orthogonal, gradient::ClipByNorm>;
  contract::expect_joins<Lamb>(contract::Trained<Lamb>::Options(0.01), parameters);
  using Factored = Recipe<rule::Adafactor, Orthogonal>;
  contract::expect_joins<Factored>(contract::Trained<Factored>::Options(0.01), parameters);
}

}  // namespace orthogonal
