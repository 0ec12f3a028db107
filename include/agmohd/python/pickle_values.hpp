// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <ATen/core/ivalue.h>

#include <bit>
#include <string_view>

// What pickles of Python's torch.save hold, and by which names.
namespace agmohd {

namespace python {

using Dict = c10::impl::GenericDict;
using List = c10::impl::GenericList;

/// An empty dictionary, an empty list: what write() writes as Python's dict and list.
inline Dict dict() { return Dict(c10::AnyType::get(), c10::AnyType::get()); }
inline List list() { return List(c10::AnyType::get()); }

}  // namespace python

namespace checkpoint {

/// By which class a file names the dtype of a tensor.
struct TypedStorage {
  std::string_view name;
  at::ScalarType dtype;
};
inline constexpr TypedStorage kTypedStorages[] = {
    {"torch.FloatStorage", at::kFloat},
    {"torch.DoubleStorage", at::kDouble},
    {"torch.BFloat16Storage", at::kBFloat16},
    {"torch.HalfStorage", at::kHalf},
    {"torch.LongStorage", at::kLong},
    {"torch.IntStorage", at::kInt},
    {"torch.ShortStorage", at::kShort},
    {"torch.CharStorage", at::kChar},
    {"torch.ByteStorage", at::kByte},
    {"torch.BoolStorage", at::kBool},
    {"torch.ComplexFloatStorage", at::kComplexFloat},
    {"torch.ComplexDoubleStorage", at::kComplexDouble}};
inline constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor_v2",
                                  kRebuildParameter = "torch._utils._rebuild_parameter",
                                  kOrderedDict = "collections.OrderedDict";
static_assert(std::endian::native == std::endian::little,
              "agmohd: pickles need a little-endian CPU");

}  // namespace checkpoint

}  // namespace agmohd
