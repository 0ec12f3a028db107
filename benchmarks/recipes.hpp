// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <agmohd/recipes.hpp>

namespace bench {

using AdamW = agmohd::recipe::AdamW;
using ClipAdamW = agmohd::Recipe<agmohd::rule::AdamW, agmohd::hindrance::None,
                                 agmohd::momentum::Fixed, agmohd::gradient::ClipByNorm>;

}  // namespace bench
