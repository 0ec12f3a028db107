// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Schedules have the factors of PyTorch's and transformers' schedulers at every step:
// golden/schedules.txt, made by golden/make_schedules.py.

#include <gtest/gtest.h>

#include <agmohd/schedule/by_name.hpp>
#include <agmohd/schedule/restart.hpp>
#include <agmohd/schedule/sequence.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace agmohd;

namespace {

/// The combinations in the file, which have no name of their own.
const std::map<std::string, schedule::Function (*)(const schedule::Settings&)> kMade = {
    {"Sequence<Warmup,Exponential>",
     schedule::detail::make<schedule::Sequence<schedule::Warmup<>, schedule::Exponential>>},
    {"Sequence<Linear,Cosine,Linear>",
     schedule::detail::make<
         schedule::Sequence<schedule::Linear, schedule::Cosine, schedule::Linear>>},
    {"Product<Step,Exponential>",
     schedule::detail::make<schedule::Product<schedule::Step, schedule::Exponential>>},
    {"Warmup<Restart<Cosine>>",
     schedule::detail::make<schedule::Warmup<schedule::Restart<schedule::Cosine>>>},
};

TEST(SchedulePeers, HaveTheSameFactorsAtEveryStep) {
  std::ifstream file(std::string(AGMOHD_TESTS) + "/golden/schedules.txt");
  std::string line;
  ASSERT_TRUE(std::getline(file, line));  // of what versions
  std::map<std::string, double> worst;
  int schedules = 0;
  while (std::getline(file, line)) {
    const std::vector<std::string> cells = schedule::detail::split(line, '\t');
    ASSERT_EQ(cells.size(), 5U) << line;
    SCOPED_TRACE(cells[0] + ", " + cells[1] + ", " + cells[3]);
    const auto made = kMade.find(cells[0]);
    const schedule::Function factor = made == kMade.end()
                                          ? schedule::from_text(cells[0] + "," + cells[1])
                                          : made->second(schedule::settings_from(cells[1]));
    const double tolerance = std::strtod(cells[2].c_str(), nullptr);
    std::istringstream values(cells[4]);
    std::int64_t t = 0;
    for (std::string value; values >> value; ++t) {
      const double theirs = std::strtod(value.c_str(), nullptr);
      EXPECT_NEAR(factor(t), theirs, tolerance) << "step " << t;
      double& most = worst[cells[3]];
      most = std::max(most, std::abs(factor(t) - theirs));
    }
    EXPECT_GT(t, 1);
    schedules += 1;
  }
  EXPECT_GE(schedules, 80);
  for (const auto& [peer, error] : worst) {
    std::ostringstream text;
    text << error;
    RecordProperty(peer, text.str());
  }
}

TEST(ScheduleByName, ListsTheOptionsOfASchedule) {
  EXPECT_EQ(schedule::option_names("noam"), (std::vector<std::string>{"noam_steps", "model_dim"}));
  for (const std::string& name : schedule::names()) {
    for (const std::string& option : schedule::option_names(name)) {
      try {
        schedule::by_name(name, {{option, "x"}});
        ADD_FAILURE() << name << ", " << option;
      } catch (const std::invalid_argument& error) {
        EXPECT_EQ(std::string(error.what()).find("the schedule"), std::string::npos)
            << error.what();
      }
    }
  }
  EXPECT_THROW(schedule::option_names("cosin"), std::invalid_argument);
}

TEST(ScheduleByName, SaysWhatIsKnown) {
  const auto complaint = [](const std::string& text) -> std::string {
    try {
      schedule::from_text(text);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(complaint("cosine,total_steps=10,warmup_steps=2"), "none");
  const std::string unknown = complaint("cosin,total_steps=10");
  EXPECT_EQ(unknown.find("there is no schedule \"cosin\"; there are constant, cosine, "), 0U)
      << unknown;
  for (const std::string& name : schedule::names()) {
    EXPECT_NE(unknown.find(name), std::string::npos) << name;
  }
  EXPECT_EQ(complaint("cosine,total=10"),
            "the schedule Warmup<Cosine> has no option total; it has warmup_steps, warmup_curve, "
            "warmup_start, warmup_from_start, total_steps, min_factor");
  EXPECT_EQ(complaint("cosine,total_steps=1e3"),
            "total_steps = \"1e3\", but it must be a whole number");
  EXPECT_EQ(complaint("cosine,total_steps=10,total_steps=11"),
            "the schedule Warmup<Cosine> has no option total_steps a second time");
  EXPECT_EQ(complaint("cosine,total_steps"), "\"total_steps\", but it must be name=value");
  EXPECT_EQ(
      complaint("cosine"),
      "total_steps = 0, but it must be finite and at least 1: it must be given (0 = not given)");
  EXPECT_EQ(complaint("one_cycle,total_steps=10,three_phase=yes"),
            "three_phase = \"yes\", but it must be true or false");
  EXPECT_EQ(complaint("one_cycle,total_steps=10,anneal_strategy=cosine"),
            "anneal_strategy = \"cosine\", but it must be cos (0) or linear (1)");
  EXPECT_EQ(complaint("one_cycle,total_steps=10,three_phase=true,pct_start=0.75"),
            "pct_start = 0.75 with three_phase, but it must be at most 0.5: the fall takes as many "
            "steps as the rise");
  EXPECT_EQ(complaint("multi_step,milestones=30/x"),
            "milestones = \"x\", but it must be a whole number");
  EXPECT_EQ(complaint("multi_step,milestones=30/-1"),
            "milestones[1] = -1, but it must be finite and at least 0");
  EXPECT_EQ(complaint("multi_step,milestones=1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"),
            "milestones has 17 values, but it can have at most 16");
  EXPECT_EQ(complaint("piecewise,points=0:1/5"),
            "points: \"5\", but it must be two numbers, as 100:0.5");
  EXPECT_EQ(complaint("piecewise"), "points is empty, but it needs at least one (step, factor)");
  EXPECT_EQ(complaint("piecewise,points=0:1/5:0.5/5:0"),
            "points[2] is at step 5, but it must be after step 5 of the one before");
  EXPECT_EQ(complaint("wsd,total_steps=30,decay_steps=10,warmup_steps=25"),
            "decay_steps = 10, but it must be at most total_steps = 5 after the warm-up");
  EXPECT_EQ(complaint("wsd,decay_steps=10,decay_curve=exponential"),
            "decay_curve = exponential with min_factor = 0, but it needs one above 0");
  EXPECT_EQ(complaint("constant,warmup_steps=9,warmup_curve=exponential"),
            "warmup_curve = exponential with warmup_start = 0, but it needs one above 0");
  EXPECT_EQ(complaint("cyclical,cycle_steps=10,up_steps=10"),
            "up_steps = 10, but it must be less than cycle_steps = 10");
}

}  // namespace
