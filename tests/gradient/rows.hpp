// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parameters for transforms by rows.

#include <vector>

#include "samples.hpp"

namespace contract {

/// Beside those of the contract: rows of several pieces, contiguous, strided, of one element; one
/// row; a long vector; a tensor that is not dense; more tensors than one, so that rows are counted
/// on.
inline std::vector<at::Tensor> row_parameters(at::ScalarType dtype) {
  std::vector<at::Tensor> out = parameters(dtype, 2);
  int seed = 100;
  const auto add = [&](const at::Tensor& x) {
    out.push_back(x.to(dtype).detach().requires_grad_());
  };
  add(random({3, 10'000}, seed++));
  add(random({5'000, 3}, seed++).t());
  add(random({20'000}, seed++));
  add(random({300, 1}, seed++));
  add(random({1, 300}, seed++));
  add(random({4, 5, 6}, seed++).permute({1, 2, 0}));
  add(random({6, 40}, seed++).narrow(1, 3, 30));
  return out;
}

}  // namespace contract
