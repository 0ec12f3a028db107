// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <string>
#include <type_traits>

#include "../policy/field.hpp"
#include "../policy/name.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// The option that Capped adds to those of its rule.
struct UpdateCap {
  struct Options {
    double max_update = 0.05;  ///< |change of p| / |p| in a step at most, weight decay aside
  };
  static constexpr auto fields = describe(field("max_update", &Options::max_update, above(0)));
};

/// Capped<AdamW> and so on: no tensor moves by more than a share of its norm in a step. With the
/// update u of R and Frobenius norms:
///   p <- decay p - min(lr, max_update |p| / |u|) u
/// agmohd's own. LAMB and LARS set the share, and lr is its factor; here lr holds until the share
/// is reached. A tensor of zeros has no bound. |u| is known behind a first sweep, so the step has
/// two, as LAMB's: twice the traffic of AdamW's. Rates of up to ten times the best one lose
/// less around AdamW; docs/stability.md says how much.
template <class R>
struct Capped : R {
  static_assert(!has::second<R> && !has::factored<R>,
                "agmohd: Capped needs a rule with one sweep (no second, no factored slots)");
  static_assert(!has::totals<R>, "agmohd: Capped needs a rule without sums over all tensors");
  static_assert(!has::write<R>,
                "agmohd: Capped needs a rule whose parameter becomes decay p - lr u (no write)");
  static_assert(std::is_class_v<typename R::template Coefficients<float>>,
                "agmohd: Capped needs a rule whose Coefficients are a struct");

  struct Options : R::Options {
    UpdateCap::Options cap{};
  };
  static constexpr auto fields = describe(R::fields, nested(&Options::cap, UpdateCap::fields));
  static unsigned slots(const Options& o) { return agmohd::detail::slots_for_second_sweep<R>(o); }
  static constexpr bool lazy = false;  // the norms are of all rows
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, R>("Capped");
  }

  template <class K>
  struct Coefficients : R::template Coefficients<K> {
    K lr;  ///< of the step, before the bound
  };
  template <class K>
  AGMOHD_HD static Coefficients<K> at(const Options& o, const Now& now, typename R::Memory& m) {
    return {R::template at<K>(o, now, m), K(now.lr)};
  }
  /// What lr is multiplied with.
  template <class K>
  AGMOHD_HD static double second(const Options& o, const Coefficients<K>& k, double p2, double u2) {
    if (!(p2 > 0) || !(u2 > 0) || !(k.lr > 0)) return 1;
    const double most = o.cap.max_update * std::sqrt(p2 / u2) / double(k.lr);
    return most < 1 ? most : 1;
  }
};

}  // namespace agmohd::rule
