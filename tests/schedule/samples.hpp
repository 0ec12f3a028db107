// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Samples of schedules that a warm-up stands in front of, and what it makes of them.

#include <cmath>
#include <cstdint>
#include <vector>

#include "../contract/schedule.hpp"

template <>
struct contract::Sample<agmohd::schedule::Constant> {
  static std::vector<agmohd::schedule::Constant::Options> options() { return {{}}; }
  static long double expected(const agmohd::schedule::Constant::Options&, std::int64_t) {
    return 1;
  }
  static std::int64_t peak(const agmohd::schedule::Constant::Options&) { return 0; }
  static std::int64_t last(const agmohd::schedule::Constant::Options&) { return 0; }
};

template <>
struct contract::Sample<agmohd::schedule::Linear> {
  static std::vector<agmohd::schedule::Linear::Options> options() {
    return {{.total_steps = 10},
            {.total_steps = 7, .start_factor = 0.3, .end_factor = 0.1},
            {.total_steps = 13, .start_factor = 0, .end_factor = 1},
            {.total_steps = 1}};
  }
  static long double expected(const agmohd::schedule::Linear::Options& o, std::int64_t t) {
    if (t >= o.total_steps) return o.end_factor;
    const long double x = (long double)t / (long double)o.total_steps;
    return o.start_factor + ((long double)o.end_factor - o.start_factor) * x;
  }
  static std::int64_t peak(const agmohd::schedule::Linear::Options& o) {
    return o.end_factor > o.start_factor ? o.total_steps : 0;
  }
  static std::int64_t last(const agmohd::schedule::Linear::Options& o) { return o.total_steps; }
};

template <>
struct contract::Sample<agmohd::schedule::Cosine> {
  static std::vector<agmohd::schedule::Cosine::Options> options() {
    return {{.total_steps = 10},
            {.total_steps = 1000, .min_factor = 0.1},
            {.total_steps = 1, .min_factor = 1}};
  }
  static long double expected(const agmohd::schedule::Cosine::Options& o, std::int64_t t) {
    if (t == 0) return 1;
    if (t >= o.total_steps) return o.min_factor;
    const long double x = (long double)t / (long double)o.total_steps;
    return o.min_factor +
           (1 - (long double)o.min_factor) * (1 + std::cos(std::acos(-1.0L) * x)) / 2;
  }
  static std::int64_t peak(const agmohd::schedule::Cosine::Options&) { return 0; }
  static std::int64_t last(const agmohd::schedule::Cosine::Options& o) { return o.total_steps; }
};

namespace contract {

/// A warm-up in front of S, whose last step is found through `after`: its options without the
/// warm-up's steps.
template <class S>
struct WarmupSample {
  using Warmup = agmohd::schedule::Warmup<S>;
  static typename S::Options after(const typename Warmup::Options& o) {
    typename S::Options rest = o.after;
    if constexpr (requires { rest.total_steps; }) rest.total_steps -= o.warmup_steps;
    return rest;
  }
  static long double expected(const typename Warmup::Options& o, std::int64_t t) {
    const long double begin = contract::Sample<S>::expected(after(o), 0);
    if (t < o.warmup_steps) return begin * (long double)(t + 1) / (long double)o.warmup_steps;
    return contract::Sample<S>::expected(after(o), t - o.warmup_steps);
  }
  static std::int64_t peak(const typename Warmup::Options& o) {
    return o.warmup_steps + contract::Sample<S>::peak(after(o));
  }
  static std::int64_t last(const typename Warmup::Options& o) {
    return o.warmup_steps + contract::Sample<S>::last(after(o));
  }
};

}  // namespace contract
