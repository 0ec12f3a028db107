// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "../cuda/host/lerp.hpp"
#include "../tensor/overlap.hpp"
#include "../tensor/same_kind.hpp"
#include "../tensor/validate.hpp"

namespace agmohd::wrap::detail {

/// averages <- averages + weight (params - averages), as at::lerp; then, where asked for, params <-
/// averages. Complex tensors by their parts. CUDA tensors take one launch a device if its kernel
/// was compiled (agmohd_add_kernels(<target> WRAP)), all others LibTorch's _foreach functions. Of
/// parameters that are written, those that share memory count as others: blocks of one launch would
/// read what another has written.
class Lerp {
 public:
  void run(const std::vector<at::Tensor>& averages, const std::vector<at::Tensor>& params,
           double weight, bool write = false) {
    const auto* const kernels =
        static_cast<const cuda::LerpKernels*>(cuda::Registry::find(cuda::lerp_key()));
    std::map<int, std::vector<std::size_t>> of_device;
    std::vector<agmohd::detail::SameKind> others;
    std::vector<char> shares(params.size(), 0);
    if (kernels != nullptr && write) shares = sharing_memory(params);
    for (std::size_t i = 0; i < params.size(); ++i) {
      if (kernels != nullptr && shares[i] == 0 && fits(averages[i], params[i])) {
        of_device[params[i].get_device()].push_back(i);
      } else {
        agmohd::detail::add_by_kind(others, params[i], averages[i]);
      }
    }
    for (const auto& [device, which] : of_device) {
      std::vector<cuda::LerpTensor> tensors;
      for (const std::size_t i : which) {
        tensors.push_back({averages[i].mutable_data_ptr(), address(params[i], write),
                           part_count(params[i]), *part_dtype(averages[i].scalar_type()),
                           *part_dtype(params[i].scalar_type())});
      }
      if (on_device_.try_emplace(device, device, *kernels)
              .first->second.run(tensors, weight, write)) {
        for (const std::size_t i : which) {
          bump_version(averages[i]);
          if (write) bump_version(params[i]);
        }
      } else {
        for (const std::size_t i : which) {
          agmohd::detail::add_by_kind(others, params[i], averages[i]);
        }
      }
    }
    for (agmohd::detail::SameKind& some : others) {
      agmohd::detail::take_parts(some);
      at::_foreach_lerp_(some.others, agmohd::detail::in_dtype_of(some.others, some.params),
                         weight);
      if (write) at::_foreach_copy_(some.params, some.others);
    }
  }

 private:
  static bool fits(const at::Tensor& average, const at::Tensor& param) {
    if (!param.is_cuda() || average.device() != param.device()) return false;
    if (!is_plain(average) || !is_plain(param) || average.is_complex() != param.is_complex()) {
      return false;
    }
    const auto a = part_dtype(average.scalar_type()), p = part_dtype(param.scalar_type());
    return a && p && (a == p || (a == Dtype::f32 && p != Dtype::f64)) &&
           average.strides() == param.strides() && param.is_non_overlapping_and_dense();
  }
  /// Which of them share memory with another one.
  static std::vector<char> sharing_memory(const std::vector<at::Tensor>& params) {
    std::vector<Extent> extents;
    for (std::size_t i = 0; i < params.size(); ++i) {
      if (!params[i].is_cuda() || !is_plain(params[i])) continue;
      extents.emplace_back(params[i], params[i].const_data_ptr(), std::int32_t(i), 0);
    }
    std::vector<char> out(params.size(), 0);
    for_each_overlap(extents, [&](const Extent& a, const Extent& b) {
      out[std::size_t(a.owner)] = out[std::size_t(b.owner)] = 1;
    });
    return out;
  }
  /// Inference tensors have no version.
  static void bump_version(const at::Tensor& x) {
    if (!x.is_inference()) x.unsafeGetTensorImpl()->bump_version();
  }
  static void* address(const at::Tensor& param, bool written) {
    return written ? param.mutable_data_ptr() : const_cast<void*>(param.const_data_ptr());
  }

  std::map<int, cuda::Lerp> on_device_;
};

}  // namespace agmohd::wrap::detail
