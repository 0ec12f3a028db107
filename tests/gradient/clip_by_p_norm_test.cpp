// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "samples.hpp"

using namespace agmohd;

/// Nothing else of its recipe can want norms, as the contract's hindrance policy does, so it joins
/// no suite.
template <>
struct contract::Sample<gradient::ClipByPNorm> {
  static std::vector<gradient::ClipByPNorm::Options> options() {
    return {{}, {.max_norm = 0.1, .norm_type = 2}, {.norm_type = 3}, {40, 8}};
  }
};

namespace clip_by_p_norm {

using gradient::ClipByPNorm;
using Clipped = Recipe<rule::SGD, gradient::ClipByValue, ClipByPNorm>;
using Trained = contract::Trained<Clipped>;

Trained::Options options(const ClipByPNorm::Options& o) {
  return Trained::Options(1.0).set<ClipByPNorm>(o).set<"max_value">(2);
}

TEST(ClipByPNorm, Bounds) { contract::expect_bounds<ClipByPNorm>(); }

TEST(ClipByPNorm, ScalesAllGradientsByOneFactor) {
  for (const ClipByPNorm::Options& o : contract::Sample<ClipByPNorm>::options()) {
    for (const at::ScalarType dtype : contract::kDtypes) {
      for (const double scale : {1e-3, 1.0, 1e3}) {
        for (const bool reference : {false, true}) {
          SCOPED_TRACE(std::string(c10::toString(dtype)) + (reference ? ", reference" : ""));
          std::vector<at::Tensor> params = contract::parameters(dtype), want;
          contract::set_gradients(params, 0, scale);
          double sum = 0;
          for (const at::Tensor& p : params) {
            want.push_back(p.grad().to(at::kDouble).clamp(-2, 2));
            sum += want.back().abs().pow(double(o.norm_type)).sum().item<double>();
          }
          const double norm = std::pow(sum, 1 / double(o.norm_type));
          for (std::size_t i = 0; i < params.size(); ++i) {
            want[i] = params[i].detach().to(at::kDouble) -
                      want[i] * (norm > o.max_norm ? o.max_norm / norm : 1);
          }
          Trained trained(options(o), dtype, reference, params);
          trained.optimizer.step();
          EXPECT_NEAR(trained.optimizer.signals().norm2, sum, 1e-6 * sum);
          for (std::size_t i = 0; i < params.size(); ++i) {
            EXPECT_TRUE(at::allclose(params[i].detach().to(at::kDouble),
                                     want[i].to(dtype).to(at::kDouble), contract::epsilon(dtype),
                                     contract::epsilon(dtype)));
          }
        }
      }
    }
  }
}

TEST(ClipByPNorm, OfTwoIsClipByNorm) {
  for (const double norm2 : {0.0, 0.5, 1e300, HUGE_VAL}) {
    Signals a{.norm2 = norm2, .max_abs = 0.5}, b = a;
    const auto k = ClipByPNorm::at<double>({.max_norm = 0.25, .norm_type = 2}, a, {});
    EXPECT_EQ(k.factor, gradient::ClipByNorm::at<double>({0.25}, b, {}).factor);
    EXPECT_TRUE(a.norm2 == b.norm2 || !std::isfinite(norm2));
    EXPECT_EQ(a.max_abs, b.max_abs);
  }
}

TEST(ClipByPNorm, TellsLaterTransformsTheSum) {
  Signals s{.norm2 = 8, .max_abs = 1};
  const auto k = ClipByPNorm::at<double>({.max_norm = 1, .norm_type = 3}, s, {});
  EXPECT_NEAR(k.factor, 0.5, 1e-14);
  EXPECT_NEAR(s.norm2, 1, 1e-13);
  EXPECT_EQ(s.max_abs, k.factor);
}

TEST(ClipByPNorm, ExtremeMagnitudesKeepTheirSum) {
  for (const float size : {1e-38F, 1e38F}) {
    std::vector<at::Tensor> params{at::zeros({3, 5}).requires_grad_()};
    params[0].mutable_grad() = at::full({3, 5}, size);
    using Plain = contract::Trained<Recipe<rule::SGD, ClipByPNorm>>;
    Plain trained(Plain::Options(1.0).set<"norm_type">(7).set<"max_norm">(1e30), at::kFloat, false,
                  params);
    trained.optimizer.step();
    const double sum = 15 * std::pow(double(size), 7);
    EXPECT_NEAR(trained.optimizer.signals().norm2, sum, 1e-12 * sum);
    const double each = size < 1 ? double(size) : 1e30 * std::pow(15, -1 / 7.0);
    EXPECT_NEAR(-params[0].detach()[1][1].item<double>(), each, 1e-6 * each);
  }
}

TEST(ClipByPNorm, InfinityGivesZeroAndNaN) {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<at::Tensor> params{at::zeros({2}).requires_grad_()};
  params[0].mutable_grad() = at::tensor({3.0F, -inf});
  using Plain = contract::Trained<Recipe<rule::SGD, ClipByPNorm>>;
  Plain trained(Plain::Options(1.0), at::kFloat, false, params);
  trained.optimizer.step();
  EXPECT_EQ(params[0].detach()[0].item<float>(), 0);
  EXPECT_TRUE(std::isnan(params[0].detach()[1].item<float>()));
  EXPECT_EQ(trained.optimizer.signals().nonfinite, 1);
}

TEST(ClipByPNorm, BackendsAgreeThreadsDoNotMatterAndItResumes) {
  const auto given = options({.max_norm = 0.5, .norm_type = 3});
  contract::expect_backends_agree<Clipped>(given);
  contract::expect_resumes<Clipped>(given, at::kFloat);
  Trained cpu(given, at::kFloat);
  cpu.run(0, 4);
  const contract::Threads one(1);
  Trained alone(given, at::kFloat);
  contract::expect_same(alone.run(0, 4).now(), cpu.now());
}

}  // namespace clip_by_p_norm
