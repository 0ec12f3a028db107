// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../policy/field.hpp"
#include "../policy/name.hpp"
#include "one_more_slot.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// The options that GrokFast adds to those of its rule.
struct GrokFastFilter {
  struct Options {
    double grokfast_alpha = 0.98;  ///< decay of the mean of gradients
    double grokfast_lamb = 2;      ///< weight of the mean; 0: the rule as it is
  };
  static constexpr auto fields =
      describe(field("grokfast_alpha", &Options::grokfast_alpha, in(0, 1)),
               field("grokfast_lamb", &Options::grokfast_lamb, at_least(0)));
};

/// GrokFast<AdamW> and so on: R with gradients whose slow part is amplified (Lee et al. 2024,
/// "Grokfast: Accelerated Grokking by Amplifying Slow Gradients", algorithm 2):
///   e <- alpha e + (1 - alpha) g,  g <- g + lamb e,  then R
/// e begins with the first gradient, as in the authors' gradfilter_ema and pytorch-optimizer's; the
/// latter's GrokFastAdamW also divides lr by 1 + lamb, by option. g is the gradient after the
/// transforms, without the L2 weight decay of R: clips bound it before it is amplified.
///
/// R has one sweep, and measures no gradients: the norms and sums of the reduce pass know nothing
/// of e. R's guard is left out.
template <class R>
struct GrokFast : detail::OneMoreSlot<R> {
  using Base = detail::OneMoreSlot<R>;
  using Base::inner_count;
  template <class T>
  using Slots = typename Base::template Slots<T>;
  static_assert(inner_count < 5, "agmohd: GrokFast needs a rule with at most four slots");
  static_assert(!has::totals<R>, "agmohd: GrokFast needs a rule without sums over all tensors");
  static_assert(!has::factored<R>, "agmohd: GrokFast needs a rule without factored slots");
  static_assert(!has::masked<R>,
                "agmohd: GrokFast of a Masked rule; write Masked outside: Masked<GrokFast<R>>");
  static_assert(!has::second<R>, "agmohd: GrokFast needs a rule with one sweep (no second)");
  static_assert(!has::summed<R> && !has::wants<R>,
                "agmohd: GrokFast needs a rule that measures no gradients (no summed, no wants)");
  static_assert(std::is_class_v<typename R::template Coefficients<float>>,
                "agmohd: GrokFast needs a rule whose Coefficients are a struct");

  struct Options : R::Options {
    GrokFastFilter::Options filter{};
  };
  static constexpr auto fields =
      describe(R::fields, nested(&Options::filter, GrokFastFilter::fields));
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, R>("GrokFast");
  }

  static constexpr auto slot_names = Base::names_with("grok_exp_avg");
  static double initial(const Options& o, int slot) {
    return slot < inner_count ? agmohd::detail::initial<R>(o, slot) : 0;
  }

  template <class K>
  struct Coefficients : R::template Coefficients<K> {
    K gain;  ///< weight of g in e: 1 - alpha, in the first step 1
    K lamb;  ///< weight of e
  };
  template <class K>
  AGMOHD_HD static Coefficients<K> at(const Options& o, const Now& now, typename R::Memory& m) {
    return {R::template at<K>(o, now, m), K(now.step == 1 ? 1 : 1 - o.filter.grokfast_alpha),
            K(o.filter.grokfast_lamb)};
  }

  template <Number T>
  AGMOHD_HD static void update(const T& p, const T& g, Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    s.own = s.own + k.gain * (g - s.own);
    R::update(p, filtered(g, s, k), s.inner, k);
  }
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    return R::direction(p, filtered(g, s, k), s.inner, k);
  }
  template <Number T>
  AGMOHD_HD static T write(const T& p, const T& g, const T& u, Slots<T>& s,
                           const Coefficients<Real<T>>& k, Real<T> lr,
                           Real<T> decay) requires(has::write<R>) {
    return R::write(p, filtered(g, s, k), u, s.inner, k, lr, decay);
  }

  using Guard = void;
  static constexpr bool lazy = false;  // e moves on without a gradient, too

 private:
  /// With e as `update` left it.
  template <Number T>
  AGMOHD_HD static T filtered(const T& g, const Slots<T>& s, const Coefficients<Real<T>>& k) {
    const T h = g + k.lamb * s.own;
    if constexpr (has::squares<R>) return math::squarable(h);
    return h;
  }
};

}  // namespace agmohd::rule
