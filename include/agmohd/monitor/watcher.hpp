// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
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
    return take(optimizer.records());
  }
  std::int64_t take(const std::vector<Record>& records) {
    std::int64_t taken = 0;
    if (!records.empty() && records.back().step < last_) last_ = 0;  // an earlier run was loaded
    for (const Record& record : records) {
      if (record.step <= last_) continue;
      if (last_ > 0 && record.step != last_ + 1) {
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
  std::int64_t missed() const { return missed_; }  ///< records that were overwritten before a poll

 private:
  std::vector<std::function<void(const Record&)>> sinks_;
  std::int64_t last_ = 0, missed_ = 0, waited_for_ = 0;
};

/// A sink that writes records into a new file as write_csv does, a line at once.
class CsvFile {
 public:
  explicit CsvFile(std::string path) : path_(std::move(path)), out_(path_, std::ios::binary) {
    write_csv(out_, {});
    check();
  }
  void operator()(const Record& record) {
    write_csv(out_, {record}, /*header=*/false);
    check();
  }

 private:
  void check() {
    if (!out_.flush()) {
      throw std::runtime_error("agmohd: cannot write " + path_ + ": " + std::strerror(errno));
    }
  }

  std::string path_;
  std::ofstream out_;
};

}  // namespace agmohd::monitor
