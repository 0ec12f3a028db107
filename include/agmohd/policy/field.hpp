// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "compiler.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

namespace agmohd {

/// Two doubles, such as betas. std::array and std::tuple have host-only accessors under nvcc.
struct Pair {
  double first, second;
  friend bool operator==(const Pair&, const Pair&) = default;
};

/// The values that a numeric field may take. Non-finite values are never allowed.
struct Bounds {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_allowed = true;    ///< whether `low` itself is allowed
  bool high_allowed = false;  ///< whether `high` itself is allowed

  constexpr bool contain(double x) const {
    return (low_allowed ? x >= low : x > low) && (high_allowed ? x <= high : x < high);
  }
};

constexpr Bounds in(double low, double high) { return {low, high, true, false}; }  ///< [low, high)
constexpr Bounds between(double low, double high) {
  return {low, high, true, true};
}  ///< [low, high]
constexpr Bounds at_least(double low) { return {.low = low}; }                     ///< [low, inf)
constexpr Bounds above(double low) { return {.low = low, .low_allowed = false}; }  ///< (low, inf)
constexpr Bounds at_most(double high) { return {.high = high, .high_allowed = true}; }  ///< <= high
constexpr Bounds any() { return {}; }  ///< every finite number

/// The names of an enumeration's values, 0 first.
struct Choices {
  static constexpr std::size_t most = 8;  ///< values that an enumeration may have
  const char* names[most];
  std::size_t count;
};

template <class... Name>
constexpr Choices choices(Name... names) {
  static_assert(sizeof...(names) <= Choices::most);
  return {{names...}, sizeof...(names)};
}

/// One option of a policy: its name, where it lies in the policy's Options, and its bounds. Checks
/// and their messages, chained setters and serialization are all derived from the list of fields
/// that each policy gives once.
template <class Owner, class Value, class Path>
struct Field {
  // double, std::int64_t, bool, Pair, a List of them, or an enumeration of std::int64_t
  using value_type = Value;
  const char* name;
  Path path;
  std::conditional_t<std::is_enum_v<Value>, Choices, Bounds> bounds;

  constexpr Value& operator()(Owner& options) const { return path(options); }
  constexpr const Value& operator()(const Owner& options) const {
    return path(const_cast<Owner&>(options));  // NOLINT: the path only selects a member
  }
};

/// The fields of a policy, in order. Takes much less time to compile than a std::tuple.
template <class... F>
struct FieldList;

namespace detail {

/// Selects a member of the options.
template <class Owner, class Value>
struct Member {
  using Pointer = Value Owner::*;
  Pointer member;
  constexpr Value& operator()(Owner& owner) const { return owner.*member; }
};

/// Selects a member of the options, and in it what `path` selects.
template <class Owner, class Inner, class Path>
struct Nested {
  using Pointer = Inner Owner::*;
  Pointer member;
  Path path;
  constexpr auto& operator()(Owner& owner) const { return path(owner.*member); }
};

template <class Owner, class Inner, class F>
using NestedField = Field<Owner, typename F::value_type, Nested<Owner, Inner, decltype(F::path)>>;

template <std::size_t I, class F>
struct FieldLeaf {
  F field;
};
template <class Positions, class... F>
struct FieldLeaves;
template <std::size_t... I, class... F>
struct FieldLeaves<std::index_sequence<I...>, F...> : FieldLeaf<I, F>... {
  template <class Call>
  constexpr decltype(auto) apply(Call&& call) const {
    return call(static_cast<const FieldLeaf<I, F>&>(*this).field...);
  }
  /// Calls f(field, position) for each field, with the position as an integral constant.
  template <class Call>
  constexpr void each(Call&& call) const {
    (call(static_cast<const FieldLeaf<I, F>&>(*this).field,
          std::integral_constant<std::size_t, I>{}),
     ...);
  }
};

}  // namespace detail

template <class... F>
struct FieldList : detail::FieldLeaves<std::index_sequence_for<F...>, F...> {
  static constexpr std::size_t size = sizeof...(F);
};
/// One: without the detour, as field() makes one of each field.
template <class F>
struct FieldList<F> : detail::FieldLeaf<0, F> {
  static constexpr std::size_t size = 1;
  template <class Call>
  constexpr decltype(auto) apply(Call&& call) const {
    return call(this->field);
  }
  template <class Call>
  constexpr void each(Call&& call) const {
    call(this->field, std::integral_constant<std::size_t, 0>{});
  }
};

template <class Owner, class Value>
requires(!std::is_enum_v<Value>) constexpr auto field(const char* name, Value Owner::*member,
                                                      Bounds bounds = any()) {
  using F = Field<Owner, Value, detail::Member<Owner, Value>>;
  return FieldList<F>{{F{name, {member}, bounds}}};
}

template <class Owner, class Enum>
requires std::is_enum_v<Enum>
constexpr auto field(const char* name, Enum Owner::*member, Choices allowed) {
  static_assert(std::is_same_v<std::underlying_type_t<Enum>, std::int64_t>);
  using F = Field<Owner, Enum, detail::Member<Owner, Enum>>;
  return FieldList<F>{{F{name, {member}, allowed}}};
}

/// The fields of a policy inside this one (a schedule inside Warmup, a transform inside a Chain).
template <class Owner, class Inner, class... F>
constexpr auto nested(Inner Owner::*member, const FieldList<F...>& fields) {
  return fields.apply([member](const F&... f) {
    return FieldList<detail::NestedField<Owner, Inner, F>...>{
        {{detail::NestedField<Owner, Inner, F>{f.name, {member, f.path}, f.bounds}}...}};
  });
}

namespace detail {

template <class... A, class... B>
constexpr auto join(const FieldList<A...>& a, const FieldList<B...>& b) {
  return a.apply([&b](const A&... x) {
    return b.apply([&x...](const B&... y) { return FieldList<A..., B...>{{{x}..., {y}...}}; });
  });
}
template <class... F>
constexpr FieldList<F...> join_single(const FieldList<F>&... single) {
  return {{{single.field}...}};
}

}  // namespace detail

/// Joins lists of fields: describe(field(...), nested(...), ...).
constexpr FieldList<> describe() { return {}; }
template <class First, class... Others>
constexpr auto describe(const First& first, const Others&... others) {
  if constexpr (sizeof...(Others) == 0) {
    return first;
  } else if constexpr (First::size == 1 && ((Others::size == 1) && ...)) {
    return detail::join_single(first, others...);  // at once: most policies have only those
  } else {
    return detail::join(first, describe(others...));
  }
}

/// Throws a std::invalid_argument whose text is the arguments, one after another. For what a policy
/// demands of several fields together. Defined in policy/check.hpp, which kernel units do without.
template <class... Part>
[[noreturn]] void refuse(const Part&... parts);

/// Whether all fields of two options of `Policy` are equal.
template <class Policy>
bool same(const typename Policy::Options& a, const typename Policy::Options& b) {
  return Policy::fields.apply([&](const auto&... f) { return ((f(a) == f(b)) && ...); });
}

}  // namespace agmohd
