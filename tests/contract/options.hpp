// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bounds of options and their messages.

#include <gtest/gtest.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <limits>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "samples.hpp"

namespace contract {

template <class Policy>
std::string message(const typename Policy::Options& options) {
  try {
    agmohd::check<Policy>(options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return {};
}

template <class Number>
std::vector<Number> outside(const agmohd::Bounds& bounds) {
  std::vector<Number> out;
  if constexpr (std::is_same_v<Number, double>) {
    constexpr double inf = std::numeric_limits<double>::infinity();
    out = {std::numeric_limits<double>::quiet_NaN(), inf, -inf};
    if (std::isfinite(bounds.low)) {
      out.push_back(bounds.low_allowed ? std::nextafter(bounds.low, -inf) : bounds.low);
      out.push_back(bounds.low - 1);
    }
    if (std::isfinite(bounds.high)) {
      out.push_back(bounds.high_allowed ? std::nextafter(bounds.high, inf) : bounds.high);
      out.push_back(bounds.high + 1);
    }
  } else {
    if (std::isfinite(bounds.low)) out.push_back(Number(bounds.low) - (bounds.low_allowed ? 1 : 0));
    if (std::isfinite(bounds.high))
      out.push_back(Number(bounds.high) + (bounds.high_allowed ? 1 : 0));
  }
  return out;
}
template <class Number>
std::vector<Number> inside(const agmohd::Bounds& bounds) {
  std::vector<Number> out;
  if constexpr (std::is_same_v<Number, double>) {
    constexpr double inf = std::numeric_limits<double>::infinity();
    if (std::isfinite(bounds.low)) {
      out.push_back(bounds.low_allowed ? bounds.low : std::nextafter(bounds.low, inf));
    }
    if (std::isfinite(bounds.high)) {
      out.push_back(bounds.high_allowed ? bounds.high : std::nextafter(bounds.high, -inf));
    }
  } else {
    if (std::isfinite(bounds.low)) out.push_back(Number(bounds.low) + (bounds.low_allowed ? 0 : 1));
    if (std::isfinite(bounds.high))
      out.push_back(Number(bounds.high) - (bounds.high_allowed ? 0 : 1));
  }
  return out;
}

/// Sets one number of an option; for a Pair its first and its second in turn.
template <class Policy, class F, class Try>
void for_each_number(const typename Policy::Options& sample, const F& f, const Try& attempt) {
  using V = typename F::value_type;
  const auto with = [&](auto assign) {
    typename Policy::Options options = sample;
    assign(f(options));
    return options;
  };
  if constexpr (std::is_same_v<V, agmohd::Pair>) {
    attempt(std::string(f.name) + "[0]", double{},
            [&](double x) { return with([x](agmohd::Pair& pair) { pair.first = x; }); });
    attempt(std::string(f.name) + "[1]", double{},
            [&](double x) { return with([x](agmohd::Pair& pair) { pair.second = x; }); });
  } else if constexpr (agmohd::detail::is_list<V>) {
    typename Policy::Options any = sample;
    for (std::int64_t i = 0; i < f(any).size; ++i) {
      const std::string name = std::string(f.name) + "[" + std::to_string(i) + "]";
      if constexpr (std::is_same_v<V, agmohd::List<std::int64_t, V::most>>) {
        attempt(name, std::int64_t{},
                [&](std::int64_t x) { return with([x, i](V& list) { list.values[i] = x; }); });
      } else {
        attempt(name + "[0]", double{},
                [&](double x) { return with([x, i](V& list) { list.values[i].first = x; }); });
        attempt(name + "[1]", double{},
                [&](double x) { return with([x, i](V& list) { list.values[i].second = x; }); });
      }
    }
  } else if constexpr (!std::is_same_v<V, bool> && !std::is_enum_v<V>) {
    attempt(std::string(f.name), V{}, [&](V x) { return with([x](V& value) { value = x; }); });
  }
}

template <class Policy>
void expect_bounds() {
  EXPECT_FALSE(std::string(Policy::name()).empty());
  EXPECT_FALSE(Sample<Policy>::options().empty());
  for (const auto& sample : Sample<Policy>::options()) {
    EXPECT_EQ(message<Policy>(sample), "");
    Policy::fields.each([&](const auto& f, auto) {
      for_each_number<Policy>(sample, f, [&]<class V>(const std::string& name, V, auto with) {
        for (const V x : outside<V>(f.bounds)) {
          std::ostringstream value;
          value.precision(17);
          value << name << " = " << x << ", but it must be ";
          EXPECT_NE(message<Policy>(with(x)).find(value.str() + agmohd::detail::text(f.bounds)),
                    std::string::npos)
              << "for " << value.str() << "the message is: " << message<Policy>(with(x));
        }
        for (const V x : inside<V>(f.bounds)) {
          // What the policy itself demands of several fields may still refuse it.
          EXPECT_EQ(message<Policy>(with(x)).find(agmohd::detail::text(f.bounds)),
                    std::string::npos)
              << message<Policy>(with(x));
        }
      });
    });
  }
}

/// No two options of a recipe, or of a policy that is no chain, share a name.
template <class Fields>
void expect_unique_names(const Fields& fields) {
  std::set<std::string> names;
  fields.each([&](const auto& f, auto) { EXPECT_TRUE(names.insert(f.name).second) << f.name; });
  EXPECT_EQ(names.count("lr"), 0U);
}

}  // namespace contract
