// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/rule.hpp"
#include "first_step.hpp"

using namespace agmohd;

template <>
struct contract::Sample<rule::Adam> {
  static constexpr const char* golden = "adam";
  static std::vector<rule::Adam::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .eps = 1e-6, .weight_decay = 0.1},
            {.betas = {0.0, 0.9}, .amsgrad = true},
            {.weight_decay = 0.01, .amsgrad = true, .maximize = true}};
  }
  static double first(const rule::Adam::Options& o, double lr, double p, double g) {
    return p - lr * adam_direction((o.maximize ? -g : g) + o.weight_decay * p, o.eps);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Adam, RuleContract, rule::Adam);

namespace {

TEST(StorageRecipe, ResumesInEveryDtype) {
  using Recipe = agmohd::Recipe<rule::Adam, gradient::ClipByNorm, storage::BFloat16>;
  using O = contract::Trained<Recipe>::Options;
  for (const auto& o : {O(0.1), O(0.1).stochastic_rounding(true).seed(-7).amsgrad(true)}) {
    for (const at::ScalarType dtype : contract::kDtypes) contract::expect_resumes<Recipe>(o, dtype);
  }
}

}  // namespace
