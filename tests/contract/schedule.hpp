// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// ScheduleContract: what every schedule must do. A sample has expected(options, t), the factor by
// hand. It may have peak(options): the factor rises until that step and falls after it; and
// last(options): the factor is constant from that step on.

#include <gtest/gtest.h>
#include <torch/optim/sgd.h>
#include <torch/serialize.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "options.hpp"
#include "samples.hpp"

template <class Schedule>
class ScheduleContract : public testing::Test {
 protected:
  using Recipe = agmohd::Recipe<agmohd::rule::SGD, Schedule>;
  using Sample = contract::Sample<Schedule>;

  template <class F>
  static void each(F test) {
    int index = 0;
    for (const auto& sample : Sample::options()) {
      SCOPED_TRACE("sample " + std::to_string(index++));
      test(sample, end_of(sample) + 5);
    }
  }
  static std::int64_t end_of(const typename Schedule::Options& sample) {
    if constexpr (requires { Sample::last(sample); }) {
      return Sample::last(sample);
    } else {
      return 25;
    }
  }
  static double rate(const torch::optim::Optimizer& optimizer, std::size_t group) {
    return optimizer.param_groups()[group].options().get_lr();
  }
};

TYPED_TEST_SUITE_P(ScheduleContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ScheduleContract);

TYPED_TEST_P(ScheduleContract, Bounds) {
  contract::expect_bounds<TypeParam>();
  contract::expect_unique_names(TypeParam::fields);
}

TYPED_TEST_P(ScheduleContract, FollowsTheFormula) {
  this->each([](const auto& sample, std::int64_t end) {
    for (std::int64_t t = 0; t < end; ++t) {
      const double factor = TypeParam::factor(sample, t);
      EXPECT_GE(factor, 0) << t;
      EXPECT_LE(factor, 1) << t;
      EXPECT_NEAR(factor, double(TestFixture::Sample::expected(sample, t)), 1e-15) << t;
    }
  });
}

TYPED_TEST_P(ScheduleContract, IsExactAtItsEnds) {
  using ByHand = contract::Sample<TypeParam>;
  this->each([](const auto& sample, std::int64_t) {
    EXPECT_EQ(TypeParam::factor(sample, 0), double(ByHand::expected(sample, 0)));
    if constexpr (requires { ByHand::last(sample); }) {
      const std::int64_t last = ByHand::last(sample);
      const double end = double(ByHand::expected(sample, last));
      for (const std::int64_t t :
           {last, last + 1, 1000 * (last + 1), std::numeric_limits<std::int64_t>::max()}) {
        EXPECT_EQ(TypeParam::factor(sample, t), end) << t;
      }
    }
  });
}

TYPED_TEST_P(ScheduleContract, RisesToItsPeakAndFallsAfterIt) {
  using ByHand = contract::Sample<TypeParam>;
  this->each([](const auto& sample, std::int64_t end) {
    if constexpr (requires { ByHand::peak(sample); }) {
      for (std::int64_t t = 1; t < end; ++t) {
        const double before = TypeParam::factor(sample, t - 1), now = TypeParam::factor(sample, t);
        if (t <= ByHand::peak(sample)) {
          EXPECT_GE(now, before) << t;
        } else {
          EXPECT_LE(now, before) << t;
        }
      }
    }
  });
}

TYPED_TEST_P(ScheduleContract, DrivesAStockOptimizerAsItDrivesARecipe) {
  using Driven = typename TestFixture::Recipe;
  this->each([](const auto& sample, std::int64_t end) {
    std::vector<torch::optim::OptimizerParamGroup> groups;
    groups.emplace_back(std::vector<at::Tensor>{at::zeros({2})});
    groups.emplace_back(std::vector<at::Tensor>{at::zeros({3})},
                        std::make_unique<torch::optim::SGDOptions>(0.01));
    torch::optim::SGD stock(groups, torch::optim::SGDOptions(0.5));
    agmohd::schedule::Scheduler<TypeParam> scheduler(stock, sample);
    typename Driven::Shared shared;
    shared.schedule = sample;
    typename Driven::Memory memory{};
    typename Driven::PerTensor tensors[2];
    for (std::int64_t t = 0; t < end; ++t) {
      agmohd::Signals none;
      const agmohd::Verdict v = Driven::judge(shared, {0.5, {}}, none, memory);
      for (const std::size_t g : {0U, 1U}) {
        const double base = g == 0 ? 0.5 : 0.01;
        const auto k =
            Driven::template decide<double>(shared, {base, {}}, {}, v, memory, tensors[g]);
        EXPECT_EQ(k.lr, base * TypeParam::factor(sample, t)) << t;
        EXPECT_EQ(TestFixture::rate(stock, g), k.lr) << t;
      }
      memory.updates += 1;
      stock.step();
      scheduler.step();
    }
  });
}

TYPED_TEST_P(ScheduleContract, SchedulerIsSavedAndLoaded) {
  this->each([](const auto& sample, std::int64_t end) {
    const auto make = [] {
      return torch::optim::SGD({at::zeros({2})}, torch::optim::SGDOptions(0.5));
    };
    torch::optim::SGD first = make(), second = make();
    agmohd::schedule::Scheduler<TypeParam> saved(first, sample), loaded(second, sample);
    const std::int64_t half = end / 2;
    for (std::int64_t t = 0; t < half; ++t) saved.step();
    std::stringstream file;
    torch::save(saved, file);
    torch::load(loaded, file);
    for (std::int64_t t = half; t < end; ++t) {
      EXPECT_EQ(TestFixture::rate(second, 0), TestFixture::rate(first, 0)) << t;
      saved.step();
      loaded.step();
    }
  });
}

TYPED_TEST_P(ScheduleContract, OptionsAreSavedAndLoaded) {
  using Options = agmohd::Options<typename TestFixture::Recipe>;
  this->each([](const auto& sample, std::int64_t) {
    const auto saved = Options(0.1).template set<TypeParam>(sample);
    std::stringstream file;
    torch::serialize::OutputArchive out;
    saved.serialize_shared(out);
    out.save_to(file);
    torch::serialize::InputArchive in;
    in.load_from(file);
    Options loaded(0.1);
    loaded.serialize_shared(in);
    EXPECT_TRUE(loaded == saved);
  });
}

REGISTER_TYPED_TEST_SUITE_P(ScheduleContract, Bounds, FollowsTheFormula, IsExactAtItsEnds,
                            RisesToItsPeakAndFallsAfterIt, DrivesAStockOptimizerAsItDrivesARecipe,
                            SchedulerIsSavedAndLoaded, OptionsAreSavedAndLoaded);
