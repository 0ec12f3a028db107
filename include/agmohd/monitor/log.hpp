// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <locale>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>

#include "records.hpp"

namespace agmohd::monitor {

/// A sink that tells the program's own log of interventions: a line when they begin, one every
/// `every` steps while they last, and one when 50 steps went by without any. Each line is a
/// sentence without a line break.
class Log {
 public:
  using Write = std::function<void(const std::string&)>;

  explicit Log(Write write, std::int64_t every = 100) : write_(std::move(write)), every_(every) {}
  /// Lines to a stream that outlives the sink, flushed.
  explicit Log(std::ostream& out, std::int64_t every = 100)
      : Log([&out](const std::string& line) { out << line << std::endl; }, every) {}

  void operator()(const Record& r) {
    if (r.step <= last_.step) first_ = 0;  // another run was loaded
    const bool acts = intervened(r);
    last_ = r;
    if (acts && first_ == 0) {
      first_ = told_ = recent_ = r.step;
      count_ = {};
      count_.add(r);
      say("step " + std::to_string(r.step) + ": " + what(count_) + state(r));
      return;
    }
    if (first_ == 0) return;
    if (acts) count_.add(r), recent_ = r.step;
    if (r.step - recent_ >= kCalm) {
      say("calm since step " + std::to_string(recent_) + "; since step " + std::to_string(first_) +
          ": " + what(count_) + state(r));
      first_ = 0;
    } else if (acts && r.step - told_ >= every_) {
      told_ = r.step;
      say("steps " + std::to_string(first_) + " to " + std::to_string(r.step) + ": " +
          what(count_) + state(r));
    }
  }

 private:
  static constexpr std::int64_t kCalm = 50;

  /// What was done in the steps of an incident.
  struct Count {
    std::int64_t acted = 0, skipped = 0, rolled_back = 0, slowed = 0;
    unsigned flags = 0;
    void add(const Record& r) {
      acted += 1;
      skipped += r.skipped;
      rolled_back += r.rolled_back;
      slowed += r.lr_factor < 1 ? 1 : 0;
      flags |= r.flags;
    }
  };

  static std::string what(const Count& count) {
    std::string out = count.flags != 0 ? flag_names(count.flags) : "hindered";
    const auto add = [&](std::int64_t n, const char* did) {
      if (n > 0) out += ", " + std::to_string(n) + did;
    };
    if (count.acted > 1) add(count.acted, " steps");
    add(count.skipped, " skipped");
    add(count.rolled_back, " rolled back");
    add(count.slowed, " with a lower learning rate");
    return out;
  }
  static std::string state(const Record& r) {
    std::ostringstream out;
    out.imbue(std::locale::classic());
    out << "; loss " << r.loss << ", gradient norm " << r.norm << ", learning rate " << r.lr;
    if (r.lr_factor < 1) out << " (times " << r.lr_factor << ')';
    return out.str();
  }
  void say(const std::string& line) const { write_("agmohd: " + line); }

  Write write_;
  std::int64_t every_;
  std::int64_t first_ = 0;              // step of the incident that lasts; 0: none
  std::int64_t recent_ = 0, told_ = 0;  // last steps with an intervention, with a line
  Count count_;
  Record last_;
};

}  // namespace agmohd::monitor
