// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A rule, or a recipe, in the place of an optimizer; a template in that of a class; a loss that is
// a number; a Watcher of what keeps no records.
// must say: Optimizer takes a recipe, such as Recipe<rule::AdamW>
// must say: a recipe is a type that says what a step does
// must say: a function that takes any optimizer takes a torch::optim::Optimizer&
// must say: hand the loss over as a tensor: step(loss)
// must say: a Watcher has nothing to watch
// at most: 50 lines

#include <agmohd/agmohd.hpp>
#include <agmohd/monitor/watcher.hpp>
#include <vector>

#ifdef MUST_NOT_COMPILE
void any(agmohd::Optimizer& optimizer);
#else
void any(torch::optim::Optimizer& optimizer);
#endif

void train(std::vector<at::Tensor> parameters) {
#ifdef MUST_NOT_COMPILE
  agmohd::Optimizer<agmohd::rule::AdamW> of_rule(parameters, 1e-3);
  agmohd::recipe::AGMOHD of_recipe(parameters, 1e-3);
  agmohd::AdamW optimizer(parameters, 1e-3);
  optimizer.step(0.5F);
  agmohd::monitor::Watcher().poll(optimizer);
#else
  agmohd::AdamW optimizer(parameters, 1e-3);
  optimizer.step({});
  agmohd::monitor::Watcher().take({});
#endif
}
