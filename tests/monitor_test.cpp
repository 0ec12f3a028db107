// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What the sinks of records promise. Reading an event file with TensorBoard itself is
// tensorboard_check.py.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <agmohd/monitor/log.hpp>
#include <agmohd/monitor/tensorboard.hpp>
#include <agmohd/monitor/watcher.hpp>
#include <algorithm>
#include <bit>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace monitor = agmohd::monitor;
using agmohd::Record;
using Steps = std::vector<std::int64_t>;

std::vector<Record> records(const Steps& steps) {
  std::vector<Record> out(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) out[i].step = steps[i];
  return out;
}

/// A folder that goes with the test.
struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               (std::string("agmohd_monitor_") +
                                ::testing::UnitTest::GetInstance()->current_test_info()->name() +
                                std::to_string(::getpid()));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

std::string contents(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

/// Runs `f` on a disk that has room for `bytes` more of any file.
std::string error_on_full_disk(rlim_t bytes, const std::function<void()>& f) {
  rlimit before{};
  EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit low{bytes, before.rlim_max};
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
  const std::string error = error_of(f);
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  return error;
}

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

TEST(CsvFile, HoldsAHeaderAndALineForEachRecord) {
  const Folder folder;
  const std::string path = folder.path / "records.csv";
  {
    monitor::CsvFile csv(path);
    for (Record& r : records({1, 2})) {
      r.loss = 2.5;
      r.flags = agmohd::Flag::explosion | agmohd::Flag::accepted;
      csv(r);
    }
    EXPECT_NE(contents(path).find("\n2,"), std::string::npos) << "a line is there at once";
  }
  EXPECT_EQ(contents(path),
            "step,updates,loss,lr,norm,update_rms,level,clip_factor,momentum,lr_factor,skipped,"
            "rolled_back,flags\n"
            "1,0,2.5,0,0,0,0,1,0,1,0,0,\"explosion, accepted\"\n"
            "2,0,2.5,0,0,0,0,1,0,1,0,0,\"explosion, accepted\"\n");
}

TEST(CsvFile, SaysWhatItCannotWrite) {
  const Folder folder;
  const std::string missing = folder.path / "none" / "records.csv", full = folder.path / "full.csv";
  EXPECT_NE(error_of([&] { monitor::CsvFile csv(missing); }).find("cannot write " + missing),
            std::string::npos);
  const std::string error = error_on_full_disk(150, [&] {
    monitor::CsvFile csv(full);
    for (const Record& r : records({1, 2, 3})) csv(r);
  });
  EXPECT_NE(error.find("cannot write " + full), std::string::npos) << error;
}

TEST(TensorBoard, ChecksumsAreCrc32c) {
  EXPECT_EQ(monitor::detail::crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(monitor::detail::crc32c(std::string(32, '\0')), 0x8A9136AAU);  // RFC 3720, B.4
}

TEST(TensorBoard, MessagesHaveTheWireFormat) {
  using monitor::detail::Message;
  EXPECT_EQ(Message().integer(1, 150).data(), "\x08\x96\x01");  // protobuf's own example
  EXPECT_EQ(Message().bytes(2, "testing").data(), "\x12\x07testing");
  EXPECT_EQ(Message().number(2, 1.0F).data(), std::string("\x15\x00\x00\x80\x3F", 5));
  EXPECT_EQ(Message().integer(16, std::uint64_t(std::int64_t{-1})).data(),
            "\x80\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01");
}

TEST(TensorBoard, WritesANewFileEachTime) {
  const Folder folder;
  const std::string deep = folder.path / "a" / "b";
  monitor::TensorBoard first(deep), second(deep);
  EXPECT_NE(first.path(), second.path());
  EXPECT_EQ(first.path().find(deep + "/events.out.tfevents."), 0U) << first.path();
  first(records({1})[0]);
  EXPECT_GT(std::filesystem::file_size(first.path()), std::filesystem::file_size(second.path()));
}

TEST(TensorBoard, SaysWhatItCannotWrite) {
  const Folder folder;
  const std::string file = folder.path / "file";
  std::ofstream(file) << "no folder";
  EXPECT_NE(
      error_of([&] { monitor::TensorBoard sink(file); }).find("cannot write " + file + "/events"),
      std::string::npos);
  std::string path;
  const std::string error = error_on_full_disk(1000, [&] {
    monitor::TensorBoard sink(folder.path);
    path = sink.path();
    for (std::int64_t step = 1; step < 10; ++step) sink(records({step})[0]);
  });
  EXPECT_NE(error.find("cannot write " + path), std::string::npos) << error;
}

}  // namespace
