// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/util/Exception.h>

#include <set>
#include <string>
#include <vector>

namespace agmohd::checkpoint {

/// What a load did that the program might not expect; warned of when all of it is in force.
struct Report {
  std::set<std::string> unknown_options, unknown_members;  ///< that only the checkpoint has
  std::set<std::string> reset;          ///< memories that could not be carried over
  std::vector<std::string> overridden;  ///< options that the program had set to something else
  std::string other_recipe;             ///< whose checkpoint it is; empty: this optimizer's
  bool unchecked = false;               ///< it has no digest that this version can compare
  bool before_1_5 = false;              ///< it is of LibTorch before 1.5

  void warn(const std::string& recipe) const {
    if (unchecked) {
      TORCH_WARN(
          "agmohd: the checkpoint is of version 0.1: whether it is damaged is not known",
          reset.empty() ? "" : "; what could not be carried over begins anew: ", list(reset));
    }
    if (before_1_5) {
      TORCH_WARN(
          "agmohd: the checkpoint is of LibTorch before 1.5, without options: those of the program "
          "hold. Save it again");
    }
    if (!other_recipe.empty()) {
      TORCH_WARN("agmohd: the checkpoint is of recipe ", other_recipe, ", this optimizer is of ",
                 recipe,
                 ": loaded are the rule's state, and options and memories that both have; the "
                 "others stay as they are, or begin anew");
    } else {
      if (!unknown_options.empty()) {
        TORCH_WARN("agmohd: the checkpoint has options that this recipe does not know: ",
                   list(unknown_options));
      }
      if (!unknown_members.empty()) {
        TORCH_WARN("agmohd: the checkpoint remembers what this recipe does not: ",
                   list(unknown_members));
      }
    }
    if (!overridden.empty()) {
      TORCH_WARN("agmohd: the checkpoint has other values of options that the program had set: ",
                 list(overridden), ". The checkpoint's hold; set others after the load");
    }
  }

 private:
  template <class Texts>
  static std::string list(const Texts& texts) {
    std::string out;
    for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
    return out;
  }
};

}  // namespace agmohd::checkpoint
