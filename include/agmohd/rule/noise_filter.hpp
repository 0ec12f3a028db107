// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "../policy/field.hpp"
#include "../policy/name.hpp"
#include "guard/moments_guard.hpp"
#include "moments.hpp"

namespace agmohd::rule {

namespace detail {

/// Whether exp_avg and exp_avg_sq are the means of gradients and of their squares, as Adam has
/// them.
template <class R>
concept has_moments = requires {
  requires std::is_same_v<typename R::Guard, MomentsGuard>;
};

}  // namespace detail

/// The option that NoiseFilter adds to those of its rule.
struct NoiseLevel {
  struct Options {
    double noise_level = 0.1;  ///< r from which updates stay as they are; 0: all of them
  };
  static constexpr auto fields =
      describe(field("noise_level", &Options::noise_level, between(0, 1)));
};

/// NoiseFilter<AdamW> and so on: the update u of R shrinks where the mean of an element's gradients
/// is small against their root mean square. With the moments of R, bias corrections included:
///   r = |exp_avg| / sqrt(exp_avg_sq),  u <- u min(1, r / noise_level)
/// agmohd's own. r is 1 where all gradients agree. Where they are noise alone its root mean square
/// is sqrt((1 - beta1) / (1 + beta1)), 0.23 with beta1 = 0.9, so that a level of 0.1 shrinks a
/// third of them. The moments are R's own, and move on as ever; decoupled weight decay is not
/// filtered. Where exp_avg_sq is 0, u is R's.
///
/// R is Adam, AdamW, AdamC, EVA or StableAdamW. Sparse gradients are refused, also where R takes
/// them: moments of rows that rest do not decay, and r would be of the last gradients alone.
template <class R>
struct NoiseFilter : R {
  static_assert(
      detail::has_moments<R>,
      "agmohd: NoiseFilter needs a rule with the moments of Adam: Adam, AdamW, AdamC, EVA "
      "or StableAdamW; write GrokFast and Masked outside");
  static_assert(
      !requires(typename R::Options o) { o.noise; }, "agmohd: NoiseFilter stands twice");
  static constexpr bool lazy = false;

  struct Options : R::Options {
    NoiseLevel::Options noise{};
  };
  static constexpr auto fields = describe(R::fields, nested(&Options::noise, NoiseLevel::fields));
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, R>("NoiseFilter");
  }

  template <class K>
  struct Coefficients : R::template Coefficients<K> {
    K level;  ///< r from which an update is as R has it
  };
  template <class K>
  AGMOHD_HD static Coefficients<K> at(const Options& o, const Now& now, typename R::Memory& m) {
    return {R::template at<K>(o, now, m), K(o.noise.noise_level)};
  }

  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const typename R::template Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const T u = R::direction(p, g, s, k);
    const T mean = k.moments.scale1 * math::abs(s.exp_avg);
    const T signal = k.level * (k.moments.scale2 * math::sqrt(s.exp_avg_sq));
    return math::select(mean < signal, u * (mean / signal), u);
  }
};

}  // namespace agmohd::rule
