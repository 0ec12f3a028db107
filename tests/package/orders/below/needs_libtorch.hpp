// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../recipe.hpp"

// In a way that only the compiler sees.
#define HEADER <torch/optim/optimizer.h>
#include HEADER
