// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "peers.hpp"
#include "platform.hpp"

namespace bench {

/// One way to do a step.
struct Contestant {
  std::string name;
  std::string what;          ///< what is called
  std::string baseline;      ///< the stock contestant that does the same
  double bytes_a_parameter;  ///< that the step must move at least
  std::function<void(Peers&)> step;
  bool captured = false;
  std::function<void(Peers&)> prepare = [](Peers&) {};  ///< before the capture
  std::int64_t multiple = 1;                            ///< steps of a sample are a multiple of it
};

/// Contestants on the same tensors, measured in rounds: each round times every contestant once, for
/// as many steps as fill a window, and the next round begins with the next contestant. Between them
/// the bandwidth of a copy is measured. So what disturbs the machine for a while disturbs all, and
/// ratios are of neighbours in time.
class Lineup {
 public:
  struct Sample {
    Seconds seconds{};       ///< one step
    std::int64_t steps = 0;  ///< that were timed
    double copy = 0;         ///< bytes a second, read and written, in this round
    double baseline = 0;     ///< seconds of a step of the baseline in this round
  };

  Lineup(std::string name, const Platform& platform, Tensors tensors,
         std::vector<Contestant> contestants, int threads = 0)
      : name_(std::move(name)),
        platform_(platform),
        tensors_(std::move(tensors)),
        contestants_(std::move(contestants)),
        threads_(threads) {}

  const std::string& name() const { return name_; }
  const std::vector<Contestant>& contestants() const { return contestants_; }
  const Platform& platform() const { return platform_; }
  int threads() const { return threads_; }  ///< of the CPU; 0: all
  std::int64_t elements() const { return elements_of(tensors_.shapes); }
  std::size_t tensors() const { return tensors_.shapes.size(); }
  /// What it needs at most: parameters, two sets of gradients, four optimizers with two states
  /// each, buffers to copy.
  std::int64_t bytes() const {
    const auto e = std::int64_t(c10::elementSize(tensors_.dtype));
    return elements() * (3 * e + 8 * std::max<std::int64_t>(4, e)) + 3 * copy_bytes();
  }

  Sample sample(std::size_t contestant, std::size_t round) {
    start();
    while (rounds_.size() <= round) measure();
    Sample sample = rounds_[round][contestant];
    for (std::size_t i = 0; i < contestants_.size(); ++i) {
      if (contestants_[i].name == contestants_[contestant].baseline) {
        sample.baseline = rounds_[round][i].seconds.whole;
      }
    }
    return sample;
  }

  /// Of a warm step.
  std::optional<Launches> launches(std::size_t contestant) {
    const Step step = [&] { contestants_[contestant].step(peers()); };
    for (int i = 0; i < 3; ++i) step();
    return platform_.launches(step);
  }

  Peers& peers() {
    if (!peers_) peers_ = std::make_unique<Peers>(tensors_, platform_.device());
    return *peers_;
  }
  void release() {
    steps_.clear();
    rounds_.clear();
    peers_.reset();
    from_ = to_ = at::Tensor();
    platform_.trim();
  }

 private:
  std::int64_t copy_bytes() const { return std::int64_t{1} << 30; }
  double window() const { return platform_.device().is_cpu() ? 0.25 : 0.05; }

  void start() {
    if (!steps_.empty()) return;
    from_ = at::empty({copy_bytes() / 4}, platform_.device()).uniform_();
    to_ = at::zeros_like(from_);
    for (const Contestant& contestant : contestants_) {
      const Step eager = [this, &contestant] { contestant.step(peers()); };
      for (int i = 0; i < 2; ++i) eager();
      if (contestant.captured) contestant.prepare(peers());
      steps_.push_back(contestant.captured ? platform_.captured(eager) : eager);
    }
    counts_.clear();
    for (const Step& step : steps_) {
      double once = platform_.time(1, step).whole;
      for (int i = 0; i < 2; ++i) once = std::min(once, platform_.time(1, step).whole);
      const std::int64_t multiple = contestants_[counts_.size()].multiple;
      const std::int64_t count = std::clamp<std::int64_t>(std::llround(window() / once), 1, 20000);
      counts_.push_back((count + multiple - 1) / multiple * multiple);
    }
  }

  void measure() {
    const std::size_t n = steps_.size();
    std::vector<Sample> round(n);
    const double copy = measure_copy();
    for (std::size_t turn = 0; turn < n; ++turn) {
      const std::size_t i = (turn + rounds_.size()) % n;
      steps_[i]();  // so that the caches hold what this contestant left in them
      const Seconds all = platform_.time(counts_[i], steps_[i]);
      const auto count = static_cast<double>(counts_[i]);
      round[i] = {{all.whole / count, all.host / count, all.wall / count}, counts_[i], copy, 0};
    }
    rounds_.push_back(std::move(round));
  }

  /// The best of copy_ and of loads and stores of our own.
  double measure_copy() {
    constexpr std::int64_t kCopies = 3;
    const auto moved = 2.0 * static_cast<double>(kCopies * copy_bytes());
    double best = moved / platform_.time(kCopies, [this] { to_.copy_(from_); }).whole;
    for (int way = 0; platform_.stream_copy(way, to_, from_); ++way) {
      const auto stream = [this, way] { platform_.stream_copy(way, to_, from_); };
      best = std::max(best, moved / platform_.time(kCopies, stream).whole);
    }
    return best;
  }

  std::string name_;
  const Platform& platform_;
  Tensors tensors_;
  std::vector<Contestant> contestants_;
  int threads_;
  std::unique_ptr<Peers> peers_;
  at::Tensor from_, to_;
  std::vector<Step> steps_;
  std::vector<std::int64_t> counts_;
  std::vector<std::vector<Sample>> rounds_;
};

}  // namespace bench
