// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <agmohd/recipe.hpp>
#include <agmohd/rule/sgd.hpp>

using Mine = agmohd::Recipe<agmohd::rule::SGD>;
