// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../policy/name.hpp"
#include "lion.hpp"
#include "rule.hpp"

namespace agmohd::rule {

namespace detail {

/// u where its sign is that of the gradient h, else 0. Signs are compared, so that no product
/// underflows; NaN stays.
template <Number T>
AGMOHD_HD T agreeing(const T& u, const T& h) {
  const T zero = math::like(u, Real<T>(0));
  return math::select(((u > zero) & (h <= zero)) | ((u < zero) & (h >= zero)), zero, u);
}
/// 1 where u is not 0.
template <Number T>
AGMOHD_HD T present(const T& u) {
  const T zero = math::like(u, Real<T>(0));
  return math::select(u != zero, math::like(u, Real<T>(1)), zero);
}
/// What updates are multiplied with, `part` of which are not 0.
AGMOHD_HD inline double for_part(double part) { return 1 / (part > 1e-3 ? part : 1e-3); }

}  // namespace detail

/// Cautious<AdamW> and so on: updates are masked where their sign is not the gradient's (Liang et
/// al. 2024, "Cautious optimizers: improving training with one line of code", algorithm 1). With
/// the update u of R and the part of the tensor's elements that keep theirs:
///   u <- u where u g > 0, else 0,  p <- decay p - lr u / max(part, 1e-3)
/// The least part is timm's; the paper adds a constant to the part. R's state moves on as ever, and
/// decoupled weight decay is not masked. g is the gradient after the transforms, without the L2
/// weight decay of R.
/// Since the part is known after the whole update, the step has a second sweep, as LAMB's. The mask
/// of the last update is gone with its gradient, so hindrance::Oscillation reports nothing. Sparse
/// gradients are refused, also where R takes them: the part counts all rows of the tensor.
template <class R>
struct Cautious : R {
  static_assert(!has::second<R>, "agmohd: Cautious needs a rule with one sweep (no second)");
  static_assert(!has::totals<R>, "agmohd: Cautious needs a rule without sums over all tensors");
  static_assert(!has::write<R>,
                "agmohd: Cautious needs a rule whose parameter becomes decay p - lr u (no write)");
  static_assert(std::is_class_v<typename R::template Coefficients<float>>,
                "agmohd: Cautious needs a rule whose Coefficients are a struct");
  static constexpr bool lazy = false;
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, R>("Cautious");
  }
  static void check(const typename R::Options& o) {
    if constexpr (requires { R::check(o); }) R::check(o);
    if (R::slots(o) == 0) refuse("Cautious needs a momentum: without one no update disagrees");
  }

  template <class K>
  struct Coefficients : R::template Coefficients<K> {
    K ascent;  ///< -1 with maximize
  };
  template <class K>
  AGMOHD_HD static Coefficients<K> at(const typename R::Options& o, const Now& now,
                                      typename R::Memory& m) {
    double ascent = 1;
    if constexpr (requires { o.maximize; }) ascent = o.maximize ? -1 : 1;
    return {R::template at<K>(o, now, m), K(ascent)};
  }

  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const typename R::template Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return detail::agreeing(T(R::direction(p, g, s, k)), T(k.ascent * g));
  }
  template <Number T>
  AGMOHD_HD static Squared<T> squared(const T& /*p*/, const T& u) {
    return {math::like(u, Real<T>(1)), detail::present(u)};
  }
  AGMOHD_HD static double second(const typename R::Options&, double elements, double agreeing) {
    return elements > 0 ? detail::for_part(agreeing / elements) : 1;
  }
};

/// Lion's update is known from its state and the gradient, and its state moves on afterwards: the
/// reduce pass counts what agrees, and there is one sweep. It counts gradients as the reduce pass
/// measures them, before a clip by norm, which may turn signs of the update; the mask itself is
/// exact.
template <>
struct Cautious<Lion> : Lion {
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, Lion>("Cautious");
  }

  template <class R>
  using Summing = Lion::Coefficients<R>;
  template <class R>
  AGMOHD_HD static Summing<R> summing(const Options& o, Memory m) {
    return Lion::at<R>(o, {1, 0, {o.betas.first, 0}}, m);
  }
  template <Number T>
  AGMOHD_HD static T summed(const T& g, const Slots<T>& s, const Summing<Real<T>>& k) {
    return detail::present(detail::agreeing(Lion::direction(g, g, s, k), T(k.sign * g)));
  }

  template <class R>
  struct Coefficients : Lion::Coefficients<R> {
    R scale;  ///< 1 / max(part that agrees, 1e-3)
  };
  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    return {Lion::at<R>(o, now, m), R(detail::for_part(now.mean))};
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return k.scale * detail::agreeing(Lion::direction(p, g, s, k), T(k.sign * g));
  }
};
static_assert(Rule<Cautious<Lion>> && has::summed<Cautious<Lion>> && !has::second<Cautious<Lion>>);

}  // namespace agmohd::rule
