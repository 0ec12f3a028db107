// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "compiler.hpp"

#include <iosfwd>  // declares std::string in libstdc++ and libc++; kernel units need not define it

namespace agmohd::detail {

/// The name of a policy that is made of others, such as Warmup<Cosine>: `before`, then the names of
/// `Inner` with commas between; without `before` these names only. `Text` is std::string. It is a
/// template argument so that kernel units, which ask for no names, need not include <string>.
template <class Text, class... Inner>
Text name_of(const char* before) {
  Text out;
  ((out += (out.empty() ? "" : ","), out += Inner::name()), ...);
  return *before == 0 ? out : before + ("<" + out + ">");
}

}  // namespace agmohd::detail
