// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tensors that an optimizer cannot take.

#include <ATen/FunctionalTensorWrapper.h>
#include <ATen/functorch/BatchedTensorImpl.h>
#include <torch/torch.h>

#include <vector>

#include "harmless.hpp"

namespace testing_errors {

/// Tensors of LibTorch whose elements do not simply lie in memory.
inline at::Tensor functional() {
  return at::functionalization::impl::to_functional_tensor(at::ones({3, 4}));
}
inline at::Tensor batched() { return at::functorch::makeBatched(at::ones({3, 4, 2}), 2, 1); }
inline at::Tensor dispatched_to_python() {
  const at::Tensor x = at::ones({3, 4});
  x.unsafeGetTensorImpl()->set_python_dispatch(true);
  return x;
}
inline at::Tensor nested() { return torch::nested::nested_tensor({at::ones({2}), at::ones({3})}); }
inline at::Tensor freed() {
  const at::Tensor x = at::ones({3, 4});
  x.storage().unsafeGetStorageImpl()->set_data_ptr(at::DataPtr(nullptr, at::kCPU));
  x.storage().unsafeGetStorageImpl()->set_nbytes(0);
  return x;
}
inline at::Tensor meta() { return at::empty({3, 4}, at::kMeta); }
inline at::Tensor zero(at::IntArrayRef sizes = {3, 4}) {
  return at::_efficientzerotensor(sizes, at::kFloat);
}

struct BadParameter {
  at::Tensor tensor;
  Texts texts;
};

/// What neither a parameter, nor its gradient or state, can be.
inline std::vector<BadParameter> bad_tensors() {
  return {
      {nested(), {"dispatch key NestedTensor", "must be a plain tensor"}},
      {functional(), {"dispatch key Functionalize", "must be a plain tensor"}},
      {batched(), {"dispatch key FuncTorchBatched", "must be a plain tensor"}},
      {dispatched_to_python(), {"dispatch key Python", "must be a plain tensor"}},
      {at::ones({3, 4}).to_sparse(), {"layout Sparse", "must be strided"}},
      {at::ones({3, 4}).to_sparse_csr(), {"layout SparseCsr", "must be strided"}},
      {at::ones({3, 4}).to_mkldnn(), {"layout Mkldnn", "must be strided"}},
      {at::quantize_per_tensor(at::ones({3, 4}), 0.1, 0, at::kQInt8), {"dtype QInt8"}},
      {at::empty({3, 4}, at::kComplexHalf), {"dtype ComplexHalf"}},
      {freed(), {"byte 48", "storage of 0 bytes"}},
  };
}

}  // namespace testing_errors
