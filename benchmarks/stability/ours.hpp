// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <agmohd/agmohd.hpp>
#include <utility>

#include "method.hpp"

namespace stability {

/// An agmohd recipe as a method. Matrices have weight decay, vectors have none.
template <class Recipe>
class Ours : public Method {
 public:
  using Optimizer = agmohd::Optimizer<Recipe>;
  using Options = typename Optimizer::Options;

  Ours(const std::vector<at::Tensor>& parameters, const Options& options)
      : optimizer_(groups(parameters, options), options) {
    optimizer_.prepare();  // a fault may hit the state before the first step
  }

  void zero_grad() override { optimizer_.zero_grad(); }
  void step(const at::Tensor& loss) override { optimizer_.step(loss); }
  void set_lr(double lr) override {
    for (auto& group : optimizer_.param_groups()) group.options().set_lr(lr);
  }
  at::Tensor state(const at::Tensor& parameter, std::string_view name) override {
    at::Tensor found;
    auto& states = optimizer_.state();
    const auto state = states.find(parameter.unsafeGetTensorImpl());
    if (state == states.end()) return found;
    auto& ours = static_cast<typename Optimizer::ParamState&>(*state->second);
    ours.for_each_slot([&](std::size_t i, at::Tensor& slot) {
      if (name == Recipe::Rule::slot_names[i]) found = slot;
    });
    return found;
  }
  std::optional<agmohd::Tally> tally() const override {
    if constexpr (Recipe::recorded) {
      return optimizer_.tally();
    } else {
      return std::nullopt;
    }
  }
  std::int64_t tensor_clips() const override {
    std::int64_t sum = 0;
    if constexpr (agmohd::has::judge_tensor<typename Recipe::Hindrance>) {
      for (const auto& [parameter, state] : optimizer_.state()) {
        sum += static_cast<const typename Optimizer::ParamState&>(*state).exploded();
      }
    }
    return sum;
  }

 private:
  static std::vector<torch::optim::OptimizerParamGroup> groups(
      const std::vector<at::Tensor>& parameters, const Options& options) {
    std::vector<at::Tensor> matrices, vectors;
    for (const at::Tensor& p : parameters) (p.dim() > 1 ? matrices : vectors).push_back(p);
    auto plain = std::make_unique<Options>(options);
    plain->weight_decay(0.0);
    std::vector<torch::optim::OptimizerParamGroup> result;
    result.emplace_back(std::move(matrices));
    result.emplace_back(std::move(vectors), std::move(plain));
    return result;
  }

  Optimizer optimizer_;
};

/// A factory of Ours<Recipe>; `change` may set options of the recipe.
template <class Recipe>
Factory make(std::function<void(typename agmohd::Optimizer<Recipe>::Options&)> change = {}) {
  return [change](const std::vector<at::Tensor>& parameters, const Setting& setting) {
    typename agmohd::Optimizer<Recipe>::Options options(setting.lr);
    options.betas({0.9, 0.95}).weight_decay(0.1);
    if constexpr (requires { options.hindrance_threshold(setting.threshold); }) {
      options.hindrance_threshold(setting.threshold);
    }
    if (change) change(options);
    return std::make_unique<Ours<Recipe>>(parameters, options);
  };
}

/// The same of AGMOHD, compiled once.
Factory make_agmohd(std::function<void(agmohd::AGMOHDOptions&)> change = {});

}  // namespace stability
