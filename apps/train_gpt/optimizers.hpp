// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/tools/find_lr.hpp>
#include <agmohd/tools/groups.hpp>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "options.hpp"
#include "recipes.hpp"

namespace demo {

/// Of the recipes' schedule; with one by name it is the constant 1.
inline Schedule::Options schedule_options(const Options& o) {
  if (!o.schedule_of_recipe()) {
    return {.warmup_steps = 0, .after = {.total_steps = o.steps, .min_factor = 1}};
  }
  return {.warmup_steps = o.warmup_steps(),
          .after = {.total_steps = o.steps, .min_factor = kMinFactor}};
}

using Named = torch::OrderedDict<std::string, torch::Tensor>;

using Closure = torch::optim::Optimizer::LossClosure;

/// An optimizer and what a program calls after each backward() of step t, --accumulate of them,
/// with the loss and a factor of the learning rate: after the last one clip, set the learning rate,
/// update.
struct Update {
  std::string name;
  std::unique_ptr<torch::optim::Optimizer> optimizer;
  std::function<void(std::int64_t, const torch::Tensor&, double)> step;
  std::function<void()> zero_second_moments;             // empty: the rule has none
  std::function<std::vector<agmohd::Record>()> records;  // empty: there are none
  std::function<std::string(const Named&)> summary;      // empty: there is none
  std::function<void(const Options&)> set_steps;         // of the whole run
  /// The range test; the closure makes the gradients of one batch.
  std::function<agmohd::tools::LrCurve(const Closure&, const agmohd::tools::FindLrOptions&)>
      find_lr;
};

template <class ParamState, class Optimizer>
void zero_second_moments(Optimizer& optimizer) {
  for (auto& [key, state] : optimizer.state())
    static_cast<ParamState&>(*state).exp_avg_sq().zero_();
}

/// Two groups: matrices with weight decay, vectors without; or as tools::Groups has them.
template <class GroupOptions>
std::vector<torch::optim::OptimizerParamGroup> groups(const Options& o,
                                                      const torch::nn::Module& model,
                                                      const GroupOptions& defaults) {
  if (o.group_decay) return agmohd::tools::Groups(model, defaults).no_decay().groups();
  std::vector<torch::Tensor> matrices, vectors;
  for (const torch::Tensor& p : model.parameters()) (p.dim() > 1 ? matrices : vectors).push_back(p);
  auto no_decay = std::make_unique<GroupOptions>(defaults);
  no_decay->weight_decay(0.0);
  std::vector<torch::optim::OptimizerParamGroup> result;
  result.emplace_back(std::move(matrices));
  result.emplace_back(std::move(vectors), std::move(no_decay));
  return result;
}

/// A schedule on the host, which a run of another length replaces.
using HostSchedule = std::shared_ptr<agmohd::schedule::Function>;
inline HostSchedule host_schedule(const Options& o) {
  return std::make_shared<agmohd::schedule::Function>(o.schedule_factor());
}

/// An agmohd recipe accumulates, clips and follows its schedule by itself; a schedule by name
/// drives it from the host.
template <class R>
Update ours(const std::string& name, const Options& o, const torch::nn::Module& model) {
  using Optimizer = agmohd::Optimizer<R>;
  typename Optimizer::Options shared(o.learning_rate());
  shared.weight_decay(o.decay());
  if constexpr (std::is_same_v<R, SGD>) {
    shared.momentum(0.9);
  } else {
    shared.betas({0.9, 0.99});
  }
  shared.max_norm(o.clip);
  shared.template set<"accumulation_steps">(o.accumulate);
  if constexpr (R::recorded) {
    shared.hindrance_threshold(agmohd::threshold::language_model);
    shared.template set<Schedule>(schedule_options(o));
  } else {
    shared.template set<Schedule>(schedule_options(o));
  }
  auto owned = std::make_unique<Optimizer>(groups(o, model, shared), shared);
  auto& optimizer = *owned;
  const HostSchedule schedule = o.schedule_of_recipe() ? nullptr : host_schedule(o);
  Update result{name, std::move(owned), {}, {}, {}, {}, {}, {}};
  result.set_steps = [&optimizer, schedule](const Options& now) {
    optimizer.options().total_steps(now.steps);
    if (schedule) *schedule = now.schedule_factor();
  };
  result.step = [&optimizer, schedule, lr = o.learning_rate()](
                    std::int64_t t, const torch::Tensor& loss, double factor) {
    if (schedule) factor *= (*schedule)(t);
    for (auto& group : optimizer.param_groups()) group.options().set_lr(factor * lr);
    optimizer.step(loss);
  };
  result.find_lr = [&optimizer](const Closure& closure,
                                const agmohd::tools::FindLrOptions& options) {
    return agmohd::tools::find_lr(optimizer, closure, options);
  };
  if constexpr (!std::is_same_v<R, SGD>) {
    result.zero_second_moments = [&optimizer] {
      zero_second_moments<typename Optimizer::ParamState>(optimizer);
    };
  }
  if constexpr (R::recorded) {
    result.records = [&optimizer] { return optimizer.records(); };
    result.summary = [&optimizer](const Named& named) {
      optimizer.name_parameters(named);
      return optimizer.summary();
    };
  }
  return result;
}

/// The mean of the gradients of --accumulate batches, for an optimizer that does not accumulate.
class MeanGradient {
 public:
  MeanGradient(std::vector<torch::Tensor> parameters, std::int64_t batches)
      : parameters_(std::move(parameters)), batches_(batches) {}

  /// After each backward(); after the last one the gradients are the means, and it is true.
  bool add() {
    if (batches_ == 1) return true;
    const torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> gradients;
    for (const torch::Tensor& p : parameters_) gradients.push_back(p.grad());
    if (added_ == 0) {
      sums_.clear();
      for (const torch::Tensor& g : gradients) sums_.push_back(g.clone());
    } else {
      torch::_foreach_add_(sums_, gradients);
    }
    if (++added_ < batches_) return false;
    added_ = 0;
    torch::_foreach_mul_(sums_, 1 / static_cast<double>(batches_));
    for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i].mutable_grad() = sums_[i];
    return true;
  }

 private:
  std::vector<torch::Tensor> parameters_, sums_;
  std::int64_t batches_, added_ = 0;
};

/// The same with what LibTorch has.
inline Update stock_adamw(const Options& o, const torch::nn::Module& model) {
  const std::vector<torch::Tensor> parameters = model.parameters();
  const auto mean = std::make_shared<MeanGradient>(parameters, o.accumulate);
  const HostSchedule schedule = host_schedule(o);
  const auto defaults =
      torch::optim::AdamWOptions(o.learning_rate()).betas({0.9, 0.99}).weight_decay(o.decay());
  auto optimizer = std::make_unique<torch::optim::AdamW>(groups(o, model, defaults), defaults);
  auto& adamw = *optimizer;
  return {
      "torch: clip_grad_norm_ + AdamW",
      std::move(optimizer),
      [&adamw, parameters, mean, schedule, o](std::int64_t t, const torch::Tensor&, double factor) {
        if (!mean->add()) return;
        torch::nn::utils::clip_grad_norm_(parameters, o.clip);
        const double lr = factor * o.learning_rate() * (*schedule)(t);
        for (auto& group : adamw.param_groups()) group.options().set_lr(lr);
        adamw.step();
      },
      [&adamw] { zero_second_moments<torch::optim::AdamWParamState>(adamw); },
      {},
      {},
      [schedule](const Options& now) { *schedule = now.schedule_factor(); },
      [&adamw, parameters, mean, o](const Closure& closure,
                                    const agmohd::tools::FindLrOptions& options) {
        const auto clipped = [&] {
          torch::Tensor sum = closure();
          while (!mean->add()) sum = sum + closure();
          torch::nn::utils::clip_grad_norm_(parameters, o.clip);
          return sum / static_cast<double>(o.accumulate);
        };
        return agmohd::tools::find_lr(adamw, clipped, options);
      }};
}

inline Update make_update(const Options& o, const torch::nn::Module& model) {
  if (o.optimizer == "torch-adamw") return stock_adamw(o, model);
  if (o.optimizer == "agmohd-sgd") return ours<SGD>("agmohd: ClipByNorm, SGD", o, model);
  if (o.optimizer == "agmohd-adam") return ours<Adam>("agmohd: ClipByNorm, Adam", o, model);
  if (o.optimizer == "adamw") return ours<AdamW>("agmohd: ClipByNorm, AdamW", o, model);
  return ours<AGMOHD>("agmohd: AGMOHD", o, model);
}

}  // namespace demo
