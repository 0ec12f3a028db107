// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// agmohd follows torch.optim over 100 steps on fixed gradients, on every backend: two groups, a
// third that joins later, a tensor whose gradients begin later, one that misses some, an empty one
// and a channels-last one.

#include "golden.hpp"

#include <gtest/gtest.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "golden/recipes.hpp"

namespace {

using golden::Dict;
using golden::Inputs;
using golden::Scenario;
using golden::Tensors;
using golden::Trajectory;

enum class Backend { sweep, reference };

struct Setting {
  torch::Dtype dtype;
  Backend backend;
  torch::Device device;
};

template <agmohd::FixedString... Name, class Set>
void set_each(const Set& set) {
  (set.template operator()<Name>(), ...);
}

/// Sets the options that `given` names, by name.
template <class Options>
Options with(Options options, const Dict& given) {
  const auto pair = [](const c10::IValue& value) {
    const auto& elements = value.toTupleRef().elements();
    return std::make_tuple(elements[0].toDouble(), elements[1].toDouble());
  };
  for (const auto& entry : given) {
    const std::string& name = entry.key().toStringRef();
    const c10::IValue& value = entry.value();
    bool known = false;
    const auto set = [&]<agmohd::FixedString Name>() {
      if constexpr (Options::has(Name.view())) {
        if (name != Name.view()) return;
        known = true;
        using Value = std::remove_cvref_t<decltype(options.template get<Name>())>;
        if constexpr (std::is_same_v<Value, std::tuple<double, double>>) {
          options.template set<Name>(pair(value));
        } else {
          options.template set<Name>(value.to<Value>());
        }
      }
    };
    set_each<"lr", "momentum", "dampening", "nesterov", "betas", "eps", "weight_decay", "amsgrad",
             "maximize", "max_norm", "max_value", "warmup_steps", "total_steps", "min_factor",
             "start_factor", "end_factor", "alpha", "centered", "lr_decay", "clip_factor",
             "clip_eps", "initial_accumulator_value", "grad_averaging", "bias_correction",
             "trust_clip">(set);
    TORCH_CHECK(known, "the options have no ", name);
  }
  return options;
}

/// One parameter's state by PyTorch's names.
template <class Optimizer>
std::map<std::string, torch::Tensor> slots(const typename Optimizer::ParamState& state) {
  std::map<std::string, torch::Tensor> out;
  auto copy = state;
  copy.for_each_slot([&](std::size_t i, const torch::Tensor& slot) {
    out[Optimizer::Recipe::Rule::slot_names[i]] = slot;
  });
  return out;
}

/// What agmohd makes of a scenario's gradients, brought to the CPU.
template <class Optimizer>
Trajectory replay(const Scenario& scenario, const Inputs& inputs, const Setting& setting) {
  using Options = typename Optimizer::Options;
  using State = typename Optimizer::ParamState;
  const auto here = torch::dtype(setting.dtype).device(setting.device);
  Tensors parameters = inputs.initial(here);
  for (auto& parameter : parameters) parameter.requires_grad_();

  const auto group = [&](const golden::Group& given) {
    Tensors members;
    for (const std::int64_t i : given.tensors)
      members.push_back(parameters[static_cast<std::size_t>(i)]);
    torch::optim::OptimizerParamGroup result(members);
    if (!given.options.empty()) {
      result.set_options(std::make_unique<Options>(with(Options(1.0), given.options)));
    }
    return result;
  };
  const auto groups = scenario.groups();
  std::vector<torch::optim::OptimizerParamGroup> first;
  for (const auto& given : groups) {
    if (given.joins == 0) first.push_back(group(given));
  }
  Optimizer optimizer(first, with(Options(1.0), scenario.options()));
  if (setting.backend == Backend::reference) optimizer.use_tensor_backend();

  Trajectory result;
  const auto keep = [&](const std::string& name, const torch::Tensor& tensor) {
    result.tensors[name].push_back(tensor.detach().cpu().contiguous().clone());
  };
  for (std::int64_t step = 0; step < golden::kSteps; ++step) {
    for (const auto& given : groups) {
      if (given.joins > 0 && given.joins == step) optimizer.add_param_group(group(given));
    }
    const Tensors gradients = inputs.gradients(step, here);
    for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].mutable_grad() = gradients[i];
    optimizer.step();
    if (!golden::is_snapshot(step + 1)) continue;
    for (const auto& parameter : parameters) keep("params_" + std::to_string(step + 1), parameter);
  }
  for (const auto& parameter : parameters) {
    const auto& state =
        static_cast<const State&>(*optimizer.state().at(parameter.unsafeGetTensorImpl()));
    result.steps.push_back(state.step());
    for (const auto& [name, tensor] : slots<Optimizer>(state)) {
      if (tensor.defined()) keep(name, tensor);
    }
  }
  return result;
}

struct Replayed {
  Trajectory (*replay)(const Scenario&, const Inputs&, const Setting&);
  bool has_kernels;
};
template <class Recipe>
Replayed of() {
  return {replay<agmohd::Optimizer<Recipe>>, agmohd::cuda::find_kernels<Recipe>() != nullptr};
}

const Replayed& recipe_of(const Scenario& scenario) {
  using namespace agmohd;
  static const std::map<std::string, Replayed> recipes{
      {"SGD", of<recipe::SGD>()},
      {"Adam", of<recipe::Adam>()},
      {"AdamW", of<recipe::AdamW>()},
      {"RMSprop", of<Recipe<rule::RMSprop>>()},
      {"Adagrad", of<Recipe<rule::Adagrad>>()},
      {"Lion", of<Recipe<rule::Lion>>()},
      {"NovoGrad", of<Recipe<rule::NovoGrad>>()},
      {"LAMB", of<Recipe<rule::LAMB>>()},
      {"ClipByNorm+AdamW", of<golden::ClipByNormAdamW>()},
      {"ClipByValue+SGD", of<golden::ClipByValueSGD>()},
      {"ClipByValue+ClipByNorm+Adam", of<golden::ClipByValueClipByNormAdam>()},
      {"AGC+SGD", of<golden::RowsSGD>()},
      {"AGC+AdamW", of<golden::RowsAdamW>()},
      {"Linear+SGD", of<golden::LinearSGD>()},
      {"Cosine+Adam", of<golden::CosineAdam>()},
      {"Warmup+Cosine+AdamW", of<golden::WarmupCosineAdamW>()},
  };
  return recipes.at(scenario.recipe());
}

void expect_close(const Trajectory& actual, const Trajectory& expected, double bound) {
  EXPECT_EQ(actual.steps, expected.steps);
  for (const auto& [name, tensors] : expected.tensors) {
    // What NovoGrad has of a whole tensor is no tensor here.
    if (!actual.tensors.contains(name) && tensors[0].dim() == 0) continue;
    ASSERT_TRUE(actual.tensors.contains(name)) << name;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const torch::Tensor got = actual.tensors.at(name).at(i).to(torch::kFloat64);
      const torch::Tensor want = tensors[i].to(torch::kFloat64);
      ASSERT_EQ(got.sizes(), want.sizes()) << name << " of tensor " << i;
      if (want.numel() == 0) continue;
      EXPECT_LE((got - want).norm().item<double>(), bound * want.norm().item<double>())
          << name << " of tensor " << i;
    }
  }
}

void expect_equal(const Trajectory& actual, const Trajectory& expected) {
  EXPECT_EQ(actual.steps, expected.steps);
  ASSERT_EQ(actual.tensors.size(), expected.tensors.size());
  for (const auto& [name, tensors] : expected.tensors) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      EXPECT_TRUE(torch::equal(actual.tensors.at(name).at(i), tensors[i]))
          << name << " of tensor " << i;
    }
  }
}

/// Files of policies that are still to come, or whose scenarios are tested in wrap_test.cpp.
const std::set<std::string> kElsewhere = {"adafactor", "ema", "lookahead"};

/// The scenarios of all other files.
std::vector<std::string> scenarios() {
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(golden::folder())) {
    const std::string file = entry.path().stem().string();
    if (entry.path().extension() != ".pt" || file == "inputs" || kElsewhere.contains(file))
      continue;
    for (const auto& scenario : golden::load(file)) out.insert(scenario.key().toStringRef());
  }
  return {out.begin(), out.end()};
}

using Case = std::tuple<std::string, torch::Dtype, Backend>;

class Golden : public testing::TestWithParam<Case> {
 protected:
  /// Replays the case's scenario on a device and compares it with torch.optim's trajectory.
  Trajectory follow(torch::Device device) {
    const auto& [name, dtype, backend] = GetParam();
    const Scenario scenario(name);
    Trajectory result = recipe_of(scenario).replay(scenario, inputs_, {dtype, backend, device});
    double bound = dtype == torch::kFloat64 ? 1e-12 : 2e-6;
    // torch's clip_grad_norm_ divides by norm + 1e-6; here norms above 1 are clipped to 1.
    if (name == "clip_norm_torch_adamw") bound += 3e-6;
    expect_close(result, scenario.expected(inputs_, dtype), bound);
    return result;
  }

  const Inputs inputs_;
};

class GoldenCuda : public Golden {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
    if (std::get<Backend>(GetParam()) == Backend::sweep &&
        !recipe_of(Scenario(std::get<std::string>(GetParam()))).has_kernels) {
      GTEST_SKIP() << "this program has no CUDA kernels of that recipe";
    }
  }
};

std::string case_name(const testing::TestParamInfo<Case>& info) {
  const auto& [name, dtype, backend] = info.param;
  return name + (dtype == torch::kFloat64 ? "_float64" : "_float32") +
         (backend == Backend::sweep ? "_sweep" : "_reference");
}

const auto kCases = testing::Combine(testing::ValuesIn(scenarios()),
                                     testing::Values(torch::kFloat32, torch::kFloat64),
                                     testing::Values(Backend::sweep, Backend::reference));
INSTANTIATE_TEST_SUITE_P(All, Golden, kCases, case_name);
INSTANTIATE_TEST_SUITE_P(All, GoldenCuda, kCases, case_name);

TEST_P(Golden, FollowsTorch) { follow(torch::kCPU); }

TEST_P(GoldenCuda, FollowsTorchAndEqualsTheCpu) {
  const Trajectory cuda = follow(torch::kCUDA);
  // The kernels do the CPU sweep's arithmetic; the reference backend's is ATen's on either device.
  if (std::get<Backend>(GetParam()) == Backend::sweep) expect_equal(cuda, follow(torch::kCPU));
}

TEST(GoldenFiles, HoldCompleteScenarios) {
  const Inputs inputs;
  EXPECT_GE(scenarios().size(), 23U);
  for (const auto& entry : std::filesystem::directory_iterator(golden::folder())) {
    const auto& file = entry.path();
    if (file.extension() != ".pt" || file.stem() == "inputs") continue;
    for (const auto& scenario : golden::load(file.stem().string())) {
      const std::string& name = scenario.key().toStringRef();
      for (const torch::Dtype dtype : {torch::kFloat32, torch::kFloat64}) {
        const Trajectory expected = Scenario(name).expected(inputs, dtype);
        EXPECT_TRUE(expected.tensors.contains("params_100")) << name;
        EXPECT_EQ(expected.steps.size(), expected.tensors.at("params_100").size()) << name;
      }
    }
  }
}

}  // namespace
