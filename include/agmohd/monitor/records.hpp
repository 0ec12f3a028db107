// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iomanip>
#include <limits>
#include <locale>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "../step/record.hpp"
#include "advice.hpp"

// What an optimizer did, for people. Some are templates without a real parameter: a unit that
// includes this, but has no optimizer, need not compile them.
namespace agmohd::monitor {

/// A slot's record; its step is 0 if there is none, or the device writes it just now.
inline Record read(const RecordRing::Slot& slot) {
  const RecordRing::Slot copy = RecordRing::copy(slot);
  return copy.record.step > 0 && RecordRing::seal(copy.record) == copy.seal ? copy.record
                                                                            : Record{};
}

/// The records that are complete, oldest first.
template <class = void>
std::vector<Record> read(const RecordRing& ring) {
  std::vector<Record> out;
  for (const RecordRing::Slot& slot : ring.slots) {
    out.push_back(read(slot));
    if (out.back().step == 0) out.pop_back();
  }
  std::sort(out.begin(), out.end(),
            [](const Record& a, const Record& b) { return a.step < b.step; });
  return out;
}

/// The newest complete record; its step is 0 if there is none. `from`: a step that may have one,
/// from where on it is quickly found; the ring is as large as the first cache.
inline Record newest(const RecordRing& ring, std::int64_t from = 0) {
  if (from > 0 && ring.step_at(from) >= from) {
    from = ring.step_at(from);
    for (std::int64_t next; (next = ring.step_at(from + 1)) > from;) from = next;
    const Record last = read(ring.slots[from % RecordRing::kSize]);
    if (last.step > 0) return last;
  }
  for (std::int64_t below = std::numeric_limits<std::int64_t>::max();;) {
    std::int64_t most = 0;
    for (std::int64_t at = 0; at < RecordRing::kSize; ++at) {
      const std::int64_t step = ring.step_at(at);
      if (step > most && step < below) most = step;
    }
    if (most == 0) return {};
    const Record record = read(ring.slots[most % RecordRing::kSize]);
    if (record.step != 0) return record;
    below = most;  // it is being written
  }
}

/// `last`: the newest record. The record of the last step after step `after` in which the optimizer
/// gave up; where it was overwritten, one with that step and the newest record's `updates`. Its
/// step is 0 if there is none.
inline Record gave_up(const RecordRing& ring, const Record& last, std::int64_t after) {
  if (last.gave_up <= after) return {};
  Record found = read(ring.slots[last.gave_up % RecordRing::kSize]);
  if (found.step != last.gave_up) {
    found = {};
    found.step = last.gave_up;
    found.updates = last.updates;
    found.flags = Flag::give_up;
  }
  return found;
}

/// The same of a ring that may not exist: then none.
template <class = void>
std::vector<Record> read(const RecordRing* ring) {
  return ring != nullptr ? read(*ring) : std::vector<Record>{};
}
inline Record newest(const RecordRing* ring) { return ring != nullptr ? newest(*ring) : Record{}; }

/// Whether the optimizer did in a step what its base would not have done.
inline bool intervened(const Record& r) {
  return r.skipped != 0 || r.rolled_back != 0 || r.hindered != 0 || r.lr_factor < 1 ||
         (r.flags & (Flag::impossible_moment | Flag::give_up)) != 0;
}

/// The flags of a record: "explosion, loss spike".
inline std::string flag_names(unsigned flags) {
  std::string out;
  for (int i = 0; i < Tally::skip; ++i) {
    if ((flags >> unsigned(i) & 1U) == 0) continue;
    out += (out.empty() ? "" : ", ") + std::string(kind_names[i]);
  }
  return out;
}

/// One record as a sentence.
template <class = void>
std::string describe(const Record& r) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << "step " << r.step << " (" << r.updates << " applied before): " << flag_names(r.flags)
      << "; loss " << r.loss << ", gradient norm " << r.norm << ", learning rate " << r.lr;
  return out.str();
}

/// A line for each kind of intervention that happened; advice() is what to do about them.
template <class = void>
std::string summary(const Tally& tally) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << tally.steps << (tally.steps == 1 ? " step, " : " steps, ") << tally.count[Tally::skip]
      << " skipped\n";
  for (int i = 0; i < Tally::kinds; ++i) {
    if (tally.count[i] == 0) continue;
    out << "  " << std::left << std::setw(18) << kind_names[i] << std::right << std::setw(8)
        << tally.count[i] << "  last at step " << tally.last[i] << '\n';
  }
  return out.str();
}

/// Records as comma-separated values, with a header line if `header`.
template <class = void>
void write_csv(std::ostream& out, const std::vector<Record>& records, bool header = true) {
  if (header) {
    out << "step,updates,loss,lr,norm,update_rms,level,clip_factor,momentum,lr_factor,skipped,"
           "rolled_back,flags\n";
  }
  const std::locale locale = out.imbue(std::locale::classic());
  const auto precision = out.precision(std::numeric_limits<double>::max_digits10);
  for (const Record& r : records) {
    out << r.step << ',' << r.updates << ',' << r.loss << ',' << r.lr << ',' << r.norm << ','
        << r.update_rms << ',' << r.level << ',' << r.clip_factor << ',' << r.momentum << ','
        << r.lr_factor << ',' << r.skipped << ',' << r.rolled_back << ",\"" << flag_names(r.flags)
        << "\"\n";
  }
  out.precision(precision);
  out.imbue(locale);
}

}  // namespace agmohd::monitor
