// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Optimizers under test, all that they hold, and what any of them must do.

#include <gtest/gtest.h>
#include <torch/serialize.h>

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tensors.hpp"

namespace contract {

template <class Recipe, std::size_t I>
consteval auto slot_name() {
  constexpr std::string_view name = agmohd::States<Recipe>::names[I];
  char text[name.size() + 1] = {};
  std::copy(name.begin(), name.end(), text);
  return agmohd::FixedString(text);
}

/// All that an optimizer holds that training depends on: copies of its parameters, their states and
/// steps, its count of updates. Reads only what is const, so that it does not disturb what it looks
/// at.
struct Snapshot {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  std::vector<std::int64_t> steps;
  std::int64_t updates = 0;
};

template <class Recipe>
Snapshot snapshot(const agmohd::Optimizer<Recipe>& optimizer) {
  using State = agmohd::ParamState<Recipe>;
  Snapshot out;
  out.updates = optimizer.updates();
  for (const auto& group : optimizer.param_groups()) {
    for (const at::Tensor& param : group.params()) {
      const std::string name = "parameter " + std::to_string(out.steps.size());
      out.tensors.emplace_back(name, param.detach().clone());
      const auto found = optimizer.state().find(param.unsafeGetTensorImpl());
      if (found == optimizer.state().end()) {
        out.steps.push_back(0);
        continue;
      }
      const auto& state = static_cast<const State&>(*found->second);
      out.steps.push_back(state.step());
      [&]<std::size_t... I>(std::index_sequence<I...>) {
        const auto add = [&](const char* slot, const at::Tensor& value) {
          out.tensors.emplace_back(name + " " + slot,
                                   value.defined() ? value.clone() : at::Tensor());
        };
        (add(agmohd::States<Recipe>::names[I], state.template get<slot_name<Recipe, I>()>()), ...);
      }
      (std::make_index_sequence<agmohd::States<Recipe>::count>{});
    }
  }
  return out;
}

inline void expect_same(const Snapshot& a, const Snapshot& b) {
  EXPECT_EQ(a.steps, b.steps);
  EXPECT_EQ(a.updates, b.updates);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    EXPECT_EQ(a.tensors[i].first, b.tensors[i].first);
    EXPECT_TRUE(same_bits(a.tensors[i].second, b.tensors[i].second)) << a.tensors[i].first;
  }
}

inline void expect_close(const Snapshot& a, const Snapshot& b, double bound) {
  EXPECT_EQ(a.steps, b.steps);
  EXPECT_EQ(a.updates, b.updates);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    const auto& [name, x] = a.tensors[i];
    const at::Tensor& y = b.tensors[i].second;
    ASSERT_EQ(x.defined(), y.defined()) << name;
    if (!x.defined() || x.numel() == 0) continue;
    const double difference = (x.to(at::kDouble) - y.to(at::kDouble)).norm().item<double>();
    EXPECT_LE(difference, bound * y.to(at::kDouble).norm().item<double>()) << name;
  }
}

inline bool all_finite(const Snapshot& s) {
  return std::all_of(s.tensors.begin(), s.tensors.end(), [](const auto& entry) {
    return !entry.second.defined() || entry.second.isfinite().all().template item<bool>();
  });
}

/// An optimizer of a recipe with parameters of its own; `options` sets what is under test.
template <class Recipe>
struct Trained {
  using Optimizer = agmohd::Optimizer<Recipe>;
  using Options = typename Optimizer::Options;

  std::vector<at::Tensor> params;
  Optimizer optimizer;

  explicit Trained(const Options& options, at::ScalarType dtype = at::kFloat,
                   bool reference = false, std::vector<at::Tensor> given = {})
      : params(given.empty() ? parameters(dtype) : std::move(given)), optimizer(params, options) {
    if (reference) optimizer.use_tensor_backend();
  }
  Trained& run(std::int64_t begin, std::int64_t end, double scale = 1) {
    for (std::int64_t step = begin; step < end; ++step) {
      set_gradients(params, step, scale);
      optimizer.step();
    }
    return *this;
  }
  Snapshot now() const { return snapshot(optimizer); }
};

/// Training goes on bit for bit after a checkpoint.
template <class Recipe>
void expect_resumes(const typename Trained<Recipe>::Options& options, at::ScalarType dtype) {
  Trained<Recipe> whole(options, dtype), first(options, dtype);
  whole.run(0, 7);
  first.run(0, 4);
  std::stringstream file;
  torch::save(first.optimizer, file);
  std::vector<at::Tensor> copies;
  for (const at::Tensor& param : first.params) {
    copies.push_back(param.detach().clone().requires_grad_());
  }
  Trained<Recipe> second(typename Trained<Recipe>::Options(options).lr(123.0), dtype, false,
                         copies);
  torch::load(second.optimizer, file);
  expect_same(second.now(), first.now());
  expect_same(second.run(4, 7).now(), whole.now());
}

/// The CPU's sweep and the reference do the same.
template <class Recipe>
void expect_backends_agree(const typename Trained<Recipe>::Options& options, double scale = 1) {
  for (const at::ScalarType dtype : kDtypes) {
    SCOPED_TRACE(c10::toString(dtype));
    Trained<Recipe> cpu(options, dtype), reference(options, dtype, true);
    expect_close(cpu.run(0, 8, scale).now(), reference.run(0, 8, scale).now(), epsilon(dtype));
  }
}

}  // namespace contract
