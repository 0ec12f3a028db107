// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Parameter groups of a module, and the range test of the learning rate.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/tools/find_lr.hpp>
#include <agmohd/tools/groups.hpp>
#include <cmath>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using agmohd::tools::find_lr;
using agmohd::tools::FindLrOptions;
using agmohd::tools::glob;
using agmohd::tools::Groups;
using agmohd::tools::LrCurve;
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

std::string state_of(const torch::optim::Optimizer& optimizer) {
  torch::serialize::OutputArchive archive;
  optimizer.save(archive);
  std::ostringstream out;
  archive.save_to(out);
  return out.str();
}

/// fastai's `steep` and `valley` (callback/schedule.py) of this curve, in float64.
TEST(Tools, SuggestionsAreThoseOfFastai) {
  LrCurve curve;
  double mean = 0;
  std::uint32_t random = 7;
  for (int i = 0; i < 100; ++i) {
    const double lr = 1e-7 * std::pow(1e8, i / 99.);
    random = random * 1664525u + 1013904223u;
    const double noise = 0.05 * (double(random) / 4294967296. - 0.5);
    const double loss = 2.3 - 1.5 / (1 + std::exp(-3 * (std::log10(lr) + 2.5))) +
                        (lr > 0.3 ? 2 * (lr - 0.3) : 0) + noise;
    mean = 0.9 * mean + 0.1 * loss;
    curve.lrs.push_back(lr);
    curve.losses.push_back(loss);
    curve.smoothed.push_back(mean / (1 - std::pow(0.9, i + 1)));
  }
  agmohd::tools::detail::suggest(curve, 100);
  ASSERT_TRUE(curve.steepest && curve.valley);
  EXPECT_NEAR(*curve.steepest, 0.008497534359, 1e-10);
  EXPECT_NEAR(*curve.valley, 0.001592282793, 1e-10);
  const std::string svg = curve.svg();
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_NE(svg.find(">valley "), std::string::npos);
  EXPECT_NE(svg.find("</svg>"), std::string::npos);
  LrCurve rises{{1e-3, 1e-2, 1e-1}, {1, 2, 3}, {1, 2, 3}, false, {}, {}};
  agmohd::tools::detail::suggest(rises, 3);
  EXPECT_FALSE(rises.steepest || rises.valley);
  EXPECT_NE(LrCurve{}.svg().find("</svg>"), std::string::npos);
}

TEST(Tools, TheLossOfAQuadraticTurnsAtItsStabilityLimit) {
  // f = 5 p^2 / 2 by gradient descent: |1 - 5 lr| < 1 for lr < 0.4
  const at::Tensor p = at::full({1}, 1.0, at::kDouble).requires_grad_();
  torch::optim::SGD sgd({p}, torch::optim::SGDOptions(0.123));
  const auto closure = [&] {
    sgd.zero_grad();
    const at::Tensor loss = 2.5 * p.square().sum();
    loss.backward();
    return loss;
  };
  const LrCurve curve = find_lr(sgd, closure, {.min_lr = 1e-3, .max_lr = 100, .smoothing = 0});
  EXPECT_TRUE(curve.diverged);
  ASSERT_GT(curve.lrs.size(), 10U);
  for (std::size_t i = 0; i + 1 < curve.lrs.size(); ++i) {
    EXPECT_EQ(curve.losses[i + 1] < curve.losses[i], curve.lrs[i] < 0.4) << curve.lrs[i];
    EXPECT_NEAR(curve.lrs[i], 1e-3 * std::pow(1e5, double(i) / 99), 1e-12 * curve.lrs[i]);
  }
  ASSERT_TRUE(curve.steepest && curve.valley);
  EXPECT_LT(*curve.steepest, 0.4);
  EXPECT_LT(*curve.valley, 0.4);
  EXPECT_EQ(p.item<double>(), 1);
  EXPECT_FALSE(p.grad().defined());
  EXPECT_TRUE(sgd.state().empty());
  EXPECT_EQ(sgd.param_groups()[0].options().get_lr(), 0.123);
}

/// Two groups of a small network with dropout, so that random numbers matter.
template <class Optimizer, class Options>
void expect_restored(const Options& options) {
  at::set_num_threads(1);  // the tensors are small
  torch::manual_seed(5);
  torch::nn::Sequential net(torch::nn::Linear(4, 16), torch::nn::BatchNorm1d(16), torch::nn::Tanh(),
                            torch::nn::Dropout(0.2), torch::nn::Linear(16, 1));
  Optimizer optimizer(Groups(*net, options).match("4.*", [](auto& o) { o.lr(2e-3); }).groups(),
                      options);
  const at::Tensor x = torch::randn({64, 4}), y = x.sum(1, true).sin();
  const auto closure = [&] {
    optimizer.zero_grad();
    const at::Tensor loss = torch::mse_loss(net->forward(x), y);
    loss.backward();
    return loss;
  };
  for (const int warm : {0, 3}) {
    for (int i = 0; i < warm; ++i) optimizer.step(closure);
    const auto copies = [&] {
      std::vector<at::Tensor> out;
      for (const at::Tensor& p : net->parameters()) {
        out.push_back(p.detach().clone());
        out.push_back(p.grad().defined() ? p.grad().clone() : at::zeros({0}));
      }
      for (const at::Tensor& b : net->buffers()) out.push_back(b.clone());
      out.push_back(at::detail::getDefaultCPUGenerator().get_state());
      return out;
    };
    const auto before = copies();
    const std::string state = state_of(optimizer);
    const FindLrOptions how{.max_lr = 100, .smoothing = 0.9, .also = net->buffers()};
    const LrCurve one = find_lr(optimizer, closure, how);
    const auto expect_same = [&] {
      const auto after = copies();
      ASSERT_EQ(after.size(), before.size());
      for (std::size_t i = 0; i < after.size(); ++i) EXPECT_TRUE(at::equal(after[i], before[i]));
      EXPECT_EQ(state_of(optimizer), state);
      EXPECT_EQ(optimizer.state().empty(), warm == 0);
    };
    expect_same();
    int calls = 0;
    const auto fails = [&] {
      if (++calls == 5) throw std::runtime_error("no more data");
      return closure();
    };
    EXPECT_THROW(find_lr(optimizer, fails, how), std::runtime_error);
    expect_same();
    EXPECT_THROW(find_lr(
                     optimizer, [] { return at::Tensor(); }, how),
                 c10::Error);
    expect_same();
    const LrCurve again = find_lr(optimizer, closure, how);
    EXPECT_EQ(one.losses, again.losses);
    EXPECT_EQ(one.valley, again.valley);
    ASSERT_TRUE(one.steepest && one.valley);
    EXPECT_GT(*one.valley, 1e-6);
    EXPECT_LT(*one.valley, 1);
  }
}

TEST(Tools, ARangeTestLeavesNoTrace) {
  expect_restored<agmohd::AdamW>(agmohd::AdamWOptions(1e-3).weight_decay(0.1));
  expect_restored<torch::optim::AdamW>(torch::optim::AdamWOptions(1e-3));
  expect_restored<torch::optim::SGD>(torch::optim::SGDOptions(1e-3).momentum(0.9));
  expect_restored<agmohd::AGMOHD>(agmohd::AGMOHDOptions(1e-3));
}

TEST(Tools, ARangeTestDividesAScheduleOut) {
  const at::Tensor p = at::full({1}, 1.0).requires_grad_();
  agmohd::AGMOHDSGD optimizer(
      std::vector<at::Tensor>{p},
      agmohd::AGMOHDSGDOptions(0.5).weight_decay(0.0).momentum(0.0).warmup_steps(10));
  std::vector<double> rates;
  const auto closure = [&] {
    rates.push_back(optimizer.current_lr());
    optimizer.zero_grad();
    const at::Tensor loss = p.square().sum();
    loss.backward();
    return loss;
  };
  const LrCurve curve = find_lr(optimizer, closure, {.min_lr = 1e-4, .max_lr = 1e-2, .steps = 8});
  ASSERT_EQ(curve.lrs.size(), rates.size());
  for (std::size_t i = 0; i < rates.size(); ++i) {
    EXPECT_NEAR(rates[i], curve.lrs[i], 1e-12);
  }
  EXPECT_EQ(optimizer.param_groups()[0].options().get_lr(), 0.5);
  EXPECT_EQ(optimizer.updates(), 0);
}

TEST(Tools, BadOptionsOfARangeTestAreRefused) {
  const at::Tensor p = at::ones({1}).requires_grad_();
  torch::optim::SGD sgd({p}, torch::optim::SGDOptions(0.1));
  const auto nan = [&] { return at::full({}, std::nan("")); };
  const LrCurve none = find_lr(sgd, nan);
  EXPECT_TRUE(none.diverged && none.lrs.empty() && !none.valley);
  EXPECT_THROW(find_lr(sgd, nullptr), c10::Error);
  EXPECT_THROW(find_lr(sgd, nan, {.min_lr = 0}), c10::Error);
  EXPECT_THROW(find_lr(sgd, nan, {.min_lr = 1, .max_lr = 1}), c10::Error);
  EXPECT_THROW(find_lr(sgd, nan, {.steps = 1}), c10::Error);
  EXPECT_THROW(find_lr(sgd, nan, {.smoothing = 1}), c10::Error);
  EXPECT_THROW(find_lr(sgd, nan, {.divergence = 1}), c10::Error);
}

}  // namespace
