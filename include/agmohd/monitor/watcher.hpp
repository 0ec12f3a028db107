// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "records.hpp"

namespace agmohd::monitor {

/// Hands each record of an optimizer to its sinks, functions of a record: once, oldest first,
/// without waiting for the device. The optimizer keeps 256 records, so poll more often than that,
/// and before a load() as well as after it.
class Watcher {
 public:
  template <class... Sinks>
  explicit Watcher(Sinks... sinks) {
    (add(std::move(sinks)), ...);
  }
  template <class Sink>
  void add(Sink sink) {
    if constexpr (std::is_copy_constructible_v<Sink>) {
      sinks_.emplace_back(std::move(sink));
    } else {  // an open file
      sinks_.emplace_back([shared = std::make_shared<Sink>(std::move(sink))](const Record& record) {
        (*shared)(record);
      });
    }
  }

  /// Returns how many records were new. A record that a sink throws at does not come again.
  template <class Optimizer>
  std::int64_t poll(const Optimizer& optimizer) {
    if constexpr (requires { Optimizer::Recipe::recorded; }) {
      static_assert(Optimizer::Recipe::recorded,
                    "agmohd: a Watcher has nothing to watch: this optimizer's recipe has "
                    "hindrance::None and keeps no records; take agmohd::AGMOHD or a recipe with "
                    "hindrance::Detector");
    }
    return take(optimizer.records(), optimizer.records_begin());
  }
  /// The same with records that came another way: from step 1 on if they fill the ring, else from
  /// the first one.
  std::int64_t take(const std::vector<Record>& records) {
    const bool full = records.size() + 1 >= std::size_t(RecordRing::kSize);
    return take(records, full || records.empty() ? 0 : records.front().step - 1);
  }
  /// The same from the step after `begin` on.
  std::int64_t take(const std::vector<Record>& records, std::int64_t begin) {
    std::int64_t taken = 0;
    if (!records.empty() && records.back().step < last_) last_ = 0;  // an earlier run was loaded
    last_ = std::max(last_, begin);
    for (const Record& record : records) {
      if (record.step <= last_) continue;
      if (record.step != last_ + 1) {
        // The one between was being written: it is there at the next poll, unless it is overwritten
        const bool gone = records.back().step - last_ > RecordRing::kSize;
        if (!gone && waited_for_ != last_) {
          waited_for_ = last_;
          break;
        }
        missed_ += record.step - last_ - 1;
      }
      last_ = record.step;
      taken += 1;
      for (const auto& sink : sinks_) sink(record);
    }
    return taken;
  }

  std::int64_t last() const { return last_; }      ///< the Record::step that came last
  std::int64_t missed() const { return missed_; }  ///< records overwritten before a poll saw them

 private:
  std::vector<std::function<void(const Record&)>> sinks_;
  std::int64_t last_ = 0, missed_ = 0, waited_for_ = -1;
};

/// A sink that writes records as write_csv does, a line at once: into a new file, or behind those
/// that a run before has left. Throws std::runtime_error that names the file.
class CsvFile {
 public:
  explicit CsvFile(std::string path) : path_(std::move(path)), out_(path_, std::ios::binary) {
    write_csv(out_, {});
    check();
  }
  /// Goes on after step `after` (Record::step) of the run that wrote the file: its later lines go,
  /// since a run that was resumed from a checkpoint writes them again. A file that is not there is
  /// begun.
  CsvFile(std::string path, std::int64_t after) : path_(std::move(path)) {
    std::error_code missing;
    const bool begun = std::filesystem::file_size(path_, missing) > 0 && !missing;
    if (begun) std::filesystem::resize_file(path_, bytes_up_to(after));
    out_.open(path_, std::ios::binary | std::ios::app);
    if (!begun) write_csv(out_, {});
    check();
  }
  void operator()(const Record& record) {
    write_csv(out_, {record}, /*header=*/false);
    check();
  }

 private:
  /// Up to the first line of a later step, or one that was not written to its end.
  std::uintmax_t bytes_up_to(std::int64_t after) const {
    std::ifstream in(path_, std::ios::binary);
    std::string line, header;
    std::getline(in, header);
    std::ostringstream expected;
    write_csv(expected, {});
    if (header + "\n" != expected.str()) {
      throw std::runtime_error("agmohd: cannot continue " + path_ +
                               ": it does not begin with the header of records");
    }
    std::uintmax_t size = header.size() + 1;
    while (std::getline(in, line) && !in.eof() &&
           std::strtoll(line.c_str(), nullptr, 10) <= after) {
      size += line.size() + 1;
    }
    return size;
  }
  void check() {
    if (!out_.flush()) {
      throw std::runtime_error("agmohd: cannot write " + path_ + ": " + std::strerror(errno));
    }
  }

  std::string path_;
  std::ofstream out_;
};

}  // namespace agmohd::monitor
