// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <torch/optim/optimizer.h>
#include <torch/serialize/archive.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "../tensor/validate.hpp"
#include "../torch/options.hpp"
#include "../torch/state_access.hpp"
#include "loaded.hpp"

namespace agmohd::checkpoint {

/// Reads an archive of LibTorch before 1.5, which had no groups: lists of the states' tensors in
/// the order of the parameters. False: it is none.
template <class Recipe>
bool read_before_1_5(torch::serialize::InputArchive& archive,
                     const std::vector<torch::optim::OptimizerParamGroup>& current,
                     Loaded<Recipe>& out) {
  const std::map<std::string_view, const char*> lists{
      {"momentum_buffer", "momentum_buffers"},
      {"square_avg", "square_average_buffers"},
      {"grad_avg", "grad_average_buffers"},
      {"sum", "sum_buffers"},
      {"exp_avg", "exp_average_buffers"},
      {"exp_avg_sq", "exp_average_sq_buffers"},
      {"max_exp_avg_sq", "max_exp_average_sq_buffers"}};
  const auto list_of = [&](const std::string& name) {
    std::vector<at::Tensor> list;
    at::Tensor number;
    if (!archive.try_read(name + "/size", number)) return list;
    const std::int64_t size = read_count(archive, (name + "/size").c_str());
    TORCH_CHECK(
        !current.empty() && size >= 0 && size <= std::int64_t(current.front().params().size()),
        detail::classic, "agmohd: the checkpoint, of LibTorch before 1.5, has ", size, " ", name,
        ", but the first group of this optimizer has ",
        current.empty() ? 0 : current.front().params().size(), " parameters");
    for (std::int64_t i = 0; i < size; ++i) {
      at::Tensor tensor;  // read() writes into one that is defined
      archive.read(name + "/" + std::to_string(i), tensor, /*is_buffer=*/true);
      list.push_back(within_storage(tensor));
    }
    return list;
  };
  bool any = false;
  for (const char* const slot : Recipe::Rule::slot_names) {
    const auto old = lists.find(slot);
    at::Tensor size;
    any = any || (old != lists.end() && archive.try_read(std::string(old->second) + "/size", size));
  }
  if (!any) return false;
  for (std::size_t g = 0; g < current.size(); ++g) {
    out.groups.push_back(options_of<Recipe>(current[g], g));
  }
  const auto state_of = [&](std::size_t i) -> ParamState<Recipe>& {
    while (out.states.size() <= i) {
      out.states.emplace_back(current.front().params()[out.states.size()].unsafeGetTensorImpl(),
                              std::make_unique<ParamState<Recipe>>());
    }
    return *out.states[i].second;
  };
  const std::vector<at::Tensor> steps = list_of("step_buffers");
  for (std::size_t i = 0; i < steps.size(); ++i) {
    TORCH_CHECK(steps[i].numel() == 1, "agmohd: the checkpoint is damaged: step_buffers/", i,
                " is not a number");
    const auto step = steps[i].template item<std::int64_t>();
    state_of(i).step(step);
    out.memory.updates = std::max(out.memory.updates, step);
  }
  for (std::size_t j = 0; j < Recipe::Rule::slot_names.size(); ++j) {
    const char* const name = Recipe::Rule::slot_names[j];
    const auto old = lists.find(name);
    if (old == lists.end()) continue;
    std::vector<at::Tensor> list = list_of(old->second);
    for (std::size_t i = 0; i < list.size(); ++i) {
      const at::Tensor& param = current.front().params()[i];
      take(list[i], param, param.sizes(), name, Place{0, i}, param.device());
      state_of(i).for_each_slot([&](std::size_t k, at::Tensor& slot) {
        if (k == j) slot = list[i];
      });
    }
  }
  out.report.before_1_5 = true;
  return true;
}

}  // namespace agmohd::checkpoint
