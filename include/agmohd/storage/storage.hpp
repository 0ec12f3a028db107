// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "../policy/element.hpp"
#include "../policy/policy.hpp"

namespace agmohd {

namespace has {
template <class S>
concept Float = requires {
  typename S::Float;
};
template <class S>
concept Key = requires {
  typename S::Key;
}
&&std::is_trivially_copyable_v<typename S::Key>;
template <class S>
concept key = requires(typename S::Options o) {
  { S::key(o, std::int64_t{}, std::int32_t{}) } -> std::same_as<typename S::Key>;
};
template <class S>
concept rounded = requires(const typename S::Key& k) {
  { S::rounds(k) } -> std::same_as<bool>;
  { S::rounded(1.0F, k, std::int64_t{}, 0) } -> std::same_as<float>;
  { S::rounded(1.0, k, std::int64_t{}, 0) } -> std::same_as<double>;
};
}  // namespace has

/// How slots lie in memory: as `Float` (float or Bf16), for float64 parameters always as double.
/// `key(options, updates, index)` makes a Key once a step and tensor, `index` being the parameter's
/// number over all groups. If rounds(key), then rounded(x, key, element, slot) is stored in the
/// place of x. A storage with Bf16 also has `rounded_bits`, the same for vectors of floats.
/// There is no third Float: allocation (state_type in tensor/validate.hpp) and the backends' loads
/// and stores know these two.
template <class S>
concept Storage = Policy<S> && has::Float<S> && has::Key<S> && has::key<S> && has::rounded<S>;

namespace detail {

template <class StoragePolicy>
struct CheckStorage {
  static_assert(has::Options<StoragePolicy>, "agmohd: the storage has no member type Options");
  static_assert(has::fields<StoragePolicy>, "agmohd: the storage has no static member fields");
  static_assert(has::name<StoragePolicy>, "agmohd: the storage has no static function name()");
  static_assert(has::Float<StoragePolicy>, "agmohd: the storage has no member type Float");
  static_assert(has::Key<StoragePolicy>,
                "agmohd: the storage has no member type Key, trivially copyable");
  static_assert(has::key<StoragePolicy>,
                "agmohd: the storage has no static function key(options, updates, index)");
  static_assert(
      has::rounded<StoragePolicy>,
      "agmohd: the storage has no static functions rounds(key) and rounded(x, key, element, slot)");
  static_assert(std::is_same_v<typename StoragePolicy::Float, float> ||
                    std::is_same_v<typename StoragePolicy::Float, Bf16>,
                "agmohd: the storage's Float is neither float nor agmohd::Bf16");
  static_assert(agmohd::Storage<StoragePolicy>,
                "agmohd: an argument of Recipe is not a storage; see agmohd/storage/storage.hpp");
  static constexpr bool passed = true;
};

}  // namespace detail

}  // namespace agmohd
