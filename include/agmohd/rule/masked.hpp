// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/element.hpp"
#include "../policy/name.hpp"
#include "one_more_slot.hpp"
#include "rule.hpp"

namespace agmohd::rule {

namespace detail {

/// The Guard of R for slots with one more.
template <class R>
struct InnerGuard : R::Guard {
  AGMOHD_HD static bool sure(const auto& s, const auto& k) { return R::Guard::sure(s.inner, k); }
  AGMOHD_HD static auto apply(auto& s, const auto& rule, const auto& k) {
    return R::Guard::apply(s.inner, rule, k);
  }
};
template <class R>
struct GuardOf {
  using type = void;
};
template <has::Guard R>
struct GuardOf<R> {
  using type = InnerGuard<R>;
};

}  // namespace detail

/// Masked<AdamW> and so on: rule R for the elements whose `mask` is not 0; where it is 0, the
/// parameter and R's state keep their bits: no gradient, momentum or weight decay moves them.
///   p <- p where mask is 0, else as R has it
/// The mask is a slot of the state, which begins with 1; wrap::set_mask() sets it, and checkpoints
/// hold it. Gradients of frozen elements still count in norms that clip; zero them in a hook where
/// they are not to. The slot takes as much memory as a moment, and each step reads and writes it.
template <class R>
struct Masked : detail::OneMoreSlot<R> {
  using Base = detail::OneMoreSlot<R>;
  using Base::inner_count;
  template <class T>
  using Slots = typename Base::template Slots<T>;
  static constexpr bool masked = true;
  static_assert(inner_count < 5, "agmohd: Masked needs a rule with at most four slots");
  static_assert(!has::second<R> && !has::summed<R>,
                "agmohd: Masked needs a rule of each element by itself (no second, no summed)");
  static_assert(!has::factored<R> && !has::totals<R> && !has::wants<R>,
                "agmohd: Masked needs a rule of each element by itself (no factored, no totals, no "
                "wants)");
  static_assert(!has::hessian_decay<R> && !has::interpolation<R>,
                "agmohd: Masked needs a rule whose state only steps move (no hessian_decay, no "
                "interpolation)");

  static constexpr auto slot_names = Base::names_with("mask");
  static double initial(const typename R::Options& o, int slot) {
    return slot == inner_count ? 1 : agmohd::detail::initial<R>(o, slot);
  }
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, R>("Masked");
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s, const auto& k) {
    keeping_frozen(s, [&] { R::update(p, g, s.inner, k); });
  }
  /// 0 where the element is frozen.
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s, const auto& k) {
    const T zero = math::like(p, Real<T>(0));
    return math::select(s.own != zero, T(R::direction(p, g, s.inner, k)), zero);
  }
  template <Number T>
  AGMOHD_HD static T write(const T& p, const T& g, const T& u, Slots<T>& s, const auto& k,
                           const Real<T>& lr, const Real<T>& decay) {
    T written = p;
    if constexpr (has::write<R>) {
      keeping_frozen(s, [&] { written = R::write(p, g, u, s.inner, k, lr, decay); });
    } else {
      written = decay * p - lr * u;
    }
    return math::select(s.own != math::like(p, Real<T>(0)), written, p);
  }
  using Guard = typename detail::GuardOf<R>::type;

 private:
  /// Calls move(), which changes the slots of R, and takes back what it did to frozen elements.
  template <class T>
  AGMOHD_HD static void keeping_frozen(Slots<T>& s, const auto& move) {
    T old[inner_count > 0 ? inner_count : 1];
    for_each_slot<inner_count>(s.inner, [&](int j, const T& slot) { old[j] = slot; });
    move();
    const auto moves = s.own != math::like(s.own, Real<T>(0));
    for_each_slot<inner_count>(s.inner,
                               [&](int j, T& slot) { slot = math::select(moves, slot, old[j]); });
  }
};

}  // namespace agmohd::rule
