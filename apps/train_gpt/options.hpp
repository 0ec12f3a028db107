// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <agmohd/schedule/function.hpp>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace demo {

enum class FaultKind { nan, inf, spike, tensor_spike, bad_data, flip, zero_v, lr };

/// Something that goes wrong in a run, on purpose.
struct Fault {
  FaultKind kind;
  std::int64_t step;  // from 1
  double severity;
  std::string given;  // on the command line
};

/// What the command line says. Needs no LibTorch.
struct Options {
  std::string data;  // empty: the text the repository carries
  std::int64_t layers = 4, width = 128, heads = 4, context = 128, batch = 8, steps = 1800;
  std::string optimizer = "agmohd";
  std::optional<double> lr, weight_decay;  // unset: the optimizer's own default
  std::optional<std::int64_t> warmup;      // unset: a tenth of the steps, 50 at most
  std::string schedule = "cosine";         // NAME or NAME,option=value,...
  bool group_decay = false;
  std::int64_t accumulate = 1;
  double clip = 1.0;
  std::int64_t seed = 1;
  std::string device = "auto";
  std::int64_t threads = 0;
  std::string checkpoint, resume;
  std::int64_t checkpoint_every = 0;
  std::vector<Fault> faults;
  std::string csv = "train_gpt.csv", svg = "train_gpt.svg", records = "train_gpt_records.csv",
              tensorboard;
  std::int64_t sample = 400;
  bool compare = false, quick = false, find_lr = false;

  double learning_rate() const;
  double decay() const;
  std::int64_t tokens() const { return accumulate * batch * context; }  // of a step
  std::int64_t warmup_steps() const;
  /// Whether the schedule is the one that the recipes have; others drive them from the host.
  bool schedule_of_recipe() const { return schedule == "cosine"; }
  /// The factor of the learning rate in each step. Throws UsageError.
  agmohd::schedule::Function schedule_factor() const;

  /// What must be the same for a resumed run to continue the run that wrote the checkpoint. The
  /// steps may differ: the schedule then is that of the new number.
  std::vector<std::pair<std::string, std::string>> identity() const;
};

/// A bad command line; what() names the option, the value and what is allowed.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The lowest learning rate of the cosine, as a part of the highest.
inline constexpr double kMinFactor = 0.1;

/// Throws UsageError. Returns nothing where --help was asked for and printed.
std::optional<Options> parse_options(int argc, char** argv);

}  // namespace demo
