// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/util/StringUtil.h>
#include <torch/optim/optimizer.h>

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "../tensor/validate.hpp"
#include "../torch/state_access.hpp"
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
                  " steps\n");
}

/// The text of Optimizer::summary(). `saw_loss`: whether a step had one.
template <class Recipe>
std::string summary(const Tally& tally,
                    const std::vector<torch::optim::OptimizerParamGroup>& groups,
                    const StateMap& states, const Names& names, bool saw_loss) {
  std::string text = summary(tally);
  if constexpr (has::judge_tensor<typename Recipe::Hindrance>) {
    using State = ParamState<Recipe>;
    text +=
        worst<Recipe>(groups, states, names, " exploded by itself; most often ", &State::exploded);
    text += worst<Recipe>(groups, states, names, " with vanishing gradients; most often ",
                          &State::vanished);
  }
  if constexpr ((Recipe::wants & kLoss) != 0) {
    if (tally.steps > 0 && !saw_loss) text += "  " + Warnings<Recipe>::no_loss() + '\n';
  }
  return text + advice(tally);
}

}  // namespace agmohd::monitor
