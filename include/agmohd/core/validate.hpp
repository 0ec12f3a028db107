// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <cstddef>
#include <optional>
#include <ostream>
#include <type_traits>

#include "classic.hpp"
#include "elements.hpp"

namespace agmohd {

/// Where a parameter stands, for messages.
struct Place {
  std::size_t group, position;
  friend std::ostream& operator<<(std::ostream& out, const Place& p) {
    return out << "parameter " << p.position << " of group " << p.group;
  }
};

inline std::optional<Dtype> dtype_of(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return Dtype::f32;
    case at::kDouble:
      return Dtype::f64;
    case at::kBFloat16:
      return Dtype::bf16;
    case at::kHalf:
      return Dtype::f16;
    default:
      return std::nullopt;
  }
}

/// The dtype of a slot of a parameter.
template <class Storage>
at::ScalarType state_type(const at::Tensor& param) {
  if (param.scalar_type() == at::kDouble) return at::kDouble;
  return std::is_same_v<typename Storage::Float, Bf16> ? at::kBFloat16 : at::kFloat;
}

/// Throws c10::Error unless `param` is a tensor that an optimizer can update.
inline void validate_param(const at::Tensor& param, const Place& place) {
  TORCH_CHECK(param.defined(), detail::classic, "agmohd: ", place, " is an undefined tensor");
  TORCH_CHECK(param.layout() == at::kStrided, detail::classic, "agmohd: ", place, " has layout ",
              param.layout(), ", but it must be strided (dense)");
  TORCH_CHECK(dtype_of(param.scalar_type()), detail::classic, "agmohd: ", place, " has dtype ",
              param.scalar_type(), ", but it must be Float, Double, BFloat16 or Half");
  TORCH_CHECK(param.is_leaf(), detail::classic, "agmohd: can't optimize a non-leaf Tensor: ", place,
              " is the result of an operation; pass the tensor that requires the gradient itself");
  if (param.is_non_overlapping_and_dense()) return;
  for (std::int64_t d = 0; d < param.dim(); ++d) {
    TORCH_CHECK(param.stride(d) != 0 || param.size(d) <= 1, detail::classic, "agmohd: ", place,
                " is expanded (dimension ", d,
                " has stride 0): several of its elements share memory; pass a contiguous copy");
  }
}

inline void validate_grad(const at::Tensor& param, const at::Tensor& grad, const Place& place) {
  TORCH_CHECK(grad.layout() == at::kStrided, detail::classic, "agmohd: the gradient of ", place,
              " has layout ", grad.layout(),
              ", but it must be strided (dense): call to_dense(), or build the embedding with "
              "sparse(false)");
  TORCH_CHECK(grad.scalar_type() == param.scalar_type(), detail::classic,
              "agmohd: the gradient of ", place, " has dtype ", grad.scalar_type(),
              ", but it must be that of the parameter, ", param.scalar_type());
  TORCH_CHECK(grad.device() == param.device(), detail::classic, "agmohd: the gradient of ", place,
              " is on ", grad.device(), ", but it must be where the parameter is, on ",
              param.device());
  TORCH_CHECK(grad.sizes() == param.sizes(), detail::classic, "agmohd: the gradient of ", place,
              " has shape ", grad.sizes(), ", but it must be that of the parameter, ",
              param.sizes());
}

inline void validate_slot(const at::Tensor& slot, const at::Tensor& param, const char* name,
                          const Place& place) {
  if (!slot.defined()) return;
  TORCH_CHECK(slot.sizes() == param.sizes(), detail::classic, "agmohd: the state ", name, " of ",
              place, " has shape ", slot.sizes(), ", but it must be that of the parameter, ",
              param.sizes());
  TORCH_CHECK(slot.layout() == at::kStrided && at::isFloatingType(slot.scalar_type()),
              detail::classic, "agmohd: the state ", name, " of ", place, " is ", slot.layout(),
              " ", slot.scalar_type(), ", but it must be a strided tensor of a floating dtype");
}

inline bool is_dense(const at::Tensor& x) { return x.is_non_overlapping_and_dense(); }

/// A tensor as it came out of a file. LibTorch takes sizes, strides and offset from there without
/// comparing them with the storage: a damaged file may claim more than it holds.
inline at::Tensor within_storage(const at::Tensor& x) {
  if (!x.defined()) return x;
  bool fine = x.layout() == at::kStrided && x.storage_offset() >= 0;
  double last = fine ? double(x.storage_offset()) : 0;
  for (std::int64_t d = 0; fine && d < x.dim(); ++d) {
    fine = x.size(d) >= 0 && x.stride(d) >= 0;
    last += double(x.size(d) - 1) * double(x.stride(d));
  }
  TORCH_CHECK(fine && (x.numel() == 0 ||
                       (last + 1) * double(x.element_size()) <= double(x.storage().nbytes())),
              "agmohd: the checkpoint is damaged: a tensor of it is larger than what it holds");
  return x;
}

/// Whether two tensors of one shape lie in memory in the same order. The strides of dimensions of
/// size 1 do not count: convolutions return weight gradients that differ in those alone.
inline bool same_order(const at::Tensor& a, const at::Tensor& b) {
  if (a.strides() == b.strides() || a.numel() == 0) return true;
  for (std::int64_t d = 0; d < a.dim(); ++d) {
    if (a.size(d) != 1 && a.stride(d) != b.stride(d)) return false;
  }
  return true;
}

/// Whether a gradient can be read where it lies, in the order of its parameter.
inline bool readable(const at::Tensor& grad, const at::Tensor& param) {
  return same_order(grad, param) && !grad.is_neg();
}

/// An uninitialised dense tensor in the memory order of `param`.
inline at::Tensor layout_of(const at::Tensor& param, std::optional<at::ScalarType> type = {}) {
  const auto options = param.options().requires_grad(false);
  return at::empty_like(param, type ? options.dtype(*type) : options, at::MemoryFormat::Preserve);
}

/// Whether `slot` lies in memory as the lanes expect the state of `param`, but for the device.
inline bool ordered_as(const at::Tensor& slot, const at::Tensor& param, at::ScalarType type) {
  if (slot.scalar_type() != type || !is_dense(slot)) return false;
  return is_dense(param) ? same_order(slot, param) : same_order(slot, layout_of(param, type));
}
inline bool fits(const at::Tensor& slot, const at::Tensor& param, at::ScalarType type) {
  return slot.device() == param.device() && ordered_as(slot, param, type);
}

}  // namespace agmohd
