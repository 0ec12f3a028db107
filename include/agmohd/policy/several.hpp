// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <type_traits>

#include "field.hpp"
#include "fixed_string.hpp"
#include "memory_pair.hpp"
#include "name.hpp"
#include "policy.hpp"

namespace agmohd::detail {

/// Several policies of one family in written order, the base of what composes them: their options,
/// the first one's before those of the others, and what they remember of each tensor.
template <class...>
struct Several {
  struct Options {};
  using TensorMemory = NoMemory;
  static constexpr auto fields = describe();
  static void check(const Options&) {}
  static const char* needs(const Options&, std::string_view) { return nullptr; }
  static void each_tensor_memory(NoMemory, auto&&) {}
};

template <class H, class... L>
struct Several<H, L...> {
  using Others = Several<L...>;
  struct Options {
    typename H::Options head{};
    typename Others::Options rest{};
  };
  using TensorMemories =
      MemoryPair<typename detail::TensorMemory<H>::type, typename Others::TensorMemory>;
  using TensorMemory = typename TensorMemories::type;
  static constexpr auto fields =
      describe(nested(&Options::head, H::fields), nested(&Options::rest, Others::fields));

  static void check(const Options& o) {
    if constexpr (requires { H::check(o.head); }) H::check(o.head);
    Others::check(o.rest);
  }
  static const char* needs(const Options& o, std::string_view name) {
    return position(H::fields, name) < H::fields.size ? detail::needs<H>(o.head, name)
                                                      : Others::needs(o.rest, name);
  }
  /// The names of the policies, with commas between.
  template <class Text>
  static Text names() {
    return name_of<Text, H, L...>("");
  }
  /// Calls f(name, memory) for each policy that remembers something of a tensor.
  static void each_tensor_memory(auto&& m, auto&& f) {
    if constexpr (!std::is_empty_v<typename detail::TensorMemory<H>::type>) {
      f(H::name(), TensorMemories::head(m));
    }
    Others::each_tensor_memory(TensorMemories::rest(m), f);
  }
};

}  // namespace agmohd::detail
