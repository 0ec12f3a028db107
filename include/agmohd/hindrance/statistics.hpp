// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../policy/number.hpp"

namespace agmohd::hindrance {

AGMOHD_HD inline bool finite(double x) { return x - x == 0; }

namespace detail {

inline constexpr double kDecay = 0.98;

/// kDecay^n by the multiplications that a statistic makes, so that the two compare exactly.
consteval double decayed(int n) {
  double x = 1;
  for (int i = 0; i < n; ++i) x *= kDecay;
  return x;
}
inline constexpr double kWinsorized = decayed(20), kActs = decayed(50), kActsLate = decayed(100);

/// Moves `unseen` = kDecay^observations on. Returns the weight of the new observation in a
/// bias-corrected exponential mean.
AGMOHD_HD inline double observe(double& unseen) {
  unseen *= kDecay;
  return (1 - kDecay) / (1 - unseen);
}

}  // namespace detail

/// Exponential mean and variance of a value, bias-corrected (West 1979), fed from the 20th
/// observation on with at most mean + 3 sigma, as ZClip does (Kumar et al. 2025), and here with at
/// least mean - 10 sigma: no single value can blind it. The first one has no mean to be held
/// against: when one of the next 19 lies more than 10 sigma below, it all begins anew with that.
/// Every function that needs sigma takes its least value.
struct Spread {
  double mean = 0, variance = 0, unseen = 1;
  constexpr void members(auto&& f) {
    f("mean", mean), f("variance", variance), f("unseen", unseen);
  }

  /// Whether rules may act on it: from the 50th observation on.
  AGMOHD_HD bool acts() const { return unseen <= detail::kActs; }
  AGMOHD_HD double sigma(double least) const { return std::fmax(std::sqrt(variance), least); }
  AGMOHD_HD double z(double x, double least) const { return (x - mean) / sigma(least); }
  AGMOHD_HD double upper(double least) const { return mean + 3 * sigma(least); }

  AGMOHD_HD double winsorized(double x, double least) const {
    if (unseen == 1) return x;
    if (unseen > detail::kWinsorized) {  // sigma is not known yet, but the order of magnitude is
      const double reach = 10 * std::fmax(sigma(least), std::fabs(mean));
      return std::fmax(std::fmin(x, mean + reach), mean - reach);
    }
    return std::fmax(std::fmin(x, upper(least)), mean - 10 * sigma(least));
  }
  AGMOHD_HD void learn(double x, double least) {
    if (unseen > detail::kWinsorized && unseen < 1 && finite(x) && z(x, least) < -10) *this = {};
    const double difference = winsorized(x, least) - mean;
    if (!finite(difference * difference)) return;
    const double weight = detail::observe(unseen);
    mean += weight * difference;
    variance = (1 - weight) * (variance + weight * difference * difference);
  }
  /// Begins a new regime about x, with at least this sigma.
  AGMOHD_HD void settle(double x, double least) {
    const double s = sigma(least);
    if (!finite(x) || !finite(s * s)) return;
    mean = x;
    variance = s * s;
  }
  /// The same where x is an upper, but ordinary value of it.
  AGMOHD_HD void accept(double x, double least) { settle(x - 3 * sigma(least), least); }
};

/// Exponential mean of a positive value, bias-corrected and fed with at most twice itself. A value
/// that grows linearly from its first step on is never above twice the mean.
struct Size {
  double mean = 0, unseen = 1;
  constexpr void members(auto&& f) { f("mean", mean), f("unseen", unseen); }

  /// Whether rules may act on it: from the 100th observation on.
  AGMOHD_HD bool acts() const { return unseen <= detail::kActsLate; }
  AGMOHD_HD double capped(double x) const { return unseen == 1 ? x : std::fmin(x, 2 * mean); }
  AGMOHD_HD void learn(double x) {
    const double difference = capped(x) - mean;
    mean += detail::observe(unseen) * difference;
  }
};

/// How far beyond its fixed bound a detector lets values go, tracked as a quantile is (adaptive
/// conformal inference: Gibbs & Candes 2021): each event, a value beyond bound and allowance,
/// raises it by `step` at least, every other value lowers it by `step` / 500. So in the long run at
/// most one value in 500 is an event, whatever the data look like: what comes back again and again
/// is the distribution.
struct Allowance {
  double value = 0;
  constexpr void members(auto&& f) { f("value", value); }

  AGMOHD_HD void raise(double by) { value += by; }
  AGMOHD_HD void lower(double step) { value = std::fmax(0.0, value - step / 500); }
};

/// Steps, mostly skipped ones, that are not paid back yet. One costs 10, other steps pay back, so
/// that of many steps only a small share can be skipped, however the skips are spread.
struct SkipBudget {
  std::int64_t spent = 0;
  constexpr void members(auto&& f) { f("spent", spent); }

  /// Whether one more may be skipped, if `most` in a row may.
  AGMOHD_HD bool allows(std::int64_t most) const { return spent < kCost * most; }
  AGMOHD_HD void spend() { spent += kCost; }
  AGMOHD_HD void pay_back(std::int64_t amount) { spent = spent > amount ? spent - amount : 0; }

 private:
  static constexpr std::int64_t kCost = 10;
};

/// The sigma that a statistic of ln(norm) has at least: a spike of 3.5 sigma is then twice the
/// mean, one of 6 sigma 3.3 times. (With 0.05, as first designed, a norm 1.2 times its mean was
/// one.)
inline constexpr double kNormSigma = 0.2;
/// The same for a loss.
AGMOHD_HD inline double loss_sigma(const Spread& loss) {
  return std::fmax(0.02 * std::fabs(loss.mean), 1e-8);
}
/// ln(norm); call it with a sum of squares that is finite and above 0.
AGMOHD_HD inline double log_norm(double norm2) { return 0.5 * std::log(norm2); }
AGMOHD_HD inline bool has_log(double norm2) { return norm2 > 0 && finite(norm2); }

}  // namespace agmohd::hindrance
