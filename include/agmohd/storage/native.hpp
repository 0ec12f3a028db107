// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "storage.hpp"

namespace agmohd::storage {

/// State in the type that it is computed in: float, for float64 parameters double.
struct Native {
  struct Options {};
  struct Key {};
  using Float = float;
  static constexpr auto fields = describe();
  static const char* name() { return "Native"; }

  AGMOHD_HD static Key key(const Options&, std::int64_t /*updates*/, std::int32_t /*index*/) {
    return {};
  }
  AGMOHD_HD static bool rounds(const Key&) { return false; }
  template <class R>
  AGMOHD_HD static R rounded(R x, const Key&, std::int64_t /*element*/, int /*slot*/) {
    return x;
  }
};
static_assert(Storage<Native>);

}  // namespace agmohd::storage
