// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <cstddef>
#include <optional>
#include <ostream>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "../step/rows.hpp"
#include "flags.hpp"
#include "overlap.hpp"
#include "parts.hpp"

// Most are templates without a real parameter: a unit that includes this, but has no optimizer,
// need not compile them.
namespace agmohd {

/// Where a parameter stands, for messages.
struct Place {
  std::size_t group, position;
  bool operator==(const Place&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Place& p) {
    return out << "parameter " << p.position << " of group " << p.group;
  }
};

/// The dtype of a slot of a parameter.
template <class Storage>
at::ScalarType state_type(const at::Tensor& param) {
  if (param.scalar_type() == at::kDouble || param.is_complex()) return param.scalar_type();
  return std::is_same_v<typename Storage::Float, Bf16> ? at::kBFloat16 : at::kFloat;
}

/// Throws c10::Error where the elements of a tensor cannot be found by strides. `what` and `place`:
/// whose it is, for the message.
template <class = void>
void validate_strided(const at::Tensor& x, const char* what, const Place& place,
                      const char* hint = "") {
  const c10::DispatchKey foreign = foreign_key(x);
  TORCH_CHECK(foreign == c10::DispatchKey::Undefined, detail::classic, "agmohd: ", what, place,
              " has the dispatch key ", foreign,
              ", but it must be a plain tensor, neither nested nor wrapped");
  TORCH_CHECK(x.layout() == at::kStrided, detail::classic, "agmohd: ", what, place, " has layout ",
              x.layout(), ", but it must be strided (dense)", hint);
}

/// Throws c10::Error unless a tensor of a floating dtype has memory for its elements, or needs
/// none.
template <class = void>
void validate_memory(const at::Tensor& x, const char* what, const Place& place) {
  TORCH_CHECK(!x.is_meta(), detail::classic, "agmohd: ", what, place,
              " is on the device meta, and has no memory");
  if (x._is_zerotensor() || x.numel() == 0) return;
  TORCH_CHECK(x.has_storage(), detail::classic, "agmohd: ", what, place, " is on the device ",
              x.device(), ", whose tensors have no memory that can be addressed");
  std::int64_t last = x.storage_offset();
  for (std::int64_t d = 0; d < x.dim(); ++d) last += (x.size(d) - 1) * x.stride(d);
  const std::size_t bytes = std::size_t(last + 1) * x.element_size();
  TORCH_CHECK(bytes <= x.storage().nbytes(), detail::classic, "agmohd: ", what, place,
              " reaches to byte ", bytes, " of a storage of ", x.storage().nbytes(), " bytes");
}

/// Throws c10::Error unless `param` is a tensor that an optimizer can update, or one without a
/// gradient, which it leaves alone: modules register indices and masks as parameters too.
template <class = void>
void validate_param(const at::Tensor& param, const Place& place) {
  TORCH_CHECK(param.defined(), detail::classic, "agmohd: ", place, " is an undefined tensor");
  if (!param.requires_grad() && !param.grad().defined()) return;
  validate_strided(param, "", place);
  TORCH_CHECK(part_dtype(param.scalar_type()), detail::classic, "agmohd: ", place, " has dtype ",
              param.scalar_type(),
              ", but it must be Float, Double, BFloat16 or Half, or ComplexFloat or ComplexDouble");
  TORCH_CHECK(param.is_leaf(), detail::classic, "agmohd: can't optimize a non-leaf Tensor: ", place,
              " is the result of an operation; pass the tensor that requires the gradient itself");
  TORCH_CHECK(!param._is_zerotensor(), detail::classic, "agmohd: ", place,
              " is a ZeroTensor, which has no memory to write to; pass a clone");
  validate_memory(param, "", place);
  if (param.is_non_overlapping_and_dense()) return;
  for (std::int64_t d = 0; d < param.dim(); ++d) {
    TORCH_CHECK(param.stride(d) != 0 || param.size(d) <= 1, detail::classic, "agmohd: ", place,
                " is expanded (dimension ", d,
                " has stride 0): several of its elements share memory; pass a contiguous copy");
  }
  TORCH_CHECK(!overlaps_itself(Extent(param, nullptr, 0, 0)), detail::classic, "agmohd: ", place,
              " has shape ", param.sizes(), " and strides ", param.strides(),
              ": several of its elements share memory; pass a contiguous copy");
}

/// The places of an optimizer's parameters, by tensor.
template <class = void>
class BasicFirstPlaces {
 public:
  /// Where `param` stands first. Throws c10::Error if that is in another group; of a second place
  /// in one group it warns, once.
  Place add(const at::Tensor& param, const Place& place) {
    const auto added = places_.try_emplace(param.unsafeGetTensorImpl(), place);
    const Place first = added.first->second;
    if (added.second) return place;
    TORCH_CHECK(first.group == place.group, detail::classic,
                "agmohd: some parameters appear in more than one parameter group: ", place,
                " is also ", first);
    TORCH_WARN_ONCE(detail::classic, "agmohd: ", place, " is also ", first,
                    ": it is updated once a step. torch.optim updates it once for each place.");
    return first;
  }
  /// Those of a group.
  void add(const std::vector<at::Tensor>& params, std::size_t group) {
    for (std::size_t i = 0; i < params.size(); ++i) add(params[i], Place{group, i});
  }

 private:
  std::unordered_map<const c10::TensorImpl*, Place> places_;
};
using FirstPlaces = BasicFirstPlaces<>;

/// Throws c10::Error unless a gradient, of any layout, has dtype, device and shape of its
/// parameter.
template <class = void>
void validate_as_param(const at::Tensor& param, const at::Tensor& grad, const Place& place) {
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

template <class = void>
void validate_grad(const at::Tensor& param, const at::Tensor& grad, const Place& place) {
  validate_strided(grad, "the gradient of ", place,
                   ": call to_dense(), or build the embedding with sparse(false)");
  validate_as_param(param, grad, place);
  validate_memory(grad, "the gradient of ", place);
}

/// `sizes`: the shape that it must have.
template <class = void>
void validate_slot(const at::Tensor& slot, const at::Tensor& param, at::IntArrayRef sizes,
                   const char* name, const Place& place) {
  if (!slot.defined()) return;
  const std::string what = std::string("the state ") + name + " of ";
  validate_strided(slot, what.c_str(), place);
  TORCH_CHECK(param.is_complex() ? slot.is_complex() : slot.is_floating_point(), detail::classic,
              "agmohd: ", what, place, " has dtype ", slot.scalar_type(), ", but it must be a ",
              param.is_complex() ? "complex" : "floating", " one");
  TORCH_CHECK(slot.sizes() == sizes, detail::classic, "agmohd: ", what, place, " has shape ",
              slot.sizes(), ", but it must be ",
              sizes == param.sizes() ? "that of the parameter, " : "", sizes);
  validate_memory(slot, what.c_str(), place);
}

inline bool is_dense(const at::Tensor& x) { return x.is_non_overlapping_and_dense(); }

/// A tensor as it came out of a file. LibTorch takes sizes, strides and offset from there without
/// comparing them with the storage: a damaged file may claim more than it holds.
template <class = void>
at::Tensor within_storage(const at::Tensor& x) {
  if (!x.defined()) return x;
  bool fine = x.layout() == at::kStrided && x.storage_offset() >= 0;
  double last = fine ? double(x.storage_offset()) : 0;
  for (std::int64_t d = 0; fine && d < x.dim(); ++d) {
    fine = x.size(d) >= 0 && x.stride(d) >= 0;
    last += double(x.size(d) - 1) * double(x.stride(d));
  }
  TORCH_CHECK(fine && (x.numel() == 0 ||
                       (last + 1) * double(x.element_size()) <= double(x.storage().nbytes())),
              detail::classic,
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
  return is_plain(grad) && same_order(grad, param);
}
/// Whether a parameter can be written where it lies, chunk by chunk.
inline bool writable(const at::Tensor& param) { return is_dense(param) && is_plain(param); }

/// An uninitialised dense tensor in the memory order of `param`.
inline at::Tensor layout_of(const at::Tensor& param, std::optional<at::ScalarType> type = {}) {
  const auto options = param.options().requires_grad(false);
  return at::empty_like(param, type ? options.dtype(*type) : options, at::MemoryFormat::Preserve);
}

/// The rows of a tensor in its memory order, or `whole`, as one row.
inline RowShape rows_of(const at::Tensor& x, bool whole) {
  const bool one = whole || x.dim() < 2 || x.size(0) < 2 || x.numel() == 0;
  if (one) return {1, std::max<std::int64_t>(x.numel(), 1), x.dim()};
  return {x.size(0), is_dense(x) ? x.stride(0) : layout_of(x).stride(0), x.dim()};
}

/// Whether `slot` lies in memory as the backends expect the state of `param`, but for the device.
inline bool ordered_as(const at::Tensor& slot, const at::Tensor& param, at::ScalarType type) {
  if (slot.scalar_type() != type || !is_dense(slot) || !is_plain(slot)) return false;
  return is_dense(param) ? same_order(slot, param) : same_order(slot, layout_of(param, type));
}
inline bool fits(const at::Tensor& slot, const at::Tensor& param, at::ScalarType type) {
  return slot.device() == param.device() && ordered_as(slot, param, type);
}

}  // namespace agmohd
