// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "compiler.hpp"

#include <locale>
#include <ostream>

namespace agmohd::detail {

/// Streamed first into a message, so that its numbers do not depend on the program's locale:
/// 1234.5, never 1.234,5.
struct Classic {
  friend std::ostream& operator<<(std::ostream& out, Classic) {
    out.imbue(std::locale::classic());
    return out;
  }
};
inline constexpr Classic classic;

}  // namespace agmohd::detail
