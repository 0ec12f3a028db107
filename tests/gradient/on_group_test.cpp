// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/gradient/on_group.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "../warnings.hpp"
#include "samples.hpp"

using namespace agmohd;

/// In the first group it is the transform itself, as the suite has it.
using OfFirst = gradient::OnGroup<gradient::ClipByValue, 0>;
template <>
struct contract::Sample<OfFirst> : contract::Sample<gradient::ClipByValue> {};

INSTANTIATE_TYPED_TEST_SUITE_P(OnGroup, TransformContract, OfFirst);

namespace on_group {

using gradient::ClipByValue, gradient::OnGroup;
using Groups = std::vector<torch::optim::OptimizerParamGroup>;

/// An optimizer whose parameters are in three groups, every third in the same; with one of a single
/// group of each third, which the same transforms of its own act on.
template <class Recipe>
struct Split {
  std::vector<at::Tensor> params;
  Optimizer<Recipe> optimizer;

  Split(const Options<Recipe>& options, at::ScalarType dtype, bool reference)
      : params(contract::parameters(dtype)), optimizer(groups(params), options) {
    if (reference) optimizer.use_tensor_backend();
  }
  static std::vector<at::Tensor> of(const std::vector<at::Tensor>& params, std::size_t group) {
    std::vector<at::Tensor> out;
    for (std::size_t i = group; i < params.size(); i += 3) out.push_back(params[i]);
    return out;
  }
  static Groups groups(const std::vector<at::Tensor>& params) {
    Groups out;
    for (const std::size_t g : {0U, 1U, 2U}) out.emplace_back(of(params, g));
    return out;
  }
};

/// A recipe of three groups does to each group what Of0, Of1, Of2 do to an optimizer of its own.
template <class Recipe, class Of0, class Of1, class Of2>
void expect_as_apart(const Options<Recipe>& all, const Options<Of0>& o0, const Options<Of1>& o1,
                     const Options<Of2>& o2) {
  for (const at::ScalarType dtype : contract::kDtypes) {
    for (const bool reference : {false, true}) {
      SCOPED_TRACE(std::string(c10::toString(dtype)) + (reference ? ", reference" : ""));
      Split<Recipe> together(all, dtype, reference);
      const std::vector<at::Tensor> params = contract::parameters(dtype);
      Optimizer<Of0> first(Split<Recipe>::of(params, 0), o0);
      Optimizer<Of1> second(Split<Recipe>::of(params, 1), o1);
      Optimizer<Of2> third(Split<Recipe>::of(params, 2), o2);
      if (reference) {
        first.use_tensor_backend(), second.use_tensor_backend(), third.use_tensor_backend();
      }
      for (std::int64_t step = 0; step < 5; ++step) {
        contract::set_gradients(together.params, step);
        contract::set_gradients(params, step);
        together.optimizer.step();
        first.step(), second.step(), third.step();
      }
      for (std::size_t i = 0; i < params.size(); ++i) {
        EXPECT_TRUE(contract::same_bits(together.params[i], params[i])) << i;
      }
    }
  }
}

TEST(OnGroup, EachGroupHasItsOwnBound) {
  using Mine = Recipe<rule::SGD, OnGroup<ClipByValue, 0>, OnGroup<ClipByValue, 2>>;
  using Clipped = Recipe<rule::SGD, ClipByValue>;
  using Plain = Recipe<rule::SGD>;
  expect_as_apart<Mine, Clipped, Plain, Clipped>(
      Options<Mine>(0.1).set<OnGroup<ClipByValue, 0>>({0.25}).set<OnGroup<ClipByValue, 2>>({0.5}),
      Options<Clipped>(0.1).max_value(0.25), 0.1, Options<Clipped>(0.1).max_value(0.5));
}

/// The hindrance policy has the sums taken.
TEST(OnGroup, TensorsAreNormalizedInOneGroup) {
  using gradient::NormalizeTensors;
  using Mine = Recipe<rule::AdamW, contract::SkipAbove, OnGroup<NormalizeTensors, 1>>;
  using Normal = Recipe<rule::AdamW, contract::SkipAbove, NormalizeTensors>;
  using Plain = Recipe<rule::AdamW, contract::SkipAbove>;
  expect_as_apart<Mine, Plain, Normal, Plain>(Options<Mine>(0.1).set<"rms_to">(0.5), 0.1,
                                              Options<Normal>(0.1).set<"rms_to">(0.5), 0.1);
}

/// The norm is of what the transform left, so that the reduce pass needs the group.
TEST(OnGroup, IsMeasured) {
  using Mine = Recipe<rule::SGD, OnGroup<ClipByValue, 1>, gradient::ClipByNorm>;
  for (const bool reference : {false, true}) {
    Split<Mine> split(Options<Mine>(0.1).max_value(0.25), at::kDouble, reference);
    contract::set_gradients(split.params, 0);
    double norm2 = 0;
    for (std::size_t i = 0; i < split.params.size(); ++i) {
      const at::Tensor g = split.params[i].grad();
      norm2 += (i % 3 == 1 ? g.clamp(-0.25, 0.25) : g).square().sum().item<double>();
    }
    split.optimizer.step();
    EXPECT_NEAR(split.optimizer.signals().norm2, norm2, 1e-12 * norm2);
  }
}

/// What a transform remembers of a tensor is saved; in other groups it learns nothing.
TEST(OnGroup, ATransformWithAMemoryResumes) {
  using Mine = Recipe<rule::AdamW, contract::SkipAbove, OnGroup<gradient::Stabilize, 0>>;
  contract::expect_resumes<Mine>(Options<Mine>(0.01), at::kFloat);
  contract::expect_backends_agree<Mine>(Options<Mine>(0.01));
  TensorSignals ts{.norm2 = 4, .max_abs = 1, .numel = 9};
  Signals s;
  OnGroup<gradient::Stabilize, 0>::TensorMemory memory{};
  for (const std::int64_t group : {1, 0}) {
    ts.draw.index = group << 32 | 5;
    (void)OnGroup<gradient::Stabilize, 0>::at<float>({}, s, {}, ts, {}, memory);
    EXPECT_EQ(memory.norm.unseen == 1, group == 1);
  }
}

TEST(OnGroup, OtherGroupsKeepEveryBit) {
  using Of7 = OnGroup<gradient::Sign, 7>;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> g{1, -0.0F, 1e-45F, nan, 3e38F};
  EXPECT_TRUE(contract::same_bits(contract::linked<Of7>({}, g), g));
}

TEST(OnGroup, Names) {
  EXPECT_EQ((OnGroup<ClipByValue, 0>::name()), "OnGroup<ClipByValue,0>");
  EXPECT_EQ((OnGroup<gradient::Sign, 120>::name()), "OnGroup<Sign,120>");
}

TEST(OnGroup, WarnsOnceOfAGroupThatDoesNotExist) {
  const auto warned = [](auto& optimizer, at::Tensor& param) {
    const Warnings warnings;
    for (int step = 0; step < 2; ++step) {
      param.mutable_grad() = at::ones_like(param);
      optimizer.step();
    }
    std::string all;
    for (const std::string& text : warnings.texts) all += text + "\n";
    return all;
  };
  at::Tensor a = at::ones({3}).requires_grad_(), b = at::ones({3}).requires_grad_();
  Optimizer<Recipe<rule::SGD, OnGroup<ClipByValue, 0>, OnGroup<ClipByValue, 2>>> one({a}, 0.1);
  EXPECT_EQ(warned(one, a),
            "agmohd: OnGroup<ClipByValue,0>,OnGroup<ClipByValue,2> is also for parameter group 2, "
            "counted from 0, but the optimizer has 1 group: what it says of others has no effect "
            "until they are added\n");
  Optimizer<Recipe<rule::SGD, schedule::ByGroup<schedule::Constant, schedule::Step>>> two({b}, 0.1);
  EXPECT_NE(warned(two, b).find("ByGroup<Constant,Step> is also for parameter group 1, "),
            std::string::npos);
  two.add_param_group(torch::optim::OptimizerParamGroup({at::ones({2}).requires_grad_()}));
  EXPECT_EQ(warned(two, b), "");
  Optimizer<Recipe<rule::SGD, OnGroup<ClipByValue, 0>>> enough({a}, 0.1);
  EXPECT_EQ(warned(enough, a), "");
}

}  // namespace on_group
