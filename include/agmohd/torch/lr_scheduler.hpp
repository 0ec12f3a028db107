// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/compiler.hpp"

#include <torch/optim/optimizer.h>
#include <torch/optim/schedulers/lr_scheduler.h>
#include <torch/serialize/archive.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../policy/check.hpp"
#include "../policy/classic_locale.hpp"
#include "../schedule/schedule.hpp"
#include "archived.hpp"

namespace agmohd::schedule {

/// Sets the learning rate of each group of an optimizer to its rate at construction times a factor.
/// The first factor is set at construction; call step() after each optimizer step. Saved and loaded
/// by torch::save and torch::load, with the optimizer's own checkpoint beside it.
class FactorScheduler : public torch::optim::LRScheduler, public agmohd::detail::Archived {
 public:
  void save(torch::serialize::OutputArchive& archive) const {
    archive.write("schedule", c10::IValue(name()));
    archive.write("step_count", c10::IValue(std::int64_t(step_count_)));
    archive.write("base_lrs", c10::IValue(base_lrs_));
  }
  /// Also sets the learning rates of the optimizer's groups to those of the loaded step.
  void load(torch::serialize::InputArchive& archive) {
    c10::IValue found, steps, lrs;
    TORCH_CHECK(archive.try_read("schedule", found) && archive.try_read("step_count", steps) &&
                    archive.try_read("base_lrs", lrs),
                "agmohd: the archive does not hold a scheduler");
    const std::vector<double> loaded = lrs.toDoubleVector();
    TORCH_CHECK(found.toStringRef() == name(), agmohd::detail::classic,
                "agmohd: the checkpoint is of schedule ", found.toStringRef(), ", but this one is ",
                name());
    TORCH_CHECK(loaded.size() == base_lrs_.size(), agmohd::detail::classic,
                "agmohd: the checkpoint is of ", loaded.size(),
                " parameter groups, but the optimizer has ", base_lrs_.size());
    const std::int64_t count = steps.toInt();
    TORCH_CHECK(count >= 0 && count <= std::int64_t(std::numeric_limits<unsigned>::max()),
                agmohd::detail::classic, "agmohd: the checkpoint's step_count = ", count,
                ", but it must be a number of steps");
    base_lrs_ = loaded;
    step_count_ = unsigned(count);
    apply();
  }

 protected:
  explicit FactorScheduler(torch::optim::Optimizer& optimizer)
      : torch::optim::LRScheduler(optimizer), optimizer_(optimizer), base_lrs_(get_current_lrs()) {}

  virtual std::string name() const = 0;
  /// Of the step after t others, in a group.
  virtual double factor(std::int64_t t, std::int64_t group) const = 0;

  /// Sets the rates of the step that comes.
  void apply() {
    const std::vector<double> lrs = lrs_at(std::int64_t(step_count_));
    TORCH_CHECK(lrs.size() == optimizer_.param_groups().size(), agmohd::detail::classic,
                "agmohd: the scheduler has ", lrs.size(), " groups, but its optimizer has ",
                optimizer_.param_groups().size());
    for (std::size_t g = 0; g < lrs.size(); ++g)
      optimizer_.param_groups()[g].options().set_lr(lrs[g]);
  }

 private:
  /// For the step that comes: LRScheduler::step() asks first and counts then.
  std::vector<double> get_lrs() override { return lrs_at(std::int64_t(step_count_) + 1); }

  /// A group that was added later starts from its rate at that time.
  std::vector<double> lrs_at(std::int64_t t) {
    const std::vector<double> current = get_current_lrs();
    for (std::size_t g = base_lrs_.size(); g < current.size(); ++g) base_lrs_.push_back(current[g]);
    std::vector<double> lrs;
    for (std::size_t g = 0; g < base_lrs_.size(); ++g) {
      lrs.push_back(base_lrs_[g] * factor(t, std::int64_t(g)));
    }
    return lrs;
  }

  torch::optim::Optimizer& optimizer_;
  std::vector<double> base_lrs_;
};

/// Drives any torch::optim::Optimizer by a schedule.
template <Schedule S>
class Scheduler : public FactorScheduler {
  static_assert(agmohd::detail::CheckSchedule<S>::passed);

 public:
  using Options = typename S::Options;

  Scheduler(torch::optim::Optimizer& optimizer, const Options& options)
      : FactorScheduler(optimizer), options_(checked(options)) {
    apply();
  }

  const Options& options() const { return options_; }
  /// Changes the options, from the step that comes on: the decay_start of a WarmupStableDecay.
  void options(const Options& options) {
    options_ = checked(options);
    apply();
  }

 private:
  static const Options& checked(const Options& options) {
    try {
      check<S>(options);
    } catch (const std::invalid_argument& error) {
      TORCH_CHECK(false, agmohd::detail::classic, "agmohd: schedule ", S::name(), ": ",
                  error.what());
    }
    return options;
  }
  std::string name() const override { return S::name(); }
  double factor(std::int64_t t, std::int64_t group) const override {
    return agmohd::detail::factor_of_group<S>(options_, t, group);
  }

  Options options_;
};

/// Drives any torch::optim::Optimizer by a function of the step, as torch.optim's LambdaLR:
/// LambdaScheduler(optimizer, schedule::by_name("cosine", {{"total_steps", "1000"}})). The function
/// is not in the checkpoint.
class LambdaScheduler : public FactorScheduler {
 public:
  using Function = std::function<double(std::int64_t)>;

  LambdaScheduler(torch::optim::Optimizer& optimizer, Function function)
      : FactorScheduler(optimizer), function_(std::move(function)) {
    TORCH_CHECK(function_ != nullptr, agmohd::detail::classic,
                "agmohd: LambdaScheduler: the function is empty");
    apply();
  }

 private:
  std::string name() const override { return "Lambda"; }
  double factor(std::int64_t t, std::int64_t /*group*/) const override { return function_(t); }

  Function function_;
};

}  // namespace agmohd::schedule
