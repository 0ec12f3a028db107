// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// agmohd follows the golden files over 100 steps on fixed gradients, on every backend: two groups,
// a third that joins later, a tensor whose gradients begin later, one that misses some, an empty
// one and a channels-last one.

#include <gtest/gtest.h>

#include <agmohd/optimizer.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../golden.hpp"

namespace golden {

enum class Backend { sweep, reference };

struct Setting {
  torch::Dtype dtype;
  Backend backend;
  torch::Device device;
};

template <class Value>
Value value_of(const c10::IValue& given) {
  if constexpr (std::is_same_v<Value, agmohd::Pair>) {
    const auto& pair = given.toTupleRef().elements();
    return {pair[0].toDouble(), pair[1].toDouble()};
  } else if constexpr (std::is_enum_v<Value>) {
    return Value(given.toInt());
  } else if constexpr (std::is_same_v<Value, double>) {
    return given.toScalar().toDouble();  // Python may have written an integer
  } else {
    return given.to<Value>();
  }
}

/// Sets the options that `given` names, by name.
template <class Recipe>
agmohd::Options<Recipe> with(agmohd::Options<Recipe> options, const Dict& given) {
  std::size_t known = 0;
  if (given.contains("lr")) known += 1, options.set_lr(given.at("lr").toDouble());
  const auto set = [&]<class Policy>(Policy*) {
    typename Policy::Options own{};
    Policy::fields.each([&](const auto& field, auto) {
      if (!given.contains(field.name)) return;
      known += 1;
      field(own) =
          value_of<typename std::remove_cvref_t<decltype(field)>::value_type>(given.at(field.name));
    });
    if constexpr (Policy::fields.size > 0) options.template set<Policy>(own);
  };
  set(static_cast<typename Recipe::Rule*>(nullptr));
  set(static_cast<typename Recipe::Gradient*>(nullptr));
  set(static_cast<typename Recipe::Schedule*>(nullptr));
  TORCH_CHECK(known == given.size(), "the recipe lacks some of the scenario's options");
  return options;
}

/// What is done before a step, if nothing else is.
struct Nothing {
  template <class Optimizer>
  void operator()(Optimizer&) const {}
};

/// What an optimizer makes of a scenario's gradients, brought to the CPU. State by PyTorch's names.
/// before(optimizer) is called with the gradients of each step.
template <class Recipe, class Before = Nothing>
Trajectory replay(const Scenario& scenario, const Inputs& inputs, const Setting& setting,
                  const Before& before = {}) {
  using Options = agmohd::Options<Recipe>;
  const auto here = torch::dtype(setting.dtype).device(setting.device);
  Tensors parameters = inputs.initial(here);
  for (auto& parameter : parameters) parameter.requires_grad_();

  const auto group = [&](const Group& given) {
    Tensors members;
    for (const std::int64_t i : given.tensors) members.push_back(parameters[std::size_t(i)]);
    torch::optim::OptimizerParamGroup result(members);
    if (!given.options.empty()) {
      result.set_options(std::make_unique<Options>(with<Recipe>(Options(1.0), given.options)));
    }
    return result;
  };
  const auto groups = scenario.groups();
  std::vector<torch::optim::OptimizerParamGroup> first;
  for (const auto& given : groups) {
    if (given.joins == 0) first.push_back(group(given));
  }
  agmohd::Optimizer<Recipe> optimizer(first, with<Recipe>(Options(1.0), scenario.options()));
  if (setting.backend == Backend::reference) optimizer.use_tensor_backend();

  Trajectory result;
  const auto keep = [&](const std::string& name, const torch::Tensor& tensor) {
    result.tensors[name].push_back(agmohd::parts(tensor.detach()).cpu().contiguous().clone());
  };
  for (std::int64_t step = 0; step < kSteps; ++step) {
    for (const auto& given : groups) {
      if (given.joins > 0 && given.joins == step) optimizer.add_param_group(group(given));
    }
    const Tensors gradients = inputs.gradients(step, here);
    for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].mutable_grad() = gradients[i];
    before(optimizer);
    optimizer.step();
    if (!is_snapshot(step + 1)) continue;
    for (const auto& parameter : parameters) keep("params_" + std::to_string(step + 1), parameter);
  }
  for (const auto& parameter : parameters) {
    auto state = static_cast<const agmohd::ParamState<Recipe>&>(
        *optimizer.state().at(parameter.unsafeGetTensorImpl()));
    result.steps.push_back(state.step());
    state.for_each_slot([&](std::size_t i, const torch::Tensor& slot) {
      // What a parameter does not have stands there as a tensor without elements.
      keep(agmohd::States<Recipe>::names[i], slot.defined() ? slot : torch::empty({0}, here));
    });
  }
  return result;
}

inline void expect_close(const Trajectory& actual, const Trajectory& expected, double bound) {
  EXPECT_EQ(actual.steps, expected.steps);
  for (const auto& [name, tensors] : expected.tensors) {
    // What a rule has of a whole tensor is no tensor here.
    if (!actual.tensors.contains(name) && tensors[0].dim() == 0) continue;
    ASSERT_TRUE(actual.tensors.contains(name)) << name;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const torch::Tensor got = actual.tensors.at(name).at(i).to(torch::kFloat64);
      const torch::Tensor want = tensors[i].to(torch::kFloat64);
      if (want.numel() == 0 && got.numel() == 0) continue;
      ASSERT_EQ(got.sizes(), want.sizes()) << name << " of tensor " << i;
      EXPECT_LE((got - want).norm().item<double>(), bound * want.norm().item<double>())
          << name << " of tensor " << i;
    }
  }
}

inline void expect_equal(const Trajectory& actual, const Trajectory& expected) {
  EXPECT_EQ(actual.steps, expected.steps);
  ASSERT_EQ(actual.tensors.size(), expected.tensors.size());
  for (const auto& [name, tensors] : expected.tensors) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      EXPECT_TRUE(torch::equal(actual.tensors.at(name).at(i), tensors[i]))
          << name << " of tensor " << i;
    }
  }
}

/// Every scenario of a file that is of a recipe, with both dtypes and on both backends of a device.
/// On CUDA the sweep has the CPU's bits: the kernels do its arithmetic; the reference backend's is
/// ATen's.
template <class Recipe, class Before>
void expect_follows(const std::string& file, const std::string& recipe, torch::Device device,
                    const Before& before) {
  const Inputs inputs;
  int found = 0;
  for (const auto& entry : load(file)) {
    const std::string& name = entry.key().toStringRef();
    const Scenario scenario(entry.value().toGenericDict());
    if (scenario.recipe() != recipe) continue;
    found += 1;
    for (const torch::Dtype real : {torch::kFloat32, torch::kFloat64}) {
      const Trajectory expected = scenario.expected(inputs, real);
      const torch::Dtype dtype = scenario.is_complex() ? c10::toComplexType(real) : real;
      double bound = real == torch::kFloat64 ? 1e-12 : 2e-6;
      // torch's clip_grad_norm_ divides by norm + 1e-6; here norms above 1 are clipped to 1.
      if (name.find("_norm_torch_") != std::string::npos) bound += 3e-6;
      for (const Backend backend : {Backend::sweep, Backend::reference}) {
        SCOPED_TRACE(name + (real == torch::kFloat64 ? ", float64" : ", float32") +
                     (backend == Backend::sweep ? ", sweep" : ", reference"));
        const Trajectory got = replay<Recipe>(scenario, inputs, {dtype, backend, device}, before);
        // Of a division by a number CUDA's ATen makes a product with its reciprocal.
        const bool atens = backend == Backend::reference && !device.is_cpu();
        expect_close(got, expected, atens ? 2 * bound : bound);
        if (device.is_cpu() || backend != Backend::sweep) continue;
        expect_equal(got, replay<Recipe>(scenario, inputs, {dtype, backend, torch::kCPU}, before));
      }
    }
  }
  EXPECT_GT(found, 0) << file << " has no scenario of " << recipe;
}

template <class Recipe>
void expect_follows(const std::string& file, const std::string& recipe, torch::Device device) {
  expect_follows<Recipe>(file, recipe, device, Nothing{});
}

}  // namespace golden
