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

/// An optimizer and what a program calls after backward() in step t: clip, set the learning rate,
/// update.
struct Update {
  std::string name;
  std::unique_ptr<torch::optim::Optimizer> optimizer;
  std::function<void(std::int64_t)> step;
};

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
  shared.max_norm(o.clip).schedule(schedule_options(o));
  auto optimizer = std::make_unique<Optimizer>(groups(parameters, shared), shared);
  auto& step = *optimizer;
  return {name, std::move(optimizer), [&step](std::int64_t) { step.step(); }};
}

/// The same with what LibTorch has.
inline Update stock_adamw(const Options& o, const std::vector<torch::Tensor>& parameters) {
  const auto defaults =
      torch::optim::AdamWOptions(o.learning_rate()).betas({0.9, 0.99}).weight_decay(o.decay());
  auto optimizer = std::make_unique<torch::optim::AdamW>(groups(parameters, defaults), defaults);
  auto& adamw = *optimizer;
  return {"torch: clip_grad_norm_ + AdamW", std::move(optimizer),
          [&adamw, parameters, o](std::int64_t t) {
            torch::nn::utils::clip_grad_norm_(parameters, o.clip);
            const double lr = o.learning_rate() * Schedule::factor(schedule_options(o), t);
            for (auto& group : adamw.param_groups()) group.options().set_lr(lr);
            adamw.step();
          }};
}

inline Update make_update(const Options& o, const std::vector<torch::Tensor>& parameters) {
  if (o.optimizer == "torch-adamw") return stock_adamw(o, parameters);
  if (o.optimizer == "agmohd-sgd") return ours<SGD>("agmohd: ClipByNorm, SGD", o, parameters);
  if (o.optimizer == "agmohd-adam") return ours<Adam>("agmohd: ClipByNorm, Adam", o, parameters);
  return ours<AdamW>("agmohd: ClipByNorm, AdamW", o, parameters);
}

}  // namespace demo
