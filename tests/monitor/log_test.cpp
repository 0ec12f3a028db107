// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What a log tells, and its advice.

#include <gtest/gtest.h>

#include <agmohd/monitor/log.hpp>
#include <agmohd/monitor/watcher.hpp>
#include <algorithm>
#include <bit>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "folder.hpp"

namespace {

using namespace testing_monitor;

using Lines = std::vector<std::string>;

TEST(Log, TellsOfTheBeginningAndTheEnd) {
  Lines lines;
  monitor::Log log([&](const std::string& line) { lines.push_back(line); });
  for (Record r : records({1, 2})) log(r);
  EXPECT_EQ(lines, Lines{});
  Record r;
  r.loss = 0.5, r.norm = 8, r.lr = 1e-3;
  r.step = 3, r.flags = agmohd::Flag::nonfinite, r.skipped = r.hindered = 1;
  log(r);
  EXPECT_EQ(lines, (Lines{"agmohd: step 3: non-finite, 1 skipped; loss 0.5, gradient norm 8, "
                          "learning rate 0.001"}));
  r.flags = r.skipped = r.hindered = 0;
  for (r.step = 4; r.step < 53; ++r.step) log(r);
  EXPECT_EQ(lines.size(), 1U);
  log(r);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1],
            "agmohd: calm since step 3; since step 3: non-finite, 1 skipped; loss 0.5, gradient "
            "norm 8, learning rate 0.001");
  for (r.step = 54; r.step < 1000; ++r.step) log(r);
  EXPECT_EQ(lines.size(), 2U);
}

TEST(Log, LimitsItsLinesWhileInterventionsLast) {
  std::ostringstream out;
  monitor::Watcher watcher(monitor::Log(out, /*every=*/200));
  Record r;
  r.flags = agmohd::Flag::step_too_large, r.hindered = 1, r.lr_factor = 0.25;
  std::vector<Record> all;
  for (r.step = 1; r.step <= 1000; ++r.step) all.push_back(r);
  watcher.take(all);
  const std::string text = out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1 + 4) << text;
  EXPECT_NE(text.find("steps 1 to 801: step too large, 801 steps, 801 with a lower learning rate"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("learning rate 0 (times 0.25)"), std::string::npos) << text;
}

TEST(Log, ARareEventHasALineAndNoneOfEachStep) {
  Lines lines;
  monitor::Log log([&](const std::string& line) { lines.push_back(line); });
  Record r;
  for (r.step = 1; r.step <= 1600; ++r.step) {  // a bound norm in every 16th step
    r.hindered = r.step % 16 == 0 ? 1 : 0;
    r.flags = r.hindered * agmohd::Flag::explosion;
    log(r);
  }
  EXPECT_LE(lines.size(), 17U);
}

TEST(Log, BeginsAnewWithAnEarlierRun) {
  Lines lines;
  monitor::Log log([&](const std::string& line) { lines.push_back(line); });
  Record r;
  r.skipped = 1;
  for (const std::int64_t step : {100, 101, 51}) {
    r.step = step;
    log(r);
  }
  EXPECT_EQ(lines.size(), 2U);
}

TEST(Advice, IsAboutWhatWasSeenMost) {
  agmohd::Tally tally;
  EXPECT_EQ(monitor::advice(tally), "");
  const auto see = [&](unsigned flag, int times) {
    const int kind = std::countr_zero(flag);
    tally.count[kind] += times;
    tally.last[kind] = 40 + kind;
  };
  see(agmohd::Flag::accepted, 100);  // asks for nothing
  EXPECT_EQ(monitor::advice(tally), "");
  see(agmohd::Flag::explosion, 3);
  see(agmohd::Flag::loss_spike, 4);
  EXPECT_EQ(
      monitor::advice(tally).find("Seen most: loss spike, last at step 44. What helps: shuffle"),
      0U)
      << monitor::advice(tally);
  see(agmohd::Flag::give_up, 1);
  EXPECT_NE(monitor::advice(tally).find("had to give up, last at step 49. What helps: go back"),
            std::string::npos)
      << monitor::advice(tally);
  for (int kind = 0; kind < agmohd::Tally::skip; ++kind) {
    EXPECT_EQ(monitor::advice_for[kind] == nullptr, kind == 8) << monitor::kind_names[kind];
  }
}

}  // namespace
