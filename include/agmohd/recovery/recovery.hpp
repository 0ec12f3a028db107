// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>

#include "../policy/policy.hpp"

namespace agmohd {

namespace has {
template <class H>
concept keeps = requires {
  { H::keeps } -> std::convertible_to<bool>;
};
template <class H>
concept plan = requires(typename H::Options o, const Signals& s, Verdict& v, const Verdict& planned,
                        const typename H::Memory& memory, typename H::Memory& changed) {
  { H::can_roll_back(o, memory) } -> std::same_as<bool>;
  { H::can_try_other(o, memory) } -> std::same_as<bool>;
  H::plan(o, memory, v);
  H::advance(o, s, planned, changed);
};
}  // namespace has

/// A recovery policy, which decides when snapshots of parameters and state are written and which
/// one a rollback goes back to. `plan` sets Verdict::save and swap, after the hindrance policy
/// judged; `advance` moves the memory on, after the step. `can_roll_back` and `can_try_other` are
/// what Signals tells the hindrance policy. `keeps`: whether there can be snapshots at all.
template <class H>
concept Recovery = Policy<H> && has::Memory<H> && has::keeps<H> && has::plan<H>;

namespace detail {

template <class RecoveryPolicy>
struct CheckRecovery {
  static_assert(has::Options<RecoveryPolicy>,
                "agmohd: the recovery policy has no member type Options");
  static_assert(has::fields<RecoveryPolicy>,
                "agmohd: the recovery policy has no static member fields");
  static_assert(has::name<RecoveryPolicy>,
                "agmohd: the recovery policy has no static function name()");
  static_assert(has::Memory<RecoveryPolicy>,
                "agmohd: the recovery policy has no member type Memory, trivially copyable and of "
                "whole doubles");
  static_assert(has::keeps<RecoveryPolicy>,
                "agmohd: the recovery policy has no static member keeps");
  static_assert(
      has::plan<RecoveryPolicy>,
      "agmohd: the recovery policy has no static functions can_roll_back(options, memory), "
      "can_try_other(options, memory), plan(options, memory, verdict) and advance(options, "
      "signals, verdict, memory)");
  static_assert(
      agmohd::Recovery<RecoveryPolicy>,
      "agmohd: an argument of Recipe is not a recovery policy; see agmohd/recovery/recovery.hpp");
  static constexpr bool passed = true;
};

}  // namespace detail

}  // namespace agmohd
