// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Averages take the parameters' places, are saved, and follow what changes.

#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/wrap/ema.hpp>
#include <agmohd/wrap/lookahead.hpp>
#include <cmath>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "follow.hpp"

namespace {

using namespace testing_wrap;

/// A file that is gone after a test.
struct Path {
  const std::string name =
      std::filesystem::temp_directory_path() / ("agmohd-wrap-" + std::to_string(::getpid()));
  ~Path() { std::filesystem::remove(name); }
};

TEST(Wrap, AScopeSwapsBack) {
  const at::Tensor p = at::zeros({2});
  EMA ema({p}, {.decay = 0.5});
  const auto is = [&](double x) { return at::equal(p, at::full({2}, x)); };
  {
    const auto scope = ema.scope();  // no average yet
    EXPECT_TRUE(is(0));
    EXPECT_THROW(EMA::Scope{ema}, c10::Error);
    EXPECT_THROW(ema.update(), c10::Error);
  }
  ema.update();
  p.fill_(1);
  ema.update();
  {
    const auto scope = ema.scope();
    EXPECT_TRUE(is(0.5));
    EXPECT_TRUE(ema.swapped());
    EXPECT_THROW(EMA::Scope{ema}, c10::Error);
    EXPECT_THROW(ema.swap(), c10::Error);
    EXPECT_THROW(ema.update(), c10::Error);
    EXPECT_TRUE(is(0.5));
  }
  EXPECT_TRUE(is(1));
  EXPECT_FALSE(ema.swapped());
  EXPECT_THROW(
      {
        const EMA::Scope scope(ema);
        throw std::runtime_error("in an evaluation");
      },
      std::runtime_error);
  EXPECT_TRUE(is(1));
  ema.swap();
  EXPECT_THROW(EMA::Scope{ema}, c10::Error);
  ema.swap();
  EXPECT_TRUE(is(1));
  static_assert(!std::is_copy_constructible_v<EMA::Scope>);
  ema.update();
}

TEST(Wrap, ScopesLeaveWideAveragesAndParametersAsTheyAre) {
  for (const at::ScalarType dtype : {at::kBFloat16, at::kHalf}) {
    const at::Tensor p = at::full({4}, 1.0, dtype), q = at::full({4}, 1.0, dtype);
    EMA scoped({p}, {.decay = 0.999}), plain({q}, {.decay = 0.999});
    scoped.update(), plain.update();
    p.fill_(2.0), q.fill_(2.0);
    for (int i = 0; i < 200; ++i) {
      scoped.update(), plain.update();
      {
        const auto scope = scoped.scope();
        EXPECT_TRUE(at::equal(p, plain.averages()[0].to(dtype)));
        EXPECT_TRUE(at::equal(scoped.averages()[0], plain.averages()[0]));
      }
      EXPECT_TRUE(at::equal(p, q));
    }
    EXPECT_NEAR(scoped.averages()[0][0].item<double>(), 2 - std::pow(0.999, 200), 1e-5);
    EXPECT_TRUE(at::equal(scoped.averages()[0], plain.averages()[0])) << dtype;
  }
}

TEST(Wrap, SwapIsItsOwnInverse) {
  const auto close = [](const at::Tensor& got, const at::Tensor& want) {
    return at::allclose(got, want, 0, 1e-6);  // values up to 4, some next to zero
  };
  const Tensors params{at::randn({3, 5}), at::randn({7}, at::kDouble), at::empty({0})};
  const Tensors before{params[0].clone(), params[1].clone(), params[2].clone()};
  SWA average(params);
  average.swap();  // nothing to swap with
  EXPECT_FALSE(average.swapped());
  EXPECT_TRUE(at::equal(params[0], before[0]));
  average.update();
  for (const at::Tensor& p : params) p.add_(1);
  average.update();
  average.swap();
  EXPECT_TRUE(close(params[0], before[0] + 0.5));
  EXPECT_TRUE(close(average.averages()[0], before[0] + 0.5));
  EXPECT_THROW(average.update(), c10::Error);
  torch::serialize::OutputArchive archive;
  EXPECT_THROW(average.save(archive), c10::Error);
  average.swap();
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(close(params[i], before[i] + 1));
    EXPECT_TRUE(close(average.averages()[i], before[i] + 0.5));
  }
}

TEST(Wrap, AveragesAreSavedAndLoaded) {
  const Tensors params{at::randn({3, 5}), at::randn({7})};
  EMA one(params, {.decay = 0.5}), other(params, {.decay = 0.5});
  one.update(), params[0].add_(1), one.update();
  torch::serialize::OutputArchive written;
  one.save(written);
  std::stringstream file;
  written.save_to(file);
  torch::serialize::InputArchive read;
  read.load_from(file);
  other.load(read);
  EXPECT_EQ(other.steps(), 2);
  for (int i = 0; i < 2; ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      EXPECT_TRUE(at::equal(one.averages()[j], other.averages()[j]));
    }
    one.update(), other.update();
  }
  std::stringstream again(file.str());
  torch::serialize::InputArchive bad;
  bad.load_from(again);
  EMA three({at::randn({3, 5}), at::randn({8})});
  three.update();
  const at::Tensor kept = three.averages()[0].clone();
  EXPECT_THROW(three.load(bad), c10::Error);
  EXPECT_EQ(three.averaged(), 1);
  EXPECT_TRUE(at::equal(three.averages()[0], kept));
  EMA fewer({at::randn({3, 5})});
  EXPECT_THROW(fewer.load(bad), c10::Error);
}

TEST(Wrap, AreSavedToAPathAndLoaded) {
  const Path path;
  const at::Tensor p = at::full({3}, 2.0).requires_grad_();
  const auto train = [&p](auto& optimizer, int steps) {
    for (int i = 0; i < steps; ++i) {
      p.mutable_grad() = p.detach().clone();
      optimizer.step();
    }
  };
  const auto options = torch::optim::SGDOptions(0.1).momentum(0.9);
  torch::optim::SGD sgd({p}, options), other({p}, options);
  agmohd::AdamW adamw({p});
  EMA ema({p}, {.decay = 0.5}), loaded_ema({p}, {.decay = 0.5});
  Lookahead look(adamw), loaded_look(adamw);
  SAM sam(sgd), loaded_sam(other);
  train(look, 7), train(sgd, 1);
  ema.update(), ema.update();

  agmohd::save(ema, path.name);
  agmohd::load(loaded_ema, path.name);
  EXPECT_EQ(loaded_ema.averaged(), 2);
  EXPECT_TRUE(at::equal(loaded_ema.averages()[0], ema.averages()[0]));
  EMA from_torch({p});
  torch::load(from_torch, path.name);
  EXPECT_EQ(from_torch.averaged(), 2);
  agmohd::save(sam, path.name);
  agmohd::load(loaded_sam, path.name);
  EXPECT_EQ(other.state().size(), 1U);
  agmohd::save(look, path.name);
  agmohd::load(loaded_look, path.name);
  const auto bytes = [](const auto& x) {
    std::ostringstream out;
    torch::save(x, out);
    return out.str();
  };
  EXPECT_EQ(bytes(loaded_look), bytes(look));
}

/// The most likely mistake: the optimizer's file.
TEST(Wrap, AFileOfSomethingElseIsAnErrorThatNamesIt) {
  const Path path;
  const at::Tensor p = at::ones({3}).requires_grad_();
  p.mutable_grad() = at::ones({3});
  agmohd::SGD optimizer({p}, agmohd::SGDOptions(0.1));
  optimizer.step();
  agmohd::save(optimizer, path.name);
  EMA ema({p});
  Lookahead look(optimizer);
  std::vector<at::Tensor> tensors{p};
  const auto error_of = [&](auto& value) {
    try {
      agmohd::load(value, path.name);
    } catch (const c10::Error& error) {
      return std::string(error.what_without_backtrace());
    }
    return std::string("no error");
  };
  const std::string prefix = "agmohd: cannot load " + path.name + ": ";
  EXPECT_EQ(error_of(ema), prefix + "the archive does not hold averages");
  EXPECT_EQ(error_of(look), prefix + "the archive does not hold a Lookahead");
  EXPECT_EQ(error_of(tensors), prefix + "it does not hold a vector of tensors");
  EXPECT_EQ(tensors.size(), 1U);
  agmohd::save(EMA({p}), path.name);
  EXPECT_EQ(error_of(look), prefix + "the archive does not hold a Lookahead");
  agmohd::save(look, path.name);
  EXPECT_EQ(error_of(ema), prefix + "the archive does not hold averages");
}

TEST(Wrap, AFailedSaveOrLoadOfAPathChangesNothing) {
  const Path path;
  const at::Tensor p = at::ones({3});
  EMA ema({p}), fewer({});
  ema.update();
  agmohd::save(ema, path.name);
  {
    const auto scope = ema.scope();
    EXPECT_THROW(agmohd::save(ema, path.name), c10::Error);
  }
  ema.update();
  agmohd::load(ema, path.name);
  EXPECT_EQ(ema.averaged(), 1) << "the old file";
  try {
    agmohd::load(fewer, path.name);
    ADD_FAILURE() << "no error";
  } catch (const c10::Error& error) {
    EXPECT_EQ(std::string(error.what_without_backtrace()),
              "agmohd: cannot load " + path.name +
                  ": the archive has 1 averages, 1 of 1 steps, but here are 0 parameters");
  }
  EXPECT_EQ(fewer.averaged(), 0);
}

TEST(Wrap, FollowModelsThatAreMovedAndGroupsThatChange) {
  torch::nn::Linear model(torch::nn::LinearOptions(1, 1).bias(false));
  const at::Tensor p = model->weight;
  const torch::NoGradGuard no_grad;
  p.fill_(1);
  EMA ema({p}, {.decay = 0.5});
  ema.update();
  model->to(at::kDouble);
  model->weight.fill_(3);
  ema.update();
  EXPECT_EQ(ema.averages()[0].item<double>(), 2);
  EXPECT_EQ(ema.averages()[0].scalar_type(), at::kDouble);

  at::Tensor a = at::ones({1}).requires_grad_(), b = at::ones({1}).requires_grad_(),
             c = at::ones({1}).requires_grad_();
  torch::optim::SGD sgd(
      {torch::optim::OptimizerParamGroup({a}), torch::optim::OptimizerParamGroup({b})},
      torch::optim::SGDOptions(1.0));
  Lookahead look(sgd, {.steps = 1, .alpha = 0.5});
  sgd.param_groups()[0].params().push_back(c);
  for (at::Tensor* const x : {&a, &b, &c}) x->mutable_grad() = at::ones({1});
  look.step();
  for (const at::Tensor& x : {a, b, c}) EXPECT_EQ(x.item<double>(), 0.5);
}

}  // namespace
