// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What the files of records promise. Reading an event file with TensorBoard itself is
// tensorboard_check.py.

#include <gtest/gtest.h>

#include <agmohd/monitor/tensorboard.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "folder.hpp"

namespace {

using namespace testing_monitor;

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
