// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace demo {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// One line that is rewritten on a terminal; elsewhere a line every few seconds.
class Progress {
 public:
  Progress(std::int64_t step, std::int64_t steps) : steps_(steps), first_(step), printed_(step) {}

  /// Whether step `step`, counted from 1, is to be printed. Decided before the step, so that only
  /// printed steps measure anything.
  bool due(std::int64_t step) const {
    return step == first_ + 1 || step == steps_ || seconds_since(last_) >= (terminal_ ? 0.25 : 5.0);
  }

  /// Prints a line that stays, above the one that is rewritten.
  void say(const std::string& line) const {
    std::printf("%s%s\n", terminal_ ? "\r\033[K" : "", line.c_str());
  }

  /// Prints the line; returns the steps a second since the line before.
  double print(std::int64_t step, double loss, double lr, double grad_norm,
               std::int64_t tokens_a_step, const std::string& note) {
    const double rate = static_cast<double>(step - printed_) / seconds_since(last_);
    const double average = static_cast<double>(step - first_) / seconds_since(start_);
    const auto left = static_cast<long>(static_cast<double>(steps_ - step) / average + 0.5);
    std::printf(
        "%sstep %*lld/%lld  loss %.4f  lr %.2e  |g| %-7.3g %7.0f tokens/s  left %ld:%02ld%s%s",
        terminal_ ? "\r" : "", width(), static_cast<long long>(step),
        static_cast<long long>(steps_), loss, lr, grad_norm,
        rate * static_cast<double>(tokens_a_step), left / 60, left % 60, note.c_str(),
        terminal_ && step != steps_ ? "  " : "\n");
    std::fflush(stdout);
    last_ = Clock::now();
    printed_ = step;
    return rate;
  }

 private:
  int width() const {
    int digits = 1;
    for (std::int64_t n = steps_; n >= 10; n /= 10) ++digits;
    return digits;
  }

  bool terminal_ = isatty(STDOUT_FILENO) != 0;
  std::int64_t steps_, first_, printed_;
  Clock::time_point start_ = Clock::now(), last_ = start_;
};

}  // namespace demo
