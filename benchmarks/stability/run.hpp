// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "events.hpp"
#include "faults.hpp"
#include "method.hpp"
#include "tasks.hpp"

namespace stability {

/// One run.
struct Run {
  const Task* task = nullptr;
  const Entry* method = nullptr;
  std::int64_t seed = 0, steps = 0;
  double lr = 0;
  const Fault* fault = nullptr;  ///< or none
  const Event* event = nullptr;  ///< or none
  bool noise_free = false;       ///< of those tasks
  const char* list = "";         ///< that the fault, event or task is of
  std::string size, device;      ///< of the network, as text

  /// Everything that the result depends on, as text: what is not to be done twice.
  std::string key() const;
};

/// Trains. Returns the result as a line of JSON.
std::string execute(const Run& run);

}  // namespace stability
