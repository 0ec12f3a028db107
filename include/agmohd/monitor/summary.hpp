// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/util/StringUtil.h>
#include <torch/optim/optimizer.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include "../hindrance/detector/oscillation.hpp"
#include "../tensor/validate.hpp"
#include "../torch/state_access.hpp"
#include "lr_advice.hpp"
#include "names.hpp"
#include "records.hpp"
#include "warnings.hpp"

namespace agmohd::monitor {

/// A line of summary(): how many parameters have a count above 0, and which has the largest; empty
/// if none has. Waits for the device.
template <class Recipe>
std::string worst(const std::vector<torch::optim::OptimizerParamGroup>& groups,
                  const StateMap& states, const Names& names, const char* did,
                  std::int64_t (ParamState<Recipe>::*count)() const) {
  std::int64_t most = 0, tensors = 0;
  std::string name;
  std::unordered_set<const ParamState<Recipe>*> seen;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (std::size_t i = 0; i < groups[g].params().size(); ++i) {
      const at::Tensor& param = groups[g].params()[i];
      const auto* const state = find_state<Recipe>(states, param, Place{g, i});
      if (state == nullptr || !seen.insert(state).second) continue;
      const std::int64_t times = (state->*count)();
      tensors += times > 0 ? 1 : 0;
      if (times <= most) continue;
      most = times;
      name = names.of(param, {g, i});
    }
  }
  if (most == 0) return "";
  return c10::str("  ", tensors, tensors == 1 ? " tensor" : " tensors", did, name, ", in ", most,
                  most == 1 ? " step\n" : " steps\n");
}

/// The mean of <g_t, u_{t-1}> over that of <g_t, u_t> in the newest 50 or so applied steps; NaN for
/// a recipe without hindrance::Oscillation, or a rule that has no last update.
template <class Recipe>
double alignment(typename Recipe::Memory memory) {
  double found = LrEvidence::unknown;
  using Hindrance = typename Recipe::Hindrance;
  const auto look = [&](const char* /*name*/, auto& m) {
    if constexpr (std::is_same_v<std::remove_reference_t<decltype(m)>,
                                 hindrance::Oscillation::Memory>) {
      if (m.along > 0 && m.along_previous != 0) found = m.along_previous / m.along;
    }
  };
  if constexpr (requires { Hindrance::each_memory(memory.hindrance, look); }) {
    Hindrance::each_memory(memory.hindrance, look);
  }
  return found;
}

/// The RMS of all parameters that have a state; NaN if none has. Waits for the device.
template <class Recipe>
double parameter_rms(const std::vector<torch::optim::OptimizerParamGroup>& groups,
                     const StateMap& states) {
  const at::NoGradGuard no_grad;
  double sum = 0, count = 0;
  std::unordered_set<const void*> seen;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (std::size_t i = 0; i < groups[g].params().size(); ++i) {
      const at::Tensor& param = groups[g].params()[i];
      const auto* const state = find_state<Recipe>(states, param, Place{g, i});
      if (state == nullptr || !seen.insert(state).second) continue;
      const auto wide = param.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
      const double norm =
          at::linalg_vector_norm(param.detach(), 2, {}, false, wide).template item<double>();
      sum += norm * norm;
      count += double(param.numel());
    }
  }
  return std::sqrt(sum / count);
}

/// What the records and the memory of an optimizer's devices, and its parameters, say.
/// `largest_lr`: what was set for the first group.
template <class Recipe>
LrEvidence lr_evidence(const auto& devices,
                       const std::vector<torch::optim::OptimizerParamGroup>& groups,
                       const StateMap& states, double largest_lr) {
  LrEvidence e = lr_evidence(read(devices.records()));
  constexpr bool estimated = has::lr_with<typename Recipe::Rule>;  // Record::lr is no part of lr
  if (!estimated && largest_lr > 0) e.rate = std::fmin(e.lr / largest_lr, 1.0);
  e.relative = e.moved / parameter_rms<Recipe>(groups, states);
  e.alignment = alignment<Recipe>(devices.memory());
  return e;
}

/// The text of Optimizer::summary(). `saw_loss`: whether a step had one.
template <class Recipe>
std::string summary(const Tally& tally,
                    const std::vector<torch::optim::OptimizerParamGroup>& groups,
                    const StateMap& states, const Names& names, bool saw_loss) {
  std::string text = summary(tally);
  if constexpr (has::judge_tensor<typename Recipe::Hindrance>) {
    using State = ParamState<Recipe>;
    text += worst<Recipe>(groups, states, names, " whose own norm exploded; most often ",
                          &State::exploded);
    text += worst<Recipe>(groups, states, names, " with vanishing gradients; most often ",
                          &State::vanished);
  }
  if constexpr ((Recipe::wants & kLoss) != 0) {
    if (tally.steps > 0 && !saw_loss) text += "  " + Warnings<Recipe>::no_loss() + '\n';
  }
  return text + advice(tally);
}

}  // namespace agmohd::monitor
