// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// SPAM and StableSPAM follow their authors.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <vector>

#include "published.hpp"

namespace {

using namespace testing_published;

std::vector<double> spam_run(const rule::SPAM::Options& o, const Rows& rows, bool compare) {
  using Spam = Recipe<rule::SPAM>;
  Driven<Spam> run(1);
  run.group = {0.01, o};
  const std::size_t size = rows[0].size() / 2;
  std::vector<double> p(size, 0.5);
  std::vector<Spam::Slots<double>> slots(size);
  std::size_t t = 0;
  for (const auto& row : rows) {
    run.step({TensorSignals{}});
    for (std::size_t i = 0; i < size; ++i) {
      slots[i].max_exp_avg_sq = 0;  // a slot that is not used
      p[i] = Spam::sweep(p[i], row[i], slots[i], run.k[0], {});
      if (compare) {
        EXPECT_NEAR(p[i], row[size + i], 1e-10) << i << " at " << t;
      }
    }
    ++t;
  }
  return p;
}

TEST(SPAM, StepsAsItsAuthorsDo) {
  rule::SPAM::Options o{
      .spike_threshold = 20, .reset_interval = 40, .reset_warmup = 10, .spike_repaired = false};
  const Rows& rows = golden("spam");
  const std::vector<double> published = spam_run(o, rows, true);
  o.spike_repaired = true;
  const std::vector<double> repaired = spam_run(o, rows, false);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(published[std::size_t(i)], repaired[std::size_t(i)]);
  EXPECT_NE(published[3], repaired[3]);
  o.spike_threshold = 0;
  EXPECT_NE(spam_run(o, rows, false)[0], repaired[0]);
}

TEST(SPAM, ResetsAsStableSpamDoes) {
  spam_run(
      {.spike_threshold = 0, .reset_interval = 50, .reset_warmup = 0, .reset_correction = true},
      golden("spam_stable"), true);
}

TEST(SPAM, AnElementWithoutAGradientAtFirstIsFrozenAsPublishedAlone) {
  Rows rows(100, {0, 0});
  for (std::size_t t = 20; t < rows.size(); ++t) rows[t][0] = 1;
  EXPECT_EQ(spam_run({.spike_repaired = false}, rows, false)[0], 0.5);
  EXPECT_LT(spam_run({}, rows, false)[0], 0);
}

}  // namespace
