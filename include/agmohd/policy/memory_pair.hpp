// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "number.hpp"

namespace agmohd::detail {

/// Two memories in one type, in which an empty one takes no bytes: a member of an empty type would
/// take 8, for which one would use [[no_unique_address]], if nvcc laid it out as the host does.
template <class A, class B>
struct MemoryPair {
  struct Both {
    A head{};
    B rest{};
  };
  using type =
      std::conditional_t<std::is_empty_v<A>, B, std::conditional_t<std::is_empty_v<B>, A, Both>>;

  /// The first memory of a pair: a reference, or a value if it is empty. rest(): the second.
  template <class M>
  AGMOHD_HD static decltype(auto) head(M& memory) {
    if constexpr (std::is_empty_v<A>) {
      return A{};
    } else if constexpr (std::is_empty_v<B>) {
      return (memory);
    } else {
      return (memory.head);
    }
  }
  template <class M>
  AGMOHD_HD static decltype(auto) rest(M& memory) {
    if constexpr (std::is_empty_v<B>) {
      return B{};
    } else if constexpr (std::is_empty_v<A>) {
      return (memory);
    } else {
      return (memory.rest);
    }
  }
};

}  // namespace agmohd::detail
