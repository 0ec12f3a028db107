// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/rule/sgd_schedule_free.hpp>
#include <cstdint>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::SGDScheduleFree> {
  static constexpr const char* golden = "unscheduled";
  static constexpr bool remembers_rate = true;
  static std::vector<rule::SGDScheduleFree::Options> options() {
    return {{},
            {.momentum = 0.5, .weight_decay = 0.1, .r = 2},
            {.momentum = 0.95, .weight_lr_power = 0, .maximize = true}};
  }
  static double first(const rule::SGDScheduleFree::Options& o, double lr, double p, double g) {
    return p - lr * ((o.maximize ? -g : g) + o.weight_decay * p);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(SGDScheduleFree, RuleContract, rule::SGDScheduleFree);

/// A warm-up makes the weights of the average grow, and a lower rate does not make them fall.
TEST(SGDScheduleFree, LargestRateSoFarIsTheWeight) {
  const rule::SGDScheduleFree::Options o;
  rule::SGDScheduleFree::Memory m{};
  double sum = 0, largest = 0;
  std::int64_t step = 0;
  for (const double lr : {0.0, 0.1, 0.2, 0.4, 0.4, 0.1, 0.3, 0.5}) {
    const auto k = rule::SGDScheduleFree::at<double>(o, {++step, lr, {0, 0}}, m);
    largest = lr > largest ? lr : largest;
    sum += largest * largest;
    EXPECT_NEAR(k.average.share, sum > 0 ? largest * largest / sum : 0, 1e-15) << step;
    EXPECT_EQ(k.average.begins, step <= 2 ? 1 : 0) << step;
  }
}
