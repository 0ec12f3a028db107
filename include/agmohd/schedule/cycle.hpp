// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/number.hpp"

namespace agmohd::schedule::detail {

/// A cycle of a schedule that begins anew: its number, first step and length in steps.
struct Cycle {
  std::int64_t index = 0, begin = 0, length = 0;
};

/// The cycle that step t is in. The first one has `first` steps, each other `growth` times as many
/// as the one before. Of `cycles` cycles the last one has no end; 0: there is no last one.
AGMOHD_HD inline Cycle cycle_at(std::int64_t first, std::int64_t growth, std::int64_t t,
                                std::int64_t cycles = 0) {
  if (growth <= 1) {
    const std::int64_t i = t / first, index = cycles > 0 && i >= cycles ? cycles - 1 : i;
    return {index, index * first, first};
  }
  Cycle c{0, 0, first};
  while (t - c.begin >= c.length && c.index + 1 != cycles) {
    c.begin += c.length;
    c.length = c.length > INT64_MAX / growth ? INT64_MAX : c.length * growth;
    c.index += 1;
  }
  return c;
}

}  // namespace agmohd::schedule::detail
