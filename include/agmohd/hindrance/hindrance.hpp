// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>

#include "../policy/policy.hpp"

namespace agmohd {

namespace has {
template <class H>
concept judge = requires(typename H::Options o, const Signals& s, typename H::Memory& memory) {
  { H::judge(o, s, memory) } -> std::same_as<Verdict>;
};
template <class H>
concept judge_tensor = requires(typename H::Options o, const TensorSignals& s, const Verdict& v,
                                const typename H::Memory& memory,
                                typename H::TensorMemory& tensor) {
  { H::judge_tensor(o, s, v, memory, tensor) } -> std::same_as<TensorVerdict>;
}
&&PolicyMemory<typename H::TensorMemory>;
template <class H>
concept inspect = requires(typename H::Options o, const Signals& s, const Verdict& v,
                           const typename H::Memory& memory, typename H::Memory& changed) {
  { H::inspect(o, s, memory) } -> std::same_as<Verdict>;
  H::learn(o, s, v, changed);
};
template <class H>
concept learn_parts = requires(typename H::Options o, const Signals& s, const Verdict& v,
                               typename H::Memory& memory) {
  { H::learn_parts } -> std::convertible_to<int>;
  H::learn_part(0, o, s, v, memory);
};
}  // namespace has

/// A hindrance policy: `judge` makes a verdict of the signals, once a step. Optional:
///
///     judge_tensor        with a TensorMemory: a TensorVerdict of a tensor's signals, once a
///     tensor
///                         after `judge`, but not in a skipped step
///     inspect, learn      together do what `judge` does; the step waits for `inspect` only, and
///                         `learn` runs after all judge_tensor, maybe beside the sweep
///     learn_parts, learn_part(i, ...)
///                         if `learn` consists of so many independent parts, which may then run at
///                         the same time
template <class H>
concept Hindrance = Policy<H> && has::Memory<H> && has::wants<H> && has::judge<H>;

namespace detail {

template <has::judge_tensor H>
struct TensorMemory<H> {
  using type = typename H::TensorMemory;
};

/// In how many parts a hindrance policy learns after `inspect`; 0: it learns in `judge`.
template <class H>
inline constexpr int learn_parts = has::inspect<H> ? 1 : 0;
template <has::learn_parts H>
inline constexpr int learn_parts<H> = H::learn_parts;

/// Optional members of a hindrance policy: `bounds_norm`: it sets Verdict::norm_bound;
/// `bounds_tensors`: it sets TensorVerdict::norm_bound and is of no use where nothing clips to
/// that. A recipe in which no transform applies such a bound does not compile.
template <class H>
constexpr bool bounds_norm() {
  if constexpr (requires { H::bounds_norm; }) return H::bounds_norm;
  return false;
}
template <class H>
constexpr bool bounds_tensors() {
  if constexpr (requires { H::bounds_tensors; }) return H::bounds_tensors;
  return false;
}

template <class HindrancePolicy>
struct CheckHindrance {
  static_assert(has::Options<HindrancePolicy>,
                "agmohd: the hindrance policy has no member type Options");
  static_assert(has::fields<HindrancePolicy>,
                "agmohd: the hindrance policy has no static member fields");
  static_assert(has::name<HindrancePolicy>,
                "agmohd: the hindrance policy has no static function name()");
  static_assert(has::Memory<HindrancePolicy>,
                "agmohd: the hindrance policy has no member type Memory, trivially copyable and of "
                "whole doubles");
  static_assert(has::wants<HindrancePolicy>,
                "agmohd: the hindrance policy has no static member wants");
  static_assert(
      has::judge<HindrancePolicy>,
      "agmohd: the hindrance policy has no static function judge(options, signals, memory)");
  static_assert(agmohd::Hindrance<HindrancePolicy>,
                "agmohd: an argument of Recipe is not a hindrance policy; see "
                "agmohd/hindrance/hindrance.hpp");
  static constexpr bool passed = true;
};

}  // namespace detail

}  // namespace agmohd
