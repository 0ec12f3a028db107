// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/adadelta.hpp>
#include <cmath>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Adadelta> {
  static constexpr const char* golden = "adadelta";
  static std::vector<rule::Adadelta::Options> options() {
    return {{},
            {.rho = 0.8, .eps = 1e-3, .weight_decay = 0.1},
            {.rho = 0.95, .eps = 1e-4, .maximize = true}};
  }
  static constexpr double lr = 1;
  static double first(const rule::Adadelta::Options& o, double lr, double p, double g) {
    const double h = (o.maximize ? -g : g) + o.weight_decay * p;
    return p - lr * std::sqrt(o.eps) / std::sqrt((1 - o.rho) * h * h + o.eps) * h;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Adadelta, RuleContract, rule::Adadelta);

TEST(Adadelta, AnUpdateJoinsItsMeanAfterTheStep) {
  const double rho = 0.5, eps = 0.25, g1 = 2, g2 = -3;
  const double v1 = 0.5 * g1 * g1, u1 = std::sqrt(eps) / std::sqrt(v1 + eps) * g1;
  const double v2 = 0.5 * v1 + 0.5 * g2 * g2, d1 = 0.5 * u1 * u1;
  const double u2 = std::sqrt(d1 + eps) / std::sqrt(v2 + eps) * g2;
  const auto out = contract::drive<Recipe<rule::Adadelta>, double>({0.1, {.rho = rho, .eps = eps}},
                                                                   {1}, {{g1}, {g2}});
  EXPECT_DOUBLE_EQ(out[0], 1 - 0.1 * u1 - 0.1 * u2);
  EXPECT_DOUBLE_EQ(out[1], v2);
  EXPECT_DOUBLE_EQ(out[2], 0.5 * d1 + 0.5 * u2 * u2);
}
