// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "tasks.hpp"

namespace stability {

struct Options {
  std::vector<std::string> experiments{"clean", "lr", "faults", "ablation", "events", "noisefree"};
  std::vector<std::string> tasks;    ///< empty: all; ablation: of the first alone
  std::vector<std::string> methods;  ///< empty: all
  std::string only;                  ///< a part of a run's key, or nothing
  std::vector<double> rates{kRates.begin(), kRates.end()};  ///< of the experiment lr
  bool quick = false, final_list = false, list_runs = false, help = false;
  Size size;
  std::int64_t steps = 1000;
  bool steps_given = false;   ///< then for tasks too that have a length of their own
  std::int64_t seeds = 0;     ///< of every experiment; 0: as the form has it
  std::int64_t minutes = -1;  ///< after which no run begins; -1: none
  std::int64_t processes = 1;
  std::int64_t workers = 0;  ///< threads of a process; 0: one for each core, or 2 on a GPU
  std::string device = "cpu", out = "stability.jsonl";

  std::int64_t seeds_of(const std::string& experiment) const;
  std::string size_text() const;
};

/// Throws std::runtime_error that names the argument.
Options parse(int count, char** arguments);
std::string usage();

/// What counts as failed, fixed before the runs.
extern const char* const kProtocol;

}  // namespace stability
