// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// SAM against its golden files, and what the files do not show.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/wrap/lookahead.hpp>
#include <agmohd/wrap/sam.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

#include "follow.hpp"

namespace {

using namespace testing_wrap;

/// A step of `given` at p + e, where the gradient is that of the file plus curvature p.
template <class Optimizer>
void expect_sam(const std::string& name, const typename Optimizer::Options& options) {
  const Scenario scenario(name);
  const double curvature = scenario.options().at("sam_curvature").toDouble();
  const agmohd::wrap::SAMOptions how{.rho = scenario.options().at("sam_rho").toDouble(),
                                     .adaptive = scenario.options().at("sam_adaptive").toBool()};
  const auto begin = [&](Optimizer& optimizer, const Tensors& params, const auto& check) {
    return [&, sam = std::make_shared<SAM<Optimizer>>(optimizer, how)](std::int64_t n) {
      Tensors given;
      for (const at::Tensor& p : params) given.push_back(p.grad());
      const auto differentiate = [&] {
        for (std::size_t i = 0; i < params.size(); ++i) {
          if (given[i].defined()) {
            params[i].mutable_grad() = given[i] + curvature * params[i].detach();
          }
        }
        return at::Tensor();
      };
      if (n % 2 == 0) {
        sam->step(differentiate);
      } else {
        differentiate(), sam->first_step(), differentiate(), sam->second_step();
      }
      if (golden::is_snapshot(n)) check(n, params, "params");
    };
  };
  follow_file<Optimizer>(name, options, 4e-6, 3e-8, begin);  // the peer's norm is float32
}

TEST(Wrap, SAMFollowsItsPeer) {
  expect_sam<agmohd::SGD>("sam_sgd",
                          agmohd::SGDOptions(number(Scenario("sam_sgd"), "lr")).momentum(0.9));
  expect_sam<agmohd::AdamW>(
      "sam_adamw", agmohd::AdamWOptions(number(Scenario("sam_adamw"), "lr")).weight_decay(0.1));
  expect_sam<agmohd::SGD>(
      "sam_adaptive_sgd",
      agmohd::SGDOptions(number(Scenario("sam_adaptive_sgd"), "lr")).momentum(0.9));
}

TEST(Wrap, SAMMovesByItsEquation) {
  for (const bool adaptive : {false, true}) {
    const at::Tensor a = at::randn({3, 2}, at::kDouble).requires_grad_(),
                     b = at::randn({4}, at::kFloat).requires_grad_(),
                     c = at::randn({2}, at::kBFloat16).requires_grad_(),
                     without = at::randn({2}, at::kDouble).requires_grad_();
    torch::optim::SGD sgd({torch::optim::OptimizerParamGroup({a, c}),
                           torch::optim::OptimizerParamGroup({b, without, b})},
                          torch::optim::SGDOptions(0.0));
    const agmohd::wrap::SAMOptions options{
        .rho = 0.3, .eps = 1e-3, .adaptive = adaptive, .eta = 0.01};
    SAM sam(sgd, options);
    Tensors before, e;
    double squares = 0;
    for (const at::Tensor& p : {a, b, c}) {
      p.mutable_grad() = at::randn_like(p);
      before.push_back(p.detach().clone());
      const at::Tensor x = p.detach().to(at::kDouble), g = p.grad().to(at::kDouble);
      const at::Tensor weight = adaptive ? x.abs() + 0.01 : at::ones_like(x);
      squares += (weight * g).square().sum().item<double>();
      e.push_back(weight.square() * g * 0.3);
    }
    const at::Tensor kept = without.detach().clone();
    sam.first_step();
    EXPECT_TRUE(sam.perturbed());
    const double norm = std::sqrt(squares) + 1e-3, bounds[] = {3e-3, 3e-3, 2e-2};
    for (std::size_t i = 0; i < 3; ++i) {
      const at::Tensor& p = i == 0 ? a : i == 1 ? b : c;
      const at::Tensor moved = p.detach().to(at::kDouble) - before[i].to(at::kDouble);
      EXPECT_LE((moved - e[i] / norm).norm().item<double>(),
                bounds[i] * (e[i] / norm).norm().item<double>() +
                    (i == 2 ? 8e-3 * before[i].norm().item<double>() : 0));
    }
    EXPECT_TRUE(at::equal(without, kept));
    torch::serialize::OutputArchive archive;
    EXPECT_THROW(sam.save(archive), c10::Error);
    EXPECT_THROW(sam.first_step(), c10::Error);
    sam.second_step();  // of rate 0
    EXPECT_FALSE(sam.perturbed());
    EXPECT_TRUE(at::equal(a, before[0]) && at::equal(b, before[1]) && at::equal(c, before[2]));
    EXPECT_THROW(sam.second_step(), c10::Error);
  }
}

TEST(Wrap, SAMBringsParametersBackExactly) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double bad : {std::nan(""), inf, 0.0}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kHalf}) {
      const at::Tensor p = at::randn({5}).to(dtype).requires_grad_();
      const at::Tensor before = p.detach().clone();
      agmohd::AGMOHD skips(Tensors{p}, agmohd::AGMOHDOptions(0.1).weight_decay(0.0));
      SAM sam(skips, {.rho = 100});
      p.mutable_grad() = at::full_like(p, bad);
      sam.first_step();
      EXPECT_EQ(p.isfinite().all().item<bool>(), bad == 0) << bad << dtype;
      if (bad != 0) p.mutable_grad() = p.detach().clone();
      sam.second_step();  // without a finite gradient, AGMOHD leaves the parameters as they are
      EXPECT_TRUE(at::equal(p, before)) << bad << dtype;
    }
  }
  const at::Tensor p = at::randn({5}).requires_grad_();
  const at::Tensor before = p.detach().clone();
  torch::optim::SGD sgd({p}, torch::optim::SGDOptions(0.1));
  SAM sam(sgd);
  int calls = 0;
  const auto fails = [&] {
    if (++calls == 2) throw std::runtime_error("no second batch");
    sam.zero_grad();
    const at::Tensor loss = p.square().sum();
    loss.backward();
    return loss;
  };
  EXPECT_THROW(sam.step(fails), std::runtime_error);
  EXPECT_TRUE(at::equal(p, before));
  EXPECT_FALSE(sam.perturbed());
  p.mutable_grad() = at::ones_like(p);
  sam.first_step();
  sam.restore();
  EXPECT_TRUE(at::equal(p, before));
}

/// |p| |g| is beyond float16.
TEST(Wrap, AdaptiveSAMFormsItsProductsInFloat) {
  for (const auto dtype : {at::kHalf, at::kBFloat16}) {
    const at::Tensor p = at::full({3}, 100, dtype).requires_grad_();
    torch::optim::SGD sgd({p}, torch::optim::SGDOptions(0.1));
    SAM sam(sgd, {.rho = 0.05, .adaptive = true});
    p.mutable_grad() = at::full({3}, 700, dtype);
    sam.first_step();  // by 0.05 |p|^2 g / ||p g||
    EXPECT_TRUE(at::allclose(p.detach().to(at::kDouble),
                             at::full({3}, 100 + 0.05 * 100 / std::sqrt(3.0), at::kDouble), 4e-3))
        << p;
    sam.restore();
    EXPECT_TRUE(at::equal(p.detach(), at::full({3}, 100, dtype)));
  }
}

TEST(Wrap, SAMRefusesSparseGradients) {
  const at::Tensor p = at::ones({2}).requires_grad_(), rows = at::ones({4, 2}).requires_grad_();
  agmohd::SGD sgd(Tensors{p, rows}, agmohd::SGDOptions(0.1));
  SAM sam(sgd);
  p.mutable_grad() = at::ones({2});
  rows.mutable_grad() =
      at::sparse_coo_tensor(at::tensor({1}, at::kLong).view({1, 1}), at::ones({1, 2}), {4, 2});
  try {
    sam.first_step();
    ADD_FAILURE() << "no error";
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    for (const char* part : {"parameter 1", "Sparse", "sparse(false)"}) {
      EXPECT_NE(text.find(part), std::string::npos) << text;
    }
  }
  EXPECT_FALSE(sam.perturbed());
  EXPECT_TRUE(at::equal(p, at::ones({2})) && at::equal(rows, at::ones({4, 2})));
}

TEST(Wrap, SAMGoesAroundStockOptimizersAndLookahead) {
  // f = |p|^2 / 2, p = 3: e = 0.5 3 / 3, the gradient at p + e is 3.5
  const at::Tensor p = at::full({1}, 3.0, at::kDouble).requires_grad_();
  torch::optim::SGD sgd({p}, torch::optim::SGDOptions(0.2).momentum(0.9));
  Lookahead look(sgd, {.steps = 1, .alpha = 0.5});
  SAM sam(look, {.rho = 0.5});
  const at::Tensor loss = sam.step([&] {
    sam.zero_grad();
    const at::Tensor f = p.square().sum() / 2;
    f.backward();
    return f;
  });
  EXPECT_EQ(loss.item<double>(), 4.5);
  EXPECT_NEAR(p.item<double>(), 3 - 0.5 * 0.2 * 3.5, 1e-12);
  EXPECT_THROW(sam.step(nullptr), c10::Error);

  const at::Tensor q = at::full({1}, 3.0, at::kDouble).requires_grad_();
  torch::optim::SGD one({q}, torch::optim::SGDOptions(0.2).momentum(0.9)),
      other({q}, torch::optim::SGDOptions(0.2).momentum(0.9));
  SAM a(one), b(other);
  q.mutable_grad() = at::ones_like(q);
  a.first_step(), a.second_step();
  torch::serialize::OutputArchive written;
  a.save(written);
  std::stringstream file;
  written.save_to(file);
  torch::serialize::InputArchive read;
  read.load_from(file);
  b.load(read);
  ASSERT_EQ(other.state().size(), 1U);
}

}  // namespace
