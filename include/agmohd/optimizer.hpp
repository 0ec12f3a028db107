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
template <detail::ARecipe RecipeType>
class Optimizer<RecipeType> : public torch::optim::Optimizer {
 public:
  using Recipe = RecipeType;
  using Options = agmohd::Options<Recipe>;
  using ParamState = agmohd::ParamState<Recipe>;
  using ParamGroup = torch::optim::OptimizerParamGroup;

  static_assert(detail::CheckNames<Recipe>::passed);

  explicit Optimizer(const std::vector<ParamGroup>& groups, Options defaults = {})
      : torch::optim::Optimizer(std::vector<ParamGroup>{},
                                std::make_unique<Options>(std::move(defaults))) {
    detail::check_all<Recipe>("the optimizer's options", options(), {options()});
    options().mark_optimizer();
    for (const ParamGroup& group : groups) add_param_group(group);
    warnings_.constructed(options());
  }
  explicit Optimizer(std::vector<at::Tensor> parameters, Options defaults = {})
      : Optimizer(std::vector<ParamGroup>{ParamGroup(std::move(parameters))}, std::move(defaults)) {
  }

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
  void add_param_group(const ParamGroup& group) {
    const std::string where = "group " + std::to_string(param_groups_.size());
    const Options merged = detail::group_options<Recipe>(options(), group, where);
    FirstPlaces places;
    for (std::size_t g = 0; g < param_groups_.size(); ++g) places.add(param_groups_[g].params(), g);
    validate_params<Recipe>(group.params(), param_groups_.size());
    places.add(group.params(), param_groups_.size());
    make_states_at_once<Recipe>(state_, group.params(), merged);
    param_groups_.emplace_back(group.params(), std::make_unique<Options>(merged));
  }

  /// One update of all parameters that have a gradient. The closure, if there is one, computes the
  /// loss and the gradients; it is called once, and its value is returned.
  at::Tensor step(LossClosure closure = nullptr) override {
    at::Tensor loss;
    if (closure) {
      const at::AutoGradMode enable(true);
      loss = closure();
    }
    update(loss);
    return loss;
  }
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
  std::vector<Record> records() const { return monitor::read(binder_.devices().records()); }
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
  double current_lr(std::size_t group = 0) const {
    TORCH_CHECK(group < param_groups_.size(), "agmohd: group ", group, ", but there are ",
                param_groups_.size());
    const double lr = options_of<Recipe>(param_groups_[group], group, options()).get_lr();
    if (std::is_same_v<typename Recipe::Schedule, schedule::Constant>) return lr;
    return lr * Recipe::schedule_factor(options().shared(), binder_.devices().memory(),
                                        std::int64_t(group));
  }
  /// The learning rate that the newest recorded step was taken with, in the first group: after
  /// schedule and verdict, Record::lr. Never waits; current_lr() before the first record.
  double effective_lr() const requires(Recipe::recorded) {
    const Record last = monitor::newest(binder_.devices().records());
    return last.step > 0 ? last.lr : current_lr();
  }

  /// Begins a new phase of training (other data, loss, batch size): forgets what the hindrance,
  /// momentum and gradient policies learnt, records, counts, snapshots, and what Accumulate added.
  /// Parameters, the rule's state and memory, updates and the schedule stay. Waits for the device.
  void reset() {
    for (const auto& [key, state] : state_) {
      if (auto* const ours = dynamic_cast<ParamState*>(state.get())) ours->forget();
    }
    if constexpr (Recipe::accumulates) accumulation_.begin_anew();
    adopt(Recipe::anew(binder_.devices().memory()));
  }

  /// Creates what steps will need (states, device tables) and uploads options that were changed.
  /// Call it before a CUDA graph is captured, and after changing options between replays. As step()
  /// does, it says so if the optimizer gave up, which replays alone cannot.
  void prepare() {
    const at::NoGradGuard no_grad;
    begin();
    if constexpr (Recipe::accumulates) accumulation_.prepare(param_groups_, options());
    binder_.prepare(param_groups_, state_, settings_.now());
  }

  /// Runs the steps as plain tensor operations: slow, an oracle for the other backends. Before the
  /// first step.
  void use_tensor_backend() { binder_.devices().use_tensor_backend(); }

  /// Applied steps: what the schedule counts. Reading it waits for the device.
  std::int64_t updates() const { return binder_.devices().memory().updates; }
  /// Sets it, as for a run that goes on from one of another program.
  void updates(std::int64_t n) {
    TORCH_CHECK(n >= 0, detail::classic, "agmohd: updates = ", n, ", but it must be at least 0");
    auto memory = binder_.devices().memory();
    memory.updates = n;
    binder_.devices().set_memory(memory);
  }

  /// What the rule remembers of all parameters for the step that comes, such as the estimate d of
  /// rule::Prodigy; waits for the device. Record::lr, which has the rate, does not.
  auto rule_memory() const requires(Recipe::totals) {
    const Options first =
        param_groups_.empty() ? options() : options_of<Recipe>(param_groups_[0], 0, options());
    return Recipe::next_rule_memory(options().shared(), first.group(), binder_.devices().memory());
  }
  /// What the last step measured of all parameters, 0 where nothing is; waits for the device.
  Signals signals() const { return binder_.devices().signals(); }

  void save(torch::serialize::OutputArchive& archive) const override {
    checkpoint::write<Recipe>(
        archive, {param_groups_, state_, options(), binder_.devices().memory(), accumulation_});
  }
  /// Reads what save() of an optimizer with the same rule, or torch.optim's of that rule, wrote.
  /// All of it is checked before any of it takes effect. Its options hold; what that changes of
  /// those that the program set, and what could not be carried over, is warned of.
  void load(torch::serialize::InputArchive& archive) override {
    const at::NoGradGuard no_grad;
    TORCH_CHECK(!binder_.devices().capturing(),
                "agmohd: load() was called while a CUDA graph is captured; call it before");
    checkpoint::Loaded<Recipe> loaded = checkpoint::read<Recipe>(archive, param_groups_, options());
    detail::check_all<Recipe>("the checkpoint", loaded.options, loaded.groups);
    for (std::size_t g = 0; g < param_groups_.size(); ++g) {
      options_of<Recipe>(param_groups_[g], g) = loaded.groups[g];
    }
    options() = loaded.options;
    warnings_.know(options());
    state_.clear();
    for (auto& [key, state] : loaded.states) state_[key] = std::move(state);
    if constexpr (Recipe::accumulates) accumulation_.restore(loaded.accumulation);
    adopt(loaded.memory);
    binder_.invalidate();
    loaded.report.warn(Recipe::name());
  }

 private:
  /// What precedes a step: the optimizer may have given up, or options have changed.
  void begin() {
    const auto& devices = binder_.devices();
    if (Recipe::recorded)
      give_up_.raise(devices.records(), names_, param_groups_, devices.capturing());
    const auto found = settings_.refresh(options(), param_groups_, warnings_, binder_.devices());
    if (found.anew) binder_.invalidate();
    if (found.changed) binder_.devices().configure(settings_.now());
  }

  void update(at::Tensor loss) {
    const at::NoGradGuard no_grad;
    begin();
    const bool observed = !loss.defined();
    loss = detail::checked_loss<Recipe>(observed ? observed_ : loss);
    bool used = false, adds = false;
    if constexpr (Recipe::accumulates) {
      const auto window = options().template get<"accumulation_steps">();
      adds = accumulation_.adds(window);
      if (adds) used = accumulation_.add(param_groups_, loss, binder_.devices().capturing());
      if (accumulation_.calls() >= window) apply_window();
    }
    if (!adds) used = apply(loss);
    if (used && observed) observed_ = at::Tensor();
  }
  void apply_window() requires(Recipe::accumulates) {
    Accumulation::AsGradients gradients(accumulation_, param_groups_,
                                        options().template get<"accumulate_mean">());
    apply(accumulation_.loss());
    gradients.done();
  }
  /// False: no parameter has a gradient.
  bool apply(const at::Tensor& loss) {
    if (!binder_.bind(param_groups_, state_, settings_.now())) return false;
    warnings_.stepped(settings_.now(), loss.defined());
    binder_.step(loss);
    return true;
  }

  /// The optimizer's memory becomes another one.
  void adopt(const typename Recipe::Memory& memory) {
    binder_.devices().set_memory(memory);
    binder_.devices().forget_records();
    if constexpr (Recipe::recorded) records_begin_ = memory.tally.steps;
    give_up_.begin(records_begin_);
    warnings_.begin(memory.updates);
  }

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
