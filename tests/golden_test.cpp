// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// agmohd follows torch.optim over 100 steps on fixed gradients, on every lane: two groups, a third
// that joins later, a tensor whose gradients begin later, one that misses some, an empty one and a
// channels-last one.

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
#include <utility>
#include <vector>

#include "golden/recipes.hpp"

namespace {

using golden::Dict;
using golden::Inputs;
using golden::Scenario;
using golden::Tensors;
using golden::Trajectory;

enum class Lane { sweep, reference };

struct Setting {
  torch::Dtype dtype;
  Lane lane;
  torch::Device device;
};

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
#define SET(field, convert)                             \
  if constexpr (requires { options.field(convert); }) { \
    if (name == #field) {                               \
      options.field(convert);                           \
      known = true;                                     \
    }                                                   \
  }
    SET(lr, value.toDouble())
    SET(momentum, value.toDouble())
    SET(dampening, value.toDouble())
    SET(nesterov, value.toBool())
    SET(betas, pair(value))
    SET(eps, value.toDouble())
    SET(weight_decay, value.toDouble())
    SET(amsgrad, value.toBool())
    SET(maximize, value.toBool())
    SET(max_norm, value.toDouble())
    SET(max_value, value.toDouble())
    SET(warmup_steps, value.toInt())
    SET(total_steps, value.toInt())
    SET(min_factor, value.toDouble())
    SET(start_factor, value.toDouble())
    SET(end_factor, value.toDouble())
#undef SET
    TORCH_CHECK(known, "the options have no ", name);
  }
  return options;
}

/// One parameter's state by PyTorch's names.
template <class State>
std::map<std::string, torch::Tensor> slots(const State& state) {
  if constexpr (requires { state.momentum_buffer(); }) {
    return {{"momentum_buffer", state.momentum_buffer()}};
  } else {
    return {{"exp_avg", state.exp_avg()},
            {"exp_avg_sq", state.exp_avg_sq()},
            {"max_exp_avg_sq", state.max_exp_avg_sq()}};
  }
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
  if (setting.lane == Lane::reference) optimizer.use_reference_lane();

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
    for (const auto& [name, tensor] : slots(state)) {
      if (tensor.defined()) keep(name, tensor);
    }
  }
  return result;
}

template <class Recipe>
constexpr auto replay_recipe = replay<agmohd::Optimizer<Recipe>>;

Trajectory replay(const Scenario& scenario, const Inputs& inputs, const Setting& setting) {
  static const std::map<std::string, Trajectory (*)(const Scenario&, const Inputs&, const Setting&)>
      recipes{
          {"SGD", replay<agmohd::SGD>},
          {"Adam", replay<agmohd::Adam>},
          {"AdamW", replay<agmohd::AdamW>},
          {"ClipByNorm+AdamW", replay_recipe<golden::ClipByNormAdamW>},
          {"ClipByValue+SGD", replay_recipe<golden::ClipByValueSGD>},
          {"ClipByValue+ClipByNorm+Adam", replay_recipe<golden::ClipByValueClipByNormAdam>},
          {"Linear+SGD", replay_recipe<golden::LinearSGD>},
          {"Cosine+Adam", replay_recipe<golden::CosineAdam>},
          {"Warmup+Cosine+AdamW", replay_recipe<golden::WarmupCosineAdamW>},
      };
  return recipes.at(scenario.recipe())(scenario, inputs, setting);
}

void expect_close(const Trajectory& actual, const Trajectory& expected, double bound) {
  EXPECT_EQ(actual.steps, expected.steps);
  ASSERT_EQ(actual.tensors.size(), expected.tensors.size());
  for (const auto& [name, tensors] : expected.tensors) {
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

const std::vector<std::string> kScenarios = {
    "sgd_plain",
    "sgd_momentum",
    "sgd_dampening",
    "sgd_nesterov",
    "sgd_weight_decay",
    "sgd_maximize",
    "adam_default",
    "adam_betas_eps",
    "adam_weight_decay",
    "adam_amsgrad",
    "adam_maximize",
    "adamw_default",
    "adamw_betas",
    "adamw_weight_decay",
    "adamw_amsgrad",
    "adamw_maximize",
    "clip_norm_adamw",
    "clip_norm_torch_adamw",
    "clip_value_sgd",
    "clip_value_norm_adam",
    "schedule_linear_sgd",
    "schedule_cosine_adam",
    "schedule_warmup_cosine_adamw",
};

using Case = std::tuple<std::string, torch::Dtype, Lane>;

class Golden : public testing::TestWithParam<Case> {
 protected:
  /// Replays the case's scenario on a device and compares it with torch.optim's trajectory.
  Trajectory follow(torch::Device device) {
    const auto& [name, dtype, lane] = GetParam();
    const Scenario scenario(name);
    Trajectory result = replay(scenario, inputs_, {dtype, lane, device});
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
    if (std::get<Lane>(GetParam()) == Lane::sweep &&
        agmohd::cuda::find_kernels<agmohd::recipe::SGD>() == nullptr) {
      GTEST_SKIP() << "no CUDA kernels in this program";
    }
  }
};

std::string case_name(const testing::TestParamInfo<Case>& info) {
  const auto& [name, dtype, lane] = info.param;
  return name + (dtype == torch::kFloat64 ? "_float64" : "_float32") +
         (lane == Lane::sweep ? "_sweep" : "_reference");
}

const auto kCases = testing::Combine(testing::ValuesIn(kScenarios),
                                     testing::Values(torch::kFloat32, torch::kFloat64),
                                     testing::Values(Lane::sweep, Lane::reference));
INSTANTIATE_TEST_SUITE_P(All, Golden, kCases, case_name);
INSTANTIATE_TEST_SUITE_P(All, GoldenCuda, kCases, case_name);

TEST_P(Golden, FollowsTorch) { follow(torch::kCPU); }

TEST_P(GoldenCuda, FollowsTorchAndEqualsTheCpu) {
  const Trajectory cuda = follow(torch::kCUDA);
  // The kernels do the CPU sweep's arithmetic; the reference lane's is ATen's on either device.
  if (std::get<Lane>(GetParam()) == Lane::sweep) expect_equal(cuda, follow(torch::kCPU));
}

/// Files of policies that are still to come.
const std::set<std::string> kAwaited = {
    "adafactor", "adagrad", "agc", "ema", "lamb", "lion", "lookahead", "novograd", "rmsprop",
};

TEST(GoldenFiles, EveryStoredScenarioIsTestedOrAwaited) {
  const Inputs inputs;
  std::set<std::string> stored, awaited;
  for (const auto& entry : std::filesystem::directory_iterator(golden::folder())) {
    const auto& file = entry.path();
    if (file.extension() != ".pt" || file.stem() == "inputs") continue;
    const bool waits = kAwaited.contains(file.stem().string());
    if (waits) awaited.insert(file.stem().string());
    for (const auto& scenario : golden::load(file.stem().string())) {
      const std::string& name = scenario.key().toStringRef();
      if (!waits) stored.insert(name);
      for (const torch::Dtype dtype : {torch::kFloat32, torch::kFloat64}) {
        const Trajectory expected = Scenario(name).expected(inputs, dtype);
        EXPECT_TRUE(expected.tensors.contains("params_100")) << name;
        EXPECT_EQ(expected.steps.size(), expected.tensors.at("params_100").size()) << name;
      }
    }
  }
  EXPECT_EQ(stored, std::set<std::string>(kScenarios.begin(), kScenarios.end()));
  EXPECT_EQ(awaited, kAwaited);
}

}  // namespace
