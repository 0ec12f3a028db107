// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>

#include "../policy/field.hpp"
#include "../policy/name.hpp"
#include "constant.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// Lowers the learning rate of schedule S where the loss stops falling: torch.optim's
/// ReduceLROnPlateau, on means of `plateau_window` losses, as in optax's reduce_on_plateau. A mean
/// below (1 - rtol) best - atol is the new best. After more than `patience` other means in a row
/// S's factor is multiplied with `reduce_factor` once more, and the next `cooldown` means do not
/// count as worse. In optax `patience` of them are enough. Skipped steps, and steps without a
/// finite loss, are not looked at.
template <class S = Constant>
struct Plateau {
  static_assert(!has::schedule_memory<S>,
                "agmohd: the schedule inside Plateau has a memory, which it would lose");
  struct Options {
    double reduce_factor = 0.1;  ///< what each reduction multiplies the learning rate with
    std::int64_t patience = 10;  ///< means in a row without a new best that are borne
    double rtol = 1e-4;          ///< how much better a new best must be, relative to the last
    double atol = 0;             ///< the same in units of the loss
    std::int64_t cooldown = 0;   ///< means after a reduction that do not count as worse
    std::int64_t plateau_window = 100;  ///< losses in a mean
    double min_scale = 0;               ///< least factor that reductions lower the rate to
    typename S::Options schedule{};
  };
  struct Memory {
    double scale = 1;                                       ///< product of all reductions
    double best = std::numeric_limits<double>::infinity();  ///< mean
    double mean = 0;           ///< of the losses since the last full window
    std::int64_t count = 0;    ///< losses in `mean`
    std::int64_t waiting = 0;  ///< means since the best one
    std::int64_t cooling = 0;  ///< means to come that do not count as worse
    constexpr void members(auto&& f) {
      f("scale", scale), f("best", best), f("mean", mean), f("count", count), f("waiting", waiting),
          f("cooling", cooling);
    }
  };
  static constexpr auto fields =
      describe(field("reduce_factor", &Options::reduce_factor, between(0, 1)),
               field("patience", &Options::patience, at_least(0)),
               field("rtol", &Options::rtol, in(0, 1)), field("atol", &Options::atol, at_least(0)),
               field("cooldown", &Options::cooldown, at_least(0)),
               field("plateau_window", &Options::plateau_window, at_least(1)),
               field("min_scale", &Options::min_scale, between(0, 1)),
               nested(&Options::schedule, S::fields));
  static constexpr unsigned wants = kLoss;
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, S>("Plateau");
  }
  static void check(const Options& o) {
    if constexpr (requires { S::check(o.schedule); }) S::check(o.schedule);
  }
  static const char* needs(const Options& o, std::string_view name) {
    return agmohd::detail::needs<S>(o.schedule, name);
  }

  AGMOHD_HD static void advance(const Options& o, const Signals& s, const Verdict&, Memory& m) {
    if (!s.has_loss || !(s.loss - s.loss == 0)) return;
    m.count += 1;
    m.mean += (s.loss - m.mean) / double(m.count);
    if (m.count < o.plateau_window) return;
    const bool better = m.mean < (1 - o.rtol) * m.best - o.atol;
    if (better) m.best = m.mean;
    m.waiting = better || m.cooling > 0 ? 0 : m.waiting + 1;
    if (m.cooling > 0) m.cooling -= 1;
    if (m.waiting > o.patience) {
      const double lower = m.scale * o.reduce_factor;
      m.scale = lower > o.min_scale ? lower : o.min_scale;
      m.cooling = o.cooldown;
      m.waiting = 0;
    }
    m.count = 0;
    m.mean = 0;
  }
  /// A new phase of training keeps the factor and looks for a best loss of its own.
  static void begin_anew(Memory& m) { m = {.scale = m.scale}; }
  AGMOHD_HD static double factor(const Options& o, std::int64_t t, const Memory& m) {
    return m.scale * S::factor(o.schedule, t);
  }
  /// Without a loss, as for a stock optimizer of torch.
  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    return S::factor(o.schedule, t);
  }
};
static_assert(Schedule<Plateau<>> && has::schedule_memory<Plateau<>>);

}  // namespace agmohd::schedule
