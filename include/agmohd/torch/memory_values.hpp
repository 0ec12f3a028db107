// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/ivalue.h>
#include <c10/util/Exception.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "../gradient/gradient.hpp"
#include "../hindrance/hindrance.hpp"
#include "../policy/members.hpp"
#include "../schedule/schedule.hpp"
#include "load_report.hpp"

// What policies remember, as a checkpoint holds it: the names and types of the members, "mean:d
// count:i", and their bits as integers. So a memory may gain, lose and reorder members.
namespace agmohd::checkpoint {

/// Calls leaf(name, x) for every number in `x`, and for every memory that lists no members.
template <class T, class Leaf>
void each_member(const std::string& name, T& x, const Leaf& leaf) {
  if constexpr (std::is_array_v<T>) {
    for (std::size_t i = 0; i < std::extent_v<T>; ++i) {
      each_member(name + "[" + std::to_string(i) + "]", x[i], leaf);
    }
  } else if constexpr (agmohd::detail::Listed<T>) {
    static_assert(agmohd::detail::listed_bytes<T>() == sizeof(T),
                  "agmohd: the function members() of this policy's memory does not list all of its "
                  "members (or there is padding between them)");
    std::string prefix = name;
    if constexpr (requires { T::version; }) {
      if (T::version != 1) prefix += "@" + std::to_string(T::version);
    }
    if (!prefix.empty()) prefix += ".";
    x.members([&](const char* member, auto& y, const auto&... names) {
      if constexpr (sizeof...(names) == 0) {
        each_member(prefix + member, y, leaf);
      } else {
        std::size_t i = 0;
        for (auto& element : y) {
          each_member(prefix + member + "[" + (names[i], ...) + "]", element, leaf);
          ++i;
        }
      }
    });
  } else if constexpr (!std::is_empty_v<T>) {
    leaf(name, x);
  }
}

/// The same for the memory of a policy under its name, or of those that it is made of. `tensor`:
/// what it remembers of each tensor.
template <class Policy, bool tensor, class M, class Leaf>
void each_memory(const std::string& prefix, M& memory, const Leaf& leaf) {
  if constexpr (!std::is_empty_v<M>) {
    std::map<std::string, int> seen;  // a chain may hold a transform twice
    const auto visit = [&](const std::string& name, auto& part) {
      const int n = ++seen[name];
      each_member(prefix + name + (n == 1 ? "" : ":" + std::to_string(n)), part, leaf);
    };
    if constexpr (tensor && requires { Policy::each_tensor_memory(memory, visit); }) {
      Policy::each_tensor_memory(memory, visit);
    } else if constexpr (!tensor && requires { Policy::each_memory(memory, visit); }) {
      Policy::each_memory(memory, visit);
    } else {
      visit(Policy::name(), memory);
    }
  }
}

/// The memories of a recipe, each under the key that a checkpoint has for it.
template <class Recipe>
struct Memories {
  template <class Leaf>
  static void optimizer(typename Recipe::Memory& m, const Leaf& leaf) {
    each_member("updates", m.updates, leaf);
    each_memory<typename Recipe::Hindrance, false>("hindrance ", m.hindrance, leaf);
    each_memory<typename Recipe::Momentum, false>("momentum ", m.momentum, leaf);
    each_memory<typename Recipe::Schedule, false>("schedule ", m.schedule, leaf);
    each_memory<typename Recipe::Recovery, false>("recovery ", m.recovery, leaf);
    if constexpr (Recipe::totals) {
      each_member("rule", m.rule, leaf);
      each_member("totals", m.totals, leaf);
    }
    if constexpr (Recipe::keeps_totals) {
      for (const int i : {0, 1}) {
        const std::string snapshot = "snapshot " + std::to_string(i);
        each_member(snapshot + " rule", m.kept.of[i].rule, leaf);
        each_member(snapshot + " totals", m.kept.of[i].totals, leaf);
      }
      each_member("snapshot saved", m.kept.saved, leaf);
    }
    if constexpr (Recipe::counts_zeroed) each_member("zeroed", m.zeroed, leaf);
    each_member("swept", m.swept, leaf);
    each_member("tally", m.tally, leaf);
  }
  template <class Leaf>
  static void hindrance(typename Recipe::TensorHindrance& m, const Leaf& leaf) {
    each_memory<typename Recipe::Hindrance, true>("", m.memory, leaf);
    each_member("exploded", m.exploded, leaf);
    each_member("vanished", m.vanished, leaf);
    each_member("throttled", m.throttled, leaf);
  }
  template <class M, class Leaf>
  static void gradient(M& m, const Leaf& leaf) {
    each_memory<typename Recipe::Gradient, true>("", m, leaf);
  }
  template <class Leaf>
  static void snapshots(typename Recipe::Snapshots& m, const Leaf& leaf) {
    std::string i = "0 ";
    for (auto& kept : m.kept) {
      each_member(i + "stamp", kept.stamp, leaf);
      each_member(i + "moved", kept.moved, leaf);
      each_member(i + "age", kept.step, leaf);
      each_member(i + "rule", kept.rule, leaf);
      each_member(i + "guard", kept.guard, leaf);
      each_memory<typename Recipe::Gradient, true>(i + "gradient ", kept.gradient, leaf);
      i[0] = '1';
    }
  }
};

/// A member as 64-bit words, and the letter of its type: d for floating-point numbers, i for
/// integers, bN for N words of bytes.
template <class T>
struct Word {
  static constexpr bool number = std::is_arithmetic_v<T> || std::is_enum_v<T>;
  static constexpr std::size_t count = number ? 1 : (sizeof(T) + 7) / 8;
  static std::string type() {
    return !number ? "b" + std::to_string(count) : std::is_floating_point_v<T> ? "d" : "i";
  }
  static void put(c10::List<std::int64_t>& to, const T& x) {
    if constexpr (std::is_floating_point_v<T>) {
      to.push_back(std::bit_cast<std::int64_t>(double(x)));
    } else if constexpr (number) {
      to.push_back(static_cast<std::int64_t>(x));
    } else {
      std::int64_t words[count] = {};
      std::memcpy(words, &x, sizeof x);
      for (const std::int64_t word : words) to.push_back(word);
    }
  }
  static void get(const c10::List<std::int64_t>& from, std::size_t at, T& x) {
    if constexpr (std::is_floating_point_v<T>) {
      x = static_cast<T>(std::bit_cast<double>(from.get(at)));
    } else if constexpr (number) {
      x = static_cast<T>(from.get(at));
    } else {
      std::int64_t words[count];
      for (std::size_t i = 0; i < count; ++i) words[i] = from.get(at + i);
      std::memcpy(&x, words, sizeof x);
    }
  }
};

/// `each(memory, leaf)` is one of Memories.
template <class M, class Each>
c10::IValue to_value(M memory, Each each) {
  std::string layout;
  c10::List<std::int64_t> words;
  each(memory, [&]<class T>(const std::string& name, const T& x) {
    layout += name + ":" + Word<T>::type() + "\n";
    Word<T>::put(words, x);
  });
  return c10::ivalue::Tuple::create(std::move(layout), std::move(words));
}

/// Reads what to_value() wrote. What `memory` has and the checkpoint does not stays as it is; what
/// only the checkpoint has goes to `report` as a member of `part`.
template <class M, class Each>
void from_value(const c10::IValue& value, const char* part, M& memory, Each each, Report& report) {
  constexpr const char* kDamaged = "agmohd: the checkpoint is damaged: it has no description of ";
  TORCH_CHECK(value.isTuple() && value.toTupleRef().elements().size() == 2, kDamaged, part);
  const auto& elements = value.toTupleRef().elements();
  TORCH_CHECK(elements[0].isString() && elements[1].isIntList(), kDamaged, part);
  const c10::List<std::int64_t> words = elements[1].toIntList();
  std::map<std::string, std::size_t> found;  // "name:type" -> its first word
  std::istringstream layout(elements[0].toStringRef());
  std::size_t end = 0;
  for (std::string line; std::getline(layout, line);) {
    if (line.rfind("healing ", 0) == 0) line.replace(0, 7, "recovery");  // as once written
    found[line] = end;
    const std::size_t type = line.rfind(':') + 1;
    std::size_t count = 1;
    if (type < line.size() && line[type] == 'b') {
      count = 0;
      for (std::size_t i = type + 1; i < line.size() && count < words.size(); ++i) {
        count = 10 * count + std::size_t(line[i] - '0');
      }
    }
    end += count;
  }
  TORCH_CHECK(end == words.size(), kDamaged, part);
  each(memory, [&]<class T>(const std::string& name, T& x) {
    const auto at = found.find(name + ":" + Word<T>::type());
    if (at == found.end()) return;
    Word<T>::get(words, at->second, x);
    found.erase(at);
  });
  for (const auto& [line, at] : found) {
    report.unknown_members.insert(part + (" " + line.substr(0, line.rfind(':'))));
  }
}

}  // namespace agmohd::checkpoint
