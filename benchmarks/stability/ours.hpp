// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <agmohd/agmohd.hpp>
#include <agmohd/wrap/evaluation.hpp>
#include <algorithm>
#include <utility>

#include "method.hpp"

namespace stability {

/// An agmohd recipe as a method. Matrices have weight decay, vectors have none.
template <class Recipe>
class Ours : public Method {
 public:
  using Optimizer = agmohd::Optimizer<Recipe>;
  using Options = typename Optimizer::Options;

  Ours(const std::vector<at::Tensor>& parameters, const Options& options,
       const std::vector<at::Tensor>& late, double unit = 1)
      : unit_(unit), optimizer_(groups(parameters, options, late), options) {
    optimizer_.prepare();  // a fault may hit the state before the first step
  }

  void zero_grad() override { optimizer_.zero_grad(); }
  void step(const at::Tensor& loss) override { optimizer_.step(loss); }
  void set_lr(double lr, double late_lr) override {
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
      const double rate = kinds_[i].late ? late_lr : lr;
      optimizer_.param_groups()[i].options().set_lr(rate / unit_);
    }
  }
  void set_weight_decay(double weight_decay) override {
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
      auto& options = static_cast<Options&>(optimizer_.param_groups()[i].options());
      if (kinds_[i].matrices) options.weight_decay(weight_decay);
    }
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
  std::optional<agmohd::monitor::LrEvidence> lr_evidence() const override {
    if constexpr (Recipe::recorded) {
      return optimizer_.lr_evidence();
    } else {
      return std::nullopt;
    }
  }
  void evaluate() override {
    if constexpr (agmohd::wrap::ScheduleFree<Optimizer>) agmohd::wrap::evaluate(optimizer_);
  }

 private:
  struct Kind {
    bool late, matrices;
  };

  /// As many groups as have parameters, and what they are of.
  std::vector<torch::optim::OptimizerParamGroup> groups(const std::vector<at::Tensor>& parameters,
                                                        const Options& options,
                                                        const std::vector<at::Tensor>& late) {
    std::vector<torch::optim::OptimizerParamGroup> result;
    for (const Kind kind : {Kind{false, true}, {false, false}, {true, true}, {true, false}}) {
      std::vector<at::Tensor> own;
      for (const at::Tensor& p : parameters) {
        const auto same = [&](const at::Tensor& other) { return other.is_same(p); };
        const bool is_late = std::any_of(late.begin(), late.end(), same);
        if (is_late == kind.late && (p.dim() > 1) == kind.matrices) own.push_back(p);
      }
      if (own.empty()) continue;
      auto copy = std::make_unique<Options>(options);
      if (!kind.matrices) copy->weight_decay(0.0);
      result.emplace_back(std::move(own), std::move(copy));
      kinds_.push_back(kind);
    }
    return result;
  }

  std::vector<Kind> kinds_;  // of the groups
  double unit_;              // the learning rate that the rule takes for 1
  Optimizer optimizer_;
};

/// A factory of Ours<Recipe>; `change` may set options of the recipe.
template <class Recipe>
Factory make(std::function<void(typename agmohd::Optimizer<Recipe>::Options&)> change = {}) {
  return [change](const std::vector<at::Tensor>& parameters, const Setting& setting) {
    typename agmohd::Optimizer<Recipe>::Options options(setting.lr);
    options.betas({0.9, setting.beta2}).weight_decay(setting.weight_decay);
    if constexpr (requires { options.hindrance_threshold(setting.threshold); }) {
      options.hindrance_threshold(setting.threshold);
    }
    if (change) change(options);
    constexpr bool estimates = agmohd::has::totals<typename Recipe::Rule>;
    return std::make_unique<Ours<Recipe>>(parameters, options, setting.late,
                                          estimates ? setting.reference_lr : 1);
  };
}

/// The same of AGMOHD, compiled once.
Factory make_agmohd(std::function<void(agmohd::AGMOHDOptions&)> change = {});

}  // namespace stability
