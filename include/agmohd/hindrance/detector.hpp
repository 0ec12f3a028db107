// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "detectors.hpp"
#include "explosion.hpp"
#include "impossible_moment.hpp"
#include "loss_spike.hpp"
#include "nonfinite.hpp"
#include "oscillation.hpp"
#include "plateau.hpp"
#include "step_too_large.hpp"
#include "vanishing.hpp"

namespace agmohd::hindrance {

/// Everything that agmohd can detect.
using Detector = Detectors<Nonfinite, LossSpike, Explosion, Plateau, StepTooLarge, ImpossibleMoment,
                           Oscillation, Vanishing>;
static_assert(Hindrance<Detector> && has::judge_tensor<Detector>);

}  // namespace agmohd::hindrance
