// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/optim/optimizer.h>

#include <cstdint>
#include <string>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "names.hpp"
#include "records.hpp"

namespace agmohd::monitor {

/// An optimizer that could not repair the training says so in a later step: once an incident, and
/// not again before 100 applied steps.
class GiveUp {
 public:
  /// Records begin anew after so many steps.
  void begin(std::int64_t steps) {
    told_ = steps;
    silent_until_ = 0;
  }

  /// Throws c10::Error if a new record says that it gave up. `ring`: null if nothing is recorded.
  void raise(const RecordRing* ring, const Names& names,
             const std::vector<torch::optim::OptimizerParamGroup>& groups, bool capturing) {
    if (ring == nullptr) return;
    const Record last = newest(*ring, seen_);
    seen_ = last.step;
    const Record found = gave_up(*ring, last, told_);
    if (found.step == 0) return;
    told_ = found.step;
    if (found.updates < silent_until_) return;
    silent_until_ = found.updates + 100;
    std::string where;
    if (!capturing) where = names.nonfinite(groups);
    if (!where.empty()) where = ". Not finite now: " + where;
    TORCH_CHECK(false, agmohd::detail::classic,
                "agmohd: training cannot be repaired: ", describe(found), where,
                ". What helps: ", advice_for[Tally::give_up]);
  }

 private:
  std::int64_t seen_ = 0;          // the newest record when the last step began
  std::int64_t told_ = 0;          // the last step with a give-up that was looked at
  std::int64_t silent_until_ = 0;  // applied steps before the next give-up is told
};

}  // namespace agmohd::monitor
