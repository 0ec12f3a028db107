// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/compiler.hpp"

#include <torch/optim/optimizer.h>
#include <torch/optim/schedulers/lr_scheduler.h>
#include <torch/serialize/archive.h>

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "../policy/check.hpp"
#include "../policy/classic_locale.hpp"
#include "../schedule/schedule.hpp"

namespace agmohd::schedule {

/// Drives any torch::optim::Optimizer by a schedule: the learning rate of each group is its rate at
/// construction times the schedule's factor. The first factor is set at construction; call step()
/// after each optimizer step. Saved and loaded by torch::save and torch::load, with the optimizer's
/// own checkpoint beside it.
template <Schedule S>
class Scheduler : public torch::optim::LRScheduler {
 public:
  using Options = typename S::Options;

  Scheduler(torch::optim::Optimizer& optimizer, const Options& options)
      : torch::optim::LRScheduler(optimizer),
        optimizer_(optimizer),
        options_(options),
        base_lrs_(get_current_lrs()) {
    try {
      check<S>(options);
    } catch (const std::invalid_argument& error) {
      TORCH_CHECK(false, detail::classic, "agmohd: schedule ", S::name(), ": ", error.what());
    }
    apply();
  }

  void save(torch::serialize::OutputArchive& archive) const {
    archive.write("schedule", c10::IValue(S::name()));
    archive.write("step_count", c10::IValue(std::int64_t(step_count_)));
    archive.write("base_lrs", c10::IValue(base_lrs_));
  }
  /// Also sets the learning rates of the optimizer's groups to those of the loaded step.
  void load(torch::serialize::InputArchive& archive) {
    c10::IValue name, steps, lrs;
    archive.read("schedule", name);
    archive.read("step_count", steps);
    archive.read("base_lrs", lrs);
    const std::vector<double> loaded = lrs.toDoubleVector();
    TORCH_CHECK(name.toStringRef() == S::name(), detail::classic,
                "agmohd: the checkpoint is of schedule ", name.toStringRef(), ", but this one is ",
                S::name());
    TORCH_CHECK(loaded.size() == base_lrs_.size(), detail::classic, "agmohd: the checkpoint is of ",
                loaded.size(), " parameter groups, but the optimizer has ", base_lrs_.size());
    const std::int64_t count = steps.toInt();
    TORCH_CHECK(count >= 0 && count <= std::int64_t(std::numeric_limits<unsigned>::max()),
                detail::classic, "agmohd: the checkpoint's step_count = ", count,
                ", but it must be a number of steps");
    base_lrs_ = loaded;
    step_count_ = unsigned(count);
    apply();
  }

 private:
  /// For the step that comes: LRScheduler::step() asks first and counts then.
  std::vector<double> get_lrs() override { return lrs_at(std::int64_t(step_count_) + 1); }

  /// A group that was added later starts from its rate at that time.
  std::vector<double> lrs_at(std::int64_t t) {
    const std::vector<double> current = get_current_lrs();
    for (std::size_t g = base_lrs_.size(); g < current.size(); ++g) base_lrs_.push_back(current[g]);
    std::vector<double> lrs;
    for (const double base : base_lrs_) lrs.push_back(base * S::factor(options_, t));
    return lrs;
  }

  void apply() {
    const std::vector<double> lrs = lrs_at(std::int64_t(step_count_));
    TORCH_CHECK(lrs.size() == optimizer_.param_groups().size(), detail::classic,
                "agmohd: the scheduler has ", lrs.size(), " groups, but its optimizer has ",
                optimizer_.param_groups().size());
    for (std::size_t g = 0; g < lrs.size(); ++g)
      optimizer_.param_groups()[g].options().set_lr(lrs[g]);
  }

  torch::optim::Optimizer& optimizer_;
  Options options_;
  std::vector<double> base_lrs_;
};

template <Schedule S>
torch::serialize::OutputArchive& operator<<(torch::serialize::OutputArchive& archive,
                                            const Scheduler<S>& scheduler) {
  scheduler.save(archive);
  return archive;
}
template <Schedule S>
torch::serialize::InputArchive& operator>>(torch::serialize::InputArchive& archive,
                                           Scheduler<S>& scheduler) {
  scheduler.load(archive);
  return archive;
}

}  // namespace agmohd::schedule
