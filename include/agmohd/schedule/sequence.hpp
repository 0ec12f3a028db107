// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/list.hpp"
#include "../policy/name.hpp"
#include "../policy/several.hpp"
#include "constant.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

namespace detail {

/// Several schedules as one policy.
template <class... S>
struct Schedules : agmohd::detail::Several<> {
  AGMOHD_HD static void grow(Options&, std::int64_t) {}
  AGMOHD_HD static double factor(const Options&, std::int64_t, std::int64_t) { return 1; }
  AGMOHD_HD static double product(const Options&, std::int64_t) { return 1; }
};
template <class S, class... Others>
struct Schedules<S, Others...> : agmohd::detail::Several<S, Others...> {
  static_assert(!has::schedule_memory<S>,
                "agmohd: a schedule inside Sequence, Product or ByGroup has a memory; Sequence and "
                "Product can stand inside it");
  using Rest = Schedules<Others...>;
  using typename agmohd::detail::Several<S, Others...>::Options;
  AGMOHD_HD static void grow(Options& o, std::int64_t times) {
    agmohd::detail::grow<S>(o.head, times);
    Rest::grow(o.rest, times);
  }
  /// Of schedule number i.
  AGMOHD_HD static double factor(const Options& o, std::int64_t i, std::int64_t t) {
    return i == 0 ? S::factor(o.head, t) : Rest::factor(o.rest, i - 1, t);
  }
  AGMOHD_HD static double product(const Options& o, std::int64_t t) {
    return S::factor(o.head, t) * Rest::product(o.rest, t);
  }
};

/// What a policy of several schedules has that adds no options.
template <class... S>
struct OfSchedules {
  using Schedules = detail::Schedules<S...>;
  struct Options {
    typename Schedules::Options schedules{};
  };
  static constexpr auto fields = describe(nested(&Options::schedules, Schedules::fields));
  static void check(const Options& o) { Schedules::check(o.schedules); }
  static const char* needs(const Options& o, std::string_view name) {
    return Schedules::needs(o.schedules, name);
  }
};

}  // namespace detail

/// Schedules one after another, each from its own step 0 on: torch.optim's SequentialLR. From
/// milestone i on it is schedule i + 1. Options of the same name in several of them are set by
/// policy, .set<schedule::Cosine>({...}), or by .set<Sequence<...>>({...}).
template <class... S>
struct Sequence {
  static_assert(sizeof...(S) >= 2, "agmohd: a Sequence is of two schedules or more");
  using Schedules = detail::Schedules<S...>;
  struct Options {
    List<std::int64_t, sizeof...(S) - 1> milestones{};  ///< first steps of all schedules but one
    typename Schedules::Options schedules{};
  };
  static constexpr auto fields = describe(field("milestones", &Options::milestones, at_least(0)),
                                          nested(&Options::schedules, Schedules::fields));
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, S...>("Sequence");
  }
  static void check(const Options& o) {
    if (o.milestones.size != sizeof...(S) - 1) {
      refuse("milestones has ", o.milestones.size, " values, but it must have ", sizeof...(S) - 1,
             ", one less than there are schedules");
    }
    for (std::int64_t i = 1; i < o.milestones.count(); ++i) {
      if (o.milestones.values[i] > o.milestones.values[i - 1]) continue;
      refuse("milestones[", i, "] = ", o.milestones.values[i],
             ", but it must be greater than the one before, ", o.milestones.values[i - 1]);
    }
    Schedules::check(o.schedules);
  }
  static const char* needs(const Options& o, std::string_view name) {
    return name == "milestones" ? nullptr : Schedules::needs(o.schedules, name);
  }
  AGMOHD_HD static void grow(Options& o, std::int64_t times) {
    for (std::int64_t i = 0; i < o.milestones.count(); ++i) {
      o.milestones.values[i] = agmohd::detail::multiplied(o.milestones.values[i], times);
    }
    Schedules::grow(o.schedules, times);
  }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    std::int64_t i = 0, begin = 0;
    while (i < o.milestones.count() && t >= o.milestones.values[i])
      begin = o.milestones.values[i++];
    return Schedules::factor(o.schedules, i, t - begin);
  }
};
static_assert(Schedule<Sequence<Constant, Constant>>);

/// The product of the factors of several schedules: torch.optim's ChainedScheduler.
template <class... S>
struct Product : detail::OfSchedules<S...> {
  using typename detail::OfSchedules<S...>::Options;
  using typename detail::OfSchedules<S...>::Schedules;
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, S...>("Product");
  }
  AGMOHD_HD static void grow(Options& o, std::int64_t times) {
    Schedules::grow(o.schedules, times);
  }
  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    return Schedules::product(o.schedules, t);
  }
};
static_assert(Schedule<Product<Constant, Constant>>);

}  // namespace agmohd::schedule
