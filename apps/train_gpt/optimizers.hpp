// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "options.hpp"
#include "recipes.hpp"

namespace demo {

inline Schedule::Options schedule_options(const Options& o) {
  return {.warmup_steps = o.warmup_steps(),
          .after = {.total_steps = o.steps, .min_factor = kMinFactor}};
}

using Named = torch::OrderedDict<std::string, torch::Tensor>;

/// An optimizer and what a program calls after backward() in step t, with the loss and a factor of
/// the learning rate: clip, set the learning rate, update.
struct Update {
  std::string name;
  std::unique_ptr<torch::optim::Optimizer> optimizer;
  std::function<void(std::int64_t, const torch::Tensor&, double)> step;
  std::function<void()> zero_second_moments;             // empty: the rule has none
  std::function<std::vector<agmohd::Record>()> records;  // empty: there are none
  std::function<std::string(const Named&)> summary;      // empty: there is none
  std::function<void(std::int64_t)> set_steps;           // of the whole run; empty: nothing to set
};

template <class ParamState, class Optimizer>
void zero_second_moments(Optimizer& optimizer) {
  for (auto& [key, state] : optimizer.state())
    static_cast<ParamState&>(*state).exp_avg_sq().zero_();
}

/// Two groups: matrices with weight decay, vectors without.
template <class GroupOptions>
std::vector<torch::optim::OptimizerParamGroup> groups(const std::vector<torch::Tensor>& parameters,
                                                      const GroupOptions& defaults) {
  std::vector<torch::Tensor> matrices, vectors;
  for (const torch::Tensor& p : parameters) (p.dim() > 1 ? matrices : vectors).push_back(p);
  auto no_decay = std::make_unique<GroupOptions>(defaults);
  no_decay->weight_decay(0.0);
  std::vector<torch::optim::OptimizerParamGroup> result;
  result.emplace_back(std::move(matrices));
  result.emplace_back(std::move(vectors), std::move(no_decay));
  return result;
}

/// An agmohd recipe clips and follows its schedule by itself.
template <class R>
Update ours(const std::string& name, const Options& o,
            const std::vector<torch::Tensor>& parameters) {
  using Optimizer = agmohd::Optimizer<R>;
  typename Optimizer::Options shared(o.learning_rate());
  shared.weight_decay(o.decay());
  if constexpr (std::is_same_v<R, SGD>) {
    shared.momentum(0.9);
  } else {
    shared.betas({0.9, 0.99});
  }
  shared.max_norm(o.clip);
  if constexpr (R::recorded) {
    shared.hindrance_threshold(agmohd::threshold::language_model);
    shared.template set<Schedule>(schedule_options(o));
  } else {
    shared.template set<Schedule>(schedule_options(o));
  }
  auto owned = std::make_unique<Optimizer>(groups(parameters, shared), shared);
  auto& optimizer = *owned;
  Update result{name, std::move(owned), {}, {}, {}, {}, {}};
  result.set_steps = [&optimizer](std::int64_t steps) { optimizer.options().total_steps(steps); };
  result.step = [&optimizer, lr = o.learning_rate()](std::int64_t, const torch::Tensor& loss,
                                                     double factor) {
    for (auto& group : optimizer.param_groups()) group.options().set_lr(factor * lr);
    optimizer.step(loss);
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

/// The same with what LibTorch has.
inline Update stock_adamw(const Options& o, const std::vector<torch::Tensor>& parameters) {
  const auto defaults =
      torch::optim::AdamWOptions(o.learning_rate()).betas({0.9, 0.99}).weight_decay(o.decay());
  auto optimizer = std::make_unique<torch::optim::AdamW>(groups(parameters, defaults), defaults);
  auto& adamw = *optimizer;
  return {"torch: clip_grad_norm_ + AdamW",
          std::move(optimizer),
          [&adamw, parameters, o](std::int64_t t, const torch::Tensor&, double factor) {
            torch::nn::utils::clip_grad_norm_(parameters, o.clip);
            const double lr = factor * o.learning_rate() * Schedule::factor(schedule_options(o), t);
            for (auto& group : adamw.param_groups()) group.options().set_lr(lr);
            adamw.step();
          },
          [&adamw] { zero_second_moments<torch::optim::AdamWParamState>(adamw); },
          {},
          {},
          {}};
}

inline Update make_update(const Options& o, const std::vector<torch::Tensor>& parameters) {
  if (o.optimizer == "torch-adamw") return stock_adamw(o, parameters);
  if (o.optimizer == "agmohd-sgd") return ours<SGD>("agmohd: ClipByNorm, SGD", o, parameters);
  if (o.optimizer == "agmohd-adam") return ours<Adam>("agmohd: ClipByNorm, Adam", o, parameters);
  if (o.optimizer == "adamw") return ours<AdamW>("agmohd: ClipByNorm, AdamW", o, parameters);
  return ours<AGMOHD>("agmohd: AGMOHD", o, parameters);
}

}  // namespace demo
