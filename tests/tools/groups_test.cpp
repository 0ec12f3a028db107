// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Parameter groups of a module.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/tools/groups.hpp>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using agmohd::tools::glob;
using agmohd::tools::Groups;
using Made = std::vector<torch::optim::OptimizerParamGroup>;

struct RootMeanSquareNormImpl : torch::nn::Module {
  explicit RootMeanSquareNormImpl(std::int64_t n) {
    gain = register_parameter("gain", torch::ones({1, n}));
  }
  at::Tensor forward(const at::Tensor& x) { return x * gain / x.square().mean(-1, true).sqrt(); }
  at::Tensor gain;
};
TORCH_MODULE(RootMeanSquareNorm);

/// An embedding of 11 words, three blocks and a head, without a forward.
struct NetImpl : torch::nn::Module {
  explicit NetImpl(std::int64_t width) {
    register_module("words", torch::nn::Embedding(11, width));
    torch::nn::ModuleList blocks;
    for (int i = 0; i < 3; ++i) {
      torch::nn::Sequential block;
      block->push_back("norm", RootMeanSquareNorm(width));
      block->push_back("up", torch::nn::Linear(width, 4 * width));
      block->push_back("down", torch::nn::Linear(4 * width, width));
      blocks->push_back(block);
    }
    register_module("blocks", blocks);
    register_module("norm", torch::nn::LayerNorm(std::vector<std::int64_t>{width}));
    register_module("head", torch::nn::Linear(width, 11));
  }
};
TORCH_MODULE(Net);

template <class Options>
const Options& options_of(const Made& groups, const at::Tensor& param) {
  for (const auto& group : groups) {
    for (const at::Tensor& p : group.params()) {
      if (p.is_same(param)) return static_cast<const Options&>(group.options());
    }
  }
  throw std::out_of_range("the parameter is in no group");
}

TEST(Tools, GlobsMatchWholeNames) {
  EXPECT_TRUE(glob("*", "") && glob("*.bias", "a.b.bias") && glob("a?c", "abc"));
  EXPECT_TRUE(glob("*norm*", "ln.norm1.weight") && glob("**", "a") && glob("a*b*c", "a.bb.c"));
  EXPECT_FALSE(glob("bias", "a.bias") || glob("a?c", "ac") || glob("", "a") || glob("a", ""));
  EXPECT_EQ(glob("blocks.#.*", "blocks.12.up.weight"), 12);
  EXPECT_FALSE(glob("blocks.#.*", "blocks.up.weight") || glob("blocks.#", "blocks.1.up"));
  EXPECT_EQ(glob("#0", "10"), 1);
  EXPECT_EQ(glob("*#*0.#5", "a1.b20.75"), 1);
  EXPECT_EQ(glob("*b#", "a1b22"), 22);
  EXPECT_EQ(glob("#??", "1234"), 12);
  EXPECT_EQ(glob("*.#.w", "a.b.0012345678901234567.w"), 12345678901234567);
  EXPECT_EQ(glob("#", "9223372036854775807"), INT64_MAX);
  EXPECT_EQ(glob("x#.w", "x92233720368547758079999.w"), INT64_MAX);
  EXPECT_FALSE(glob("#", "") || glob("##", "1") || glob("#1", "1") || glob("*#", "1a"));
  std::string stars;
  for (int i = 0; i < 30; ++i) stars += "*a";
  EXPECT_FALSE(glob(stars + "b", std::string(200, 'a')));
}

template <class Options, class Optimizer>
void expect_no_decay() {
  Net net(8);
  const auto named = net->named_parameters();
  named["head.bias"].set_requires_grad(false);
  Options options = Options(1e-2).weight_decay(0.1);
  if constexpr (requires { options.warmup_steps(0); }) options.max_norm(0.5);  // the optimizer's
  Groups<Options> groups(*net, options);
  const Made made = groups.no_decay().groups();
  ASSERT_EQ(made.size(), 2U);
  EXPECT_EQ(made[0].params().size() + made[1].params().size(), named.size() - 1);
  const auto decay = [&](const char* name) {
    return std::as_const(options_of<Options>(made, named[name])).weight_decay();
  };
  for (const char* name : {"blocks.0.up.weight", "blocks.2.down.weight", "head.weight"}) {
    EXPECT_EQ(decay(name), 0.1) << name;
  }
  for (const char* name :
       {"words.weight", "blocks.1.norm.gain", "blocks.0.up.bias", "norm.weight", "norm.bias"}) {
    EXPECT_EQ(decay(name), 0) << name;
  }
  for (const auto& group : made) EXPECT_EQ(group.options().get_lr(), 1e-2);
  Optimizer optimizer(made, options);
  for (const auto& item : named) item.value().mutable_grad() = at::zeros_like(item.value());
  const at::Tensor before = named["norm.weight"].detach().clone();
  const double norm = named["head.weight"].norm().template item<double>();
  optimizer.step();
  EXPECT_TRUE(at::equal(named["norm.weight"], before));
  EXPECT_NEAR(named["head.weight"].norm().template item<double>() / norm, 1 - 1e-2 * 0.1, 1e-6);
}

TEST(Tools, NoDecayForBiasesNormsAndEmbeddings) {
  expect_no_decay<agmohd::AdamWOptions, agmohd::AdamW>();
  expect_no_decay<torch::optim::AdamWOptions, torch::optim::AdamW>();
  expect_no_decay<agmohd::AGMOHDOptions, agmohd::AGMOHD>();
}

TEST(Tools, LayersAreSlowerTowardsTheInput) {
  Net net(8);
  const auto named = net->named_parameters();
  Groups groups(*net, agmohd::AdamWOptions(1e-2));
  groups.no_decay().layer_decay(0.5, {"words.*", "blocks.#.*", "*"});
  const Made made = groups.groups();
  const auto lr = [&](const char* name) {
    return options_of<agmohd::AdamWOptions>(made, named[name]).get_lr();
  };
  EXPECT_DOUBLE_EQ(lr("words.weight"), 1e-2 / 16);
  EXPECT_DOUBLE_EQ(lr("blocks.0.norm.gain"), 1e-2 / 8);
  EXPECT_DOUBLE_EQ(lr("blocks.1.up.weight"), 1e-2 / 4);
  EXPECT_DOUBLE_EQ(lr("blocks.2.up.bias"), 1e-2 / 2);
  EXPECT_DOUBLE_EQ(lr("norm.weight"), 1e-2);
  EXPECT_DOUBLE_EQ(lr("head.weight"), 1e-2);
  EXPECT_EQ(made.size(), 9U);  // five layers, all but the embedding with and without decay
  EXPECT_THROW(groups.layer_decay(0.5, {"words.*", "blocks.#.*"}), c10::Error);
  EXPECT_THROW(groups.layer_decay(0.5, {"layer.#.*", "*"}), c10::Error);
  EXPECT_THROW(groups.layer_decay(0, {"*"}), c10::Error);
  std::ostringstream before, after;
  before << groups;
  EXPECT_THROW(groups.layer_decay(0.5, {"*", "head.*"}), c10::Error);
  after << groups;
  EXPECT_EQ(before.str(), after.str());
}

TEST(Tools, PatternsChangeOptionsInOrder) {
  Net net(8);
  const auto named = net->named_parameters();
  Groups groups(*net, torch::optim::SGDOptions(1e-1));
  groups.match("head.*", [](auto& o) { o.lr(1.0); }).match("*.bias", [](auto& o) {
    o.lr(o.lr() * 2), o.momentum(0.5);
  });
  const Made made = groups.groups();
  const auto of = [&](const char* name) -> const torch::optim::SGDOptions& {
    return options_of<torch::optim::SGDOptions>(made, named[name]);
  };
  EXPECT_EQ(made.size(), 4U);
  EXPECT_EQ(of("head.bias").lr(), 2);
  EXPECT_EQ(of("head.weight").lr(), 1);
  EXPECT_EQ(of("norm.bias").lr(), 0.2);
  EXPECT_EQ(of("norm.bias").momentum(), 0.5);
  EXPECT_EQ(of("words.weight").lr(), 0.1);
  try {
    groups.match("heads.*", [](auto&) {});
    FAIL() << "a pattern without a match";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("heads.* matches no parameter"), std::string::npos);
  }
  std::ostringstream text;
  text << groups;
  EXPECT_NE(text.str().find("group 3: lr 2, weight_decay 0 (head.*, *.bias), 1 parameter, 11 "
                            "elements: head.bias\n"),
            std::string::npos)
      << text.str();
  for (auto& item : named) item.value().set_requires_grad(false);
  EXPECT_THROW((Groups(*net, torch::optim::SGDOptions(1e-1))), c10::Error);
}

template <class Options>
void expect_a_group_for_each_rate() {
  Net net(8);
  double rate = 0;
  const Made made =
      Groups(*net, Options(1e-1)).match("head.*", [&](auto& o) { o.lr(rate += 0.25); }).groups();
  ASSERT_EQ(made.size(), 3U);
  const auto named = net->named_parameters();
  EXPECT_EQ(options_of<Options>(made, named["norm.weight"]).get_lr(), 0.1);
  EXPECT_EQ(options_of<Options>(made, named["head.weight"]).get_lr(), 0.25);
  EXPECT_EQ(options_of<Options>(made, named["head.bias"]).get_lr(), 0.5);
}

TEST(Tools, OneCallMayGiveDifferentOptions) {
  expect_a_group_for_each_rate<torch::optim::SGDOptions>();
  expect_a_group_for_each_rate<agmohd::AdamWOptions>();
}

TEST(Tools, WidthScalesHiddenMatrices) {
  Net net(32), base(8), other(8);
  const auto named = net->named_parameters();
  const auto options = agmohd::AdamWOptions(1e-2).weight_decay(0.1);
  const Made made = Groups(*net, options).width(*base).groups();
  const auto of = [&](const char* name) -> const agmohd::AdamWOptions& {
    return options_of<agmohd::AdamWOptions>(made, named[name]);
  };
  for (const char* name : {"blocks.0.up.weight", "blocks.2.down.weight"}) {
    EXPECT_DOUBLE_EQ(of(name).get_lr(), 1e-2 / 4) << name;
    EXPECT_DOUBLE_EQ(of(name).weight_decay(), 0.4) << name;
  }
  for (const char* name :
       {"words.weight", "blocks.0.up.bias", "blocks.0.norm.gain", "norm.weight", "head.weight"}) {
    EXPECT_EQ(of(name).get_lr(), 1e-2) << name;
    EXPECT_EQ(of(name).weight_decay(), 0.1) << name;
  }
  EXPECT_EQ(Groups(*other, options).width(*base).groups().size(), 1U);
  EXPECT_THROW(Groups(*net, options).width(*torch::nn::Linear(8, 8)), c10::Error);
}

}  // namespace
