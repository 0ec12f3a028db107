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

namespace detail {

// As std::is_trivially_copyable and std::is_default_constructible, by what compilers have for them:
// those of std take ten times as long, and there are some of every policy.
template <class T>
concept TriviallyCopyable = __is_trivially_copyable(T);
template <class T>
concept DefaultConstructible = __is_constructible(T);

}  // namespace detail

/// What every policy has: `Options` (an aggregate with the defaults), `fields` (the list of these
/// options, see field.hpp) and `name()`.
template <class P>
concept Policy = requires(typename P::Options options) {
  typename P::Options;
  P::fields;
  typename std::type_identity_t<decltype(P::name())>;
}
&&detail::TriviallyCopyable<typename P::Options>;

/// What a policy remembers from step to step, in the memory of the device that runs it. It is
/// copied in words of 8 bytes. Checkpoints hold it by the names of its members, if it lists them
/// (policy/members.hpp), else as bytes.
template <class M>
concept PolicyMemory = detail::TriviallyCopyable<M> && detail::DefaultConstructible<M> &&
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

/// What else would have to be set for the option `name` to have an effect, such as "momentum above
/// 0"; null if it has one. By the policy's optional function of that name; programs are warned.
template <class P>
const char* needs(const typename P::Options& o, std::string_view name) {
  if constexpr (requires { P::needs(o, name); }) return P::needs(o, name);
  return nullptr;
}

/// Stands for the memory of a policy that has none.
struct NoMemory {};

/// M<P>, or where a recipe has no such memory an empty type.
template <bool has, template <class> class M, class P>
struct MemoryIf {
  using type = NoMemory;
};
template <template <class> class M, class P>
struct MemoryIf<true, M, P> {
  using type = M<P>;
};

/// What a policy remembers of each tensor: its member type TensorMemory, if it has the functions
/// that use one; gradient/gradient.hpp and hindrance/hindrance.hpp specialise this.
template <class P>
struct TensorMemory {
  using type = NoMemory;
};

}  // namespace detail

}  // namespace agmohd
