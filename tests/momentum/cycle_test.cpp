// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <torch/optim/sgd.h>

#include <agmohd/momentum/cycle.hpp>
#include <agmohd/schedule/by_name.hpp>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "../contract/options.hpp"
#include "../contract/trained.hpp"

using namespace agmohd;

template <>
struct contract::Sample<momentum::Cycle> {
  static std::vector<momentum::Cycle::Options> options() {
    return {{}, {.base_momentum = 0, .max_momentum = 0.5}, {0.95, 0.8}};
  }
};

namespace momentum_cycle {

using momentum::Cycle, schedule::OneCycle, schedule::Cyclical;

TEST(MomentumCycle, Bounds) {
  contract::expect_bounds<Cycle>();
  contract::expect_unique_names(Cycle::fields);
}

/// The momentum of a recipe at step t, by what its step does.
template <class Rule, class Schedule>
double momentum_at(const typename Schedule::Options& schedule, const Cycle::Options& cycle,
                   const typename Rule::Options& rule, std::int64_t t) {
  using Mine = Recipe<Rule, Schedule, Cycle>;
  typename Mine::Shared shared;
  shared.schedule = schedule;
  shared.momentum = cycle;
  const typename Mine::Group group{1, rule};
  typename Mine::Memory memory{};
  memory.updates = t;
  const Blend blend = Mine::blend(shared, group, memory, t);
  EXPECT_EQ(Mine::brake(group, blend), 1);
  return blend.beta1;
}

TEST(MomentumCycle, HasTheMomentaOfPyTorchsSchedulers) {
  std::ifstream file(std::string(AGMOHD_TESTS) + "/golden/momenta.txt");
  std::string line;
  ASSERT_TRUE(std::getline(file, line));  // of what version
  int rows = 0;
  while (std::getline(file, line)) {
    const std::vector<std::string> cells = schedule::detail::split(line, '\t');
    ASSERT_EQ(cells.size(), 6U) << line;
    SCOPED_TRACE(cells[0] + ", " + cells[1]);
    const Cycle::Options cycle{std::strtod(cells[2].c_str(), nullptr),
                               std::strtod(cells[3].c_str(), nullptr)};
    const schedule::Settings settings = schedule::settings_from(cells[1]);
    std::istringstream values(cells[5]);
    std::int64_t t = 0;
    for (std::string value; values >> value; ++t) {
      const double theirs = std::strtod(value.c_str(), nullptr);
      const auto expect = [&]<class Schedule>(Schedule) {
        const auto o = schedule::options_from<Schedule>(settings);
        const double sgd = momentum_at<rule::SGD, Schedule>(o, cycle, {.momentum = 0.3}, t);
        EXPECT_NEAR(sgd, theirs, 1e-15) << t;
        EXPECT_EQ((momentum_at<rule::AdamW, Schedule>(o, cycle, {}, t)), sgd);
        EXPECT_EQ((momentum_at<rule::SGD, Schedule>(o, cycle, {}, t)), 0);
      };
      if (cells[0] == "one_cycle") {
        expect(OneCycle{});
      } else {
        expect(Cyclical{});
      }
    }
    EXPECT_GT(t, 1);
    rows += 1;
  }
  EXPECT_EQ(rows, 10);
}

/// torch.optim's SGD, whose rate and momentum are set before each step, with and without detection.
template <class... More>
void expect_trains() {
  using Mine = contract::Trained<Recipe<rule::SGD, OneCycle, Cycle, More...>>;
  for (const bool reference : {false, true}) {
    const OneCycle::Options cycle{.total_steps = 12};
    Mine mine(typename Mine::Options(0.01).momentum(0.9).template set<OneCycle>(cycle), at::kDouble,
              reference);
    std::vector<at::Tensor> params = contract::parameters(at::kDouble);
    torch::optim::SGD stock(params, torch::optim::SGDOptions(0.01).momentum(0.9));
    auto& options = static_cast<torch::optim::SGDOptions&>(stock.param_groups()[0].options());
    for (std::int64_t t = 0; t < 15; ++t) {
      contract::set_gradients(params, t);
      options.lr(0.01 * OneCycle::factor(cycle, t));
      options.momentum(0.95 - 0.1 * OneCycle::cycle(cycle, t));
      stock.step();
      mine.run(t, t + 1);
    }
    for (std::size_t i = 0; i < params.size(); ++i) {
      EXPECT_TRUE(at::allclose(mine.params[i], params[i], 1e-11, 1e-13)) << i;
    }
  }
}
TEST(MomentumCycle, TrainsAsStockSGD) {
  expect_trains<>();
  expect_trains<hindrance::Nonfinite>();
}

/// Records have the momentum of their step, and count no lowered momentum.
TEST(MomentumCycle, IsRecorded) {
  using Mine = contract::Trained<Recipe<rule::AdamW, Cyclical, Cycle, hindrance::Nonfinite>>;
  Mine mine(Mine::Options(0.01).cycle_steps(6));
  mine.run(0, 8);
  const auto records = mine.optimizer.records();
  ASSERT_EQ(records.size(), 8U);
  for (std::int64_t t = 0; t < 8; ++t) {
    EXPECT_EQ(records[std::size_t(t)].momentum,
              0.95 - (0.95 - 0.85) * Cyclical::cycle({.cycle_steps = 6}, t));
    EXPECT_EQ(records[std::size_t(t)].lr, 0.01 * Cyclical::factor({.cycle_steps = 6}, t));
  }
}

TEST(MomentumCycle, SkippedStepsBackendsAndResumes) {
  using Mine = Recipe<rule::AdamW, contract::SkipAbove, Cyclical, Cycle>;
  using Trained = contract::Trained<Mine>;
  for (const auto& sample : contract::Sample<Cycle>::options()) {
    const auto options = Trained::Options(0.01).set<Cycle>(sample).cycle_steps(5);
    Trained skipping(options), calm(options);
    skipping.run(0, 3).run(3, 6, 1e9);
    contract::expect_same(skipping.run(3, 6).now(), calm.run(0, 6).now());
    contract::expect_backends_agree<Mine>(options);
    contract::expect_resumes<Mine>(options, at::kFloat);
  }
}

}  // namespace momentum_cycle
