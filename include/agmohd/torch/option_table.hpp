// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "../policy/field.hpp"
#include "../policy/fixed_string.hpp"
#include "../policy/list.hpp"

namespace agmohd {

namespace detail {

/// How an option is held: as torch.optim's C++ options hold it, so that references to it can be
/// handed out.
template <class V>
struct Held {
  using type = V;
};
template <>
struct Held<Pair> {
  using type = std::tuple<double, double>;
};

template <class V>
V unheld(const V& value) {
  return value;
}
inline Pair unheld(const std::tuple<double, double>& value) {
  return {std::get<0>(value), std::get<1>(value)};
}
template <class V>
V held(const V& value) {
  return value;
}
inline std::tuple<double, double> held(const Pair& value) { return {value.first, value.second}; }

/// An option as a checkpoint holds it: an enumeration as its number, a list as one of numbers, two
/// for a Pair.
template <class V>
auto stored(const V& value) {
  if constexpr (std::is_enum_v<V>) {
    return static_cast<std::int64_t>(value);
  } else {
    return value;
  }
}

template <std::size_t Most>
std::vector<std::int64_t> stored(const List<std::int64_t, Most>& list) {
  return {list.values, list.values + list.count()};
}
template <std::size_t Most>
std::vector<double> stored(const List<Pair, Most>& list) {
  std::vector<double> out;
  for (std::int64_t i = 0; i < list.count(); ++i) {
    out.insert(out.end(), {list.values[i].first, list.values[i].second});
  }
  return out;
}
template <class V, class Stored>
V unstored(const Stored& value) {
  if constexpr (std::is_same_v<Stored, std::vector<std::int64_t>>) {
    V list;
    for (const std::int64_t x : value) list.push_back(x);
    return list;
  } else if constexpr (std::is_same_v<Stored, std::vector<double>>) {
    V list;
    for (std::size_t i = 0; i + 1 < value.size(); i += 2) list.push_back({value[i], value[i + 1]});
    return list;
  } else {
    return static_cast<V>(value);
  }
}

template <class... F>
std::tuple<typename Held<typename F::value_type>::type...> held_values(const FieldList<F...>&);

struct LearningRate {
  struct Options {
    double lr;
  };
  static constexpr auto fields = describe(field("lr", &Options::lr, at_least(0)));
};

/// What options belong to: a parameter group, the optimizer as a whole, or how it stores its state,
/// which may change from one checkpoint to the next.
enum class OptionPart { group, shared, storage };

/// Stands for an option that a recipe does not have.
struct Absent {};

/// The options of a recipe as one list: lr, the rule's, then those of the other families, the
/// storage last.
template <class Recipe>
struct OptionTable {
  static constexpr auto group_fields = describe(LearningRate::fields, Recipe::Rule::fields);
  static constexpr auto fields = describe(
      group_fields, Recipe::Hindrance::fields, Recipe::Momentum::fields, Recipe::Gradient::fields,
      Recipe::Schedule::fields, Recipe::Recovery::fields, Recipe::Storage::fields);
  static constexpr std::size_t group_count = group_fields.size;
  static constexpr std::size_t count = fields.size;
  using Values = decltype(held_values(fields));

  static constexpr std::size_t find(std::string_view name) { return position(fields, name); }
  template <std::size_t I>
  using Value = typename std::conditional_t<(I < count), std::tuple_element<I, Values>,
                                            std::type_identity<Absent>>::type;

  template <class Policy>
  static constexpr std::size_t size = Policy::fields.size;
  static constexpr std::size_t rule = 1;
  static constexpr std::size_t hindrance = group_count;
  static constexpr std::size_t momentum = hindrance + size<typename Recipe::Hindrance>;
  static constexpr std::size_t gradient = momentum + size<typename Recipe::Momentum>;
  static constexpr std::size_t schedule = gradient + size<typename Recipe::Gradient>;
  static constexpr std::size_t recovery = schedule + size<typename Recipe::Schedule>;
  static constexpr std::size_t storage = recovery + size<typename Recipe::Recovery>;

  static constexpr OptionPart part(std::size_t i) {
    return i < group_count ? OptionPart::group
           : i < storage   ? OptionPart::shared
                           : OptionPart::storage;
  }
};

/// Whether a policy is P, or is made of others of which one is: Warmup<P>, Chain<Q, P>.
template <class Policy, class P>
inline constexpr bool is_or_has = std::is_same_v<Policy, P>;
template <template <class...> class Made, class... Inner, class P>
inline constexpr bool is_or_has<Made<Inner...>, P> = std::is_same_v<Made<Inner...>, P> ||
                                                     (is_or_has<Inner, P> || ...);
template <class Recipe, class P>
inline constexpr bool has_policy =
    is_or_has<typename Recipe::Rule, P> || is_or_has<typename Recipe::Hindrance, P> ||
    is_or_has<typename Recipe::Momentum, P> || is_or_has<typename Recipe::Gradient, P> ||
    is_or_has<typename Recipe::Schedule, P> || is_or_has<typename Recipe::Recovery, P> ||
    is_or_has<typename Recipe::Storage, P>;

/// How often P is in a policy.
template <class Policy, class P>
inline constexpr int times_in = std::is_same_v<Policy, P> ? 1 : 0;
template <template <class...> class Made, class... Inner, class P>
inline constexpr int times_in<Made<Inner...>, P> = std::is_same_v<Made<Inner...>, P>
                                                       ? 1
                                                       : (0 + ... + times_in<Inner, P>);

/// Where the options of P begin among those of a policy that is P or is made of others, whose
/// options stand behind its own, in their order.
template <class P, class Policy>
struct OffsetIn {
  static constexpr std::size_t value = 0;
};
template <class P, template <class...> class Made, class... Inner>
requires(!std::is_same_v<Made<Inner...>, P>) struct OffsetIn<P, Made<Inner...>> {
  static constexpr std::size_t find() {
    std::size_t at = Made<Inner...>::fields.size - (0 + ... + Inner::fields.size), found = 0;
    [[maybe_unused]] const auto look = [&]<class One>() {
      if (times_in < One, P >> 0) found = at + OffsetIn<P, One>::value;
      at += One::fields.size;
    };
    (look.template operator()<Inner>(), ...);
    return found;
  }
  static constexpr std::size_t value = find();
};

/// The position of P's first option in the table.
template <class Recipe, class P>
constexpr std::size_t first_option() {
  using Table = OptionTable<Recipe>;
  const auto in = []<class Family>() { return is_or_has<Family, P>; };
  static_assert(
      times_in<typename Recipe::Gradient, P> < 2 && times_in<typename Recipe::Schedule, P> < 2,
      "agmohd: set<Policy>: the recipe has that policy twice, and a name reaches the first one "
      "alone; set the options of what holds both, such as .set<schedule::ByGroup<...>>({...})");
  if (in.template operator()<typename Recipe::Rule>()) return Table::rule;
  if (in.template operator()<typename Recipe::Hindrance>()) {
    return Table::hindrance + OffsetIn<P, typename Recipe::Hindrance>::value;
  }
  if (in.template operator()<typename Recipe::Momentum>()) return Table::momentum;
  if (in.template operator()<typename Recipe::Gradient>()) {
    return Table::gradient + OffsetIn<P, typename Recipe::Gradient>::value;
  }
  if (in.template operator()<typename Recipe::Schedule>()) {
    return Table::schedule + OffsetIn<P, typename Recipe::Schedule>::value;
  }
  if (in.template operator()<typename Recipe::Recovery>()) return Table::recovery;
  return Table::storage;
}

}  // namespace detail

}  // namespace agmohd
