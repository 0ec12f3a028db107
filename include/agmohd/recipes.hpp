// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything that needs no LibTorch: all policies, Recipe, and the ready-made recipes. Kernel units
// include this.

#include "gradient/clip_by_norm.hpp"
#include "gradient/clip_by_value.hpp"
#include "recipe.hpp"
#include "rule/adam.hpp"
#include "rule/adamw.hpp"
#include "rule/sgd.hpp"
#include "schedule/cosine.hpp"
#include "schedule/linear.hpp"
#include "schedule/warmup.hpp"
#include "storage/bfloat16.hpp"

namespace agmohd::recipe {

using SGD = Recipe<rule::SGD>;
using Adam = Recipe<rule::Adam>;
using AdamW = Recipe<rule::AdamW>;

}  // namespace agmohd::recipe
