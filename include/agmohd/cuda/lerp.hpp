// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/element.hpp"
#include "registry.hpp"

// The kernel of wrap/: averages, and slow weights, beside parameters.
namespace agmohd::cuda {

/// A tensor and its average, dense and of the same strides. The average has the dtype of the
/// parameter or is f32.
struct LerpTensor {
  void* average;
  void* param;
  std::int64_t numel;
  Dtype average_dtype, param_dtype;

  friend bool operator==(const LerpTensor&, const LerpTensor&) = default;
};

/// average <- average + weight (param - average); with `write` then param <- average, where both
/// have the same dtype. A block for each of `chunks`, which are of `chunk_elements`.
struct LerpView {
  const LerpTensor* tensors;
  const ChunkRef* chunks;
  int chunk_elements;
  double weight;
  bool write;
};

struct LerpKernels {
  void (*lerp)(LerpView);
  const Runtime* runtime;
};

inline Registry::Key lerp_key() {
  return {"agmohd::wrap",
          {AGMOHD_VERSION_MAJOR, AGMOHD_VERSION_MINOR, AGMOHD_VERSION_PATCH, sizeof(LerpView),
           sizeof(LerpTensor), sizeof(LerpKernels), sizeof(Runtime)}};
}

}  // namespace agmohd::cuda
