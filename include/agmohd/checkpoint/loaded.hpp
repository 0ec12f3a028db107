// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <torch/serialize/archive.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "../tensor/validate.hpp"
#include "../torch/accumulation.hpp"
#include "../torch/load_report.hpp"
#include "../torch/options.hpp"
#include "../torch/param_state.hpp"

namespace agmohd::checkpoint {

/// What a checkpoint holds, read and checked, before any of it takes effect.
template <class Recipe>
struct Loaded {
  std::vector<Options<Recipe>> groups;
  std::vector<std::pair<void*, std::unique_ptr<ParamState<Recipe>>>> states;
  Options<Recipe> options;
  typename Recipe::Memory memory{};
  Accumulation::Saved accumulation;  ///< empty where the recipe does not accumulate
  Report report;
};

/// A number that was saved as a tensor.
template <class = void>
std::int64_t read_count(torch::serialize::InputArchive& archive, const char* key) {
  at::Tensor x;
  archive.read(key, x);
  TORCH_CHECK(within_storage(x).numel() == 1 && x.scalar_type() == at::kLong, detail::classic,
              "agmohd: the checkpoint is damaged: ", key, " is not a number");
  return x.item<std::int64_t>();
}

/// Gives a tensor of a state storage of its own: what was read may be shared, or used for another
/// load.
template <class = void>
void take(at::Tensor& x, const at::Tensor& param, at::IntArrayRef sizes, const char* name,
          Place place, at::Device device) {
  validate_slot(x, param, sizes, name, place);
  if (x.defined()) x = x.detach().to(device, /*non_blocking=*/false, /*copy=*/true);
}

}  // namespace agmohd::checkpoint
