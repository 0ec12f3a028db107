// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../statistics.hpp"
#include "detector.hpp"

namespace agmohd::hindrance {

/// Reports that the mean loss of 1000 applied steps is not at least 0.1 sigma below that of the
/// 1000 before; the report stands until the next 1000 are over. With `plateau_factor` below 1 each
/// such comparison also lowers the learning rate by it, for good, but not below `plateau_floor` of
/// the schedule's. If LossSpike accepts a new level of the loss, the comparison begins anew.
/// agmohd's own.
struct Plateau {
  struct Options {
    double plateau_factor = 1;    ///< what each plateau multiplies the learning rate with
    double plateau_floor = 0.01;  ///< least factor that plateaus lower the learning rate to
  };
  struct Memory {
    Spread loss;
    double sum = 0, previous = 0;  ///< losses of this block of 1000, capped; mean of the one before
    std::int64_t count = 0;        ///< losses so far
    std::int64_t flat = 0;         ///< 1: the last comparison found a plateau
    double lowered = 1;            ///< factor of the learning rate, of all plateaus together
    constexpr void members(auto&& f) {
      f("loss", loss), f("sum", sum), f("previous", previous), f("count", count), f("flat", flat),
          f("lowered", lowered);
    }
  };
  static constexpr auto fields =
      describe(field("plateau_factor", &Options::plateau_factor, Bounds{0, 1, false, true}),
               field("plateau_floor", &Options::plateau_floor, between(0, 1)));
  static constexpr unsigned wants = kLoss;
  static const char* name() { return "Plateau"; }
  static const char* needs(const Options& o, std::string_view name) {
    return name == "plateau_floor" && o.plateau_factor == 1 ? "plateau_factor below 1" : nullptr;
  }

  AGMOHD_HD static void examine(const Options&, const Signals&, const Memory& m, Verdict& v) {
    if (m.flat != 0) v.flags |= Flag::plateau;
    v.lr_factor *= m.lowered;
  }

  AGMOHD_HD static void learn(const Options& o, const Signals& s, const Verdict& v, Memory& m) {
    if (v.skip || !s.has_loss || !finite(s.loss)) return;
    constexpr unsigned other_level = Flag::loss_spike | Flag::accepted;
    if ((v.flags & other_level) == other_level) {
      const double lowered = m.lowered;
      m = {};
      m.lowered = lowered;
    }
    const double least = loss_sigma(m.loss);
    m.sum += m.loss.winsorized(s.loss, least);
    m.loss.learn(s.loss, least);
    m.count += 1;
    if (m.count % kBlock != 0) return;
    const double mean = m.sum / double(kBlock);
    m.flat = m.count > kBlock && m.previous - mean <= 0.1 * m.loss.sigma(0) ? 1 : 0;
    if (m.flat != 0) {
      m.lowered = std::fmin(m.lowered, std::fmax(o.plateau_factor * m.lowered, o.plateau_floor));
    }
    m.previous = mean;
    m.sum = 0;
  }

  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    return conclude<Plateau>(o, s, m);
  }

 private:
  static constexpr std::int64_t kBlock = 1000;  ///< losses that are compared at a time
};
static_assert(IsDetector<Plateau> && Hindrance<Plateau>);

}  // namespace agmohd::hindrance
