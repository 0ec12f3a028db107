// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Recipes of modified rules. Torch-free: the kernel units include it too.

#include <agmohd/recipe.hpp>
#include <agmohd/rule/adamw.hpp>
#include <agmohd/rule/cautious.hpp>
#include <agmohd/rule/grokfast.hpp>
#include <agmohd/rule/hyperball.hpp>
#include <agmohd/rule/noise_filter.hpp>
#include <agmohd/rule/sgd.hpp>

namespace testing_rules {

using CautiousAdamW = agmohd::Recipe<agmohd::rule::Cautious<agmohd::rule::AdamW>>;
using CautiousLion = agmohd::Recipe<agmohd::rule::Cautious<agmohd::rule::Lion>>;
using GrokFastAdamW = agmohd::Recipe<agmohd::rule::GrokFast<agmohd::rule::AdamW>>;
using GrokFastSGD = agmohd::Recipe<agmohd::rule::GrokFast<agmohd::rule::SGD>>;
using HyperballAdamW = agmohd::Recipe<agmohd::rule::Hyperball<agmohd::rule::AdamW>>;
using NoiseFilterAdamW = agmohd::Recipe<agmohd::rule::NoiseFilter<agmohd::rule::AdamW>>;

}  // namespace testing_rules
