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
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "checkpoint/optimizer_state.hpp"
#include "monitor/names.hpp"
#include "monitor/records.hpp"
#include "monitor/warnings.hpp"
#include "policy/check.hpp"
#include "policy/classic_locale.hpp"
#include "step/recipe.hpp"
#include "torch/binder.hpp"
#include "torch/options.hpp"
#include "torch/param_state.hpp"

namespace agmohd {

namespace detail {
template <class... Policy>
inline constexpr bool named = (std::is_convertible_v<decltype(Policy::name()), std::string> && ...);

/// Something that says what a step does.
template <class R>
concept ARecipe = requires {
  typename R::Rule;
  typename R::Hindrance;
  typename R::Momentum;
  typename R::Gradient;
  typename R::Schedule;
  typename R::Storage;
  typename R::Recovery;
};
}  // namespace detail

// What is not a recipe gets one sentence. The next line is shown for agmohd::Optimizer without
// arguments.
// clang-format off
template <class NoRecipe>
class Optimizer {  // agmohd::Optimizer is a template: a function that takes any optimizer takes a torch::optim::Optimizer&
  // clang-format on
  static_assert(detail::never<NoRecipe>,
                "agmohd: Optimizer takes a recipe, such as Recipe<rule::AdamW>, not a policy or "
                "another optimizer; agmohd::AdamW is Optimizer<Recipe<rule::AdamW>>");

 public:
  template <class... Given>
  explicit Optimizer(const Given&...) {}
};

/// An optimizer made of the policies of a recipe, used as any torch::optim::Optimizer. Parameters
/// are float32, float64, bfloat16 or float16, of any shape and strides, on any mix of devices;
/// computing is float32 (float64 for float64), and so is state unless the recipe's storage says
/// otherwise. What neither has nor requires a gradient may be any tensor. A parameter that a group
/// lists twice is updated once a step. Gradients are read, never written. Errors are c10::Error and
/// leave optimizer and parameters as they were.
///
/// Through a torch::optim::Optimizer& everything works but add_param_group with options on
/// LibTorch 2.15: for SGD, Adam and AdamW it keeps what torch.optim has too and differs from its
/// default there, for other rules nothing.
template <detail::ARecipe RecipeType>
class Optimizer<RecipeType> : public torch::optim::Optimizer {
 public:
  using Recipe = RecipeType;
  using Options = agmohd::Options<Recipe>;
  using ParamState = agmohd::ParamState<Recipe>;
  using ParamGroup = torch::optim::OptimizerParamGroup;

  static_assert(
      detail::named<typename Recipe::Rule, typename Recipe::Hindrance, typename Recipe::Momentum,
                    typename Recipe::Gradient, typename Recipe::Schedule, typename Recipe::Storage,
                    typename Recipe::Recovery>,
      "agmohd: the name() of a policy is neither a const char* nor a std::string");

  explicit Optimizer(const std::vector<ParamGroup>& groups, Options defaults = {})
      : torch::optim::Optimizer(std::vector<ParamGroup>{},
                                std::make_unique<Options>(std::move(defaults))) {
    with_c10_errors("the optimizer's options", [&] { check_shared(options()); });
    with_c10_errors("the optimizer's options", [&] { check_group(options()); });
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
    Options merged = options();
    with_c10_errors(where, [&] {
      if (group.has_options()) {
        const std::optional<Options> given = Options::from(group.options());
        if (!given) {
          throw std::invalid_argument("its options are not the Options of this optimizer, " +
                                      Recipe::name());
        }
        merged = *given;
      }
      merged.inherit(options());
      check_group(merged);
    });
    FirstPlaces places;
    for (std::size_t g = 0; g < param_groups_.size(); ++g) {
      for (std::size_t i = 0; i < param_groups_[g].params().size(); ++i) {
        places.add(param_groups_[g].params()[i], {g, i});
      }
    }
    for (std::size_t i = 0; i < group.params().size(); ++i) {
      const Place place{param_groups_.size(), i};
      validate_param(group.params()[i], place);
      places.add(group.params()[i], place);
    }
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
  /// The same with a loss that was computed before, for hindrance policies that look at it: one
  /// element of any floating dtype on any device. A template, so that step({}) and step(nullptr)
  /// mean the closure, as in torch.optim.
  template <std::same_as<at::Tensor> Loss>
  at::Tensor step(const Loss& loss) {
    update(loss);
    return loss;
  }

  // clang-format off
  template <class Number> requires std::is_arithmetic_v<Number>
  at::Tensor step(Number) = delete;  // agmohd: hand the loss over as a tensor: step(loss), not step(loss.item<float>())
  // clang-format on

  /// Hands over a loss for the next step that comes without one.
  void observe_loss(const at::Tensor& loss) {
    observed_ = loss.defined() ? loss.detach() : loss;  // which lets go of autograd's graph
  }

  /// The last 256 steps at most, oldest first, as far as the device has done them: never waits.
  /// Empty where the recipe's hindrance policy looks at nothing.
  std::vector<Record> records() const {
    std::vector<Record> out;
    const RecordRing* const ring = binder_.devices().records();
    if (ring != nullptr) out = monitor::read(*ring);
    return out;
  }
  /// The Record::step before the first record: 0, or that of the checkpoint which was loaded.
  std::int64_t records_begin() const { return records_begin_; }
  /// How often each kind of intervention happened, and when last; waits for the device.
  Tally tally() const requires(Recipe::recorded) { return binder_.devices().memory().tally; }
  /// The same as text, for the end of a run: with the parameters that exploded or whose gradients
  /// vanished most, what was off for want of a loss, and what people do about what was seen most.
  std::string summary() const requires(Recipe::recorded) {
    const Tally tally = this->tally();
    std::string text = monitor::summary(tally);
    if constexpr (has::judge_tensor<typename Recipe::Hindrance>) {
      text += worst(" exploded by itself; most often ", &ParamState::exploded);
      text += worst(" with vanishing gradients; most often ", &ParamState::vanished);
    }
    if constexpr ((Recipe::wants & kLoss) != 0) {
      if (tally.steps > 0 && !warnings_.saw_loss()) {
        text += "  " + monitor::Warnings<Recipe>::no_loss() + '\n';
      }
    }
    return text + monitor::advice(tally);
  }
  /// Names for summary() and errors, as model->named_parameters() has them.
  void name_parameters(const torch::OrderedDict<std::string, at::Tensor>& named) {
    names_.add(named);
  }

  /// The learning rate of the step that comes: a group's `lr` times the schedule's factor. Waits
  /// for the device unless the schedule is Constant.
  double current_lr(std::size_t group = 0) const {
    TORCH_CHECK(group < param_groups_.size(), "agmohd: group ", group, ", but there are ",
                param_groups_.size());
    Options own = options_of<Recipe>(param_groups_[group], group);
    if (!own.inherited()) own.inherit(options());
    return own.get_lr() * schedule_factor();
  }
  /// The learning rate that the newest recorded step was taken with, in the first group: after
  /// schedule and verdict, Record::lr. Never waits; current_lr() before the first record.
  double effective_lr() const requires(Recipe::recorded) {
    const RecordRing* const ring = binder_.devices().records();
    const Record last = ring != nullptr ? monitor::newest(*ring) : Record{};
    return last.step > 0 ? last.lr : current_lr();
  }

  /// Begins a new phase of training, with other data, another loss or batch size: forgets what the
  /// hindrance, momentum and gradient policies learnt, records and counts, and snapshots, which are
  /// of the phase before. Parameters, the rule's state, steps, updates() and the schedule stay.
  /// Waits for the device.
  void reset() {
    const typename Recipe::Memory before = binder_.devices().memory();
    typename Recipe::Memory memory{};
    memory.updates = before.updates;
    memory.schedule = before.schedule;
    for (const auto& [key, state] : state_) {
      if (auto* const ours = dynamic_cast<ParamState*>(state.get())) ours->forget();
    }
    adopt(memory);
  }

  /// Creates what steps will need (states of all parameters, device tables) and uploads options
  /// that were changed. Call it before a CUDA graph is captured, and after changing options between
  /// replays. As step() does, it says so if the optimizer gave up, which replays alone cannot.
  void prepare() {
    const at::NoGradGuard no_grad;
    raise_give_up();
    refresh_settings();
    binder_.prepare(param_groups_, state_, settings_);
  }

  /// Runs the steps as plain tensor operations: slow, an oracle for the other backends. Before the
  /// first step.
  void use_tensor_backend() { binder_.devices().use_tensor_backend(); }

  /// Applied steps: what the schedule counts. Reading it waits for the device.
  std::int64_t updates() const { return binder_.devices().memory().updates; }
  /// Sets it, as for a run that goes on from one of another program.
  void updates(std::int64_t n) {
    TORCH_CHECK(n >= 0, detail::classic, "agmohd: updates = ", n, ", but it must be at least 0");
    typename Recipe::Memory memory = binder_.devices().memory();
    memory.updates = n;
    binder_.devices().set_memory(memory);
  }

  /// What the last step measured over all parameters; waits for the device. Zeros where the recipe
  /// measures nothing.
  Signals signals() const {
    Signals sums;
    for (const auto& executor : binder_.devices().executors()) {
      const Signals one = executor->signals();
      reduction::accumulate(sums, one);
      if (executor != binder_.devices().judge().executor) continue;
      sums.loss = one.loss;
      sums.has_loss = one.has_loss;
    }
    return sums;
  }

  void save(torch::serialize::OutputArchive& archive) const override {
    checkpoint::write<Recipe>(archive,
                              {param_groups_, state_, options(), binder_.devices().memory()});
  }
  /// Reads what save() of an optimizer with the same rule, or torch.optim's of that rule, wrote.
  /// All of it is checked before any of it takes effect. Its options hold; what that changes of
  /// those that the program set, and what could not be carried over, is warned of.
  void load(torch::serialize::InputArchive& archive) override {
    const at::NoGradGuard no_grad;
    TORCH_CHECK(!binder_.devices().capturing(),
                "agmohd: load() was called while a CUDA graph is captured; call it before");
    checkpoint::Loaded<Recipe> loaded = checkpoint::read<Recipe>(archive, param_groups_, options());
    with_c10_errors("the checkpoint", [&] { check_shared(loaded.options); });
    for (const Options& group : loaded.groups)
      with_c10_errors("the checkpoint", [&] { check_group(group); });
    for (std::size_t g = 0; g < param_groups_.size(); ++g) {
      options_of<Recipe>(param_groups_[g], g) = loaded.groups[g];
    }
    options() = loaded.options;
    warnings_.know(options());
    state_.clear();
    for (auto& [key, state] : loaded.states) state_[key] = std::move(state);
    adopt(loaded.memory);
    binder_.invalidate();
    loaded.report.warn(Recipe::name());
  }

 private:
  template <class F>
  static void with_c10_errors(const std::string& where, F f) {
    try {
      f();
    } catch (const std::invalid_argument& error) {
      TORCH_CHECK(false, detail::classic, "agmohd: ", where, ": ", error.what());
    }
  }

  static void check_shared(const Options& options) {
    const auto shared = options.shared();
    check<typename Recipe::Hindrance>(shared.hindrance);
    check<typename Recipe::Momentum>(shared.momentum);
    check<typename Recipe::Gradient>(shared.gradient);
    check<typename Recipe::Schedule>(shared.schedule);
    check<typename Recipe::Storage>(shared.storage);
    check<typename Recipe::Recovery>(shared.recovery);
  }
  static void check_group(const Options& options) {
    const auto group = options.group();
    check<detail::LearningRate>({group.lr});
    check<typename Recipe::Rule>(group.rule);
  }

  static bool same_settings(const Settings<Recipe>& a, const Settings<Recipe>& b) {
    return same<typename Recipe::Hindrance>(a.shared.hindrance, b.shared.hindrance) &&
           same<typename Recipe::Momentum>(a.shared.momentum, b.shared.momentum) &&
           same<typename Recipe::Gradient>(a.shared.gradient, b.shared.gradient) &&
           same<typename Recipe::Schedule>(a.shared.schedule, b.shared.schedule) &&
           same<typename Recipe::Storage>(a.shared.storage, b.shared.storage) &&
           same<typename Recipe::Recovery>(a.shared.recovery, b.shared.recovery) &&
           std::equal(a.groups.begin(), a.groups.end(), b.groups.begin(), b.groups.end(),
                      [](const auto& x, const auto& y) {
                        return x.lr == y.lr && same<typename Recipe::Rule>(x.rule, y.rule);
                      });
  }

  /// The host's options are the truth: compares them with what the executors have, checks and
  /// passes on what changed.
  void refresh_settings() {
    scratch_.shared = options().shared();
    scratch_.groups.clear();
    bool misplaced = false;
    for (std::size_t g = 0; g < param_groups_.size(); ++g) {
      Options& group = options_of<Recipe>(param_groups_[g], g);
      if (!group.inherited()) {  // added through the base class
        with_c10_errors("group " + std::to_string(g), [&] { group.inherit(options()); });
      }
      scratch_.groups.push_back(group.group());
      misplaced = misplaced || group.has_shared_but(options());
    }
    warnings_.compare(settings_, scratch_, options().group());
    if (!misplaced && same_settings(scratch_, settings_)) return;
    with_c10_errors("the optimizer's options", [&] { check_shared(options()); });
    for (std::size_t g = 0; g < param_groups_.size(); ++g) {
      with_c10_errors("group " + std::to_string(g), [&] {
        const auto& group = static_cast<const Options&>(param_groups_[g].options());
        group.require_no_shared(options());
        check_group(group);
      });
    }
    bool same_slots = scratch_.groups.size() == settings_.groups.size();
    for (std::size_t g = 0; same_slots && g < scratch_.groups.size(); ++g) {
      same_slots = Recipe::Rule::slots(scratch_.groups[g].rule) ==
                   Recipe::Rule::slots(settings_.groups[g].rule);
    }
    if constexpr (Recipe::keeps_snapshots) {
      const auto &now = scratch_.shared.recovery, &before = settings_.shared.recovery;
      same_slots = same_slots && now.snapshots == before.snapshots &&
                   now.snapshots_on_host == before.snapshots_on_host;
      for (const auto& device : binder_.devices()) {
        TORCH_CHECK(
            now.snapshots_on_host == before.snapshots_on_host || !device.executor->captured(),
            detail::classic, "agmohd: snapshots_on_host = ", now.snapshots_on_host,
            ", but it can no longer change: a CUDA graph that was captured writes the "
            "snapshots where they are");
      }
    }
    if (!same_slots) binder_.invalidate();
    std::swap(settings_, scratch_);
    binder_.devices().configure(settings_);
  }

  void update(at::Tensor loss) {
    const at::NoGradGuard no_grad;
    raise_give_up();
    const bool observed = !loss.defined();
    if (observed) loss = observed_;
    refresh_settings();
    if constexpr ((Recipe::wants & kLoss) != 0) check_loss(loss);
    if (loss.defined() && !is_plain(loss)) loss = loss.clone();  // a ZeroTensor has no memory
    if (!binder_.bind(param_groups_, state_, settings_)) return;
    if (observed) observed_ = at::Tensor();
    warnings_.stepped(settings_, loss.defined());
    const auto& executors = binder_.devices().executors();
    const auto& judge = binder_.devices().judge();
    LossRef value;
    double host_loss = 0;
    if constexpr ((Recipe::wants & kLoss) != 0) {
      if (loss.defined() && loss.is_cuda() && judge.device.is_cuda() && !judge.reference) {
        loss = loss.detach().to(judge.device);
        const c10::impl::VirtualGuardImpl device(c10::kCUDA);
        loss.record_stream(device.getStream(judge.device));
        value = {loss.const_data_ptr(), *dtype_of(loss.scalar_type()), false};
      } else if (loss.defined()) {
        host_loss = loss.template item<double>();  // waits if it is on a device
        value = {&host_loss, Dtype::f64, true};
      }
    }
    for (const auto& executor : executors) {
      const bool judges = executor == judge.executor;
      executor->measure(judges ? value : LossRef{}, executors.size() == 1);
    }
    judge.executor->judge(executors);
    for (const auto& executor : executors) {  // the devices first: the host works beside them
      if (executor != judge.executor) executor->finish(*judge.executor);
    }
    judge.executor->finish(*judge.executor);
    binder_.publish();
  }

  static void check_loss(const at::Tensor& loss) {
    TORCH_CHECK(!loss.defined() || (loss.numel() == 1 && dtype_of(loss.scalar_type())),
                detail::classic, "agmohd: the loss is of dtype ", loss.scalar_type(), " and shape ",
                loss.sizes(),
                ", but it must be one element of dtype Float, Double, BFloat16 or Half");
  }

  double schedule_factor() const {
    if constexpr (std::is_same_v<typename Recipe::Schedule, schedule::Constant>) return 1;
    const typename Recipe::Memory memory = binder_.devices().memory();
    const auto shared = options().shared();
    if constexpr (has::schedule_memory<typename Recipe::Schedule>) {
      return Recipe::Schedule::factor(shared.schedule, memory.updates, memory.schedule);
    } else {
      return Recipe::Schedule::factor(shared.schedule, memory.updates);
    }
  }

  /// The optimizer's memory becomes another one.
  void adopt(const typename Recipe::Memory& memory) {
    binder_.devices().set_memory(memory);
    binder_.devices().forget_records();
    if constexpr (Recipe::recorded) given_up_ = records_begin_ = memory.tally.steps;
    silent_until_ = 0;
    warnings_.begin(memory.updates);
  }

  /// A line of summary() on how many parameters have a count, and which has the largest.
  std::string worst(const char* did, std::int64_t (ParamState::*count)() const) const {
    std::int64_t most = 0, tensors = 0;
    std::string name;
    std::unordered_set<const ParamState*> seen;
    for (std::size_t g = 0; g < param_groups_.size(); ++g) {
      for (std::size_t i = 0; i < param_groups_[g].params().size(); ++i) {
        const at::Tensor& param = param_groups_[g].params()[i];
        const auto* const state = find_state<Recipe>(state_, param, Place{g, i});
        if (state == nullptr || !seen.insert(state).second) continue;
        const std::int64_t times = (state->*count)();
        tensors += times > 0 ? 1 : 0;
        if (times <= most) continue;
        most = times;
        name = names_.of(param, {g, i});
      }
    }
    if (most == 0) return "";
    return c10::str("  ", tensors, tensors == 1 ? " tensor" : " tensors", did, name, ", in ", most,
                    " steps\n");
  }

  /// An optimizer that could not repair the training says so in a later step: once an incident, and
  /// not again before 100 applied steps.
  void raise_give_up() {
    if constexpr (Recipe::recorded) {
      const RecordRing* const ring = binder_.devices().records();
      if (ring == nullptr) return;
      const Record last = monitor::newest(*ring, seen_);
      seen_ = last.step;
      const Record found = monitor::gave_up(*ring, last, given_up_);
      if (found.step == 0) return;
      given_up_ = found.step;
      if (found.updates < silent_until_) return;
      silent_until_ = found.updates + 100;
      std::string where;
      if (!binder_.devices().capturing()) where = names_.nonfinite(param_groups_);
      if (!where.empty()) where = ". Not finite now: " + where;
      TORCH_CHECK(false, detail::classic,
                  "agmohd: training cannot be healed: ", monitor::describe(found), where,
                  ". What helps: ", monitor::advice_for[Tally::give_up]);
    }
  }

  monitor::Names names_;
  monitor::Warnings<Recipe> warnings_;
  at::Tensor observed_;
  std::int64_t records_begin_ = 0;  // the step before the first record
  std::int64_t seen_ = 0;           // the newest record when the last step began
  std::int64_t given_up_ = 0;       // the last step with a give-up that was looked at
  std::int64_t silent_until_ = 0;   // applied steps before the next give-up is told
  Settings<Recipe> settings_, scratch_;
  Binder<Recipe> binder_;
};

}  // namespace agmohd
