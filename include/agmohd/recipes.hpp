// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything that needs no LibTorch: all policies, Recipe, and the ready-made recipes. Kernel units
// include this.

#include "gradient/accumulate.hpp"
#include "gradient/adaptive_clip.hpp"
#include "gradient/agc.hpp"
#include "gradient/centralize.hpp"
#include "gradient/choice.hpp"
#include "gradient/clip_by_max_norm.hpp"
#include "gradient/clip_by_norm.hpp"
#include "gradient/clip_by_p_norm.hpp"
#include "gradient/clip_by_value.hpp"
#include "gradient/median_filter.hpp"
#include "gradient/noise.hpp"
#include "gradient/normalize.hpp"
#include "gradient/normalize_tensors.hpp"
#include "gradient/normalize_to_median.hpp"
#include "gradient/on_group.hpp"
#include "gradient/orthogonal.hpp"
#include "gradient/sign.hpp"
#include "gradient/stabilize.hpp"
#include "gradient/zero_nonfinite.hpp"
#include "hindrance/adagc.hpp"
#include "hindrance/detect_all.hpp"
#include "hindrance/skip_step.hpp"
#include "hindrance/zclip.hpp"
#include "momentum/adaptive.hpp"
#include "momentum/choice.hpp"
#include "momentum/cycle.hpp"
#include "momentum/nesterov.hpp"
#include "recovery/snapshots.hpp"
#include "rule/adam.hpp"
#include "rule/adamw.hpp"
#include "rule/sgd.hpp"
#include "rule/spam.hpp"
#include "rule/stable_adamw.hpp"
#include "schedule/by_group.hpp"
#include "schedule/choice.hpp"
#include "schedule/cosine.hpp"
#include "schedule/cosine_restarts.hpp"
#include "schedule/cyclical.hpp"
#include "schedule/exponential.hpp"
#include "schedule/hindrance_aware.hpp"
#include "schedule/inverse_sqrt.hpp"
#include "schedule/linear.hpp"
#include "schedule/multi_step.hpp"
#include "schedule/one_cycle.hpp"
#include "schedule/piecewise.hpp"
#include "schedule/plateau.hpp"
#include "schedule/polynomial.hpp"
#include "schedule/restart.hpp"
#include "schedule/scale.hpp"
#include "schedule/sequence.hpp"
#include "schedule/stable_decay.hpp"
#include "schedule/step.hpp"
#include "schedule/warmup.hpp"
#include "step/recipe.hpp"
#include "storage/bfloat16.hpp"

namespace agmohd::detail {

/// A rule of a Hindered recipe has a momentum to choose, if it has a first moment.
template <class Rule>
using HinderedMomentum = std::conditional_t<has::beta1<Rule>, momentum::Choice, momentum::Fixed>;

}  // namespace agmohd::detail

namespace agmohd::recipe {

using SGD = Recipe<rule::SGD>;
using Adam = Recipe<rule::Adam>;
using AdamW = Recipe<rule::AdamW>;

/// A rule, any, with hindrance detection, and the other policies by run-time option. A rule without
/// a first moment has no momentum to choose.
template <class Rule>
using Hindered = Recipe<Rule, hindrance::Detector, detail::HinderedMomentum<Rule>, gradient::Choice,
                        schedule::HindranceAware<schedule::Choice>, recovery::Snapshots>;
using AGMOHD = Hindered<rule::AdamW>;
using AGMOHDSGD = Hindered<rule::SGD>;

}  // namespace agmohd::recipe
