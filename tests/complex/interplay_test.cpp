// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Checkpoints, policies and wrappers of complex parameters.

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <torch/optim.h>
#include <torch/serialize.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/python.hpp>
#include <agmohd/wrap/ema.hpp>
#include <agmohd/wrap/evaluation.hpp>
#include <agmohd/wrap/hessian.hpp>
#include <agmohd/wrap/lookahead.hpp>
#include <agmohd/wrap/sam.hpp>
#include <sstream>
#include <string>
#include <utility>

#include "../golden/recipes.hpp"
#include "../golden/replay.hpp"
#include "parts.hpp"

namespace complex_parameters {

template <class R>
void train(agmohd::Optimizer<R>& optimizer, int from, int to) {
  const auto& params = optimizer.param_groups()[0].params();
  for (int t = from; t < to; ++t) {
    const Tensors grads = gradients(params, t);
    for (std::size_t i = 0; i < params.size(); ++i) params[i].mutable_grad() = grads[i];
    optimizer.step();
  }
}
template <class R, class Move>
void expect_resumes(const agmohd::Options<R>& options, int middle, const Move& move) {
  torch::manual_seed(7);
  const Tensors whole = parameters(torch::kComplexFloat);
  Tensors half;
  for (const Tensor& x : whole) half.push_back(x.detach().clone().requires_grad_());
  agmohd::Optimizer<R> straight(whole, options), first(half, options);
  train(straight, 0, 2 * middle);
  train(first, 0, middle);
  agmohd::Optimizer<R> second(half, options);
  move(first, second);
  train(second, middle, 2 * middle);
  expect_same(content(second), content(straight));
}
TEST(Complex, ResumesWithTheSameBits) {
  const auto by_file = [](auto& from, auto& to) {
    std::stringstream file;
    torch::save(from, file);
    torch::load(to, file);
  };
  expect_resumes<agmohd::recipe::Adam>(agmohd::AdamOptions(0.1).amsgrad(true), 5, by_file);
  expect_resumes<golden::AccumulatedAdamW>(
      agmohd::Options<golden::AccumulatedAdamW>(0.1).set<"accumulation_steps">(3), 5, by_file);
  expect_resumes<agmohd::recipe::AGMOHD>(
      agmohd::AGMOHDOptions(0.01).snapshots(true).snapshot_every(10), 15, by_file);
  expect_resumes<agmohd::recipe::Adam>(agmohd::AdamOptions(0.1), 5, [](auto& from, auto& to) {
    agmohd::python::load_state_dict(to, agmohd::python::state_dict(from));
  });
}

/// SGD of the stock library adds complex numbers as pairs: its state is ours.
TEST(Complex, GoesOnFromTheStockOptimizer) {
  torch::manual_seed(7);
  const Tensor z = torch::randn({4, 3}, torch::kComplexFloat).requires_grad_(),
               other = z.detach().clone().requires_grad_();
  torch::optim::SGD stock({z}, torch::optim::SGDOptions(0.1).momentum(0.5));
  agmohd::SGD ours(Tensors{other}, agmohd::SGDOptions(0.1).momentum(0.5));
  const auto step = [](auto& optimizer, const Tensor& p, int t) {
    p.mutable_grad() = gradients({p}, t)[0];
    optimizer.step();
  };
  for (int t = 0; t < 3; ++t) step(stock, z, t), step(ours, other, t);
  EXPECT_TRUE(torch::allclose(z, other));
  std::stringstream file;
  torch::save(stock, file);
  agmohd::SGD next(Tensors{z}, agmohd::SGDOptions(0.1).momentum(0.5));
  torch::load(next, file);
  step(next, z, 3), step(ours, other, 3);
  EXPECT_TRUE(torch::allclose(z, other));
}

template <class F>
void expect_refused(const F& f, const std::string& text) {
  try {
    f();
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what_without_backtrace()).find(text), std::string::npos)
        << "no '" << text << "' in: " << error.what_without_backtrace();
    return;
  }
  ADD_FAILURE() << "no error: " << text;
}

TEST(Complex, WhatMixesPartsRefusesIt) {
  const Tensor z = torch::ones({3, 4}, torch::kComplexFloat).requires_grad_();
  const auto refuses = [&]<class R>(R*, const char* text) {
    expect_refused([&] { agmohd::Optimizer<R> optimizer(Tensors{z}); },
                   std::string("parameter 0 of group 0 has dtype ComplexFloat, but it must be "
                               "real: ") +
                       text);
    const Tensor still = z.detach();  // without a gradient it is left alone, until it has one
    agmohd::Optimizer<R> optimizer(Tensors{still, torch::ones({2}).requires_grad_()});
    still.mutable_grad() = torch::ones({3, 4}, torch::kComplexFloat);
    expect_refused([&] { optimizer.step(); }, text);
    EXPECT_TRUE(torch::equal(still, torch::ones({3, 4}, torch::kComplexFloat)));
  };
  refuses(static_cast<Recipe<agmohd::rule::Adafactor>*>(nullptr), "Adafactor keeps averages");
  refuses(static_cast<Recipe<agmohd::rule::AdamMini>*>(nullptr), "AdamMini keeps averages");
  refuses(static_cast<Recipe<agmohd::rule::CAME>*>(nullptr), "CAME keeps averages");
  refuses(static_cast<golden::ClipByMaxNormAdamW*>(nullptr), "ClipByMaxNorm takes a norm of parts");
  refuses(static_cast<golden::ClipByPNormAdamW*>(nullptr), "ClipByPNorm takes a norm of parts");
  refuses(static_cast<golden::RowsSGD*>(nullptr), "AGC works on rows");
  refuses(static_cast<golden::CentralizeSGD*>(nullptr), "Centralize works on rows");
  refuses(static_cast<golden::OrthogonalSGD*>(nullptr), "Orthogonal measures whole tensors");
  refuses(static_cast<Recipe<agmohd::rule::SGD, agmohd::storage::BFloat16>*>(nullptr),
          "the storage BFloat16");
  const Tensor half = torch::empty({2}, torch::kComplexHalf).requires_grad_();
  expect_refused([&] { agmohd::SGD optimizer(Tensors{half}); }, "ComplexFloat or ComplexDouble");
}

TEST(Complex, StatesAndGradientsAreOfItsKind) {
  const Tensor z = torch::ones({4}, torch::kComplexFloat).requires_grad_(),
               p = torch::ones({4}).requires_grad_();
  agmohd::SGD optimizer(Tensors{z, p}, agmohd::SGDOptions(1).momentum(0.5));
  z.mutable_grad() = torch::ones({4});
  expect_refused([&] { optimizer.step(); },
                 "has dtype Float, but it must be that of the parameter");
  z.mutable_grad() = torch::ones({4}, torch::kComplexFloat);
  p.mutable_grad() = torch::ones({4});
  optimizer.step();
  const auto state = [&](const Tensor& x) -> agmohd::SGDParamState& {
    return static_cast<agmohd::SGDParamState&>(*optimizer.state().at(x.unsafeGetTensorImpl()));
  };
  const Tensor own = std::as_const(state(z)).momentum_buffer();
  state(z).momentum_buffer(torch::ones({4}));
  expect_refused([&] { optimizer.step(); }, "has dtype Float, but it must be a complex one");
  state(z).momentum_buffer(own);
  state(p).momentum_buffer(torch::ones({4}, torch::kComplexFloat));
  expect_refused([&] { optimizer.step(); },
                 "has dtype ComplexFloat, but it must be a floating one");
  state(p).momentum_buffer(torch::ones({4}));
  optimizer.step();
  // Two complex numbers are as many parts as four real ones.
  p.set_data(torch::ones({2}, torch::kComplexFloat));
  p.mutable_grad() = torch::ones({2}, torch::kComplexFloat);
  expect_refused([&] { optimizer.step(); }, "must be a complex one");
}

TEST(Complex, AveragesAndPerturbationsHaveTheBitsOfItsParts) {
  torch::manual_seed(7);
  const Tensors complex = parameters(torch::kComplexFloat), real = as_parts(complex);
  Tensors results[2];
  for (const Tensors& params : {complex, real}) {
    agmohd::SGD optimizer(params, agmohd::SGDOptions(0.1));
    agmohd::wrap::EMA ema(params, {.decay = 0.7});
    agmohd::wrap::Lookahead lookahead(optimizer, {.steps = 2, .alpha = 0.6});
    agmohd::wrap::SAM sam(optimizer, {.rho = 0.5, .adaptive = true, .eta = 0.1});
    Tensors& out = results[params[0].is_complex() ? 0 : 1];
    for (int t = 0; t < 4; ++t) {
      for (const bool second : {false, true}) {
        const Tensors grads = gradients(complex, 2 * t + second);
        for (std::size_t i = 0; i < params.size(); ++i) {
          params[i].mutable_grad() = params[i].is_complex()
                                         ? at::conj(at::conj(grads[i]).resolve_conj())
                                         : parts_of(grads[i]).clone();
        }
        if (!second) sam.first_step();
      }
      sam.restore();
      lookahead.step();
      ema.update();
    }
    const auto scope = ema.scope();
    for (const Tensor& p : params) out.push_back(parts_of(p).clone());
    for (const Tensor& x : ema.averages()) out.push_back(parts_of(x).clone());
  }
  expect_same(results[0], results[1]);
}
TEST(Complex, EvaluationHasTheBitsOfItsParts) {
  torch::manual_seed(7);
  const Tensors complex = parameters(torch::kComplexFloat), real = as_parts(complex);
  agmohd::AdamWScheduleFree ours(complex), other(real);
  for (int t = 0; t < 5; ++t) {
    const Tensors grads = gradients(complex, t);
    for (std::size_t i = 0; i < complex.size(); ++i) {
      complex[i].mutable_grad() = grads[i];
      real[i].mutable_grad() = parts_of(grads[i]).clone();
    }
    ours.step();
    other.step();
  }
  const Tensors before = content(ours);
  {
    const agmohd::wrap::Evaluation one(ours), two(other);
    expect_same(content(ours), content(other));
    EXPECT_FALSE(torch::equal(content(ours)[0], before[0]));
  }
  expect_same(content(ours), before);
}

/// The Hessian of a loss with respect to the parts is diagonal: estimates are exact.
TEST(Complex, HutchinsonEstimatesTheHessianOfTheParts) {
  const Tensor z = torch::randn({3}, torch::kComplexDouble).requires_grad_();
  const Tensor loss = (torch::real(z).pow(4) + 3 * torch::imag(z).square()).sum();
  const Tensor h = agmohd::wrap::hutchinson(loss, {z})[0];
  EXPECT_TRUE(torch::allclose(torch::real(h), 12 * torch::real(z.detach()).square()));
  EXPECT_TRUE(torch::allclose(torch::imag(h), torch::full({3}, 6.0, torch::kDouble)));
}

TEST(Complex, GaussNewtonBartlettSquaresParts) {
  torch::manual_seed(7);
  const Tensor z = torch::randn({4, 3}, torch::kComplexDouble).requires_grad_();
  const Tensor x = torch::randn({20, 4}, torch::kDouble), y = torch::randn({20, 4}, torch::kDouble);
  const Tensor real = parts_of(z).clone().requires_grad_();
  const auto estimate = [&](const Tensor& param, const Tensor& re, const Tensor& im) {
    at::Generator generator = at::detail::createCPUGenerator(3);
    return agmohd::wrap::gauss_newton_bartlett(x.mm(re) + y.mm(im), {param}, generator)[0];
  };
  const Tensor of_complex = estimate(z, torch::real(z), torch::imag(z));
  const Tensor of_parts = estimate(real, real.select(2, 0), real.select(2, 1));
  EXPECT_TRUE(torch::allclose(torch::view_as_real(of_complex), of_parts));
  EXPECT_GT(of_parts.min().item<double>(), 0);
  agmohd::Sophia ours(Tensors{z}), other(Tensors{real});
  agmohd::wrap::update_hessian(ours, {of_complex});
  agmohd::wrap::update_hessian(other, {parts_of(of_complex)});
  expect_same(content(ours), content(other));
}

}  // namespace complex_parameters
