// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>

#include "ours.hpp"
#include "recipes.hpp"

namespace stability {
namespace {

/// AGMOHD with the schedule that the others get from the course, its clock standing still in
/// hindered steps.
Factory make_held() {
  return [](const std::vector<at::Tensor>& parameters, const Setting& setting) {
    const auto change = [&](agmohd::AGMOHDOptions& o) {
      o.lr_schedule(agmohd::schedule::Shape::cosine).total_steps(setting.steps).min_factor(0.1);
      o.warmup_steps(std::max<std::int64_t>(1, setting.steps / 10)).hold(true);
    };
    return make_agmohd(change)(parameters, setting);
  };
}

Factory make_prodigy(bool safeguard) {
  return make<ProdigyClip>([=](agmohd::Optimizer<ProdigyClip>::Options& o) {
    o.set<"use_bias_correction">(true);
    o.set<"safeguard_warmup">(safeguard);
  });
}

}  // namespace

const std::vector<Entry>& robust_methods() {
  static const std::vector<Entry> all{
      {"stableadamw-clip", "StableAdamW, repaired, with the clip", make<StableAdamWClip>()},
      {"schedulefree-clip", "schedule-free AdamW with the clip, constant after the warm-up",
       make<ScheduleFreeClip>(), Rates::constant},
      {"prodigy-clip", "Prodigy with the clip; its factor is the rate over the task's reference",
       make_prodigy(false)},
      {"prodigy-safeguard", "the same with safeguard_warmup, as its authors advise with warm-ups",
       make_prodigy(true)},
      {"capped", "clip, and no tensor moves by more than 5 % of its norm in a step",
       make<Capped>()},
      {"capped-tight", "the same, 2 %",
       make<Capped>([](agmohd::Optimizer<Capped>::Options& o) { o.set<"max_update">(0.02); })},
      {"agmohd-hold", "AGMOHD whose warm-up and cosine wait while steps are hindered", make_held(),
       Rates::none},
  };
  return all;
}

}  // namespace stability
