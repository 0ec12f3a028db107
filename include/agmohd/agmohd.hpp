// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// All of agmohd for a program that uses LibTorch.

#include "core/compiler.hpp"

#include "checkpoint/load.hpp"
#include "checkpoint/save.hpp"
#include "optimizers.hpp"
#include "schedule/lr_scheduler.hpp"
#include "version.hpp"
