// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/schedule/plateau.hpp>
#include <cstdint>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "../contract/schedule.hpp"

using namespace agmohd;

namespace {

/// PyTorch's ReduceLROnPlateau, see golden/make_plateau.py.
TEST(Plateau, HasTheRatesOfPyTorch) {
  using P = schedule::Plateau<>;
  std::ifstream file(std::string(AGMOHD_TESTS) + "/golden/plateau.txt");
  int lines = 0, reductions = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    std::istringstream in(line);
    P::Options o{.plateau_window = 1};
    double threshold = 0;
    bool absolute = false;
    in >> o.patience >> o.reduce_factor >> o.cooldown >> threshold >> absolute >> o.min_scale;
    o.rtol = absolute ? 0 : threshold;
    o.atol = absolute ? threshold : 0;
    P::Memory m;
    double value = 0, rate = 0;
    for (int step = 0; in >> value >> rate; ++step) {
      const double before = P::factor(o, 0, m);
      P::advance(o, {.loss = value, .has_loss = true}, {}, m);
      EXPECT_NEAR(P::factor(o, 0, m), rate, 1e-15 * rate) << lines << " " << step;
      reductions += P::factor(o, 0, m) < before ? 1 : 0;
    }
  }
  EXPECT_EQ(lines, 6);
  EXPECT_GT(reductions, 50);
}

/// The factor after each loss, read off the definition, window by window.
TEST(Plateau, WaitsReducesAndCoolsDown) {
  using P = schedule::Plateau<>;
  const P::Options o{
      .reduce_factor = 0.5, .patience = 1, .cooldown = 1, .plateau_window = 2, .min_scale = 0.2};
  P::Memory m;
  const auto loss = [&](double value) {
    P::advance(o, {.loss = value, .has_loss = true}, {}, m);
    return P::factor(o, 0, m);
  };
  // Windows of two: 1, then 0.5 is better, then 0.5 twice is not.
  EXPECT_EQ(loss(1.5), 1);
  EXPECT_EQ(loss(0.5), 1);
  EXPECT_EQ(m.best, 1);
  EXPECT_EQ(loss(0.6), 1);
  EXPECT_EQ(loss(0.4), 1);
  EXPECT_EQ(m.best, 0.5);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(loss(0.5), 1) << i;
  EXPECT_EQ(loss(0.5), 0.5);  // the second window without a new best
  for (int i = 0; i < 5; ++i) EXPECT_EQ(loss(0.5), 0.5) << i;  // one cools down, one waits
  EXPECT_EQ(loss(0.5), 0.25);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(loss(0.5), 0.25) << i;
  EXPECT_EQ(loss(0.5), 0.2);  // and no lower
  const P::Memory before = m;
  P::advance(o, {.loss = 0, .has_loss = false}, {}, m);
  loss(std::numeric_limits<double>::infinity());
  EXPECT_EQ(m.count, before.count);
  EXPECT_EQ(m.best, 0.5);
  P::begin_anew(m);  // a new phase, whose losses may be larger
  EXPECT_EQ(loss(9), 0.2);
  loss(9);
  EXPECT_EQ(m.best, 9);
}

TEST(Plateau, LowersTheRateOfATraining) {
  using Mine =
      agmohd::Optimizer<Recipe<rule::SGD, schedule::Plateau<schedule::Warmup<schedule::Constant>>>>;
  const at::Tensor p = torch::ones({3}).requires_grad_();
  Mine optimizer({p}, Mine::Options(0.1).warmup_steps(2).set<schedule::Plateau<schedule::Warmup<>>>(
                          {.reduce_factor = 0.5, .patience = 0, .plateau_window = 1}));
  std::vector<double> rates;
  for (const double loss : {3.0, 2.0, 1.0, 1.0, 1.0}) {
    p.mutable_grad() = torch::zeros({3});
    rates.push_back(optimizer.current_lr());
    optimizer.step(torch::tensor(loss));
  }
  EXPECT_EQ(rates, (std::vector<double>{0.05, 0.1, 0.1, 0.1, 0.05}));
}

}  // namespace
