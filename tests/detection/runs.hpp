// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// What hindrance detection promises, on sequences of signals and of gradients: recipes that are
// driven by these alone. No LibTorch needed.

#include <agmohd/recipes.hpp>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

namespace testing_detection {

using namespace agmohd;
using Detector = hindrance::Detector;
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

template <class T>
bool same_bytes(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

/// Signals of a healthy run: log-normal norms, a noisy loss that falls, updates of one size.
class Healthy {
 public:
  explicit Healthy(unsigned seed, double sigma = 0.3) : random_(seed), sigma_(sigma) {}
  Signals next(double scale = 1) {
    const double norm =
        scale * std::exp(sigma_ * normal_(random_)) * (0.2 + std::exp(-time_ / 3e3));
    Signals s;
    s.norm2 = norm * norm;
    s.has_loss = true;
    s.loss = 2 + 6 * std::exp(-time_ / 2e3) + 0.1 * normal_(random_);
    s.lr = 1e-3 * std::min(1.0, (time_ + 1) / 500) * (0.5 + 0.5 * std::cos(time_ * 3e-4));
    const double rms = 0.3 * std::exp(0.05 * normal_(random_));
    s.update2 = 1000 * rms * rms;
    s.updated = time_ > 0 ? 1000 : 0;
    s.along = time_ > 0 ? 1e-2 * (1 + 0.3 * normal_(random_)) : 0;
    s.along_previous = time_ > 0 ? 2e-3 * normal_(random_) : 0;
    time_ += 1;
    return s;
  }

 private:
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  double sigma_, time_ = 0;
};

/// A recipe that is driven by signals alone.
template <class R>
struct Driven {
  typename R::Shared shared{};
  typename R::Group group{};
  typename R::Memory memory{};
  typename R::PerTensor tensor{};
  Verdict verdict{};
  typename R::template Coefficients<double> k{};

  explicit Driven(double lr = 1e-3) { group.lr = lr; }
  Verdict step(Signals s, TensorSignals ts = {}) {
    if constexpr (R::keeps_snapshots) {  // to swap in and to swap back
      shared.recovery.snapshots = s.can_roll_back;
      if (s.can_roll_back)
        memory.recovery = {.made = 2, .stamps = {2, -1}, .since_swap = 0, .last = 1};
    }
    verdict = R::judge(shared, group, s, memory);
    if (!verdict.skip) {
      k = R::template decide<double>(shared, group, s, verdict, memory, tensor, 0, ts);
      memory.updates += 1;
    }
    if constexpr (has::inspect<typename R::Hindrance>) {
      R::Hindrance::learn(shared.hindrance, s, verdict, memory.hindrance);
    }
    return verdict;
  }
};
template <class H>
using Watching = Recipe<rule::AdamW, H, gradient::Choice, recovery::Snapshots>;

inline bool clips(const Verdict& v, const Signals& s) { return std::sqrt(s.norm2) > v.norm_bound; }

}  // namespace testing_detection
