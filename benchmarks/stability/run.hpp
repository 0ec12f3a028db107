// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

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
  const char* list = "";         ///< that the fault is of
  std::string size, device;      ///< of the network, as text

  /// Everything that the result depends on, as text: what is not to be done twice.
  std::string key() const;
  /// The learning rate of step t: linear warm-up over a tenth of the run, then a cosine down to a
  /// tenth.
  double rate(std::int64_t t) const;
};

/// Trains. Returns the result as a line of JSON.
std::string execute(const Run& run);

}  // namespace stability
