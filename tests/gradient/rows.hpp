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

/// In a recipe with other policies: the reference agrees, threads do not matter, and it resumes.
/// `parameters`: makes those of a dtype.
template <class Tested, class Parameters>
void expect_joins(const typename Trained<Tested>::Options& options, const Parameters& parameters,
                  const std::vector<at::ScalarType>& dtypes = {at::kFloat}) {
  using One = Trained<Tested>;
  for (const at::ScalarType dtype : dtypes) {
    SCOPED_TRACE(c10::toString(dtype));
    One cpu(options, dtype, false, parameters(dtype));
    One reference(options, dtype, true, parameters(dtype));
    cpu.run(0, 3);
    expect_close(cpu.now(), reference.run(0, 3).now(), epsilon(dtype));
    const Threads one(1);
    One alone(options, dtype, false, parameters(dtype));
    expect_same(alone.run(0, 3).now(), cpu.now());
  }
  expect_resumes<Tested>(options, at::kFloat);
}

}  // namespace contract
