// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// AGMOHD around rules that cannot have all of its policies.

#include <agmohd/recipes.hpp>
#include <agmohd/rule/adafactor.hpp>
#include <agmohd/rule/adagrad.hpp>
#include <agmohd/rule/adam_mini.hpp>
#include <agmohd/rule/came.hpp>
#include <agmohd/rule/dadapt_adam.hpp>
#include <agmohd/rule/lion.hpp>
#include <agmohd/rule/prodigy.hpp>
#include <agmohd/rule/rmsprop.hpp>
#include <agmohd/rule/rprop.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

#include "../contract/rule.hpp"

using namespace agmohd;

namespace hindered {

template <class Rule>
inline constexpr bool with_snapshots = recipe::Hindered<Rule>::keeps_snapshots;
template <class Rule>
inline constexpr bool with_momentum = Options<recipe::Hindered<Rule>>::has("momentum_schedule");

static_assert(with_snapshots<rule::Lion> && with_momentum<rule::Lion>);
static_assert(with_snapshots<rule::RMSprop> && with_snapshots<rule::Adagrad>);
static_assert(with_snapshots<rule::Rprop> && !with_momentum<rule::Rprop>);
static_assert(with_snapshots<rule::Adafactor> && !with_momentum<rule::Adafactor>);
static_assert(with_snapshots<rule::CAME> && with_momentum<rule::CAME>);
static_assert(with_snapshots<rule::AdamMini> && with_momentum<rule::AdamMini>);
static_assert(with_snapshots<rule::Prodigy> && with_momentum<rule::Prodigy>);
static_assert(with_snapshots<rule::DAdaptAdam> && with_momentum<rule::DAdaptAdam>);

/// A step with a gradient that is not a number is skipped, and the backends agree.
template <class Rule>
void expect_detection(double lr) {
  using Hindered = Optimizer<recipe::Hindered<Rule>>;
  const typename Hindered::Options options(lr);
  std::vector<at::Tensor> params = contract::parameters(at::kFloat), others;
  for (const at::Tensor& p : params) others.push_back(p.detach().clone().requires_grad_());
  Hindered mine(params, options), reference(others, options);
  reference.use_tensor_backend();
  for (std::int64_t step = 0; step < 8; ++step) {
    contract::set_gradients(params, step, 1);
    contract::set_gradients(others, step, 1);
    if (step == 4) {
      params[0].mutable_grad().fill_(NAN);
      others[0].mutable_grad().fill_(NAN);
    }
    const at::Tensor loss = at::full({}, 3.0 / double(1 + step));
    mine.step(loss);
    reference.step(loss);
    for (std::size_t i = 0; i < params.size(); ++i) {
      EXPECT_TRUE(at::allclose(params[i], others[i], 1e-4, 1e-5)) << step << " " << i;
    }
  }
  EXPECT_EQ(mine.tally().count[Tally::skip], 1);
  EXPECT_EQ(mine.updates(), 7);
  EXPECT_EQ(reference.updates(), 7);
}

}  // namespace hindered

TEST(Hindered, AroundARuleWithFactors) { hindered::expect_detection<rule::Adafactor>(1e-2); }
TEST(Hindered, AroundARuleWithAnEstimate) { hindered::expect_detection<rule::Prodigy>(1); }
TEST(Hindered, AroundARuleWithoutAFirstMoment) { hindered::expect_detection<rule::RMSprop>(1e-3); }
