// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/number.hpp"

namespace agmohd {

/// Where the two snapshots of a tensor lie: the parameter, then its slots, then the averages in the
/// place of a slot. Null: nowhere.
template <class Recipe, bool keeps_snapshots = Recipe::keeps_snapshots>
struct SnapshotRefs {
  void* at[2][1 + Recipe::slot_count + Recipe::factor_count] = {};

  /// Of a tensor of `numel` elements: whether it has room for snapshots.
  AGMOHD_HD bool room(std::int64_t numel) const { return numel == 0 || at[0][0] != nullptr; }
};
template <class Recipe>
struct SnapshotRefs<Recipe, false> {
  AGMOHD_HD bool room(std::int64_t) const { return false; }
};

}  // namespace agmohd
