// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <agmohd/recipes.hpp>

// The recipes that the stability benchmark compares. Torch-free: the kernel units include this file
// too. One more is a line here, one in a table of methods and one in CMakeLists.txt.
namespace stability {

/// AdamW with a hindrance policy and a clip.
template <class Hindrance, class Gradient = agmohd::gradient::ClipByNorm>
using Guarded = agmohd::Recipe<agmohd::rule::AdamW, Hindrance, agmohd::momentum::Fixed, Gradient>;

using AdamW = agmohd::recipe::AdamW;
using Clip = Guarded<agmohd::hindrance::None>;
using NanSkip = Guarded<agmohd::hindrance::Nonfinite>;
using Agmohd = agmohd::recipe::AGMOHD;

/// Nonfinite by a run-time option: for what was published without it.
struct OptionalSkip {
  struct Options {
    bool repaired = true;
  };
  using Memory = agmohd::hindrance::Nonfinite::Memory;
  static constexpr auto fields = agmohd::describe(agmohd::field("repaired", &Options::repaired));
  static constexpr unsigned wants = agmohd::hindrance::Nonfinite::wants;
  static const char* name() { return "OptionalSkip"; }
  AGMOHD_HD static agmohd::Verdict judge(const Options& o, const agmohd::Signals& s, Memory& m) {
    return o.repaired ? agmohd::hindrance::Nonfinite::judge({}, s, m) : agmohd::Verdict{};
  }
};

using Spam = agmohd::Recipe<agmohd::rule::SPAM, OptionalSkip>;
using StableSpam = agmohd::Recipe<agmohd::rule::SPAM, OptionalSkip, agmohd::momentum::Fixed,
                                  agmohd::gradient::Stabilize>;
using StableAdamW = agmohd::Recipe<agmohd::rule::StableAdamW, OptionalSkip>;
using ZClip = Guarded<agmohd::hindrance::ZClip>;
using AdaGC = Guarded<agmohd::hindrance::AdaGC, agmohd::gradient::AdaptiveClip>;
using SkipStep = Guarded<agmohd::hindrance::SkipStep>;

/// AGMOHD with Stable-SPAM's gradients behind its clip.
using Stabilized =
    agmohd::Recipe<agmohd::rule::AdamW, agmohd::hindrance::Detector, agmohd::momentum::Scheduled,
                   agmohd::gradient::Chain<agmohd::gradient::Selected, agmohd::gradient::Stabilize>,
                   agmohd::schedule::HindranceAware<agmohd::schedule::Selected>,
                   agmohd::storage::Native, agmohd::heal::Snapshots>;

/// AGMOHD with these kinds of hindrance alone.
template <class... K>
using Only = agmohd::Recipe<agmohd::rule::AdamW, agmohd::hindrance::Detectors<K...>,
                            agmohd::momentum::Scheduled, agmohd::gradient::Selected,
                            agmohd::schedule::HindranceAware<agmohd::schedule::Selected>,
                            agmohd::storage::Native, agmohd::heal::Snapshots>;

namespace kinds {
using namespace agmohd::hindrance;
using NoNonfinite =
    Only<LossSpike, Explosion, StepTooLarge, ImpossibleMoment, Oscillation, Vanishing, Plateau>;
using NoLossSpike =
    Only<Nonfinite, Explosion, StepTooLarge, ImpossibleMoment, Oscillation, Vanishing, Plateau>;
using NoExplosion =
    Only<Nonfinite, LossSpike, StepTooLarge, ImpossibleMoment, Oscillation, Vanishing, Plateau>;
using NoStepTooLarge =
    Only<Nonfinite, LossSpike, Explosion, ImpossibleMoment, Oscillation, Vanishing, Plateau>;
using NoImpossibleMoment =
    Only<Nonfinite, LossSpike, Explosion, StepTooLarge, Oscillation, Vanishing, Plateau>;
using NoOscillation =
    Only<Nonfinite, LossSpike, Explosion, StepTooLarge, ImpossibleMoment, Vanishing, Plateau>;
}  // namespace kinds

// Vanishing and Plateau only report.
using kinds::NoExplosion;
using kinds::NoImpossibleMoment;
using kinds::NoLossSpike;
using kinds::NoNonfinite;
using kinds::NoOscillation;
using kinds::NoStepTooLarge;

}  // namespace stability
