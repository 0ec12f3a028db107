// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <agmohd/monitor/records.hpp>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace demo {

/// A sink of records that says what an optimizer does about hindrances.
class Interventions {
 public:
  void operator()(const agmohd::Record& r) {
    hindered_ += r.hindered;
    skipped_ += r.skipped;
    gave_up_ = gave_up_ || (r.flags & agmohd::Flag::give_up) != 0;
    const bool begins = r.flags != flags_ || r.skipped != was_skipped_;
    flags_ = r.flags;
    was_skipped_ = r.skipped;
    if (r.flags == 0 || !begins || lines_ == kMostLines) return;
    lines_ += 1;
    char text[200];
    std::snprintf(text, sizeof text, "  step %lld: %s, level %.2f: |g| %.3g, loss %.4g%s",
                  static_cast<long long>(r.step), agmohd::monitor::flag_names(r.flags).c_str(),
                  r.level, r.norm, r.loss, action(r).c_str());
    news_.push_back(text);
    if (lines_ == kMostLines) news_.emplace_back("  (more of them are in the records)");
  }

  /// What began since the last call, a line each.
  std::vector<std::string> news() { return std::exchange(news_, {}); }
  /// For the progress line; empty while there was nothing.
  std::string counts() const {
    if (hindered_ == 0 && skipped_ == 0) return "";
    return "  hindered " + std::to_string(hindered_) + ", skipped " + std::to_string(skipped_);
  }
  bool gave_up() const { return gave_up_; }

 private:
  static constexpr int kMostLines = 30;

  static std::string action(const agmohd::Record& r) {
    char text[80] = "";
    if (r.skipped != 0) return "; skipped";
    if (r.lr_factor < 1) {
      std::snprintf(text, sizeof text, "; learning rate times %.2g", r.lr_factor);
    } else if (r.clip_factor < 1) {
      std::snprintf(text, sizeof text, "; gradients times %.2g", r.clip_factor);
    }
    return text;
  }

  std::int64_t hindered_ = 0, skipped_ = 0;
  unsigned flags_ = 0, was_skipped_ = 0;  // of the last record
  int lines_ = 0;
  bool gave_up_ = false;
  std::vector<std::string> news_;
};

}  // namespace demo
