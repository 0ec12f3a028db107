// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "ours.hpp"
#include "recipes.hpp"

namespace stability {

Factory make_agmohd(std::function<void(agmohd::AGMOHDOptions&)> change) {
  return make<Agmohd>(std::move(change));
}

const std::vector<Entry>& methods() {
  static const std::vector<Entry> all = [] {
    std::vector<Entry> table{
        {"adamw", "AdamW", make<AdamW>()},
        {"clip", "AdamW with the gradient's norm clipped to 1", make<Clip>()},
        {"nanskip", "the same, steps with non-finite gradients skipped", make<NanSkip>()},
    };
    for (Entry& entry : published()) table.push_back(std::move(entry));
    table.push_back({"agmohd", "AGMOHD as it is by default", make_agmohd()});
    table.push_back({"agmohd-stabilize", "the same with gradient::Stabilize", make<Stabilized>()});
    table.push_back({"agmohd-snapshots", "AGMOHD with snapshots to roll back to",
                     make_agmohd([](agmohd::AGMOHDOptions& o) { o.snapshots(true); })});
    return table;
  }();
  return all;
}

const std::vector<Entry>& calm_methods() {
  static const std::vector<Entry> all = [] {
    std::vector<Entry> table;
    for (const char* name : {"adamw", "clip", "nanskip", "zclip-repaired", "skipstep-repaired",
                             "adagc-repaired", "agmohd", "agmohd-snapshots"}) {
      for (const Entry& entry : methods()) {
        if (entry.name == name) table.push_back(entry);
      }
    }
    table.push_back({"clip-perturbed", "clip with a beta2 lower by 1e-6: what chance alone makes",
                     make<Clip>([](agmohd::Optimizer<Clip>::Options& o) {
                       const auto [beta1, beta2] = o.betas();
                       o.betas({beta1, beta2 - 1e-6});
                     })});
    return table;
  }();
  return all;
}

}  // namespace stability
