// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <agmohd/recipes.hpp>

// The recipes that train_gpt composes. Torch-free: the kernel units include this file too.
namespace demo {

using Schedule = agmohd::schedule::Warmup<agmohd::schedule::Cosine>;

/// agmohd::recipe::AGMOHD with this program's schedule, and --accumulate.
using AGMOHD = agmohd::Recipe<agmohd::rule::AdamW, agmohd::hindrance::Detector,
                              agmohd::momentum::Choice, agmohd::gradient::Accumulate,
                              agmohd::gradient::Choice, agmohd::schedule::HindranceAware<Schedule>>;

template <class Rule>
using Clipped =
    agmohd::Recipe<Rule, agmohd::gradient::Accumulate, agmohd::gradient::ClipByNorm, Schedule>;

using AdamW = Clipped<agmohd::rule::AdamW>;
using Adam = Clipped<agmohd::rule::Adam>;
using SGD = Clipped<agmohd::rule::SGD>;

}  // namespace demo
