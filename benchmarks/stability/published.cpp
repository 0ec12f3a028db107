// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "ours.hpp"
#include "recipes.hpp"

namespace stability {
namespace {

/// Turns on or off what agmohd repaired, wherever the options have such a switch.
template <class Options>
void repair(Options& o, bool on) {
  if constexpr (Options::has("repaired")) o.template set<"repaired">(on);
  if constexpr (Options::has("spike_repaired")) o.template set<"spike_repaired">(on);
  if constexpr (Options::has("stabilize_repaired")) o.template set<"stabilize_repaired">(on);
  if constexpr (Options::has("rms_repaired")) o.template set<"rms_repaired">(on);
}

/// NAME as published, and NAME-repaired.
template <class Recipe>
void add(
    std::vector<Entry>& table, const std::string& name, const std::string& what,
    const std::function<void(typename agmohd::Optimizer<Recipe>::Options&)>& change = [](auto&) {
    }) {
  using Options = typename agmohd::Optimizer<Recipe>::Options;
  for (const bool repaired : {false, true}) {
    table.push_back({name + (repaired ? "-repaired" : ""),
                     repaired ? "the same, non-finite steps skipped" : what + " as published",
                     make<Recipe>([=](Options& o) {
                       change(o);
                       repair(o, repaired);
                     })});
  }
}

}  // namespace

std::vector<Entry> published() {
  std::vector<Entry> table;
  add<Spam>(table, "spam", "SPAM");
  add<StableSpam>(table, "stablespam", "Stable-SPAM", [](auto& o) {
    o.template set<agmohd::rule::SPAM>({.spike_threshold = 0,
                                        .reset_interval = 1000,
                                        .reset_warmup = 0,
                                        .reset_correction = true});
  });
  add<StableAdamW>(table, "stableadamw", "StableAdamW");
  add<ZClip>(table, "zclip", "AdamW with ZClip");
  add<AdaGC>(table, "adagc", "AdamW with AdaGC", [](auto& o) { o.max_norm(1e30); });
  add<SkipStep>(table, "skipstep", "clip with OLMo's SkipStep");
  return table;
}

}  // namespace stability
