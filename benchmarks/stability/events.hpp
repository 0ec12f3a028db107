// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

// What users do to a run, and nothing is wrong. As of faults, there are two lists: methods are
// tuned on the one; the other is for the final table alone, and was committed before any run of it.
namespace stability {

enum class Change {
  rare_weight,    ///< the loss of every `every`-th batch weighs `severity` times as much
  rare_part,      ///< the task's rare part is in every `every`-th step, and weighs `severity`
  rare_random,    ///< the same, in one of `every` steps at random
  short_batch,    ///< every `every`-th batch is a single example
  learning_rate,  ///< times `severity`: to the reference rate, from so much less before
  restarts,       ///< SGDR (Loshchilov & Hutter 2017): `severity` cycles, from the rate to zero
  unfreeze,       ///< half the hidden matrices learn from then on, at `severity` times the rate
  batch_size,     ///< times `severity`
  context,        ///< sequences times `severity`, the longer ones in full
  part_weight,    ///< one answer's loss weighs `severity` times as much
  accumulation,   ///< gradients of `severity` batches are added up; below 1: of one / severity
                  ///< before
  new_data,       ///< of another domain, number `severity`
  smoothing,      ///< of labels: from 0.1 to `severity`
  dropout,        ///< with probability `severity`
  reduction,      ///< of the loss: mean -> sum, or (-1) sum -> mean
  weight_decay,   ///< times `severity`
};

struct Event {
  const char* group;  ///< row of the report
  const char* name;
  Change kind;
  double severity;
  double at;           ///< of the steps of the run, 0 to 1
  std::int64_t every;  ///< 0 where it happens once
  const char* tasks;   ///< that it happens to, with spaces between
  double scale = 1;    ///< of the loss, all the time
  bool weighed =
      true;  ///< the optimizer is told the loss that was differentiated, else without weight
};

inline constexpr const char* kAll = "mlp gpt vit";
inline constexpr const char* kFour = "mlp gpt vit regression";

inline constexpr Event kTuningEvents[] = {
    {"rare weight", "x10-every-16", Change::rare_weight, 10, 0, 16, kFour},
    {"rare weight", "x30-every-50", Change::rare_weight, 30, 0, 50, kFour},
    {"rare weight", "x10-every-16-untold", Change::rare_weight, 10, 0, 16, kAll, 1, false},
    {"small norm", "x10-of-0.001", Change::rare_weight, 10, 0, 20, kFour, 0.002},
    {"lazy penalty", "penalty-every-16", Change::rare_part, 16, 0, 16, "discriminator"},
    {"rare domain", "domain-2-percent", Change::rare_random, 1, 0, 50, "regression"},
    {"rare domain", "domain-1-percent", Change::rare_random, 1, 0, 100, "regression"},
    {"rare head", "head-every-16", Change::rare_part, 16, 0, 16, "two-heads"},
    {"learning rate", "rate-x8", Change::learning_rate, 8, 0.5, 0, kAll},
    {"learning rate", "rate-x10-early", Change::learning_rate, 10, 0.3, 0, kAll},
    {"restarts", "restarts-2", Change::restarts, 2, 0, 0, kAll},
    {"unfreezing", "unfreeze-x10", Change::unfreeze, 10, 0.3, 0, "mlp gpt"},
    {"unfreezing", "unfreeze-x3", Change::unfreeze, 3, 0.5, 0, "vit"},
    {"batch size", "batch-x8", Change::batch_size, 8, 0.5, 0, "mlp"},
    {"batch size", "batch-/8", Change::batch_size, 0.125, 0.5, 0, kAll},
    {"sequence length", "context-x4", Change::context, 4, 0.5, 0, "gpt"},
    {"part's weight", "part-x10", Change::part_weight, 10, 0.4, 0, kAll},
    {"accumulation", "sum-of-4", Change::accumulation, 4, 0.6, 0, "mlp gpt"},
    {"new data", "turned", Change::new_data, 1, 0.4, 0, kAll},
};

inline constexpr Event kFinalEvents[] = {
    {"rare weight", "x20-every-24", Change::rare_weight, 20, 0, 24, kFour},
    {"rare weight", "x8-every-12", Change::rare_weight, 8, 0, 12, kAll},
    {"rare weight", "x50-every-80", Change::rare_weight, 50, 0, 80, kFour},
    {"rare weight", "x20-every-30-untold", Change::rare_weight, 20, 0, 30, kAll, 1, false},
    {"small norm", "x15-of-0.003", Change::rare_weight, 15, 0, 36, kFour, 0.005},
    {"short batch", "one-example-every-24", Change::short_batch, 0, 0, 24, kAll},
    {"lazy penalty", "penalty-every-8", Change::rare_part, 8, 0, 8, "discriminator"},
    {"lazy penalty", "penalty-every-12", Change::rare_part, 12, 0, 12, "discriminator"},
    {"rare domain", "domain-3-percent", Change::rare_random, 1, 0, 33, "regression"},
    {"rare domain", "domain-0.7-percent", Change::rare_random, 1, 0, 143, "regression"},
    {"rare head", "head-every-40", Change::rare_part, 40, 0, 40, "two-heads"},
    {"learning rate", "rate-x5", Change::learning_rate, 5, 0.4, 0, kAll},
    {"learning rate", "rate-x20-late", Change::learning_rate, 20, 0.6, 0, kAll},
    {"restarts", "restarts-3", Change::restarts, 3, 0, 0, kAll},
    {"unfreezing", "unfreeze-x5", Change::unfreeze, 5, 0.6, 0, "mlp gpt"},
    {"unfreezing", "unfreeze-x2", Change::unfreeze, 2, 0.2, 0, "vit"},
    {"batch size", "batch-x4", Change::batch_size, 4, 0.7, 0, kAll},
    {"batch size", "batch-/4", Change::batch_size, 0.25, 0.35, 0, kAll},
    {"sequence length", "context-/4", Change::context, 0.25, 0.6, 0, "gpt"},
    {"sequence length", "context-x2", Change::context, 2, 0.25, 0, "gpt"},
    {"part's weight", "part-x20", Change::part_weight, 20, 0.6, 0, kAll},
    {"accumulation", "one-after-sum-of-8", Change::accumulation, 0.125, 0.3, 0, "mlp gpt"},
    {"new data", "negative-or-cipher", Change::new_data, 2, 0.6, 0, kAll},
    {"label smoothing", "smoothing-0.02", Change::smoothing, 0.02, 0.5, 0, kAll},
    {"dropout", "dropout-0.2", Change::dropout, 0.2, 0.4, 0, kAll},
    {"reduction", "mean-to-sum", Change::reduction, 1, 0.4, 0, kAll},
    {"reduction", "sum-to-mean", Change::reduction, -1, 0.6, 0, kAll},
    {"weight decay", "decay-x10", Change::weight_decay, 10, 0.5, 0, kAll},
    {"weight decay", "decay-off", Change::weight_decay, 0, 0.3, 0, kAll},
};

inline std::span<const Event> events(bool final_list) {
  if (final_list) return kFinalEvents;
  return kTuningEvents;
}

}  // namespace stability
