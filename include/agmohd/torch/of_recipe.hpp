// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace agmohd::detail {

/// What all optimizers of recipes are, whatever the recipe: so that who has a
/// torch::optim::Optimizer& can ask whether it is one.
class OfRecipe {
 public:
  virtual ~OfRecipe() = default;
};

}  // namespace agmohd::detail
