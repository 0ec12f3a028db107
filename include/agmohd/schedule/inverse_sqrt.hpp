// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/number.hpp"
#include "schedule.hpp"

namespace agmohd::schedule {

/// factor = 1 / sqrt((t + timescale) / timescale): transformers' get_inverse_sqrt_schedule after
/// its warm-up. Without `timescale` it takes the steps of the warm-up there, as Noam does.
struct InverseSqrt {
  struct Options {
    std::int64_t timescale = 10'000;  ///< after three times as many steps the factor is 1/2
  };
  static constexpr auto fields = describe(field("timescale", &Options::timescale, at_least(1)));
  static const char* name() { return "InverseSqrt"; }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    return 1 / math::sqrt((double(t) + double(o.timescale)) / double(o.timescale));
  }
};
static_assert(Schedule<InverseSqrt>);

/// Vaswani et al. 2017, equation 3, with step = t + 1:
///   factor = model_dim^-0.5 min(step^-0.5, step noam_steps^-1.5)
/// Without `model_dim` it is that over its largest value, so that `lr` is the highest rate:
///   factor = min(sqrt(noam_steps / step), step / noam_steps)
struct Noam {
  struct Options {
    std::int64_t noam_steps = 4000;  ///< steps of the warm-up, after which the factor is highest
    std::int64_t model_dim = 0;  ///< the model's width, for an lr of 1; 0: the highest factor is 1
  };
  static constexpr auto fields = describe(field("noam_steps", &Options::noam_steps, at_least(1)),
                                          field("model_dim", &Options::model_dim, at_least(0)));
  static const char* name() { return "Noam"; }

  AGMOHD_HD static double factor(const Options& o, std::int64_t t) {
    const double step = double(t) + 1, warm = double(o.noam_steps);
    const double shape = step < warm ? step / warm : math::sqrt(warm / step);
    return o.model_dim == 0 ? shape : shape / math::sqrt(double(o.model_dim) * warm);
  }
};
static_assert(Schedule<Noam>);

}  // namespace agmohd::schedule
