// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/util/Exception.h>
#include <torch/optim/optimizer.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../policy/check.hpp"
#include "../policy/classic_locale.hpp"
#include "../step/executor.hpp"
#include "devices.hpp"
#include "option_table.hpp"
#include "options.hpp"

// From an optimizer's options to what executors read.
namespace agmohd::detail {

/// Calls f; what it throws as std::invalid_argument becomes a c10::Error that says where.
template <class F>
void with_c10_errors(const std::string& where, F f) {
  try {
    f();
  } catch (const std::invalid_argument& error) {
    TORCH_CHECK(false, classic, "agmohd: ", where, ": ", error.what());
  }
}

/// Throw std::invalid_argument that names the option: what belongs to the optimizer as a whole, and
/// to a group.
template <class Recipe>
void check_shared(const Options<Recipe>& options) {
  const auto shared = options.shared();
  check<typename Recipe::Hindrance>(shared.hindrance);
  check<typename Recipe::Momentum>(shared.momentum);
  check<typename Recipe::Gradient>(shared.gradient);
  check<typename Recipe::Schedule>(shared.schedule);
  check<typename Recipe::Storage>(shared.storage);
  check<typename Recipe::Recovery>(shared.recovery);
}
template <class Recipe>
void check_group(const Options<Recipe>& options) {
  const auto group = options.group();
  check<LearningRate>({group.lr});
  check<typename Recipe::Rule>(group.rule);
}

template <class Recipe>
bool same_settings(const Settings<Recipe>& a, const Settings<Recipe>& b) {
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

/// Both, as c10::Error that says where.
template <class Recipe>
void check_all(const std::string& where, const Options<Recipe>& options,
               const std::vector<Options<Recipe>>& groups) {
  with_c10_errors(where, [&] {
    check_shared<Recipe>(options);
    for (const Options<Recipe>& group : groups) check_group<Recipe>(group);
  });
}

/// The options of a group that is added: what it sets, else the optimizer's. Throws c10::Error.
template <class Recipe>
Options<Recipe> group_options(const Options<Recipe>& of_optimizer,
                              const torch::optim::OptimizerParamGroup& group,
                              const std::string& where) {
  Options<Recipe> merged = of_optimizer;
  with_c10_errors(where, [&] {
    if (group.has_options()) {
      const std::optional<Options<Recipe>> given = Options<Recipe>::from(group.options());
      if (!given) {
        throw std::invalid_argument("its options are not the Options of this optimizer, " +
                                    Recipe::name());
      }
      merged = *given;
    }
    merged.inherit(of_optimizer);
    check_group<Recipe>(merged);
  });
  return merged;
}

/// The host's options are the truth: compares them with what the executors have, and checks what
/// changed.
template <class Recipe>
class SettingsFollower {
 public:
  /// What the executors have, or get next.
  const Settings<Recipe>& now() const { return now_; }

  struct Found {
    bool changed;  ///< now() is other than before
    bool anew;     ///< other tensors are needed: states, or snapshots
  };
  /// Throws c10::Error that names the option; now() is then as it was.
  template <class Warnings>
  Found refresh(const Options<Recipe>& options,
                std::vector<torch::optim::OptimizerParamGroup>& groups, Warnings& warnings,
                const Devices<Recipe>& devices) {
    next_.shared = options.shared();
    next_.groups.clear();
    bool misplaced = false;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      Options<Recipe>& group = options_of<Recipe>(groups[g], g);
      if (!group.inherited()) {  // added through the base class
        with_c10_errors("group " + std::to_string(g), [&] { group.inherit(options); });
      }
      next_.groups.push_back(group.group());
      if constexpr (Recipe::by_group) next_.groups.back().number = std::int64_t(g);
      misplaced = misplaced || group.has_shared_but(options);
    }
    warnings.compare(now_, next_, options.group());
    if (!misplaced && same_settings<Recipe>(next_, now_)) return {false, false};
    with_c10_errors("the optimizer's options", [&] { check_shared<Recipe>(options); });
    for (std::size_t g = 0; g < groups.size(); ++g) {
      with_c10_errors("group " + std::to_string(g), [&] {
        const auto& group = static_cast<const Options<Recipe>&>(groups[g].options());
        group.require_no_shared(options);
        check_group<Recipe>(group);
      });
    }
    bool same_slots = next_.groups.size() == now_.groups.size();
    for (std::size_t g = 0; same_slots && g < next_.groups.size(); ++g) {
      same_slots =
          Recipe::Rule::slots(next_.groups[g].rule) == Recipe::Rule::slots(now_.groups[g].rule);
    }
    if constexpr (Recipe::keeps_snapshots) {
      const auto &after = next_.shared.recovery, &before = now_.shared.recovery;
      same_slots = same_slots && after.snapshots == before.snapshots &&
                   after.snapshots_on_host == before.snapshots_on_host;
      for (const auto& device : devices) {
        TORCH_CHECK(
            after.snapshots_on_host == before.snapshots_on_host || !device.executor->captured(),
            classic, "agmohd: snapshots_on_host = ", after.snapshots_on_host,
            ", but it can no longer change: a CUDA graph that was captured writes the "
            "snapshots where they are");
      }
    }
    std::swap(now_, next_);
    return {true, !same_slots};
  }

 private:
  Settings<Recipe> now_, next_;
};

}  // namespace agmohd::detail
