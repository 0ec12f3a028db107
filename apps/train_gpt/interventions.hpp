// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <agmohd/monitor/log.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace demo {

/// A sink of records that says what an optimizer does about hindrances.
class Interventions {
 public:
  Interventions() = default;
  Interventions(const Interventions&) = delete;
  Interventions& operator=(const Interventions&) = delete;

  void operator()(const agmohd::Record& r) {
    hindered_ += r.hindered;
    skipped_ += r.skipped;
    gave_up_ = gave_up_ || (r.flags & agmohd::Flag::give_up) != 0;
    log_(r);
  }

  /// The lines of the log since the last call.
  std::vector<std::string> news() { return std::exchange(news_, {}); }
  /// For the progress line; empty while there was nothing.
  std::string counts() const {
    if (hindered_ == 0 && skipped_ == 0) return "";
    return "  hindered " + std::to_string(hindered_) + ", skipped " + std::to_string(skipped_);
  }
  bool gave_up() const { return gave_up_; }

 private:
  std::int64_t hindered_ = 0, skipped_ = 0;
  bool gave_up_ = false;
  std::vector<std::string> news_;
  agmohd::monitor::Log log_{[this](const std::string& line) { news_.push_back("  " + line); }};
};

}  // namespace demo
