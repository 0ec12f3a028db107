// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "optimizer.hpp"

// What a step, a checkpoint and a group take: the members of Optimizer outside its class, and so
// what `extern template class agmohd::Optimizer<Recipe>` leaves to another unit. A member that is
// defined within the class is inline, and each unit that calls it would compile it nonetheless.
namespace agmohd {

template <class R>
Optimizer<R>::Optimizer(const std::vector<ParamGroup>& groups, Options defaults)
    : torch::optim::Optimizer(std::vector<ParamGroup>{},
                              std::make_unique<Options>(std::move(defaults))) {
  detail::check_all<R>("the optimizer's options", options(), {options()});
  options().mark_optimizer();
  for (const ParamGroup& group : groups) add_param_group(group);
  warnings_.constructed(options());
}
template <class R>
Optimizer<R>::Optimizer(std::vector<at::Tensor> parameters, Options defaults)
    : Optimizer(std::vector<ParamGroup>{ParamGroup(std::move(parameters))}, std::move(defaults)) {}

template <class R>
Optimizer<R>::Optimizer(Optimizer&&) noexcept = default;
template <class R>
Optimizer<R>& Optimizer<R>::operator=(Optimizer&&) noexcept = default;
template <class R>
Optimizer<R>::~Optimizer() = default;

template <class R>
void Optimizer<R>::add_param_group(const ParamGroup& group) {
  const std::string where = "group " + std::to_string(param_groups_.size());
  const Options merged = detail::group_options<R>(options(), group, where);
  FirstPlaces places;
  for (std::size_t g = 0; g < param_groups_.size(); ++g) places.add(param_groups_[g].params(), g);
  validate_params<R>(group.params(), param_groups_.size());
  places.add(group.params(), param_groups_.size());
  make_states_at_once<R>(state_, group.params(), merged);
  param_groups_.emplace_back(group.params(), std::make_unique<Options>(merged));
}

template <class R>
at::Tensor Optimizer<R>::step(LossClosure closure) {
  at::Tensor loss;
  if (closure) {
    const at::AutoGradMode enable(true);
    loss = closure();
  }
  update(loss);
  return loss;
}

template <class R>
void Optimizer<R>::prepare() {
  const at::NoGradGuard no_grad;
  begin();
  if constexpr (R::accumulates) accumulation_.prepare(param_groups_, options());
  binder_.prepare(param_groups_, state_, settings_.now());
}

template <class R>
void Optimizer<R>::reset() {
  for (const auto& [key, state] : state_) {
    if (auto* const ours = dynamic_cast<ParamState*>(state.get())) ours->forget();
  }
  if constexpr (R::accumulates) accumulation_.begin_anew();
  adopt(R::anew(binder_.devices().memory()));
}

template <class R>
at::Tensor Optimizer<R>::grad_norm() const requires(R::measures_norm) {
  const at::NoGradGuard no_grad;
  const auto& devices = binder_.devices();
  if constexpr (!detail::wants_norms(R::wants)) {
    return devices.signal(&Signals::max_abs,
                          [](const auto& a, const auto& b) { return at::maximum(a, b); });
  } else {
    const auto sum =
        devices.signal(&Signals::norm2, [](const auto& a, const auto& b) { return a + b; });
    if constexpr (R::powers) return sum.pow(1 / double(R::power(options().shared())));
    return sum.sqrt();
  }
}

template <class R>
std::vector<Record> Optimizer<R>::records() const {
  return monitor::read(binder_.devices().records());
}

template <class R>
double Optimizer<R>::current_lr(std::size_t group) const {
  TORCH_CHECK(group < param_groups_.size(), "agmohd: group ", group, ", but there are ",
              param_groups_.size());
  const double lr = options_of<R>(param_groups_[group], group, options()).get_lr();
  if (std::is_same_v<typename R::Schedule, schedule::Constant>) return lr;
  return lr *
         R::schedule_factor(options().shared(), binder_.devices().memory(), std::int64_t(group));
}

template <class R>
void Optimizer<R>::updates(std::int64_t n) {
  TORCH_CHECK(n >= 0, detail::classic, "agmohd: updates = ", n, ", but it must be at least 0");
  auto memory = binder_.devices().memory();
  memory.updates = n;
  binder_.devices().set_memory(memory);
}

template <class R>
void Optimizer<R>::save(torch::serialize::OutputArchive& archive) const {
  checkpoint::write<R>(
      archive, {param_groups_, state_, options(), binder_.devices().memory(), accumulation_});
}

template <class R>
void Optimizer<R>::load(torch::serialize::InputArchive& archive) {
  const at::NoGradGuard no_grad;
  TORCH_CHECK(!binder_.devices().capturing(),
              "agmohd: load() was called while a CUDA graph is captured; call it before");
  checkpoint::Loaded<R> loaded = checkpoint::read<R>(archive, param_groups_, options());
  detail::check_all<R>("the checkpoint", loaded.options, loaded.groups);
  for (std::size_t g = 0; g < param_groups_.size(); ++g) {
    options_of<R>(param_groups_[g], g) = loaded.groups[g];
  }
  options() = loaded.options;
  warnings_.know(options());
  state_.clear();
  for (auto& [key, state] : loaded.states) state_[key] = std::move(state);
  if constexpr (R::accumulates) accumulation_.restore(loaded.accumulation);
  adopt(loaded.memory);
  binder_.invalidate();
  loaded.report.warn(R::name());
}

template <class R>
void Optimizer<R>::begin() {
  const auto& devices = binder_.devices();
  if (R::recorded) give_up_.raise(devices.records(), names_, param_groups_, devices.capturing());
  const auto found = settings_.refresh(options(), param_groups_, warnings_, binder_.devices());
  if (found.anew) binder_.invalidate();
  if (found.changed) binder_.devices().configure(settings_.now());
}

template <class R>
void Optimizer<R>::update(at::Tensor loss) {
  const at::NoGradGuard no_grad;
  begin();
  const bool observed = !loss.defined();
  loss = detail::checked_loss<R>(observed ? observed_ : loss);
  bool used = false, adds = false;
  if constexpr (R::accumulates) {
    const auto window = options().template get<"accumulation_steps">();
    adds = accumulation_.adds(window);
    if (adds) used = accumulation_.add(param_groups_, loss, binder_.devices().capturing());
    if (accumulation_.calls() >= window) apply_window();
  }
  if (!adds) used = apply(loss);
  if (used && observed) observed_ = at::Tensor();
}

template <class R>
void Optimizer<R>::apply_window() {
  if constexpr (R::accumulates) {
    Accumulation::AsGradients gradients(accumulation_, param_groups_,
                                        options().template get<"accumulate_mean">());
    apply(accumulation_.loss());
    gradients.done();
  }
}

template <class R>
bool Optimizer<R>::apply(const at::Tensor& loss) {
  if (!binder_.bind(param_groups_, state_, settings_.now())) return false;
  warnings_.stepped(settings_.now(), loss.defined());
  binder_.step(loss);
  return true;
}

template <class R>
void Optimizer<R>::adopt(const typename Recipe::Memory& memory) {
  binder_.devices().set_memory(memory);
  binder_.devices().forget_records();
  if constexpr (R::recorded) records_begin_ = memory.tally.steps;
  give_up_.begin(records_begin_);
  warnings_.begin(memory.updates);
}

}  // namespace agmohd
