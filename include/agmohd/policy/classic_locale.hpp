// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "compiler.hpp"

#include <locale>
#include <ostream>

namespace agmohd::detail {

/// First in a message: the numbers after it read the same in every country, 1234.5.
struct Classic {
  friend std::ostream& operator<<(std::ostream& out, Classic) {
    out.imbue(std::locale::classic());
    return out;
  }
};
inline constexpr Classic classic;

}  // namespace agmohd::detail
