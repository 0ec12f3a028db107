// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "detect.hpp"
#include "detector/explosion.hpp"
#include "detector/impossible_moment.hpp"
#include "detector/loss_spike.hpp"
#include "detector/nonfinite.hpp"
#include "detector/oscillation.hpp"
#include "detector/plateau.hpp"
#include "detector/step_too_large.hpp"
#include "detector/vanishing.hpp"

namespace agmohd::hindrance {

/// All detectors of agmohd, which the ready-made AGMOHD has.
using Detector = Detect<Nonfinite, LossSpike, Explosion, Plateau, StepTooLarge, ImpossibleMoment,
                        Oscillation, Vanishing>;
static_assert(Hindrance<Detector> && has::judge_tensor<Detector>);

}  // namespace agmohd::hindrance
