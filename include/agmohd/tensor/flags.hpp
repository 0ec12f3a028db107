// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/DispatchKeySet.h>

#include <cstdint>

// What LibTorch marks on a tensor with dispatch keys: whether its memory holds its elements.
namespace agmohd {

namespace detail {

using c10::DispatchKey;
using c10::DispatchKeySet;

/// Keys of a tensor whose elements lie in its memory, whatever the backend.
inline constexpr DispatchKeySet kPlainKeys =
    DispatchKeySet(
        DispatchKeySet::RAW,
        (std::uint64_t{1} << std::uint64_t(c10::BackendComponent::EndOfBackendKeys)) - 1) |
    c10::autocast_dispatch_keyset |
    DispatchKeySet({DispatchKey::Dense, DispatchKey::ADInplaceOrView,
                    DispatchKey::AutogradFunctionality, DispatchKey::AutogradOther});
/// Those that a copy resolves: the elements of x are in memory those of -x or conj(x), or all zero
/// and not in memory.
inline constexpr DispatchKeySet kLazyKeys =
    DispatchKeySet({DispatchKey::Negative, DispatchKey::Conjugate, DispatchKey::ZeroTensor});
/// Those that say no more than layout, dtype and the key NestedTensor do.
inline constexpr DispatchKeySet kLayoutKeys =
    DispatchKeySet({DispatchKey::Sparse, DispatchKey::SparseCsr, DispatchKey::MkldnnCPU,
                    DispatchKey::Quantized, DispatchKey::AutogradNestedTensor});

inline std::uint64_t keys_beside(const at::Tensor& x, DispatchKeySet known) {
  return x.key_set().raw_repr() & ~known.raw_repr();
}

}  // namespace detail

/// Whether the elements of a strided tensor are what lies in its memory.
inline bool is_plain(const at::Tensor& x) {
  return detail::keys_beside(x, detail::kPlainKeys) == 0;
}

/// The key of a tensor that is a wrapper around others, such as those of functorch and of
/// functionalization, or whose operators Python implements, or that is nested. Undefined: none.
inline c10::DispatchKey foreign_key(const at::Tensor& x) {
  using namespace detail;
  const auto known = kPlainKeys | kLazyKeys | kLayoutKeys;
  return DispatchKeySet(DispatchKeySet::RAW, keys_beside(x, known)).highestFunctionalityKey();
}

}  // namespace agmohd
