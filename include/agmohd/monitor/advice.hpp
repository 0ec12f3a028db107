// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "../step/record.hpp"

namespace agmohd::monitor {

/// The names of the bits of Flag and of Tally::Did, in their order.
inline constexpr auto& kind_names = Tally::names;

/// What people do about each kind of hindrance, in the order of Flag's bits; null: nothing is to be
/// done. Sources, beside practice: PaLM (Chowdhery et al. 2022: loss spikes, z-loss, other data),
/// ViT-22B (Dehghani et al. 2023: QK-norm), StableAdamW (Wortsman et al. 2023: beta2), OPT (Zhang
/// et al. 2022: loss scale, learning rate, earlier checkpoint), Goyal et al. 2017 (warm-up).
inline constexpr const char* advice_for[Tally::skip] = {
    "with mixed precision lower the loss scale or train in bfloat16; look for log(), sqrt() and "
    "division near 0 in model and loss, and for non-finite values in the data",
    "lower the learning rate, warm up for longer, or set max_norm to the norm of calm steps",
    "raise the learning rate by a warm-up instead of at once, also after a restart and when layers "
    "are unfrozen",
    "state or memory is corrupt: check the checkpoint, code that writes to state(), and the "
    "device's memory errors (ECC)",
    "shuffle the data and look at the batches of these steps, lower beta2 (0.95), and in a "
    "transformer add QK-norm or a z-loss",
    "lower the learning rate, or enlarge the batch",
    "look at the initialisation, add normalisation layers or residual connections, and lower eps "
    "if gradients are that small by design",
    "lower the learning rate (lr_schedule, or plateau_factor below 1), or end the training",
    nullptr,
    "go back to an earlier checkpoint and train on from there with a lower learning rate or other "
    "data"};

/// A sentence about what was seen most, and one about a give-up; empty if nothing was seen.
inline std::string advice(const Tally& tally) {
  int most = -1;
  for (int kind = 0; kind < Tally::give_up; ++kind) {
    if (advice_for[kind] == nullptr || tally.count[kind] == 0) continue;
    if (most < 0 || tally.count[kind] > tally.count[most]) most = kind;
  }
  std::string out;
  const auto add = [&](const char* when, int kind) {
    out += std::string(when) + kind_names[kind] + ", last at step " +
           std::to_string(tally.last[kind]) + ". What helps: " + advice_for[kind] + ".\n";
  };
  if (most >= 0) add("Seen most: ", most);
  if (tally.count[Tally::give_up] > 0) add("The optimizer had to ", Tally::give_up);
  return out;
}

}  // namespace agmohd::monitor
