// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <agmohd/recipes.hpp>
#include <agmohd/rule/adamw_schedule_free.hpp>
#include <agmohd/rule/capped.hpp>
#include <agmohd/rule/lamb.hpp>
#include <agmohd/rule/prodigy.hpp>
#include <cmath>

// The recipes that the stability benchmark compares. Torch-free: the kernel units include this file
// too. One more is a line here, one in a table of methods and one in CMakeLists.txt.
namespace stability {

/// AdamW with a hindrance policy and a clip.
template <class Hindrance, class Gradient = agmohd::gradient::ClipByNorm>
using Guarded = agmohd::Recipe<agmohd::rule::AdamW, Hindrance, Gradient>;

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
using StableSpam = agmohd::Recipe<agmohd::rule::SPAM, OptionalSkip, agmohd::gradient::Stabilize>;
using StableAdamW = agmohd::Recipe<agmohd::rule::StableAdamW, OptionalSkip>;
/// With the clip that their authors leave out, for the sweep of learning rates.
using StableAdamWClip = agmohd::Recipe<agmohd::rule::StableAdamW, agmohd::gradient::ClipByNorm>;
using ScheduleFreeClip =
    agmohd::Recipe<agmohd::rule::AdamWScheduleFree, agmohd::gradient::ClipByNorm>;
using ProdigyClip = agmohd::Recipe<agmohd::rule::Prodigy, agmohd::gradient::ClipByNorm>;

using Capped =
    agmohd::Recipe<agmohd::rule::Capped<agmohd::rule::AdamW>, agmohd::gradient::ClipByNorm>;

using ZClip = Guarded<agmohd::hindrance::ZClip>;
using AdaGC = Guarded<agmohd::hindrance::AdaGC, agmohd::gradient::AdaptiveClip>;
using SkipStep = Guarded<agmohd::hindrance::SkipStep>;

/// AGMOHD with Stable-SPAM's gradients behind its clip.
using Stabilized =
    agmohd::Recipe<agmohd::rule::AdamW, agmohd::hindrance::Detector, agmohd::momentum::Choice,
                   agmohd::gradient::Chain<agmohd::gradient::Choice, agmohd::gradient::Stabilize>,
                   agmohd::schedule::HindranceAware<agmohd::schedule::Choice>,
                   agmohd::recovery::Snapshots>;

/// A kind of hindrance with a run-time option `Without` that turns it off: one recipe for all
/// ablations, each of which would take as long to compile.
template <class K, agmohd::FixedString Without>
struct Optional : K {
  struct Options {
    typename K::Options kind{};
    bool off = false;
  };
  static constexpr auto fields = agmohd::describe(agmohd::nested(&Options::kind, K::fields),
                                                  agmohd::field(Without.text, &Options::off));

  AGMOHD_HD static void examine(const Options& o, const agmohd::Signals& s,
                                const typename K::Memory& m, agmohd::Verdict& v) {
    if (!o.off) K::examine(o.kind, s, m, v);
  }
  AGMOHD_HD static void learn(const Options& o, const agmohd::Signals& s, const agmohd::Verdict& v,
                              typename K::Memory& m) {
    if (!o.off) K::learn(o.kind, s, v, m);
  }
  template <class M>
  AGMOHD_HD static agmohd::TensorVerdict judge_tensor(
      const Options& o, const agmohd::TensorSignals& s, const agmohd::Verdict& v,
      const typename K::Memory& m, M& tensor) requires(agmohd::has::judge_tensor<K>) {
    return o.off ? agmohd::TensorVerdict{} : K::judge_tensor(o.kind, s, v, m, tensor);
  }
};

/// AGMOHD with these kinds of hindrance alone.
template <class... K>
using Only = agmohd::Recipe<agmohd::rule::AdamW, agmohd::hindrance::Detect<K...>,
                            agmohd::momentum::Choice, agmohd::gradient::Choice,
                            agmohd::schedule::HindranceAware<agmohd::schedule::Choice>,
                            agmohd::recovery::Snapshots>;

namespace kinds {
using namespace agmohd::hindrance;
using Ablated =
    Only<Optional<Nonfinite, "no_nonfinite">, Optional<LossSpike, "no_loss_spike">,
         Optional<Explosion, "no_explosion">, Plateau, Optional<StepTooLarge, "no_step_too_large">,
         ImpossibleMoment, Optional<Oscillation, "no_oscillation">, Vanishing>;
/// The sweep guards moments wherever a kind wants it.
using NoImpossibleMoment =
    Only<Nonfinite, LossSpike, Explosion, Plateau, StepTooLarge, Oscillation, Vanishing>;
}  // namespace kinds

// Vanishing and Plateau only report.
using kinds::Ablated;
using kinds::NoImpossibleMoment;

}  // namespace stability
