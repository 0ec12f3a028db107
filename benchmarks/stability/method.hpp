// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <agmohd/monitor/lr_advice.hpp>
#include <agmohd/step/record.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stability {

/// What a method is told of the task.
struct Setting {
  double lr = 1e-3;
  double threshold = 0.1;  ///< AGMOHD's hindrance_threshold
  double beta2 = 0.95, weight_decay = 0.1;
  double reference_lr = 1e-3;    ///< the task's, for a rule whose learning rate is a factor
  std::int64_t steps = 1000;     ///< of the run
  std::vector<at::Tensor> late;  ///< those of the parameters that have groups of their own
};

/// An optimizer, as a run sees it.
class Method {
 public:
  virtual ~Method() = default;
  virtual void zero_grad() = 0;
  virtual void step(const at::Tensor& loss) = 0;
  /// The learning rate of the parameters, and of those of Setting::late.
  virtual void set_lr(double lr, double late_lr) = 0;
  virtual void set_weight_decay(double weight_decay) = 0;
  /// A parameter's state tensor of that name (exp_avg, exp_avg_sq), for faults; undefined if there
  /// is none.
  virtual at::Tensor state(const at::Tensor& parameter, std::string_view name) = 0;
  /// What it did, if it counts that.
  virtual std::optional<agmohd::Tally> tally() const = 0;
  /// Steps times tensors that were clipped by themselves, as far as it counts them.
  virtual std::int64_t tensor_clips() const = 0;
  /// What it knows of its learning rate, if it records steps.
  virtual std::optional<agmohd::monitor::LrEvidence> lr_evidence() const = 0;
  /// Before the model is measured: the parameters become what the method evaluates.
  virtual void evaluate() {}
};

using Factory =
    std::function<std::unique_ptr<Method>(const std::vector<at::Tensor>&, const Setting&)>;

enum class Rates {
  task,      ///< warm-up over a tenth of the run, then a cosine down to a tenth, as the task has it
  constant,  ///< the same warm-up, then the rate as it is
  none       ///< the rate as it is, from the first step on: the method has a schedule
};
struct Entry {
  std::string name, description;
  Factory make;
  Rates rates = Rates::task;
};

/// The methods that are compared, in the order of the tables.
const std::vector<Entry>& methods();
/// Those of them that others published: as published, and repaired.
std::vector<Entry> published();
/// Those that the learning-rate sweep has beside them, if asked for: rules, caps and schedules that
/// are said to make the learning rate matter less.
const std::vector<Entry>& robust_methods();
/// AGMOHD without one of its parts.
const std::vector<Entry>& ablations();
/// Those that are compared under legitimate events and without noise, and clip with other rounding.
const std::vector<Entry>& calm_methods();

}  // namespace stability
