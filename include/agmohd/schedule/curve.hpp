// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/number.hpp"
#include "../policy/power.hpp"

namespace agmohd::schedule {

/// The shape of a warm-up or of a decay.
enum class Curve : std::int64_t { linear, constant, cosine, exponential, one_minus_sqrt };

namespace detail {

/// The factor between `low` and 1 whose distances from them are as `up` to `down`, up + down = 1:
///   linear          low + (1 - low) up
///   constant        low
///   cosine          low + (1 - low) (1 + cos(pi down)) / 2
///   exponential     low^down, for low > 0
///   one_minus_sqrt  low + (1 - low) (1 - sqrt(down))
/// A warm-up of progress x has up = x, a decay has down = x. Cosine and 1-sqrt are those of
/// transformers' get_wsd_schedule.
AGMOHD_HD inline double between(Curve curve, double low, double up, double down) {
  switch (curve) {
    case Curve::constant:
      return low;
    case Curve::cosine:
      return low + (1 - low) * (0.5 + 0.5 * math::cos_pi(down));
    case Curve::exponential:
      return math::pow(low, down);
    case Curve::one_minus_sqrt:
      return low + (1 - low) * (1 - math::sqrt(down));
    default:
      return low + (1 - low) * up;
  }
}

}  // namespace detail
}  // namespace agmohd::schedule
