// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "../rule/rule.hpp"
#include "../tensor/parts.hpp"
#include "../tensor/same_kind.hpp"
#include "../torch/options.hpp"
#include "../torch/param_state.hpp"

// The diagonal of the Hessian for rules that take it, as rule::Sophia does: estimates of it, and
// how they join the state. An estimate is a tensor for each parameter, in the order of the
// optimizer's groups; undefined where a parameter has none.
namespace agmohd::wrap {

template <class Optimizer>
concept HasHessian = has::hessian_decay<typename Optimizer::Recipe::Rule>;

/// h <- b2 h + (1 - b2) estimate, in a few launches; h begins as 0. Before step(), so that the step
/// has it. h stays where the estimate is undefined, and in elements where it is not finite in h's
/// dtype: one overflow would stay in h for good. A parameter that is listed twice takes its first
/// estimate. Never waits.
/// With storage::BFloat16 h is rounded to nearest: it stands still where its step is below 2^-9 of
/// it, with b2 = 0.99 up to 28% short of a constant estimate. Keep h in float32, by
/// storage::Native.
/// @throws c10::Error  if the number of estimates or a shape is wrong, or a parameter with an
///                     estimate has no state, as a frozen one; no state has changed then
template <HasHessian Optimizer>
void update_hessian(Optimizer& optimizer, const std::vector<at::Tensor>& estimates) {
  using Recipe = typename Optimizer::Recipe;
  const at::NoGradGuard no_grad;
  auto& groups = optimizer.param_groups();
  std::size_t count = 0;
  bool has_states = true;
  for (const auto& group : groups) {
    for (const at::Tensor& param : group.params()) {
      if (count < estimates.size() && estimates[count].defined()) {
        TORCH_CHECK(estimates[count].sizes() == param.sizes(), agmohd::detail::classic,
                    "agmohd: the estimate of parameter ", count, " is of shape ",
                    estimates[count].sizes(), ", the parameter of ", param.sizes());
        const auto& states = std::as_const(optimizer).state();
        has_states = has_states && states.find(param.unsafeGetTensorImpl()) != states.end();
      }
      ++count;
    }
  }
  TORCH_CHECK(count == estimates.size(), agmohd::detail::classic, "agmohd: ", estimates.size(),
              " estimates for ", count, " parameters");
  if (!has_states) optimizer.prepare();
  std::unordered_set<const void*> seen;
  std::vector<std::pair<double, std::vector<agmohd::detail::SameKind>>> all;  // weight, h and new
  for (std::size_t g = 0, i = 0; g < groups.size(); ++g) {
    const auto rule = options_of<Recipe>(groups[g], g).group().rule;
    auto& kinds = all.emplace_back(1 - Recipe::Rule::hessian_decay(rule),
                                   std::vector<agmohd::detail::SameKind>{})
                      .second;
    for (const at::Tensor& param : groups[g].params()) {
      const at::Tensor& estimate = estimates[i++];
      if (!estimate.defined() || !seen.insert(param.unsafeGetTensorImpl()).second) continue;
      const auto& states = std::as_const(optimizer).state();
      const auto found = states.find(param.unsafeGetTensorImpl());
      TORCH_CHECK(found != states.end(), agmohd::detail::classic, "agmohd: parameter ", i - 1,
                  " has an estimate, but no state: it neither requires nor has a gradient. Leave "
                  "its estimate undefined");
      const auto& hessian =
          static_cast<const ParamState<Recipe>&>(*found->second).template get<"hessian">();
      const at::Tensor h = parts(hessian);
      const at::Tensor value = parts(estimate.detach().to(hessian.options()).resolve_conj());
      agmohd::detail::add_by_kind(kinds, h, at::where(value.isfinite(), value, h));
    }
  }
  for (auto& [weight, kinds] : all) {
    for (agmohd::detail::SameKind& some : kinds) {
      at::_foreach_lerp_(some.params, some.others, weight);
    }
  }
}

/// All parameters of an optimizer, in the order of estimates.
template <class Optimizer>
std::vector<at::Tensor> parameters_of(Optimizer& optimizer) {
  std::vector<at::Tensor> out;
  for (const auto& group : optimizer.param_groups()) {
    out.insert(out.end(), group.params().begin(), group.params().end());
  }
  return out;
}

namespace detail {

/// Derivatives in the order of `parameters`; undefined for those that require no gradient, which
/// autograd refuses, and those that the outputs do not depend on. The graph stays.
inline std::vector<at::Tensor> derivatives(const std::vector<at::Tensor>& outputs,
                                           const std::vector<at::Tensor>& parameters,
                                           const std::vector<at::Tensor>& weights,
                                           bool create_graph) {
  std::vector<at::Tensor> inputs, out(parameters.size());
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].requires_grad()) continue;
    inputs.push_back(parameters[i]);
    places.push_back(i);
  }
  if (inputs.empty()) return out;
  std::vector<at::Tensor> found = torch::autograd::grad(
      outputs, inputs, weights, /*retain_graph=*/true, create_graph, /*allow_unused=*/true);
  for (std::size_t j = 0; j < places.size(); ++j) out[places[j]] = std::move(found[j]);
  return out;
}
/// In float32, unless it is as wide or wider.
inline at::Tensor widened(const at::Tensor& x) {
  return x.to(at::promote_types(x.scalar_type(), at::kFloat));
}

}  // namespace detail

/// The estimator of Gauss, Newton and Bartlett (Liu et al. 2023, algorithm 2), for a loss that is a
/// mean of cross-entropies: with labels drawn from the model's own softmax, B g^2. Its mean is the
/// diagonal of the Gauss-Newton matrix, so it is never negative. Squares and estimates are float32
/// (float64 for float64): g^2 of float16 would underflow below 2e-4. Undefined for parameters that
/// require no gradient.
/// @param logits     [..., classes], with their graph, which stays; B is how many rows they have
/// @param generator  of the labels, on the device of the logits; else the default one
inline std::vector<at::Tensor> gauss_newton_bartlett(
    const at::Tensor& logits, const std::vector<at::Tensor>& parameters,
    std::optional<at::Generator> generator = std::nullopt) {
  TORCH_CHECK(logits.dim() >= 1 && logits.size(-1) > 0 && logits.requires_grad(),
              agmohd::detail::classic,
              "agmohd: gauss_newton_bartlett() needs logits [..., classes] with a graph");
  const at::AutoGradMode enable(true);
  const at::Tensor rows = at::log_softmax(logits.reshape({-1, logits.size(-1)}), 1);
  const at::Tensor labels =
      at::multinomial(rows.detach().exp(), 1, /*replacement=*/true, std::move(generator));
  const at::Tensor loss = -rows.gather(1, labels).mean();
  std::vector<at::Tensor> out = detail::derivatives({loss}, parameters, {}, /*create_graph=*/false);
  const at::NoGradGuard no_grad;
  for (at::Tensor& g : out) {
    if (!g.defined()) continue;
    g = detail::widened(g.resolve_conj());
    const at::Tensor squares = parts(g).square().mul_(double(rows.size(0)));
    g = g.is_complex() ? at::view_as_complex(squares) : squares;
  }
  return out;
}

/// Hutchinson's estimator: the mean of z * (Hessian z) over `samples` draws of signs z, +-1 with
/// equal odds (Hutchinson 1990). Exact for a diagonal Hessian. Liu et al. 2023, algorithm 1, draws
/// z from a normal distribution, whose estimates vary more. May be negative. The mean is float32
/// (float64 for float64). Undefined for parameters that require no gradient.
/// @param loss       a scalar with its graph, which stays: twice differentiable
/// @param generator  of the signs, on the device of the parameters; else the default one
inline std::vector<at::Tensor> hutchinson(const at::Tensor& loss,
                                          const std::vector<at::Tensor>& parameters,
                                          std::optional<at::Generator> generator = std::nullopt,
                                          std::int64_t samples = 1) {
  TORCH_CHECK(loss.numel() == 1 && loss.requires_grad() && samples >= 1, agmohd::detail::classic,
              "agmohd: hutchinson() needs a scalar loss with a graph, and at least one sample");
  const at::AutoGradMode enable(true);
  const std::vector<at::Tensor> gradients =
      detail::derivatives({loss}, parameters, {}, /*create_graph=*/true);
  std::vector<at::Tensor> out(parameters.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (gradients[i].defined()) out[i] = detail::widened(at::zeros_like(gradients[i].detach()));
  }
  for (std::int64_t n = 0; n < samples; ++n) {
    std::vector<at::Tensor> signs(out.size()), outputs, weights;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (!gradients[i].defined()) continue;
      signs[i] = at::empty_like(gradients[i].detach());
      parts(signs[i]).bernoulli_(0.5, generator).mul_(2).sub_(1);
      if (!gradients[i].requires_grad()) continue;  // linear: no curvature
      outputs.push_back(gradients[i]);
      weights.push_back(signs[i]);
    }
    if (outputs.empty()) break;
    const std::vector<at::Tensor> products =
        detail::derivatives(outputs, parameters, weights, /*create_graph=*/false);
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (out[i].defined() && products[i].defined()) {
        const at::Tensor product = products[i].resolve_conj();
        parts(out[i]).add_(parts(signs[i]) * parts(product), 1 / double(samples));
      }
    }
  }
  return out;
}

}  // namespace agmohd::wrap
