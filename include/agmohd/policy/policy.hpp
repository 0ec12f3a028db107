// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "field.hpp"
#include "number.hpp"
#include "signals.hpp"

namespace agmohd {

/// What every policy has: `Options` (an aggregate with the defaults), `fields` (its list),
/// `name()`, a text.
template <class P>
concept Policy = requires(typename P::Options options) {
  typename P::Options;
  P::fields;
  typename std::type_identity_t<decltype(P::name())>;
}
&&std::is_trivially_copyable_v<typename P::Options>;

/// Device memory of a policy: copied as bytes; into checkpoints by the names of its members, where
/// it lists them (policy/members.hpp).
template <class M>
concept PolicyMemory = std::is_trivially_copyable_v<M> && std::is_default_constructible_v<M> &&
    (std::is_empty_v<M> || sizeof(M) % 8 == 0);

// One concept a member, so that a diagnosis names the member that is missing.
namespace has {
template <class P>
concept Options = requires {
  typename P::Options;
};
template <class P>
concept fields = requires {
  P::fields;
};
template <class P>
concept name = requires {
  typename std::type_identity_t<decltype(P::name())>;
};
template <class P>
concept Memory = requires {
  typename P::Memory;
}
&&PolicyMemory<typename P::Memory>;
template <class P>
concept wants = requires {
  { P::wants } -> std::convertible_to<unsigned>;
};
}  // namespace has

namespace detail {

template <class...>
inline constexpr bool never = false;

/// What an option of a policy needs to have an effect, by the policy's optional `needs`; null if it
/// has one.
template <class P>
const char* needs(const typename P::Options& o, std::string_view name) {
  if constexpr (requires { P::needs(o, name); }) return P::needs(o, name);
  return nullptr;
}

/// Stands for a memory that a policy does not have.
struct NoMemory {};

/// What a policy remembers of each tensor: its member type TensorMemory; its family says when.
template <class P>
struct TensorMemory {
  using type = NoMemory;
};

}  // namespace detail

}  // namespace agmohd
