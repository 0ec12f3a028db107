// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <cstddef>
#include <exception>
#include <unordered_set>
#include <utility>
#include <vector>

#include "../rule/rule.hpp"
#include "../tensor/same_kind.hpp"
#include "../torch/options.hpp"
#include "../torch/param_state.hpp"

// The schedule-free rules train at y and are to be evaluated at x, the average of z:
//   y = (1 - b) z + b x,  so  x = y + (1 - 1 / b) (z - y)  and  y = x + (1 - b) (z - x)
// A few launches for any number of parameters. What was never updated stays. While the parameters
// are x, the option `evaluating` is set in all groups, and step() and prepare() are errors; replays
// of a CUDA graph are not. save() and load() of the optimizer are errors meanwhile; save the model,
// too, while the parameters are y.
namespace agmohd::wrap {

template <class Optimizer>
concept ScheduleFree = has::interpolation<typename Optimizer::Recipe::Rule>;

namespace detail {

/// `some.params` move towards `some.others` by `weight`, computed in the wider dtype.
inline void move(agmohd::detail::SameKind& some, double weight) {
  agmohd::detail::take_parts(some);
  bool same = true;
  for (const at::Tensor& z : some.others) {
    same = same && z.scalar_type() == some.params[0].scalar_type();
  }
  if (same) {
    at::_foreach_lerp_(some.params, some.others, weight);
    return;
  }
  std::vector<at::Tensor> params, others;
  for (std::size_t i = 0; i < some.params.size(); ++i) {
    params.push_back(some.params[i].to(at::kFloat));
    others.push_back(some.others[i].to(at::kFloat));
  }
  at::_foreach_lerp_(params, others, weight);
  at::_foreach_copy_(some.params, params);
}

/// What evaluate() or train() has to move of one group.
template <class Recipe>
struct Part {
  std::vector<agmohd::detail::SameKind> kinds;  ///< parameters and their z
  double b;                                     ///< weight of x in y
  Options<Recipe>* options;                     ///< of the group
};

/// The groups that are not marked so yet. Allocates; writes nothing.
template <class Optimizer>
auto parts_of(Optimizer& optimizer, bool evaluating) {
  using Recipe = typename Optimizer::Recipe;
  std::vector<Part<Recipe>> parts;
  auto& groups = optimizer.param_groups();
  std::unordered_set<const void*> seen;  // several groups or places may have a parameter
  for (std::size_t g = 0; g < groups.size(); ++g) {
    Options<Recipe>& options = options_of<Recipe>(groups[g], g);
    if (options.template get<"evaluating">() == evaluating) continue;
    Part<Recipe> part{{}, Recipe::Rule::interpolation(options.group().rule), &options};
    for (const at::Tensor& param : groups[g].params()) {
      const auto found = std::as_const(optimizer).state().find(param.unsafeGetTensorImpl());
      if (found == std::as_const(optimizer).state().end()) continue;
      const auto& state = static_cast<const ParamState<Recipe>&>(*found->second);
      const at::Tensor& z = state.template get<"z">();
      if (!z.defined() || state.step() == 0) continue;
      if (!seen.insert(param.unsafeGetTensorImpl()).second) continue;
      agmohd::detail::add_by_kind(part.kinds, param, z.to(param.device()));
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

/// Moves the parameters of all parts, and marks their groups.
template <class Recipe>
void move(std::vector<Part<Recipe>>& parts, bool evaluating) {
  for (Part<Recipe>& part : parts) {
    for (agmohd::detail::SameKind& some : part.kinds) {
      move(some, 1 - (evaluating ? 1 / part.b : part.b));
    }
    part.options->template set<"evaluating">(evaluating);
  }
}

}  // namespace detail

/// Whether evaluate() was called, for some group, and train() was not.
template <ScheduleFree Optimizer>
bool is_evaluating(Optimizer& optimizer) {
  using Recipe = typename Optimizer::Recipe;
  auto& groups = optimizer.param_groups();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (options_of<Recipe>(groups[g], g).template get<"evaluating">()) return true;
  }
  return false;
}

/// The parameters become the averages x, as by optimizer.eval() of the package schedulefree;
/// nothing if they are. Waits for the device.
template <ScheduleFree Optimizer>
void evaluate(Optimizer& optimizer) {
  const at::NoGradGuard no_grad;
  auto parts = detail::parts_of(optimizer, true);
  detail::move(parts, true);
}

/// The parameters become y again, but for rounding; nothing if they are. Waits for the device.
template <ScheduleFree Optimizer>
void train(Optimizer& optimizer) {
  const at::NoGradGuard no_grad;
  auto parts = detail::parts_of(optimizer, false);
  detail::move(parts, false);
}

/// For its lifetime the parameters are the averages x; then they are y again with the bits of
/// before, for which it holds a copy of them.
///   { const wrap::Evaluation averages(optimizer); validate(model); }
template <ScheduleFree Optimizer>
class Evaluation {
 public:
  /// @param optimizer  is to live as long as this, and not to be evaluating. Waits for the device.
  /// After an error the parameters are y.
  explicit Evaluation(Optimizer& optimizer) : optimizer_(optimizer) {
    TORCH_CHECK(!is_evaluating(optimizer),
                "agmohd: wrap::Evaluation of an optimizer whose parameters are averages already");
    const at::NoGradGuard no_grad;
    auto parts = detail::parts_of(optimizer, true);
    for (const auto& part : parts) {
      for (const agmohd::detail::SameKind& some : part.kinds) {
        for (const at::Tensor& param : some.params) kept_.push_back(param.clone());
        params_.insert(params_.end(), some.params.begin(), some.params.end());
      }
    }
    try {
      detail::move(parts, true);
    } catch (...) {
      end();
      throw;
    }
  }
  Evaluation(const Evaluation&) = delete;  // two would bring the parameters back
  Evaluation& operator=(const Evaluation&) = delete;
  ~Evaluation() {
    try {
      end();
    } catch (const std::exception& error) {
      TORCH_WARN("agmohd: the parameters are not what they were before wrap::Evaluation: ",
                 error.what());
    }
  }

  /// Brings the parameters back before the end of its lifetime.
  void end() {
    if (!std::exchange(active_, false)) return;
    const at::NoGradGuard no_grad;
    for (agmohd::detail::SameKind& some : agmohd::detail::by_kind(params_, kept_)) {
      at::_foreach_copy_(some.params, some.others);
    }
    auto& groups = optimizer_.param_groups();
    for (std::size_t g = 0; g < groups.size(); ++g) {
      options_of<typename Optimizer::Recipe>(groups[g], g).template set<"evaluating">(false);
    }
  }

 private:
  Optimizer& optimizer_;
  std::vector<at::Tensor> params_, kept_;
  bool active_ = true;
};

}  // namespace agmohd::wrap
