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

/// A hindrance policy: signals -> verdict, once a step. Optional: `judge_tensor` with a
/// `TensorMemory`, once a tensor after that, not in a skipped step; and `judge` in two parts,
/// `inspect`, for which the step waits, and `learn`, which may run while parameters are updated and
/// after `judge_tensor`. A `learn` that consists of `learn_parts` independent ones has `learn_part`
/// beside it, and they may run at the same time.
template <class H>
concept Hindrance = Policy<H> && has::Memory<H> && has::wants<H> && has::judge<H>;

namespace detail {

template <has::judge_tensor H>
struct TensorMemory<H> {
  using type = typename H::TensorMemory;
};

/// In how many parts a hindrance policy learns, after the step.
template <class H>
inline constexpr int learn_parts = has::inspect<H> ? 1 : 0;
template <has::learn_parts H>
inline constexpr int learn_parts<H> = H::learn_parts;

/// Optional members: `bounds_norm`, it sets Verdict::norm_bound, and `bounds_tensors`, it lives by
/// that of TensorVerdict.
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
