// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/adan.hpp>
#include <vector>

#include "../contract/rule.hpp"
#include "first_step.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Adan> {
  static constexpr const char* golden = "adan";
  static std::vector<rule::Adan::Options> options() {
    return {{},
            {.betas = {0.9, 0.8}, .beta3 = 0.95, .eps = 1e-3, .weight_decay = 0.1},
            {.weight_decay = 0.1, .no_prox = true, .maximize = true}};
  }
  /// The first difference of gradients is 0.
  static double first(const rule::Adan::Options& o, double lr, double p, double g) {
    const double u = adam_direction(o.maximize ? -g : g, o.eps);
    if (o.no_prox) return p * (1 - lr * o.weight_decay) - lr * u;
    return (p - lr * u) / (1 + lr * o.weight_decay);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Adan, RuleContract, rule::Adan);

TEST(Adan, LooksAheadByTheDifferenceOfGradients) {
  const rule::Adan::Options options{.betas = {0, 0.5}, .beta3 = 0, .eps = 0};
  const auto end = contract::drive<Recipe<rule::Adan>, double>({1, options}, {0}, {{1}, {3}});
  // y = 2, d = 1, sqrt(n) = 3 + 0.5 2; then u = (3 + 0.5 1 / 0.75) / 4.
  EXPECT_NEAR(end[0], -1 - (3 + 0.5 / 0.75) / 4, 1e-15);
  EXPECT_EQ(end[4], -3);
}
