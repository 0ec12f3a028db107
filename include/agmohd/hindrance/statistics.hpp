// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../policy/number.hpp"

namespace agmohd::hindrance {

AGMOHD_HD inline bool finite(double x) { return x - x == 0; }

namespace detail {

inline constexpr double kDecay = 0.98;  ///< of all exponential means here

/// kDecay^n, by the multiplications that `unseen` goes through in n observations, so that it can be
/// compared with `unseen` exactly.
consteval double decayed(int n) {
  double x = 1;
  for (int i = 0; i < n; ++i) x *= kDecay;
  return x;
}
inline constexpr double kWinsorized = decayed(20), kActs = decayed(50), kActsLate = decayed(100);

/// One observation more: `unseen` is kDecay^observations. Returns the weight of the new one in a
/// bias-corrected exponential mean.
AGMOHD_HD inline double observe(double& unseen) {
  unseen *= kDecay;
  return (1 - kDecay) / (1 - unseen);
}

}  // namespace detail

/// Exponential mean and variance of a value, bias-corrected (West 1979), that no single value can
/// distort: after 20 observations a value above mean + 3 sigma is learnt as that, as in ZClip
/// (Kumar et al. 2025), and one below mean - 10 sigma as that. The first value has nothing to be
/// compared with: if one of the next 19 lies more than 10 sigma below the mean, all begins anew
/// with that one. Functions that need sigma take the least value that it may have.
struct Spread {
  double mean = 0, variance = 0, unseen = 1;
  constexpr void members(auto&& f) {
    f("mean", mean), f("variance", variance), f("unseen", unseen);
  }

  /// Whether it may be acted on: after 50 observations.
  AGMOHD_HD bool acts() const { return unseen <= detail::kActs; }
  AGMOHD_HD double sigma(double least) const { return std::fmax(std::sqrt(variance), least); }
  AGMOHD_HD double z(double x, double least) const { return (x - mean) / sigma(least); }
  AGMOHD_HD double upper(double least) const { return mean + 3 * sigma(least); }

  AGMOHD_HD double winsorized(double x, double least) const {
    if (unseen == 1) return x;
    // Of the first 20 values sigma is not reliable yet, but the order of magnitude is.
    if (unseen > detail::kWinsorized) {
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
  /// From now on x is the mean, and sigma at least `least`.
  AGMOHD_HD void settle(double x, double least) {
    const double s = sigma(least);
    if (!finite(x) || !finite(s * s)) return;
    mean = x;
    variance = s * s;
  }
  /// From now on x is mean + 3 sigma: the largest value that counts as ordinary.
  AGMOHD_HD void accept(double x, double least) { settle(x - 3 * sigma(least), least); }
};

/// Exponential mean of a positive value, bias-corrected. A value above twice the mean is learnt as
/// that. A value that grows linearly from its first observation on is never above it.
struct Size {
  double mean = 0, unseen = 1;
  constexpr void members(auto&& f) { f("mean", mean), f("unseen", unseen); }

  /// Whether it may be acted on: after 100 observations.
  AGMOHD_HD bool acts() const { return unseen <= detail::kActsLate; }
  AGMOHD_HD double capped(double x) const { return unseen == 1 ? x : std::fmin(x, 2 * mean); }
  AGMOHD_HD void learn(double x) {
    const double difference = capped(x) - mean;
    mean += detail::observe(unseen) * difference;
  }
};

/// How far beyond its fixed bound a detector lets values go, tracked like a quantile (adaptive
/// conformal inference: Gibbs & Candes 2021). A value beyond bound plus allowance is an event: it
/// raises the allowance by `step` at least. Every other value lowers it by step / 500. So in the
/// long run at most one value in 500 is an event, whatever the data: what keeps coming back is
/// taken for part of the distribution.
struct Allowance {
  double value = 0;
  constexpr void members(auto&& f) { f("value", value); }

  AGMOHD_HD void raise(double by) { value += by; }
  AGMOHD_HD void lower(double step) { value = std::fmax(0.0, value - step / 500); }
};

/// A budget that limits the share of skipped steps, however they are spread: a skip spends 10, an
/// applied step pays back 1 or more.
struct SkipBudget {
  std::int64_t spent = 0;
  constexpr void members(auto&& f) { f("spent", spent); }

  /// Whether one more step may be skipped, where `most` in a row may.
  AGMOHD_HD bool allows(std::int64_t most) const { return spent < kCost * most; }
  AGMOHD_HD void spend() { spent += kCost; }
  AGMOHD_HD void pay_back(std::int64_t amount) { spent = spent > amount ? spent - amount : 0; }

 private:
  static constexpr std::int64_t kCost = 10;
};

/// The least sigma of ln(norm): with it 3.5 sigma are twice the mean, and 6 sigma 3.3 times. A
/// smaller one would call norms of 1.2 times the mean an explosion.
inline constexpr double kNormSigma = 0.2;
/// The least sigma of a loss: 2 % of its mean.
AGMOHD_HD inline double loss_sigma(const Spread& loss) {
  return std::fmax(0.02 * std::fabs(loss.mean), 1e-8);
}
/// ln(norm), from a sum of squares for which has_log() holds.
AGMOHD_HD inline double log_norm(double norm2) { return 0.5 * std::log(norm2); }
/// Whether it is finite and above 0.
AGMOHD_HD inline bool has_log(double norm2) { return norm2 > 0 && finite(norm2); }

}  // namespace agmohd::hindrance
