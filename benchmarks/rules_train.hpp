// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/optim/optimizer.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "stability/tasks.hpp"

namespace rules_train {

/// An optimizer with default options, as a run sees it.
struct Entry {
  using Optimizer = torch::optim::Optimizer;

  std::string name;
  double lr = 0;  ///< the default learning rate
  std::unique_ptr<Optimizer> (*make)(const std::vector<at::Tensor>& parameters,
                                     double lr) = nullptr;
  std::int64_t (*state_bytes)(Optimizer& optimizer) = nullptr;
  /// Brings the parameters to where they are to be evaluated; null: they are there.
  void (*evaluate)(Optimizer& optimizer) = nullptr;
  /// Takes estimates of the Hessian's diagonal; null: the rule needs none.
  void (*update_hessian)(Optimizer& optimizer, const std::vector<at::Tensor>& estimates) = nullptr;
};

/// All rules, in the order of their headers; the build generates it.
std::vector<Entry> rules();

/// What one run gave.
struct Result {
  double loss = 0;         ///< of the held-out data, after the last step
  double accuracy = 0;     ///< the share of held-out answers that are the largest logit
  double seconds = 0;      ///< a step: batch, forward, backward, update
  double state_bytes = 0;  ///< a parameter
};

/// Trains one network. The result, but for its time, depends on the arguments only.
Result train(const Entry& entry, const stability::Task& task, double lr, std::int64_t seed,
             std::int64_t steps);

/// One rule on one task.
struct Cell {
  const Entry* entry = nullptr;
  const stability::Task* task = nullptr;
  std::vector<Result> at_default, at_best;  ///< a result for each seed
  double best_lr = 0;
};

/// The page: what was run, and the table, in Markdown. A task's cells follow each other in the
/// order of the rules, with the reference first.
std::string page(const std::vector<std::vector<Cell>>& tasks, std::int64_t steps, int reach);

}  // namespace rules_train
