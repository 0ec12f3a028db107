// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Options that are not allowed.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "harmless.hpp"

namespace {

using namespace testing_errors;

struct BadOption {
  const char* name;
  std::function<void(Rich::Options&)> set, reset;
  Texts texts;
  bool per_group;
};

std::vector<BadOption> bad_options() {
  std::vector<BadOption> out;
  const auto number = [&](const char* name, auto member, const std::string& allowed, bool per_group,
                          const std::vector<double>& values) {
    for (const double value : values) {
      std::ostringstream text;
      text.precision(17);
      text << name << " = " << value << ", but it must be " << allowed;
      using Value = std::remove_reference_t<decltype(member(std::declval<Rich::Options&>()))>;
      const Value fine = member(*std::make_unique<Rich::Options>(good()));
      out.push_back({name,
                     [=](Rich::Options& o) { member(o) = Value(value); },
                     [=](Rich::Options& o) { member(o) = fine; },
                     {text.str()},
                     per_group});
    }
  };
  const std::string not_negative = "finite and at least 0", positive = "finite and greater than 0";
  number("lr", [](Rich::Options& o) -> double& { return o.lr(); }, not_negative, true,
         {-0.1, -1e-300, kNan, kInf, -kInf});
  number("eps", [](Rich::Options& o) -> double& { return o.eps(); }, not_negative, true,
         {-1e-8, kNan, kInf});
  number("weight_decay", [](Rich::Options& o) -> double& { return o.weight_decay(); }, not_negative,
         true, {-0.5, kNan, kInf});
  number("betas[0]", [](Rich::Options& o) -> double& { return std::get<0>(o.betas()); },
         "in [0, 1)", true, {-0.1, 1, 1.5, kNan});
  number("betas[1]", [](Rich::Options& o) -> double& { return std::get<1>(o.betas()); },
         "in [0, 1)", true, {-0.1, 1, kInf, kNan});
  number("max_norm", [](Rich::Options& o) -> double& { return o.max_norm(); }, positive, false,
         {0, -1, kNan, kInf});
  number("max_value", [](Rich::Options& o) -> double& { return o.max_value(); }, positive, false,
         {0, -1, kNan, kInf});
  number("min_factor", [](Rich::Options& o) -> double& { return o.min_factor(); }, "in [0, 1]",
         false, {-0.1, 1.1, kNan});
  number("warmup_steps", [](Rich::Options& o) -> std::int64_t& { return o.warmup_steps(); },
         not_negative, false, {-1});
  number("warmup_steps", [](Rich::Options& o) -> std::int64_t& { return o.warmup_steps(); },
         "less than total_steps = 50", false, {50, 51});
  number("total_steps", [](Rich::Options& o) -> std::int64_t& { return o.total_steps(); },
         "finite and at least 1", false, {0, -7});
  return out;
}

TEST(OptionErrors, AtConstruction) {
  for (const BadOption& bad : bad_options()) {
    SCOPED_TRACE(bad.texts[0]);
    auto options = good();
    bad.set(options);
    at::Tensor p = parameter();
    const at::Tensor before = p.detach().clone();
    expect_error([&] { Rich(Tensors{p}, options); }, bad.texts);
    EXPECT_TRUE(at::equal(p.detach(), before));
  }
}

TEST(OptionErrors, InAGroup) {
  for (const BadOption& bad : bad_options()) {
    SCOPED_TRACE(bad.texts[0]);
    auto options = Rich::Options(0.2);
    bad.set(options);
    if (options == Rich::Options(0.2)) continue;  // total_steps = 0 is what an unset one looks like
    Texts texts = bad.texts;
    if (!bad.per_group) {
      texts = {std::string(bad.name) +
               " was set for one parameter group, but it belongs to the "
               "optimizer as a whole"};
    }
    const auto group = [&] {
      return Group({parameter()}, std::make_unique<Rich::Options>(options));
    };
    texts.emplace_back("group 0");
    expect_error([&] { Rich(Groups{group()}, good()); }, texts);
    texts.back() = "group 2";
    Fixture f;
    expect_harmless(
        f, [&] { f.optimizer.add_param_group(group()); }, texts);
    EXPECT_EQ(f.optimizer.param_groups().size(), 2U);
  }
}

TEST(OptionErrors, SetBetweenSteps) {
  for (const BadOption& bad : bad_options()) {
    SCOPED_TRACE(bad.texts[0]);
    Fixture f;
    auto& options = bad.per_group ? f.group(1) : f.optimizer.options();
    const auto fine = options;
    Texts texts = bad.texts;
    if (bad.per_group) texts.emplace_back("group 1");
    Fixture untouched;
    bad.set(options);
    const std::string before = content(f.optimizer);
    expect_error([&] { f.optimizer.step(); }, texts);
    expect_error([&] { f.optimizer.step(); }, texts);  // and again
    expect_error([&] { f.optimizer.prepare(); }, texts);
    EXPECT_TRUE(content(f.optimizer) == before);
    options = fine;
    f.optimizer.step();
    untouched.optimizer.step();
    EXPECT_TRUE(content(f.optimizer) == content(untouched.optimizer));
  }
}

TEST(OptionErrors, OptimizerWideOptionSetInAGroupBetweenSteps) {
  for (const std::size_t g : {0U, 1U}) {
    Fixture f;
    expect_harmless(
        f,
        [&] {
          f.group(g).max_norm(0.25);
          f.optimizer.step();
        },
        {"max_norm", "group " + std::to_string(g), "belongs to the optimizer as a whole"},
        [&] { f.group(g) = Fixture().group(g); });
  }
}

TEST(OptionErrors, LearningRateSetThroughTheBaseClass) {
  Fixture f;
  expect_harmless(
      f,
      [&] {
        f.optimizer.param_groups()[0].options().set_lr(-1);
        f.optimizer.step();
      },
      {"group 0", "lr = -1", "at least 0"},
      [&] { f.optimizer.param_groups()[0].options().set_lr(0.1); });
}

TEST(OptionErrors, TotalStepsUnset) {
  expect_error(
      [] { Rich(Tensors{parameter()}, Rich::Options(0.1)); },
      {"total_steps = 0, but it must be finite and at least 1: it must be given (0 = not given)"});
}

TEST(OptionErrors, NesterovNeedsMomentum) {
  expect_error([] { SGD({parameter()}, agmohd::SGDOptions(0.1).nesterov(true)); },
               {"nesterov = true", "momentum above 0"});
  expect_error(
      [] {
        SGD({parameter()}, agmohd::SGDOptions(0.1).momentum(0.9).dampening(0.5).nesterov(true));
      },
      {"nesterov = true", "dampening of 0"});
}

TEST(OptionErrors, OptionsOfAnotherOptimizer) {
  const Texts texts{"group 0", "not the Options of this optimizer", "AdamW"};
  expect_error(
      [] { Rich(Groups{Group({parameter()}, std::make_unique<agmohd::SGDOptions>(0.1))}, good()); },
      texts);
  expect_error(
      [] {
        Rich(Groups{Group({parameter()}, std::make_unique<torch::optim::AdamOptions>(0.1))},
             good());
      },
      texts);
  Fixture f;
  const auto own = f.optimizer.param_groups()[0].options().clone();
  expect_harmless(
      f,
      [&] {
        // content() reads the groups' options as Rich::Options: put them back before it does.
        f.optimizer.param_groups()[0].set_options(std::make_unique<agmohd::SGDOptions>(0.1));
        try {
          f.optimizer.step();
        } catch (...) {
          f.optimizer.param_groups()[0].set_options(own->clone());
          throw;
        }
      },
      texts);
}

}  // namespace
