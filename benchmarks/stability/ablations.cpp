// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "ours.hpp"
#include "recipes.hpp"

namespace stability {

const std::vector<Entry>& ablations() {
  using Options = agmohd::AGMOHDOptions;
  using Switches = agmohd::Optimizer<Ablated>::Options;
  static const std::vector<Entry> all{
      {"no-nonfinite", "AGMOHD without Nonfinite",
       make<Ablated>([](Switches& o) { o.set<"no_nonfinite">(true); })},
      {"no-loss-spike", "without LossSpike",
       make<Ablated>([](Switches& o) { o.set<"no_loss_spike">(true); })},
      {"no-explosion", "without Explosion",
       make<Ablated>([](Switches& o) { o.set<"no_explosion">(true); })},
      {"no-step-too-large", "without StepTooLarge",
       make<Ablated>([](Switches& o) { o.set<"no_step_too_large">(true); })},
      {"no-impossible-moment", "without ImpossibleMoment", make<NoImpossibleMoment>()},
      {"no-oscillation", "without Oscillation",
       make<Ablated>([](Switches& o) { o.set<"no_oscillation">(true); })},
      {"fixed-momentum", "momentum never lowered",
       make_agmohd([](Options& o) { o.momentum_schedule(agmohd::momentum::Mode::fixed); })},
      {"no-tensor-clip", "single tensors never clipped", make_agmohd([](Options& o) {
         o.gradient_clipping(agmohd::gradient::Clipping::global_norm);
       })},
      {"no-clip", "no clipping at all",
       make_agmohd([](Options& o) { o.gradient_clipping(agmohd::gradient::Clipping::none); })},
  };
  return all;
}

}  // namespace stability
