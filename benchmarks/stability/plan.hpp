// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "options.hpp"
#include "run.hpp"

namespace stability {

/// The names of the tasks that the options' runs may need.
std::vector<std::string> tasks_of(const Options& options);
/// The runs of the options' experiments, each once.
std::vector<Run> plan(const Options& options, const std::vector<std::unique_ptr<Task>>& tasks);

}  // namespace stability
