// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What a watcher hands over.

#include <gtest/gtest.h>

#include <agmohd/monitor/watcher.hpp>
#include <cstdint>
#include <stdexcept>

#include "folder.hpp"

namespace {

using namespace testing_monitor;

TEST(GaveUp, IsFoundThoughItsRecordWasOverwritten) {
  agmohd::RecordRing ring;
  const auto write = [&](std::int64_t step, std::int64_t gave_up) {
    Record record;
    record.step = step;
    record.gave_up = gave_up;
    record.loss = double(step);
    if (step == gave_up) record.flags = agmohd::Flag::give_up;
    ring.put(record);
  };
  EXPECT_EQ(monitor::gave_up(ring, monitor::newest(ring), 0).step, 0);
  for (std::int64_t step = 1; step < 300; ++step) {
    write(step, step < 30 ? 0 : 30);
    const Record found = monitor::gave_up(ring, monitor::newest(ring), 0);
    EXPECT_EQ(found.step, step < 30 ? 0 : 30);
    if (step >= 30) {
      EXPECT_EQ(found.flags, unsigned(agmohd::Flag::give_up));
    }
    if (step >= 30 && step < 30 + agmohd::RecordRing::kSize) {
      EXPECT_EQ(found.loss, 30);
    }
    EXPECT_EQ(monitor::gave_up(ring, monitor::newest(ring), 30).step, 0);
  }
}

TEST(Watcher, HandsOverEachRecordOnce) {
  Steps first, second;
  monitor::Watcher watcher([&](const Record& r) { first.push_back(r.step); });
  watcher.add([&](const Record& r) { second.push_back(r.step); });
  EXPECT_EQ(watcher.take({}), 0);
  EXPECT_EQ(watcher.take(records({1, 2})), 2);
  EXPECT_EQ(watcher.take(records({1, 2})), 0);
  EXPECT_EQ(watcher.take(records({1, 2, 3, 4})), 2);
  EXPECT_EQ(first, (Steps{1, 2, 3, 4}));
  EXPECT_EQ(second, first);
  EXPECT_EQ(watcher.last(), 4);
  EXPECT_EQ(watcher.missed(), 0);
}

TEST(Watcher, WaitsOncePollForARecordInWriting) {
  Steps seen;
  monitor::Watcher watcher([&](const Record& r) { seen.push_back(r.step); });
  watcher.take(records({1, 2, 4}));
  EXPECT_EQ(seen, (Steps{1, 2}));
  watcher.take(records({1, 2, 3, 4, 5}));
  EXPECT_EQ(seen, (Steps{1, 2, 3, 4, 5}));
  watcher.take(records({5, 7}));
  EXPECT_EQ(watcher.last(), 5);
  watcher.take(records({5, 7, 8}));
  EXPECT_EQ(seen, (Steps{1, 2, 3, 4, 5, 7, 8}));
  EXPECT_EQ(watcher.missed(), 1);
}

TEST(Watcher, CountsWhatWasOverwritten) {
  Steps seen, far;
  for (std::int64_t s = 11; s <= 10 + agmohd::RecordRing::kSize; ++s) far.push_back(s);
  monitor::Watcher watcher([&](const Record& r) { seen.push_back(r.step); });
  watcher.take(records({1}));
  EXPECT_EQ(watcher.take(records(far)), agmohd::RecordRing::kSize);
  EXPECT_EQ(watcher.missed(), 9);
  EXPECT_EQ(watcher.last(), far.back());
}

TEST(Watcher, BeginsAnywhere) {
  Steps seen;
  monitor::Watcher watcher([&](const Record& r) { seen.push_back(r.step); });
  watcher.take(records({501, 502}));
  EXPECT_EQ(seen, (Steps{501, 502}));
  EXPECT_EQ(watcher.missed(), 0);
}

TEST(Watcher, CountsWhatWasOverwrittenBeforeTheFirstPoll) {
  Steps far;
  for (std::int64_t s = 45; s < 45 + agmohd::RecordRing::kSize; ++s) far.push_back(s);
  monitor::Watcher unpolled, resumed, begun;
  EXPECT_EQ(unpolled.take(records(far)), agmohd::RecordRing::kSize);
  EXPECT_EQ(unpolled.missed(), 44);
  resumed.take(records(far), 40);
  EXPECT_EQ(resumed.missed(), 4);
  begun.take(records({41, 42}), 40);
  EXPECT_EQ(begun.missed(), 0);
  EXPECT_EQ(begun.last(), 42);
}

TEST(Watcher, ARecordThatASinkThrewAtDoesNotComeAgain) {
  Steps seen;
  monitor::Watcher watcher([&](const Record& r) {
    seen.push_back(r.step);
    if (r.step == 2) throw std::runtime_error("no");
  });
  EXPECT_EQ(error_of([&] { watcher.take(records({1, 2, 3})); }), "no");
  watcher.take(records({1, 2, 3}));
  EXPECT_EQ(seen, (Steps{1, 2, 3}));
}

}  // namespace
