// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Which of two policies of one type a call of set<Policy>() means.
// must say: set<Policy>: the recipe has that policy twice, and a name reaches the first one alone
// must say: .set<schedule::ByGroup<...>>({...})

#include <agmohd/optimizer.hpp>
#include <agmohd/recipes.hpp>

using namespace agmohd;
using Twice = schedule::ByGroup<schedule::Cosine, schedule::Cosine>;
using Mine = Optimizer<Recipe<rule::SGD, Twice>>;

void choose(Mine::Options& options) {
#ifdef MUST_NOT_COMPILE
  options.set<schedule::Cosine>({.total_steps = 10});
#else
  options.set<Twice>({});
#endif
}
