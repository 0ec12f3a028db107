// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <agmohd/recipes.hpp>

template <class Rule, class Schedule>
using Clipped = agmohd::Recipe<Rule, agmohd::hindrance::None, agmohd::momentum::Fixed,
                               agmohd::gradient::ClipByNorm, Schedule>;

using Mine = Clipped<agmohd::rule::AdamW, agmohd::schedule::Cosine>;
