// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "fields.hpp"
#include "lane.hpp"
#include "signals.hpp"

namespace agmohd {

/// How a link of a gradient chain acts. element: on each element by itself, known before anything
/// is measured. scale: one factor for all elements, decided from what was measured.
enum class LinkKind { element, scale };

/// What every policy has: `Options` (an aggregate with the defaults), `fields` (its list),
/// `name()`, a text.
template <class P>
concept Policy = requires(typename P::Options options) {
  typename P::Options;
  P::fields;
  typename std::type_identity_t<decltype(P::name())>;
}
&&std::is_trivially_copyable_v<typename P::Options>;

/// Device memory of a policy: copied as bytes; into checkpoints by the names of its members, where
/// it lists them (core/members.hpp).
template <class M>
concept PolicyMemory = std::is_trivially_copyable_v<M> && std::is_default_constructible_v<M> &&
    (std::is_empty_v<M> || sizeof(M) % 8 == 0);

// One concept a member, so that a diagnosis names the member that is missing.
namespace has {
template <class P>
concept Options = requires {
  typename P::Options;
};
template <class P>
concept fields = requires {
  P::fields;
};
template <class P>
concept name = requires {
  typename std::type_identity_t<decltype(P::name())>;
};
template <class P>
concept Memory = requires {
  typename P::Memory;
}
&&PolicyMemory<typename P::Memory>;
template <class R>
concept Slots = requires {
  typename R::template Slots<float>;
};
template <class R>
concept slot_names = requires {
  { R::slot_names.size() } -> std::convertible_to<std::size_t>;
};
template <class R>
concept slots = requires(typename R::Options o) {
  { R::slots(o) } -> std::convertible_to<unsigned>;
};
template <class R>
concept restore = requires(typename R::Options o) {
  { R::restore(o, std::int64_t{}) } -> std::same_as<typename R::Memory>;
};
template <class R>
concept rule_at = requires(typename R::Options o, const Now& now, typename R::Memory& memory) {
  {
    R::template at<float>(o, now, memory)
    } -> std::same_as<typename R::template Coefficients<float>>;
};
template <class R>
concept update = requires(const float& x, typename R::template Slots<float>& s,
                          const typename R::template Coefficients<float>& k) {
  R::update(x, x, s, k);
};
template <class R>
concept direction = requires(const float& x, const typename R::template Slots<float>& s,
                             const typename R::template Coefficients<float>& k) {
  { R::direction(x, x, s, k) } -> std::convertible_to<float>;
};
template <class R>
concept usual = requires(typename R::template Coefficients<float>& k) {
  { R::usual(k) } -> std::same_as<bool>;
};
template <class R>
concept before = requires(const typename R::template Slots<float>& s) {
  { R::before(s, s) } -> std::same_as<typename R::template Slots<float>>;
};
template <class R>
concept summed = requires(typename R::Options o, const typename R::Memory& memory, const float& x,
                          const typename R::template Slots<float>& s,
                          const typename R::template Summing<float>& k) {
  { R::template summing<float>(o, memory) } -> std::same_as<typename R::template Summing<float>>;
  { R::summed(x, s, k) } -> std::convertible_to<float>;
};
template <class R>
concept lr = requires(typename R::Options o, const Now& now) {
  { R::lr(o, now) } -> std::same_as<double>;
};
template <class R>
concept beta1 = requires(typename R::Options o) {
  { R::beta1(o) } -> std::same_as<double>;
};
template <class R>
concept stable_step = requires(typename R::Options o) {
  { R::stable_step(o, 0.9) } -> std::same_as<double>;
};
template <class R>
concept decay = requires(typename R::Options o) {
  { R::decay(o, 1.0) } -> std::same_as<double>;
};
template <class P>
concept wants = requires {
  { P::wants } -> std::convertible_to<unsigned>;
};
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
template <class M>
concept needs_first_moment = requires {
  { M::needs_first_moment } -> std::convertible_to<bool>;
};
template <class M>
concept advance = requires(typename M::Options o, const Verdict& v, typename M::Memory& memory) {
  M::advance(o, v, memory);
};
template <class M>
concept blend = requires(typename M::Options o, const typename M::Memory& memory) {
  { M::blend(o, memory, 0.9) } -> std::same_as<Blend>;
};
template <class G>
concept kind = requires {
  { G::kind } -> std::convertible_to<LinkKind>;
};
template <class G>
concept link_at = requires(typename G::Options o, Signals& s, const Verdict& v) {
  { G::template at<float>(o, s, v) } -> std::same_as<typename G::template Coefficients<float>>;
};
template <class G>
concept link_at_tensor = requires(typename G::Options o, Signals& s, const Verdict& v,
                                  TensorSignals& ts, const TensorVerdict& tv) {
  {
    G::template at<float>(o, s, v, ts, tv)
    } -> std::same_as<typename G::template Coefficients<float>>;
};
template <class G>
concept link_remembers = requires(typename G::Options o, Signals& s, const Verdict& v,
                                  TensorSignals& ts, const TensorVerdict& tv,
                                  typename G::TensorMemory& memory) {
  {
    G::template at<float>(o, s, v, ts, tv, memory)
    } -> std::same_as<typename G::template Coefficients<float>>;
}
&&PolicyMemory<typename G::TensorMemory>;
template <class G>
concept apply = requires(const float& g, const typename G::template Coefficients<float>& k) {
  { G::apply(g, k) } -> std::convertible_to<float>;
};
template <class S>
concept factor = requires(typename S::Options o) {
  { S::factor(o, std::int64_t{}) } -> std::same_as<double>;
};
template <class S>
concept schedule_memory = Memory<S> &&
    requires(typename S::Options o, const Verdict& v, typename S::Memory& memory) {
  S::advance(o, v, memory);
  { S::factor(o, std::int64_t{}, memory) } -> std::same_as<double>;
};
template <class R>
concept Guard = std::is_class_v<typename R::Guard>;
template <class R>
concept guard_memory = Memory<typename R::Guard>;
template <class R>
concept guard_restore = requires(typename R::Options o) {
  { R::Guard::restore(o, std::int64_t{}) } -> std::same_as<typename R::Guard::Memory>;
};
template <class R>
concept guard_at = requires(typename R::Options o, const Now& now, const typename R::Memory& rule,
                            typename R::Guard::Memory& memory) {
  {
    R::Guard::template at<float>(o, now, 1.0, rule, memory)
    } -> std::same_as<typename R::Guard::template Coefficients<float>>;
};
template <class R>
concept guard_apply = requires(typename R::template Slots<float>& s,
                               const typename R::template Coefficients<float>& rule,
                               const typename R::Guard::template Coefficients<float>& k) {
  { R::Guard::sure(s, k) } -> std::same_as<bool>;
  { R::Guard::apply(s, rule, k) } -> std::convertible_to<bool>;
};
template <class R>
concept guard = Guard<R> && guard_memory<R> && guard_restore<R> && guard_at<R> && guard_apply<R>;
template <class S>
concept Float = requires {
  typename S::Float;
};
template <class S>
concept Key = requires {
  typename S::Key;
}
&&std::is_trivially_copyable_v<typename S::Key>;
template <class S>
concept key = requires(typename S::Options o) {
  { S::key(o, std::int64_t{}, std::int32_t{}) } -> std::same_as<typename S::Key>;
};
template <class S>
concept rounded = requires(const typename S::Key& k) {
  { S::rounds(k) } -> std::same_as<bool>;
  { S::rounded(1.0F, k, std::int64_t{}, 0) } -> std::same_as<float>;
  { S::rounded(1.0, k, std::int64_t{}, 0) } -> std::same_as<double>;
};
}  // namespace has

/// An update rule: slots <- gradient (`update`), the update u (`direction`, pure), coefficients
/// from options (`at`). Optional: `beta1` (it has a first moment); `stable_step(options, beta1)`,
/// the largest learning rate at which it is stable, up to a factor, without which no policy lowers
/// beta1; `decay`, `default_lr`, `check`; `before(old, now)`, the slots that give the last update
/// in the metric of this step, from those before and after `update`, else the old ones;
/// `usual(coefficients)`, whether those that branch in the equations have their most frequent
/// values, which it then sets, so that the CPU's loops are compiled with them as constants;
/// `summed`, a value of each element, with coefficients from `summing`, whose mean over the tensor
/// is in `Now`; `lr`, what the rule makes of the learning rate, which `decay` gets too; and a type
/// `Guard`, which brings slots that no history of gradients can lead to back to where one can: its
/// `apply` returns the Mask of the elements that it changed; where `sure` is true, it would change
/// none and is not called. It has a memory and coefficients of its own, of which a recipe whose
/// hindrance policy does not want kGuard has nothing.
template <class R>
concept Rule = Policy<R> && has::Memory<R> && has::Slots<R> && has::slot_names<R> &&
    has::slots<R> && has::restore<R> && has::rule_at<R> && has::update<R> && has::direction<R>;

/// A hindrance policy: signals -> verdict, once a step. Optional: `judge_tensor` with a
/// `TensorMemory`, once a tensor after that, not in a skipped step; and `judge` in two parts,
/// `inspect`, for which the step waits, and `learn`, which may run while parameters are updated and
/// after `judge_tensor`. A `learn` that consists of `learn_parts` independent ones has `learn_part`
/// beside it, and they may run at the same time.
template <class H>
concept Hindrance = Policy<H> && has::Memory<H> && has::wants<H> && has::judge<H>;

/// A momentum policy: what becomes of the rule's beta1 in this step.
template <class M>
concept Momentum =
    Policy<M> && has::Memory<M> && has::needs_first_moment<M> && has::advance<M> && has::blend<M>;

/// A link of a gradient chain; a chain is a link itself. `at` may also look at the tensor, and have
/// a `TensorMemory`, which moves on in every applied step.
template <class G>
concept Link = Policy<G> && has::kind<G> && has::wants<G> &&
    (has::link_at<G> || has::link_at_tensor<G> || has::link_remembers<G>)&&has::apply<G>;

/// A schedule: the factor of the learning rate at step t, counted from 0 in applied steps.
/// Optional: a `Memory` that `advance` moves on in every applied step, and that a second `factor`
/// reads.
template <class S>
concept Schedule = Policy<S> && has::factor<S>;

/// How state lies in memory: as `Float` (float or Bf16), for float64 parameters always as double.
/// Where `rounds(key)`, `rounded` comes before the conversion to Float, with the key of the tensor
/// and step. One of Bf16 also has `rounded_bits`, the same for vectors.
template <class S>
concept Storage = Policy<S> && has::Float<S> && has::Key<S> && has::key<S> && has::rounded<S>;

/// A healing policy: what is saved and swapped in a step (`plan`, which sets Verdict::save and
/// swap), and what it remembers of the step (`advance`). `keeps`: whether there are snapshots.
template <class H>
concept Healing = Policy<H> && has::Memory<H> && has::keeps<H> && has::plan<H>;

namespace detail {

template <class...>
inline constexpr bool never = false;

/// Optional members of a hindrance policy: `bounds_norm`, it sets Verdict::norm_bound, and
/// `bounds_tensors`, it lives by that of TensorVerdict; and of a link: `applies_norm_bound`,
/// `applies_tensor_bounds`.
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
template <class G>
constexpr bool applies_norm_bound() {
  if constexpr (requires { G::applies_norm_bound; }) return G::applies_norm_bound;
  return false;
}
template <class G>
constexpr bool applies_tensor_bounds() {
  if constexpr (requires { G::applies_tensor_bounds; }) return G::applies_tensor_bounds;
  return false;
}

/// What an option of a policy needs to have an effect, by the policy's optional `needs`; null if it
/// has one.
template <class P>
const char* needs(const typename P::Options& o, std::string_view name) {
  if constexpr (requires { P::needs(o, name); }) return P::needs(o, name);
  return nullptr;
}

/// Stands for a memory that a policy does not have.
struct NoMemory {};

/// What a hindrance policy or a link remembers of a tensor.
template <class P>
struct TensorMemory {
  using type = NoMemory;
};
template <has::judge_tensor H>
struct TensorMemory<H> {
  using type = typename H::TensorMemory;
};
template <has::link_remembers G>
struct TensorMemory<G> {
  using type = typename G::TensorMemory;
};
/// In how many parts a hindrance policy learns, after the step.
template <class H>
inline constexpr int learn_parts = has::inspect<H> ? 1 : 0;
template <has::learn_parts H>
inline constexpr int learn_parts<H> = H::learn_parts;
template <class S>
struct ScheduleMemory {
  using type = NoMemory;
};
template <has::schedule_memory S>
struct ScheduleMemory<S> {
  using type = typename S::Memory;
};

}  // namespace detail

}  // namespace agmohd
