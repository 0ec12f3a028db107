// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/number.hpp"

namespace agmohd::rule {

/// The gradient that a rule with L2 weight decay works on: negated with maximize, weight_decay p
/// added. `k`: the rule's coefficients, with `sign` and `weight_decay`.
template <Number T, class K>
AGMOHD_HD T decayed(const T& p, const T& g, const K& k) {
  const T h = k.sign * g;
  if (k.weight_decay == 0) return h;
  return h + k.weight_decay * p;
}

}  // namespace agmohd::rule
