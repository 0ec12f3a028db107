// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "../policy/field.hpp"
#include "adamw.hpp"

namespace agmohd::rule {

/// AdamC (Defazio 2025, "Why gradients rapidly increase near the end of training"): AdamW whose
/// weight decay is corrected for the schedule, so that the norms of normalized layers do not drift
/// as the learning rate falls:
///   p <- (1 - lr^2 / max_lr weight_decay) p - lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)
/// In the paper only layers that a normalisation follows have it: other groups take max_lr 0, which
/// leaves AdamW's decay. That is the default, as is `normalized=False` in pytorch-optimizer 4.1.0
/// and `corrected_weight_decay=False` in timm 1.0.31: set max_lr, or AdamC is AdamW. Where both
/// correct, they take the learning rate at their construction for max_lr. A rule here sees the rate
/// of a step, after the schedule, so max_lr is an option: with a schedule whose factor reaches 1 it
/// is the group's lr.
struct AdamC : AdamW {
  struct Options {
    Pair betas{0.9, 0.999};   ///< decays of the two moments
    double eps = 1e-8;        ///< added to the root; bounds the step where gradients vanish
    double weight_decay = 0;  ///< decoupled: p is multiplied with 1 - lr^2 / max_lr weight_decay
    double max_lr = 0;        ///< largest learning rate of the run; 0: not corrected, as AdamW
    bool amsgrad = false;     ///< divide by the largest second moment so far
    bool maximize = false;    ///< ascend: the gradient is negated
  };
  static constexpr auto fields =
      describe(field("betas", &Options::betas, in(0, 1)), field("eps", &Options::eps, at_least(0)),
               field("weight_decay", &Options::weight_decay, at_least(0)),
               field("max_lr", &Options::max_lr, at_least(0)), field("amsgrad", &Options::amsgrad),
               field("maximize", &Options::maximize));
  static const char* name() { return "AdamC"; }
  static constexpr bool lazy = true;
  static const char* needs(const Options& o, std::string_view name) {
    return name == "max_lr" && o.weight_decay == 0 ? "weight_decay above 0" : nullptr;
  }
  static unsigned slots(const Options& o) { return used(o.amsgrad); }
  static Memory restore(const Options& o, std::int64_t step) {
    return Moments::restore(o.betas, step);
  }

  AGMOHD_HD static double beta1(const Options& o) { return o.betas.first; }
  /// What the parameter is multiplied with in a step.
  AGMOHD_HD static double decay(const Options& o, double lr) {
    return 1 - lr * (o.max_lr > 0 ? lr / o.max_lr : 1) * o.weight_decay;
  }

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, const Now& now, Memory& m) {
    return {R(o.maximize ? -1 : 1), Moments::at<R>(o.betas, o.eps, now, m)};
  }
};
static_assert(Rule<AdamC> && has::guard<AdamC>);

}  // namespace agmohd::rule
