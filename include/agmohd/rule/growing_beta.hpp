// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/power.hpp"

namespace agmohd::rule {

/// How many steps a mean with the decay b remembers: -1 / ln(b).
AGMOHD_HD inline double remembered_steps(double b) { return b > 0 ? -1 / math::log(b) : 0; }

/// The decay in step t of a mean whose remembered steps grow linearly over `length` steps, from
/// those of the decay `from` to those of `to` (Pagliardini et al. 2024, scheduler of beta3).
AGMOHD_HD inline double growing_beta(double from, double to, std::int64_t t, std::int64_t length) {
  if (t >= length) return to;
  const double part = double(t) / double(length);
  const double steps = (1 - part) * remembered_steps(from) + part * remembered_steps(to);
  const double b = steps > 0 ? math::exp(-1 / steps) : 0;
  return b < to ? b : to;
}

}  // namespace agmohd::rule
