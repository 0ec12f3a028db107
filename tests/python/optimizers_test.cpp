// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Optimizers go on alike, files that do not fit change nothing, and what begins anew does.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/python.hpp>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "../warnings.hpp"
#include "files.hpp"

namespace {

using namespace testing_python;

template <class Optimizer>
class Rules : public Python {};
using All = testing::Types<agmohd::SGD, agmohd::Adam, agmohd::AdamW, agmohd::RMSprop,
                           agmohd::Adagrad, agmohd::Adafactor>;
TYPED_TEST_SUITE(Rules, All);

template <class Optimizer>
typename Optimizer::Options rich() {
  typename Optimizer::Options options(0.05);
  options.weight_decay(0.01).maximize(false);
  if constexpr (Optimizer::Options::has("dampening")) options.momentum(0.9).dampening(0.3);
  // Near 0 its root would turn roundings into steps.
  if constexpr (Optimizer::Options::has("centered"))
    options.alpha(0.8).eps(1e-2).momentum(0.9).centered(true);
  if constexpr (Optimizer::Options::has("lr_decay"))
    options.lr_decay(0.05).initial_accumulator_value(0.3);
  if constexpr (Optimizer::Options::has("amsgrad")) options.amsgrad(true).betas({0.8, 0.95});
  return options;
}

/// Not bit for bit: the products of the betas are computed anew, as powers.
TYPED_TEST(Rules, GoOnAlike) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    const double bound = dtype == at::kDouble ? 1e-13 : dtype == at::kFloat ? 1e-6 : 1e-2;
    Training<TypeParam> whole(dtype, rich<TypeParam>()), other(dtype);
    whole.run(5, 2);
    agmohd::save_python(*whole.optimizer, this->path_);
    for (std::size_t i = 0; i < 3; ++i) other.params[i].detach().copy_(whole.params[i].detach());
    {
      Warnings warnings;
      agmohd::load_python(*other.optimizer, this->path_);
      EXPECT_TRUE(warnings.texts.empty());
    }
    // Python's Adagrad, and so ours, has states before there are gradients.
    const std::size_t states = std::is_same_v<TypeParam, agmohd::Adagrad> ? 3 : 2;
    EXPECT_EQ(std::as_const(*other.optimizer).state().size(), states);
    EXPECT_EQ(other.optimizer->updates(), (std::is_same_v<TypeParam, agmohd::SGD> ? 0 : 5));
    // Before a step, too, all of it comes back.
    const c10::IValue loaded = python::state_dict(*other.optimizer);
    EXPECT_EQ(states_of(loaded).size(), states);
    python::load_state_dict(*other.optimizer, loaded);
    whole.run(20);
    other.run(20);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(at::allclose(whole.params[i], other.params[i], bound, bound))
          << dtype << " parameter " << i;
    }
    EXPECT_EQ(states_of(python::state_dict(*other.optimizer)).size(), 3U);
  }
}

TYPED_TEST(Rules, ErrorsChangeNothing) {
  Training<TypeParam> good(at::kFloat, rich<TypeParam>()), mine(at::kFloat, rich<TypeParam>());
  good.run(3);
  mine.run(2);
  const std::string before = mine.content();
  agmohd::save_python(*good.optimizer, this->path_);
  const std::string whole = bytes_of(this->path_);
  const auto expect = [&](const Texts& texts) {
    Warnings warnings;
    Texts parts{this->path_};
    parts.insert(parts.end(), texts.begin(), texts.end());
    expect_error([&] { agmohd::load_python(*mine.optimizer, this->path_); }, parts);
    EXPECT_TRUE(warnings.texts.empty());
    EXPECT_TRUE(mine.content() == before);
  };
  const auto changed = [&](const std::function<void(python::Dict)>& change, const Texts& texts) {
    write_bytes(this->path_, whole);
    const c10::IValue value = python::read(this->path_);
    change(value.toGenericDict());
    python::write(value, this->path_);
    expect(texts);
  };
  const char* const slot = TypeParam::Recipe::Rule::slot_names[0];

  fs::remove(this->path_);
  expect({"no such file"});
  agmohd::save(*good.optimizer, this->path_);
  expect({"agmohd::load"});
  for (const std::size_t part : {1UL, whole.size() / 3, whole.size() - 9}) {
    write_bytes(this->path_, whole.substr(0, part));
    expect({});
  }
  changed([](python::Dict d) { erase(d, "state"); }, {"no state_dict() of an optimizer"});
  changed([](python::Dict d) { d.insert_or_assign("state", 3); }, {"type int", "a dict"});
  changed([](python::Dict d) { d.insert_or_assign("param_groups", "x"); }, {"type str", "a list"});
  changed([](python::Dict d) { d.at("param_groups").toList().pop_back(); }, {"1 parameter groups"});
  changed([](python::Dict d) { erase(group_of(d, 1), "params"); }, {"group 1", "params"});
  changed([](python::Dict d) { group_of(d, 1).at("params").toList().pop_back(); },
          {"group 1", "1 parameters", "has 2"});
  changed([](python::Dict d) { erase(group_of(d, 1), "weight_decay"); },
          {"group 1", "weight_decay",
           "not of torch.optim." +
               TypeParam::Recipe::name().substr(0, TypeParam::Recipe::name().find('/'))});
  // The last group, the last parameter: what came before was fine.
  changed([](python::Dict d) { group_of(d, 1).insert_or_assign("lr", std::nan("")); },
          {"group 1", "lr = nan"});
  changed([](python::Dict d) { group_of(d, 1).insert_or_assign("maximize", 1.5); },
          {"maximize of group 1", "type float", "a bool"});
  const auto of_last = [&](const c10::IValue& value, const Texts& texts) {
    changed(
        [&](python::Dict d) {
          states_of(d).at(std::int64_t{2}).toGenericDict().insert_or_assign(slot, value);
        },
        texts);
  };
  of_last(at::zeros({2, 3}), {slot, "parameter 1 of group 1", "[2, 3]", "[2, 2]"});
  of_last(at::zeros({2, 2}, at::kLong), {slot, "parameter 1 of group 1", "Long"});
  of_last("x", {slot, "parameter 1 of group 1", "type str"});
  changed(
      [](python::Dict d) {
        states_of(d).at(std::int64_t{2}).toGenericDict().insert("mu_product", at::zeros({2, 2}));
      },
      {"mu_product", "parameter 1 of group 1"});
  changed([](python::Dict d) { states_of(d).insert(std::int64_t{9}, python::dict()); },
          {"4 states", "only 3"});
  write_bytes(this->path_, whole);
  agmohd::load_python(*mine.optimizer, this->path_);
  EXPECT_FALSE(mine.content() == before);
  expect_error([&] { agmohd::load(*mine.optimizer, this->path_); }, {this->path_, "load_python"});
}

TEST_F(Python, RecipesWithTheRuleReadIt) {
  Training<agmohd::AdamW> from;
  from.run(5, 2);
  agmohd::save_python(*from.optimizer, path_);
  Training<agmohd::AGMOHD> to;
  to.run(30);
  agmohd::load_python(*to.optimizer, path_);
  EXPECT_EQ(to.optimizer->updates(), 5);
  EXPECT_EQ(to.optimizer->tally().steps, 0);
  EXPECT_TRUE(to.optimizer->records().empty());
  to.run(1);
  EXPECT_EQ(to.optimizer->updates(), 6);
  EXPECT_EQ(to.optimizer->tally().steps, 1);
  agmohd::save_python(*to.optimizer, path_);
  EXPECT_EQ(group_of(python::read(path_), 0).at("decoupled_weight_decay").toBool(), true);

  Training<agmohd::SGD> sgd(at::kFloat, rich<agmohd::SGD>());
  Training<agmohd::AGMOHDSGD> around(at::kFloat, rich<agmohd::AGMOHDSGD>());
  sgd.run(2);
  python::load_state_dict(*around.optimizer, python::state_dict(*sgd.optimizer));
  EXPECT_EQ(states_of(python::state_dict(*around.optimizer)).size(), 3U);
  around.run(1);

  Training<agmohd::Adam> adam;
  expect_error([&] { agmohd::load_python(*adam.optimizer, path_); }, {path_, "AdamW", "is Adam"});
}

TEST_F(Python, OptionsAreWarnedOf) {
  Training<agmohd::AdamW> from, to(at::kFloat, {0.5});
  const c10::IValue value = python::state_dict(*from.optimizer);
  group_of(value, 1).insert("max_lr", 1.0);
  group_of(value, 1).insert("initial_lr", 1.0);  // of every scheduler
  Warnings warnings;
  python::load_state_dict(*to.optimizer, value);
  ASSERT_EQ(warnings.texts.size(), 2U);
  EXPECT_NE(warnings.texts[0].find("max_lr of group 1"), std::string::npos) << warnings.texts[0];
  EXPECT_EQ(warnings.texts[0].find("initial_lr"), std::string::npos) << warnings.texts[0];
  EXPECT_NE(warnings.texts[1].find("lr of group 0 is 0.05, not 0.5"), std::string::npos)
      << warnings.texts[1];
  EXPECT_EQ(to.optimizer->param_groups()[1].options().get_lr(), 0.05);
}

/// A buffer that prepare() made is none in Python, where the first gradient enters undampened.
TEST_F(Python, BuffersWithoutAStepAreNone) {
  Training<agmohd::SGD> training(at::kFloat, rich<agmohd::SGD>());
  training.optimizer->prepare();
  EXPECT_EQ(std::as_const(*training.optimizer).state().size(), 3U);
  EXPECT_TRUE(states_of(python::state_dict(*training.optimizer)).empty());
  training.run(1, 2);
  EXPECT_EQ(states_of(python::state_dict(*training.optimizer)).size(), 2U);
}

/// Python's Adagrad cannot step where a state is missing.
TEST_F(Python, AllParametersOfAdagradHaveAState) {
  Training<agmohd::Adagrad> training(at::kFloat, rich<agmohd::Adagrad>());
  training.run(2);
  at::Tensor late = at::ones({2}).requires_grad_();
  static_cast<torch::optim::Optimizer&>(*training.optimizer)
      .add_param_group(torch::optim::OptimizerParamGroup(Tensors{late}));
  const python::Dict states = states_of(python::state_dict(*training.optimizer));
  ASSERT_EQ(states.size(), 4U);
  const python::Dict state = states.at(std::int64_t{3}).toGenericDict();
  EXPECT_EQ(state.at("step").toTensor().item<double>(), 0);
  EXPECT_TRUE(at::equal(state.at("sum").toTensor(), at::full({2}, 0.3)));
}

class PythonCuda : public Python {
 protected:
  void SetUp() override {
    Python::SetUp();
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device here";
  }
};

TEST_F(PythonCuda, StateGoesToTheDeviceOfItsParameter) {
  using AdamW = agmohd::AdamW;
  Training<AdamW> first(at::kFloat, rich<AdamW>(), at::kCUDA), host(at::kFloat, rich<AdamW>()),
      second(at::kFloat, rich<AdamW>(), at::kCUDA);
  const auto hand_over = [&](auto& from, auto& to) {
    agmohd::save_python(*from.optimizer, path_);
    for (std::size_t i = 0; i < 3; ++i) to.params[i].detach().copy_(from.params[i].detach());
    agmohd::load_python(*to.optimizer, path_);
  };
  first.run(5, 2);
  hand_over(first, host);
  hand_over(host, second);
  for (auto* const training : {&first, &host, &second}) training->run(5);
  for (std::size_t i = 0; i < 3; ++i) {
    for (const auto& other : {host.params[i], second.params[i].detach().cpu()}) {
      EXPECT_TRUE(at::allclose(first.params[i].detach().cpu(), other.detach(), 1e-6, 1e-6));
    }
  }
}

}  // namespace
