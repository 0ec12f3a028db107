// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "policy/compiler.hpp"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/optim/optimizer.h>
#include <torch/ordered_dict.h>
#include <torch/serialize/archive.h>

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "checkpoint/optimizer_state.hpp"
#include "monitor/give_up.hpp"
#include "monitor/names.hpp"
#include "monitor/records.hpp"
#include "monitor/summary.hpp"
#include "monitor/warnings.hpp"
#include "policy/check.hpp"
#include "policy/classic_locale.hpp"
#include "step/recipe.hpp"
#include "torch/accumulation.hpp"
#include "torch/adoption.hpp"
#include "torch/binder.hpp"
#include "torch/loss.hpp"
#include "torch/no_recipe.hpp"
#include "torch/of_recipe.hpp"
#include "torch/options.hpp"
#include "torch/settings.hpp"
#include "torch/state_access.hpp"

namespace agmohd {

/// An optimizer made of the policies of a recipe, used as any torch::optim::Optimizer. Parameters
/// are float32, float64, bfloat16, float16 or complex, of any shape and strides, on any devices;
/// computing is float32 (float64 for float64), and so is state unless the recipe's storage says
/// otherwise. What neither has nor requires a gradient may be any tensor. A parameter that a group
/// lists twice is updated once a step. Gradients are read, never written. Errors are c10::Error and
/// leave optimizer and parameters as they were.
///
/// Through a torch::optim::Optimizer& everything works but add_param_group with options on
/// LibTorch 2.15: for torch.optim's rules it keeps what torch.optim has too and differs from its
/// default there, for other rules nothing.
///
/// extern template class agmohd::Optimizer<Recipe>; leaves its code to another unit of a program.
// clang-format off
template <class RecipeType>
class Optimizer : public torch::optim::Optimizer, public detail::OfRecipe {  // agmohd::Optimizer is a template: a function that takes any optimizer takes a torch::optim::Optimizer&
  // clang-format on
 public:
  using Recipe = RecipeType;
  using Options = agmohd::Options<Recipe>;
  using ParamState = agmohd::ParamState<Recipe>;
  using ParamGroup = torch::optim::OptimizerParamGroup;

  static_assert(detail::CheckNames<Recipe>::passed);

  explicit Optimizer(const std::vector<ParamGroup>& groups, Options defaults = {});
  explicit Optimizer(std::vector<at::Tensor> parameters, Options defaults = {});
  Optimizer(Optimizer&&) noexcept;
  Optimizer& operator=(Optimizer&&) noexcept;
  ~Optimizer() override;

  /// The options of the optimizer as a whole, and what groups added later inherit.
  Options& options() { return static_cast<Options&>(*defaults_); }
  const Options& options() const { return static_cast<const Options&>(*defaults_); }

  /// The states, by the address of their parameter's TensorImpl.
  StateMap& state() noexcept {
    binder_.invalidate();  // whoever asks may change them
    return state_;
  }
  const StateMap& state() const noexcept { return state_; }

  /// Adds a group; options that it does not set are the optimizer's.
  void add_param_group(const ParamGroup& group);

  /// One update of all parameters that have a gradient. The closure, if there is one, computes the
  /// loss and the gradients; it is called once, and its value is returned.
  at::Tensor step(LossClosure closure = nullptr) override;
  /// The same with a loss that was computed before: one element of any floating dtype, anywhere. A
  /// template, so that step({}) and step(nullptr) mean the closure, as in torch.optim.
  template <std::same_as<at::Tensor> Loss>
  at::Tensor step(const Loss& loss) {
    update(loss);
    return loss;
  }

  // clang-format off
  template <class Number> requires std::is_arithmetic_v<Number>
  at::Tensor step(Number) = delete;  // agmohd: hand the loss over as a tensor: step(loss), not step(loss.item<float>())
  // clang-format on

  /// Makes the update of what gradient::Accumulate has added so far, if anything.
  void apply_accumulated() requires(Recipe::accumulates) {
    const at::NoGradGuard no_grad;
    begin();
    if (accumulation_.calls() > 0) apply_window();
  }
  /// Calls of step() since the last update.
  std::int64_t accumulated() const requires(Recipe::accumulates) { return accumulation_.calls(); }

  /// Hands over a loss for the next step that comes without one; lets go of autograd's graph.
  void observe_loss(const at::Tensor& l) { observed_ = l.defined() ? l.detach() : l; }

  /// The last 256 steps at most, oldest first, as far as the device has done them: never waits.
  /// Empty where the recipe's hindrance policy looks at nothing.
  std::vector<Record> records() const;
  /// The Record::step before the first record: 0, or that of the checkpoint which was loaded.
  std::int64_t records_begin() const { return records_begin_; }
  /// How often each kind of intervention happened, and when last; waits for the device.
  Tally tally() const requires(Recipe::recorded) { return binder_.devices().memory().tally; }
  /// The same as text, for the end of a run: with the parameters that exploded or whose gradients
  /// vanished most, what was off for want of a loss, and advice, also on the learning rate.
  std::string summary() const requires(Recipe::recorded) {
    return monitor::summary<Recipe>(tally(), param_groups_, state_, names_, warnings_.saw_loss()) +
           monitor::lr_advice(lr_evidence()).text;
  }
  /// What records() say of the learning rate, for monitor::lr_advice(); waits for the device.
  monitor::LrEvidence lr_evidence() const requires(Recipe::recorded) {
    return monitor::lr_evidence<Recipe>(binder_.devices(), param_groups_, state_,
                                        warnings_.largest_lr());
  }
  /// Names for summary() and errors, as model->named_parameters() has them.
  void name_parameters(const torch::OrderedDict<std::string, at::Tensor>& n) { names_.add(n); }

  /// A group's `lr` times the factor of the coming step. Waits, unless the schedule is Constant.
  double current_lr(std::size_t group = 0) const;
  /// The learning rate that the newest recorded step was taken with, in the first group: after
  /// schedule and verdict, Record::lr. Never waits; current_lr() before the first record.
  double effective_lr() const requires(Recipe::recorded) {
    const Record last = monitor::newest(binder_.devices().records());
    return last.step > 0 ? last.lr : current_lr();
  }

  /// Begins a new phase of training (other data, loss, batch size): forgets what the hindrance,
  /// momentum and gradient policies learnt, records, tally(), snapshots, and what Accumulate added.
  /// Parameters, the rule's state and memory, updates(), zeroed() and the schedule stay. Waits for
  /// the device.
  void reset();

  /// Creates what steps will need (states, device tables) and uploads options that were changed.
  /// Call it before a CUDA graph is captured, and after changing options between replays. As step()
  /// does, it says so if the optimizer gave up, which replays alone cannot.
  void prepare();

  /// Runs the steps as plain tensor operations: slow, an oracle for the other backends. Before the
  /// first step.
  void use_tensor_backend() { binder_.devices().use_tensor_backend(); }

  /// Applied steps: what the schedule counts. Reading it waits for the device.
  std::int64_t updates() const { return binder_.devices().memory().updates; }
  /// Sets it, as for a run that goes on from one of another program.
  void updates(std::int64_t n);

  /// What the rule remembers of all parameters for the step that comes, such as the estimate d of
  /// rule::Prodigy; waits for the device. Record::lr, which has the rate, does not.
  auto rule_memory() const requires(Recipe::totals) {
    const Options first =
        param_groups_.empty() ? options() : options_of<Recipe>(param_groups_[0], 0, options());
    return Recipe::next_rule_memory(options().shared(), first.group(), binder_.devices().memory());
  }
  /// What the last step measured of all parameters, 0 where nothing is; waits for the device.
  Signals signals() const { return binder_.devices().signals(); }
  /// The norm of all gradients in the last step, before a clip by it: what clip_grad_norm_ returns,
  /// behind transforms of elements and rows that stand in front of the clip. One float64 on the
  /// device, 0 before the first step. It is that of gradient::ClipByPNorm, or the largest
  /// magnitude, where the recipe measures these instead. Waits only where the host decides, and
  /// may stand behind a captured step.
  at::Tensor grad_norm() const requires(Recipe::measures_norm);
  // clang-format off
  at::Tensor grad_norm() const requires(!Recipe::measures_norm) = delete;  // agmohd: no policy of this recipe measures a norm; add gradient::ClipByNorm, or a hindrance policy
  // clang-format on

  /// How many gradient elements were not finite in all applied steps so far, of all parameters, and
  /// so were made 0 by gradient::ZeroNonfinite; of complex gradients the parts count. Counted are
  /// elements as the chain's first transform gets them, behind a transform by rows, and with
  /// gradient::Accumulate those of the sums. Checkpoints have the count. Waits for the device.
  std::int64_t zeroed() const requires(Recipe::counts_zeroed) {
    return binder_.devices().memory().zeroed;
  }
  // clang-format off
  std::int64_t zeroed() const requires(!Recipe::counts_zeroed) = delete;  // agmohd: no transform of this recipe counts gradients that are not finite; add gradient::ZeroNonfinite
  // clang-format on

  void save(torch::serialize::OutputArchive& archive) const override;
  /// Reads what save() of an optimizer with the same rule, or torch.optim's of that rule, wrote.
  /// All of it is checked before any of it takes effect. Its options hold; what that changes of
  /// those that the program set, and what could not be carried over, is warned of.
  void load(torch::serialize::InputArchive& archive) override;

 private:
  /// What precedes a step: the optimizer may have given up, or options have changed.
  void begin();

  void update(at::Tensor loss);
  void apply_window();
  /// False: no parameter has a gradient.
  bool apply(const at::Tensor& loss);

  /// The optimizer's memory becomes another one.
  void adopt(const typename Recipe::Memory& memory);

  monitor::Names names_;
  monitor::Warnings<Recipe> warnings_;
  at::Tensor observed_;
  std::int64_t records_begin_ = 0;  // the step before the first record
  monitor::GiveUp give_up_;
  detail::SettingsFollower<Recipe> settings_;
  Binder<Recipe> binder_;
  AccumulationOf<Recipe> accumulation_;
};

}  // namespace agmohd

#include "optimizer_members.hpp"
