// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "../policy/number.hpp"
#include "../policy/signals.hpp"

namespace agmohd {

/// What one step measured and did.
struct Record {
  std::int64_t step = 0;     ///< calls of step(), skipped ones too, from 1
  std::int64_t updates = 0;  ///< applied steps before it
  double loss = std::numeric_limits<double>::quiet_NaN();  ///< NaN if none was handed over
  double lr = 0;           ///< in effect for the first parameter group: see effective_lr()
  double norm = 0;         ///< of all gradients
  double update_rms = 0;   ///< RMS(u) of the applied step before; 0 where nobody measures it
  double level = 0;        ///< of hindrance, 0 to 1
  double clip_factor = 1;  ///< what all gradients are multiplied with
  double momentum = 0;     ///< beta1 of the first parameter group in this step
  double lr_factor = 1;    ///< of the verdict, for the first parameter group
  unsigned flags = 0;      ///< of Flag
  unsigned skipped = 0;
  unsigned rolled_back = 0;
  unsigned hindered = 0;     ///< the level had reached the threshold
  std::int64_t gave_up = 0;  ///< the last step in which the optimizer gave up; 0: none
};

/// How often each kind of intervention happened, and at which Record::step last. Kinds are the bits
/// of Flag, in their order, then those of Did.
struct Tally {
  static constexpr int give_up = 9;
  enum Did : int { skip = 10, clip, bound, throttle, momentum, rollback, kinds };
  static constexpr const char* names[kinds] = {
      "non-finite",     "explosion",   "step too large",   "impossible moment",
      "loss spike",     "oscillation", "vanishing",        "plateau",
      "accepted",       "give up",     "skipped",          "clipped",
      "clipped harder", "throttled",   "momentum lowered", "rolled back"};
  std::int64_t steps = 0;
  std::int64_t count[kinds] = {};
  std::int64_t last[kinds] = {};
  constexpr void members(auto&& f) {
    f("steps", steps), f("count", count, names), f("last", last, names);
  }

  AGMOHD_HD void add(int kind) {
    count[kind] += 1;
    last[kind] = steps;
  }
};

/// What word number `i` of a record adds to its seal: all its bits, mixed (the finaliser of
/// MurmurHash3, Appleby 2011).
AGMOHD_HD constexpr std::uint64_t sealed(std::uint64_t word, int i) {
  word += std::uint64_t(i) * 0x9e3779b97f4a7c15ULL;
  word = (word ^ word >> 33) * 0xff51afd7ed558ccdULL;
  word = (word ^ word >> 33) * 0xc4ceb9fe1a85ec53ULL;
  return word ^ word >> 33;
}

/// The last records, where the host can read them while the device writes: a record is complete if
/// its seal, a sum of all its words, is right. So the device need not wait before it writes that.
struct RecordRing {
  static constexpr std::int64_t kSize = 256;
  using Word = std::uint64_t;
  static constexpr int kWords = int(sizeof(Record) / sizeof(Word));
  static_assert(sizeof(Record) % sizeof(Word) == 0);

  struct Slot {
    Record record;
    Word seal = 0;
  };
  Slot slots[kSize];

  static Word seal(const Record& record) {
    Word words[kWords], sum = 0;
    std::memcpy(words, &record, sizeof record);
    for (int i = 0; i < kWords; ++i) sum += sealed(words[i], i);
    return sum;
  }
  void put(const Record& record) { slots[record.step % kSize] = {record, seal(record)}; }
  /// A copy of a slot that a device may write meanwhile, word by word.
  static Slot copy(const Slot& slot) {
    typedef Word __attribute__((may_alias)) Bits;
    static_assert(sizeof(Slot) == (kWords + 1) * sizeof(Word));
    const Bits* const from = reinterpret_cast<const Bits*>(&slot);
    Word words[kWords + 1];
    for (int i = 0; i <= kWords; ++i) words[i] = __atomic_load_n(from + i, __ATOMIC_RELAXED);
    Slot out;
    std::memcpy(static_cast<void*>(&out), words, sizeof out);
    return out;
  }
  /// The step of the record at a step's place, complete or not.
  std::int64_t step_at(std::int64_t step) const {
    return __atomic_load_n(&slots[step % kSize].record.step, __ATOMIC_RELAXED);
  }
};

}  // namespace agmohd
