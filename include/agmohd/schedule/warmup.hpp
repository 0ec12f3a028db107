// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/name.hpp"
#include "constant.hpp"
#include "curve.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// A warm-up in front of schedule S. For t < warmup_steps, with x = (t + 1) / warmup_steps and S's
/// first factor f, the factor is f times
///   linear           warmup_start + (1 - warmup_start) x
///   constant         warmup_start
///   cosine           warmup_start + (1 - warmup_start) (1 - cos(pi x)) / 2
///   exponential      warmup_start^(1 - x)
///   one_minus_sqrt   warmup_start + (1 - warmup_start) (1 - sqrt(1 - x))
/// then S's factor at t - warmup_steps. If S has a `total_steps`, the warm-up is part of it: S gets
/// total_steps - warmup_steps. With `warmup_from_start` x = t / warmup_steps, as in transformers,
/// optax, timm and torch.optim's LinearLR; with a warmup_start of 0 the first step moves nothing.
template <class S = Constant>
struct Warmup {
  static_assert(!has::schedule_memory<S>,
                "agmohd: the schedule inside Warmup has a memory; write the Warmup inside it");
  struct Options {
    std::int64_t warmup_steps = 0;  ///< steps of the warm-up, below S's `total_steps` if it has one
    Curve warmup_curve = Curve::linear;  ///< its shape; exponential needs a warmup_start above 0
    double warmup_start = 0;             ///< the factor that it begins above, over S's first one
    bool warmup_from_start = false;      ///< the first step has the factor warmup_start itself
    typename S::Options after{};
  };
  static constexpr auto fields = describe(
      field("warmup_steps", &Options::warmup_steps, at_least(0)),
      field("warmup_curve", &Options::warmup_curve,
            choices("linear", "constant", "cosine", "exponential", "one_minus_sqrt")),
      field("warmup_start", &Options::warmup_start, between(0, 1)),
      field("warmup_from_start", &Options::warmup_from_start), nested(&Options::after, S::fields));
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, S>("Warmup");
  }

  static void check(const Options& o) {
    if constexpr (requires { S::check(o.after); }) S::check(o.after);
    if (o.warmup_curve == Curve::exponential && o.warmup_start == 0) {
      refuse("warmup_curve = exponential with warmup_start = 0, but it needs one above 0");
    }
    const std::int64_t total = agmohd::detail::total_steps<S>(o.after);
    if (total == 0) return;
    if (o.warmup_steps >= total) {
      refuse("warmup_steps = ", o.warmup_steps, ", but it must be less than total_steps = ", total,
             ", which includes the warm-up");
    }
    if constexpr (requires { S::check(o.after); }) S::check(later(o));
  }

  static const char* needs(const Options& o, std::string_view name) {
    if (name == "warmup_steps") return nullptr;
    if (name.substr(0, 7) == "warmup_" && o.warmup_steps == 0) return "warmup_steps above 0";
    return agmohd::detail::needs<S>(o.after, name);
  }

  AGMOHD_HD static void grow(Options& o, std::int64_t times) {
    agmohd::detail::grow<S>(o.after, times);
  }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    const typename S::Options after = later(o);
    if (t >= o.warmup_steps) return S::factor(after, t - o.warmup_steps);
    const double x = double(o.warmup_from_start ? t : t + 1) / double(o.warmup_steps);
    return detail::between(o.warmup_curve, o.warmup_start, x, 1 - x) * S::factor(after, 0);
  }

 private:
  /// S's options for the steps after the warm-up.
  AGMOHD_HD static typename S::Options later(const Options& o) {
    typename S::Options after = o.after;
    agmohd::detail::begin_later<S>(after, o.warmup_steps);
    return after;
  }
};
static_assert(Schedule<Warmup<>>);

}  // namespace agmohd::schedule
