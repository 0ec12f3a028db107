// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// All of agmohd for a program that uses LibTorch.

#include "policy/compiler.hpp"

#include "checkpoint/load.hpp"
#include "checkpoint/save.hpp"
#include "optimizers.hpp"
#include "torch/lr_scheduler.hpp"
#include "version.hpp"
