// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What an optimizer meets in programs: tensors of any layout, gradients that come and go,
// parameters that change.

#include <gtest/gtest.h>
#include <torch/optim.h>
#include <torch/serialize.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <set>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "cuda_recipes.hpp"

namespace {

using torch::Tensor;
using Tensors = std::vector<Tensor>;
using Everything = agmohd::Optimizer<testing_recipes::Everything>;

Everything::Options everything() {
  return Everything::Options(1e-2).max_norm(2).max_value(3).warmup_steps(3).total_steps(50);
}

Tensor leaf(const Tensor& x) { return x.detach().requires_grad_(); }

/// Runs 10 steps on `p` with the given gradients and returns its values, contiguous.
template <class Gradient>
Tensor run(const Tensor& p, Gradient gradient) {
  Everything optimizer(Tensors{p}, everything());
  for (int t = 0; t < 10; ++t) {
    torch::manual_seed(std::uint64_t(t));
    p.mutable_grad() = gradient(torch::randn(p.sizes()));
    optimizer.step();
  }
  return p.detach().contiguous();
}
const auto plain = [](const Tensor& g) { return g; };

TEST(Layouts, DoNotChangeTheElementWiseResult) {
  torch::manual_seed(1);
  const Tensor value = torch::randn({6, 4, 5, 3});
  Everything::Options unclipped = everything();
  const Tensor expected = run(leaf(value.clone()), plain);
  const auto close = [&](const Tensor& x, const char* what) {
    // The norm is added in memory order, so a layout may change its last bit.
    EXPECT_TRUE(torch::allclose(x, expected, 1e-6, 1e-7)) << what;
  };
  const Tensor channels_last = value.contiguous(at::MemoryFormat::ChannelsLast);
  close(run(leaf(channels_last.clone()),
            [](const Tensor& g) { return g.contiguous(at::MemoryFormat::ChannelsLast); }),
        "channels last");
  close(run(leaf(channels_last.clone()), plain), "channels last, gradient contiguous");
  close(run(leaf(value.clone()),
            [](const Tensor& g) { return g.contiguous(at::MemoryFormat::ChannelsLast); }),
        "gradient channels last");
  close(run(leaf(value.transpose(0, 3).contiguous().transpose(0, 3)), plain), "transposed");
  const Tensor wide = torch::zeros({6, 4, 5, 6});
  const Tensor strided = wide.slice(3, 0, 6, 2);
  strided.copy_(value);
  close(run(leaf(strided), plain), "every second column of a larger tensor");
  EXPECT_TRUE(torch::allclose(wide.slice(3, 0, 6, 2), expected, 1e-6, 1e-7)) << "written in place";
  EXPECT_EQ(wide.slice(3, 1, 6, 2).abs().sum().item<double>(), 0)
      << "the columns between are untouched";
  close(
      run(leaf(torch::cat({torch::zeros({1}), value.flatten()}).slice(0, 1).view_as(value)), plain),
      "misaligned");
}

/// Makes a tensor of the same elements that LibTorch marks as something else.
struct Marked {
  const char* name;
  Tensor (*make)(const Tensor&);
};
const Marked kMarked[] = {
    {"plain", [](const Tensor& x) { return x.clone(); }},
    {"negative bit", [](const Tensor& x) { return at::_neg_view(x.neg()); }},
    {"negative bit, not dense",
     [](const Tensor& x) {
       if (x.dim() < 2) return x.clone();
       return at::_neg_view(x.neg().repeat({1, 2})).slice(1, 0, x.size(1));
     }},
    {"copied at the first write", [](const Tensor& x) { return at::_lazy_clone(x); }},
    {"inference tensor",
     [](const Tensor& x) {
       const c10::InferenceMode guard;
       return x.clone();
     }},
    {"wrapped number",
     [](const Tensor& x) {
       const Tensor out = x.clone();
       if (out.dim() == 0) out.unsafeGetTensorImpl()->set_wrapped_number(true);
       return out;
     }},
    {"imaginary part of a conjugate",
     [](const Tensor& x) { return at::imag(at::conj(at::complex(x, x.neg()))); }},
};

/// Four steps on parameters and gradients that are marked so; of the tensor backend too.
Tensor marked_run(const Marked& param, const Marked& grad, at::IntArrayRef sizes, bool reference) {
  torch::manual_seed(3);
  const torch::NoGradGuard no_grad;
  const Tensor p = param.make(torch::randn(sizes));
  Everything optimizer(Tensors{p}, everything());
  if (reference) optimizer.use_tensor_backend();
  for (int t = 0; t < 4; ++t) {
    p.mutable_grad() = grad.make(torch::randn(sizes));
    optimizer.step();
  }
  return p.clone();
}

TEST(Flags, DoNotChangeTheResult) {
  for (const bool reference : {false, true}) {
    for (const auto& sizes : {std::vector<std::int64_t>{6, 5}, std::vector<std::int64_t>{}}) {
      const Tensor expected = marked_run(kMarked[0], kMarked[0], sizes, reference);
      for (const Marked& mark : kMarked) {
        EXPECT_TRUE(torch::allclose(marked_run(mark, kMarked[0], sizes, reference), expected, 1e-6))
            << "parameter: " << mark.name;
        EXPECT_TRUE(torch::allclose(marked_run(kMarked[0], mark, sizes, reference), expected, 1e-6))
            << "gradient: " << mark.name;
      }
    }
  }
}

TEST(Flags, AZeroTensorIsAGradientOfZeros) {
  const auto run = [](auto& optimizer, const Tensor& p, bool lazy) {
    for (int t = 0; t < 6; ++t) {
      torch::manual_seed(std::uint64_t(t));
      p.mutable_grad() = torch::randn(p.sizes());
      if (t % 3 != 0)
        p.mutable_grad() =
            lazy ? at::_efficientzerotensor(p.sizes(), at::kFloat) : torch::zeros(p.sizes());
      optimizer.step();
    }
    return p.detach();
  };
  for (const bool reference : {false, true}) {
    Tensor results[2];
    for (const bool lazy : {false, true}) {
      const Tensor p = torch::ones({50, 3}).requires_grad_();
      Everything optimizer(Tensors{p}, everything());
      if (reference) optimizer.use_tensor_backend();
      results[lazy] = run(optimizer, p, lazy);
    }
    EXPECT_TRUE(torch::equal(results[0], results[1]));
  }
  // As autograd makes them.
  const Tensor p = torch::ones({3}).requires_grad_();
  agmohd::SGD optimizer(Tensors{p}, agmohd::SGDOptions(0.5).weight_decay(1));
  (p.sgn().sum()).backward();
  ASSERT_TRUE(p.grad().defined());
  optimizer.step();
  EXPECT_EQ(p[0].item<float>(), 0.5F);
}

TEST(Flags, OfAStateAreResolved) {
  for (const bool zero : {false, true}) {
    const Tensor p = torch::zeros({3}).requires_grad_();
    p.mutable_grad() = torch::ones({3});
    agmohd::SGD optimizer(Tensors{p}, agmohd::SGDOptions(1).momentum(0.5));
    optimizer.step();
    static_cast<agmohd::SGDParamState&>(*optimizer.state().at(p.unsafeGetTensorImpl()))
        .momentum_buffer(zero ? at::_efficientzerotensor({3}, at::kFloat)
                              : at::_neg_view(torch::full({3}, -8.0F)));
    optimizer.step();
    EXPECT_EQ(p[0].item<float>(), zero ? -2 : -6);
  }
}

TEST(Gradients, MayBeUndefinedEmptyOrLate) {
  Tensor a = torch::ones({3}).requires_grad_(), b = torch::ones({0, 2}).requires_grad_(),
         c = torch::ones({2}).requires_grad_();
  agmohd::AdamW optimizer(Tensors{a, b, c}, 0.1);
  optimizer.step();  // nothing has a gradient
  EXPECT_EQ(optimizer.updates(), 0);
  EXPECT_TRUE(optimizer.state().empty());
  a.mutable_grad() = torch::ones({3});
  b.mutable_grad() = torch::ones({0, 2});
  optimizer.step();
  c.mutable_grad() = torch::ones({2});
  a.mutable_grad() = Tensor();
  optimizer.step();
  optimizer.step();
  const auto step = [&](const Tensor& p) {
    return static_cast<agmohd::AdamWParamState&>(*optimizer.state().at(p.unsafeGetTensorImpl()))
        .step();
  };
  EXPECT_EQ(step(a), 1);
  EXPECT_EQ(step(b), 3);
  EXPECT_EQ(step(c), 2);
  EXPECT_EQ(optimizer.updates(), 3);
}

TEST(Gradients, AreNeverWritten) {
  Tensor p = torch::randn({70000}).requires_grad_();
  p.mutable_grad() = torch::randn({70000}) * 100;
  const Tensor before = p.grad().clone();
  Everything optimizer(Tensors{p}, everything());
  for (int i = 0; i < 3; ++i) optimizer.step();
  EXPECT_TRUE(torch::equal(before, p.grad()));
}

TEST(Parameters, MayBeReplacedMovedAndRetyped) {
  Tensor p = torch::ones({5}).requires_grad_();
  agmohd::SGD optimizer(Tensors{p}, agmohd::SGDOptions(0.1).momentum(0.9));
  const auto step = [&] {
    optimizer.param_groups()[0].params()[0].mutable_grad() =
        torch::ones_like(optimizer.param_groups()[0].params()[0]);
    optimizer.step();
  };
  step();
  p.mutable_grad() = Tensor();
  p.set_data(p.detach().to(torch::kDouble));  // as Module::to(kDouble) does
  step();
  EXPECT_EQ(p.scalar_type(), torch::kDouble);
  EXPECT_NEAR(p[0].item<double>(), 1 - 0.1 - 0.19, 1e-6) << "the momentum went along";
  Tensor q = torch::zeros({3}).requires_grad_();
  optimizer.param_groups()[0].params()[0] = q;
  step();
  EXPECT_NEAR(q[0].item<double>(), -0.1, 1e-7);
  Tensor added = torch::zeros({2, 2}).requires_grad_();
  optimizer.add_parameters({added});
  added.mutable_grad() = torch::ones({2, 2});
  step();
  EXPECT_NEAR(added[0][0].item<double>(), -0.1, 1e-7);
  {
    const torch::NoGradGuard no_grad;
    q.set_data(torch::full({3}, 5.0F));  // the same tensor, other memory
  }
  step();
  EXPECT_LT(q[0].item<double>(), 5);
}

TEST(Parameters, TellAutogradThatTheyWereWritten) {
  Tensor p = torch::ones({3}).requires_grad_();
  const Tensor y = (p * p).sum();
  p.mutable_grad() = torch::ones({3});
  agmohd::SGD optimizer(Tensors{p}, 0.1);
  optimizer.step();
  EXPECT_THROW(y.backward(), c10::Error) << "p changed between forward and backward";
}

TEST(Options, AreTheTruthAtEveryStep) {
  Tensor p = torch::zeros({1}).requires_grad_();
  agmohd::Optimizer<testing_recipes::ClippedSGD> optimizer(
      Tensors{p}, agmohd::Optimizer<testing_recipes::ClippedSGD>::Options(1).max_norm(1));
  p.mutable_grad() = torch::full({1}, 4.0F);
  optimizer.step();
  EXPECT_EQ(p.item<float>(), -1);
  optimizer.options().max_norm(2);
  optimizer.step();
  EXPECT_EQ(p.item<float>(), -3);
  optimizer.param_groups()[0].options().set_lr(0.5);
  optimizer.step();
  EXPECT_EQ(p.item<float>(), -4);
  // Momentum switched on later: the buffer appears.
  static_cast<decltype(optimizer)::Options&>(optimizer.param_groups()[0].options()).momentum(0.5);
  optimizer.step();
  EXPECT_EQ(p.item<float>(), -5);
  optimizer.step();
  EXPECT_EQ(p.item<float>(), -6.5);
}

TEST(State, IsComparedAtEveryStep) {
  Tensor a = torch::zeros({4}).requires_grad_(), b = torch::zeros({4}).requires_grad_();
  agmohd::SGD optimizer(Tensors{a, b}, agmohd::SGDOptions(1).momentum(0.5));
  a.mutable_grad() = torch::ones({4});
  b.mutable_grad() = torch::full({4}, 10.0F);
  optimizer.step();
  const auto state = [&](const Tensor& p) -> std::unique_ptr<agmohd::OptimizerParamState>& {
    return optimizer.state().at(p.unsafeGetTensorImpl());
  };
  // A reference that was taken before a step and is assigned to after it.
  Tensor& buffer = static_cast<agmohd::SGDParamState&>(*state(a)).momentum_buffer();
  optimizer.step();
  buffer = torch::full({4}, 100.0F);
  optimizer.step();
  EXPECT_EQ(a[0].item<float>(), -1 - 1.5F - 51);
  std::swap(state(a), state(b));  // momenta 51 and 17.5
  optimizer.step();
  EXPECT_EQ(a[0].item<float>(), -53.5F - (0.5F * 17.5F + 1));
}

TEST(State, IsNotMadeForFrozenParameters) {
  Tensor a = torch::zeros({4}).requires_grad_(), frozen = torch::zeros({4});
  agmohd::AdamW optimizer(Tensors{a, frozen}, 0.1);
  optimizer.prepare();
  EXPECT_EQ(optimizer.state().size(), 1U);
}

TEST(Momentum, SwitchedOnLaterBeginsUndampened) {
  const auto run = [](auto& optimizer, const Tensor& p, auto* options) {
    for (int t = 0; t < 4; ++t) {
      p.mutable_grad() = torch::full({2}, 1.0F + float(t));
      if (t == 1) options->momentum(0.5).dampening(0.5);
      optimizer.step();
    }
    return p.detach().clone();
  };
  Tensor a = torch::zeros({2}).requires_grad_(), b = torch::zeros({2}).requires_grad_();
  torch::optim::SGD stock(Tensors{a}, torch::optim::SGDOptions(1));
  agmohd::SGD ours(Tensors{b}, agmohd::SGDOptions(1));
  EXPECT_TRUE(torch::equal(
      run(stock, a, &static_cast<torch::optim::SGDOptions&>(stock.param_groups()[0].options())),
      run(ours, b, &static_cast<agmohd::SGDOptions&>(ours.param_groups()[0].options()))));
}

TEST(Layouts, OfConvolutionGradientsNeedNoCopy) {
  // conv2d returns gradients of 1x1 and depthwise weights whose strides differ where a size is 1.
  const Tensor w = torch::randn({64, 32, 1, 1});
  const Tensor g = torch::randn({64, 32}).as_strided({64, 32, 1, 1}, {32, 1, 32, 32});
  EXPECT_TRUE(agmohd::same_order(w, g));
  EXPECT_FALSE(agmohd::same_order(torch::randn({2, 3}), torch::randn({3, 2}).t()));
  const Tensor p = leaf(w.clone()), q = leaf(w.clone());
  agmohd::AdamW first(Tensors{p}, 0.1), second(Tensors{q}, 0.1);
  p.mutable_grad() = g;
  q.mutable_grad() = g.contiguous();
  first.step();
  second.step();
  EXPECT_TRUE(torch::equal(p, q));
}

TEST(NonFinite, GradientsPropagateAsInTorch) {
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    Tensor a = torch::ones({4}).requires_grad_(), b = torch::ones({4}).requires_grad_();
    torch::optim::SGD stock(Tensors{a}, torch::optim::SGDOptions(0.1).momentum(0.9));
    agmohd::SGD ours(Tensors{b}, agmohd::SGDOptions(0.1).momentum(0.9));
    for (int t = 0; t < 2; ++t) {
      a.mutable_grad() = torch::tensor({1.0F, bad, -bad, 2.0F});
      b.mutable_grad() = a.grad().clone();
      stock.step();
      ours.step();
    }
    EXPECT_TRUE(torch::allclose(a, b, 1e-6, 0, /*equal_nan=*/true)) << a << b;
  }
}

TEST(Threads, DoNotChangeABit) {
  Tensor results[2];
  const int threads = at::get_num_threads();
  for (int run = 0; run < 2; ++run) {
    at::set_num_threads(run == 0 ? 1 : 4);
    torch::manual_seed(4);
    Tensors params;
    for (int i = 0; i < 9; ++i) params.push_back(torch::randn({1 + i * 7919}).requires_grad_());
    Everything optimizer(params, everything());
    for (int t = 0; t < 5; ++t) {
      for (const Tensor& p : params) p.mutable_grad() = torch::randn_like(p);
      optimizer.step();
    }
    for (Tensor& p : params) p = p.detach();
    results[run] = torch::cat(params);
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(torch::equal(results[0], results[1]));
}

/// So many that several threads look at them. What changed is seen wherever it lies.
TEST(Threads, FindEveryChangeAmongThousandsOfParameters) {
  constexpr int kCount = 3000;
  torch::manual_seed(8);
  Tensors ours, theirs;
  for (int i = 0; i < kCount; ++i) {
    ours.push_back(leaf(torch::randn({1 + i % 5})));
    theirs.push_back(leaf(ours.back().clone()));
  }
  const auto groups = [](const Tensors& all) {
    std::vector<torch::optim::OptimizerParamGroup> out;
    for (const int begin : {0, 1, 1400}) {
      const int end = begin == 0 ? 1 : begin == 1 ? 1400 : kCount;
      out.emplace_back(Tensors(all.begin() + begin, all.begin() + end));
    }
    return out;
  };
  agmohd::SGD a(groups(ours), agmohd::SGDOptions(0.1).momentum(0.9));
  torch::optim::SGD b(groups(theirs), torch::optim::SGDOptions(0.1).momentum(0.9));
  for (int t = 0; t < 8; ++t) {
    for (int i = 0; i < kCount; ++i) {
      const auto n = std::size_t(i);
      if (t % 2 == 0) {  // elsewhere; in odd steps where they were
        ours[n].mutable_grad() = torch::randn_like(ours[n].detach());
        theirs[n].mutable_grad() = ours[n].grad().clone();
      }
      if ((t == 2 && i == 2999) || (t == 3 && i == 1700)) {
        ours[n].mutable_grad() = theirs[n].mutable_grad() = Tensor();
      } else if (t == 5 && (i == 3 || i == 2048)) {
        const Tensor fresh = torch::randn_like(ours[n].detach());
        ours[n].set_data(fresh.clone()), theirs[n].set_data(fresh.clone());
      }
    }
    if (t == 4) {  // a parameter takes the place of another
      ours[77] = leaf(torch::ones({2})), theirs[77] = leaf(torch::ones({2}));
      ours[77].mutable_grad() = torch::full({2}, 3.0);
      theirs[77].mutable_grad() = torch::full({2}, 3.0);
      a.param_groups()[1].params()[76] = ours[77], b.param_groups()[1].params()[76] = theirs[77];
    }
    const auto version = ours[2500]._version();
    a.step(), b.step();
    EXPECT_GT(ours[2500]._version(), version);
    for (int i = 0; i < kCount; ++i) {
      const auto n = std::size_t(i);
      ASSERT_TRUE(torch::allclose(ours[n], theirs[n], 1e-5, 1e-5))
          << "step " << t << ", " << i << ours[n] << theirs[n];
    }
  }
}

TEST(Threads, StepsRunInsideLibTorchsOwnPool) {
  std::vector<std::thread> programs;
  std::atomic<int> finished{0};
  for (int i = 0; i < 4; ++i) {
    programs.emplace_back([&] {
      Tensor p = torch::ones({200000}).requires_grad_();
      agmohd::AdamW optimizer(Tensors{p}, 0.1);
      for (int t = 0; t < 20; ++t) {
        p.mutable_grad() = torch::ones_like(p);
        optimizer.step();
      }
      finished += p.detach().min().item<float>() == p.detach().max().item<float>() ? 1 : 0;
    });
  }
  for (std::thread& t : programs) t.join();
  EXPECT_EQ(finished, 4);
}

TEST(Save, ReplacesTheFileAtOnceOrNotAtAll) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("agmohd_save_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "state.pt").string();
  Tensor p = torch::ones({4}).requires_grad_();
  p.mutable_grad() = torch::ones({4});
  agmohd::AdamW optimizer(Tensors{p}, 0.1);
  optimizer.step();
  agmohd::save(optimizer, path);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1)
      << "no temporary file is left";
  optimizer.step();
  EXPECT_THROW(agmohd::save(optimizer, (folder / "missing" / "state.pt").string()), c10::Error);
  agmohd::AdamW loaded(Tensors{p}, 0.5);
  torch::load(loaded, path);
  EXPECT_EQ(loaded.updates(), 1);
  agmohd::save(optimizer, path);
  torch::load(loaded, path);
  EXPECT_EQ(loaded.updates(), 2);
  std::filesystem::remove_all(folder);
}

TEST(Move, KeepsTheState) {
  Tensor p = torch::ones({4}).requires_grad_();
  p.mutable_grad() = torch::ones({4});
  agmohd::AdamW first(Tensors{p}, 0.1);
  first.step();
  agmohd::AdamW second(std::move(first));
  second.step();
  EXPECT_EQ(second.updates(), 2);
}

// ---- Storage

template <class Gradient = agmohd::gradient::None>
using HalfAdamW = agmohd::Recipe<agmohd::rule::AdamW, Gradient, agmohd::storage::BFloat16>;
using Half = agmohd::Optimizer<HalfAdamW<>>;
using HalfSGD = agmohd::Optimizer<agmohd::Recipe<agmohd::rule::SGD, agmohd::storage::BFloat16>>;

template <class O>
typename O::ParamState& state_of(O& optimizer, const Tensor& p) {
  return static_cast<typename O::ParamState&>(*optimizer.state().at(p.unsafeGetTensorImpl()));
}

/// Parameters of several sizes, and gradients that differ in each step.
struct HalfRun {
  explicit HalfRun(Half::Options options, at::ScalarType type = torch::kFloat) {
    torch::manual_seed(5);
    for (const std::int64_t n : {1, 7, 70003}) params.push_back(leaf(torch::randn({n}).to(type)));
    optimizer = std::make_unique<Half>(params, options);
  }
  void steps(int from, int to) {
    for (int t = from; t < to; ++t) {
      torch::manual_seed(std::uint64_t(100 + t));
      for (const Tensor& p : params) {
        p.mutable_grad() = torch::randn(p.sizes()).to(p.scalar_type());
      }
      optimizer->step();
    }
  }
  Tensor values() {
    Tensors out;
    for (const Tensor& p : params) out.push_back(p.detach().to(torch::kDouble));
    return torch::cat(out);
  }
  Tensor states() {
    Tensors out;
    for (const Tensor& p : params) {
      const auto& state = state_of(*optimizer, p);
      out.push_back(torch::cat({state.exp_avg(), state.exp_avg_sq()}).to(torch::kDouble));
    }
    return torch::cat(out);
  }
  Tensor all() { return torch::cat({values(), states()}); }
  Tensors params;
  std::unique_ptr<Half> optimizer;
};
const Half::Options kNearest = Half::Options(1e-2);
const Half::Options kStochastic = Half::Options(1e-2).stochastic_rounding(true).seed(3);

TEST(HalfState, IsHalfTheMemoryButForDoubles) {
  for (const auto& [type, expected] :
       {std::pair{torch::kFloat, torch::kBFloat16}, std::pair{torch::kBFloat16, torch::kBFloat16},
        std::pair{torch::kHalf, torch::kBFloat16}, std::pair{torch::kDouble, torch::kDouble}}) {
    HalfRun run(kStochastic, type);
    run.steps(0, 2);
    for (const Tensor& p : run.params) {
      EXPECT_EQ(state_of(*run.optimizer, p).exp_avg().scalar_type(), expected);
      EXPECT_EQ(state_of(*run.optimizer, p).exp_avg_sq().scalar_type(), expected);
    }
  }
  EXPECT_EQ(agmohd::AdamW::Recipe::name(), "AdamW/None/Fixed/None/Constant");
  EXPECT_EQ(HalfAdamW<>::name(), "AdamW/None/Fixed/None/Constant/BFloat16");
}

TEST(HalfState, IsRoundedToNearest) {
  // Each step against one of float state that begins with the same values.
  HalfRun half(kNearest);
  for (int t = 0; t < 5; ++t) {
    Tensors copies;
    for (const Tensor& p : half.params) copies.push_back(leaf(p.clone()));
    agmohd::AdamW wide(copies, agmohd::AdamWOptions(1e-2));
    for (std::size_t i = 0; t > 0 && i < copies.size(); ++i) {
      auto state = std::make_unique<agmohd::AdamWParamState>();
      auto& from = state_of(*half.optimizer, half.params[i]);
      state->step(from.step());
      state->exp_avg(from.exp_avg().to(torch::kFloat));
      state->exp_avg_sq(from.exp_avg_sq().to(torch::kFloat));
      wide.state()[copies[i].unsafeGetTensorImpl()] = std::move(state);
    }
    half.steps(t, t + 1);
    for (std::size_t i = 0; i < copies.size(); ++i)
      copies[i].mutable_grad() = half.params[i].grad();
    wide.step();
    for (std::size_t i = 0; i < copies.size(); ++i) {
      EXPECT_TRUE(torch::equal(copies[i], half.params[i])) << t;
      // The nearest of 8 bits of mantissa, in double; std::nearbyint takes ties to even.
      const auto nearest = [](const Tensor& x) {
        Tensor out = x.to(torch::kDouble).contiguous();
        auto* const v = out.mutable_data_ptr<double>();
        for (std::int64_t e = 0; e < out.numel(); ++e) {
          int exponent = 0;
          std::frexp(v[e], &exponent);
          const int unit = std::max(exponent, -125) - 8;  // below, the spacing stays
          v[e] = std::ldexp(std::nearbyint(std::ldexp(v[e], -unit)), unit);
        }
        return out;
      };
      auto& a = state_of(*half.optimizer, half.params[i]);
      auto& b = state_of(wide, copies[i]);
      EXPECT_TRUE(torch::equal(a.exp_avg().to(torch::kDouble), nearest(b.exp_avg()))) << t;
      EXPECT_TRUE(torch::equal(a.exp_avg_sq().to(torch::kDouble), nearest(b.exp_avg_sq()))) << t;
    }
  }
}

TEST(HalfState, StochasticRoundingKeepsTheMean) {
  // buffer = buffer + g with g far below half a unit of the buffer: to nearest it stands still.
  constexpr std::int64_t n = 20011;
  constexpr int steps = 256;
  for (const bool stochastic : {false, true}) {
    Tensor p = torch::zeros({n}).requires_grad_();
    HalfSGD optimizer({p},
                      HalfSGD::Options(0.0).momentum(0.999999).stochastic_rounding(stochastic));
    p.mutable_grad() = torch::ones({n});
    optimizer.step();  // buffer = 1, where a unit is 2^-7 above and 2^-8 below
    p.mutable_grad() = torch::full({n}, 0x1p-12F);
    for (int t = 0; t < steps; ++t) optimizer.step();
    const Tensor buffer = state_of(optimizer, p).momentum_buffer().to(torch::kDouble);
    if (!stochastic) {
      EXPECT_EQ((buffer != 1).sum().item<std::int64_t>(), 0);
      continue;
    }
    // A step's variance is at most 2^-12 * 2^-7; five standard deviations of the mean.
    const double expected = 1 + steps * (0x1p-12 - 1e-6);
    const double deviation = std::sqrt(steps * 0x1p-19 / double(n));
    EXPECT_NEAR(buffer.mean().item<double>(), expected, 5 * deviation + 1e-5);
    const double variance = buffer.var().item<double>();
    EXPECT_NEAR(variance, steps * 0x1p-19, 0.05 * steps * 0x1p-19) << "steps are independent";
    // Neighbours are, too.
    const Tensor centred = buffer - buffer.mean();
    for (const std::int64_t lag : {1, 2, 4, 8, 1024}) {
      const double covariance =
          (centred.slice(0, 0, n - lag) * centred.slice(0, lag)).mean().item<double>();
      EXPECT_LT(std::abs(covariance), 5 * variance / std::sqrt(double(n))) << lag;
    }
  }
}

TEST(HalfState, RandomBitsDifferBySeedParameterStepAndSlotAlone) {
  HalfRun a(kStochastic), b(kStochastic), other(Half::Options(kStochastic).seed(4));
  for (HalfRun* run : {&a, &b, &other}) run->steps(0, 6);
  EXPECT_TRUE(torch::equal(a.all(), b.all()));
  EXPECT_FALSE(torch::equal(a.all(), other.all()));
  using agmohd::storage::BFloat16;
  const auto bits = [](BFloat16::Key key, int slot) {
    std::vector<float> out;
    for (std::int64_t i = 0; i < 64; ++i) {
      out.push_back(BFloat16::rounded(1.003F, key, i + (std::int64_t{slot} << 32), slot % 2));
    }
    return out;
  };
  std::set<std::vector<float>> seen;
  int made = 0;
  for (const std::int64_t seed : {0LL, 1LL, 1LL << 40}) {
    for (const std::int64_t updates : {0LL, 1LL, 2LL, 1LL << 33}) {
      for (const int index : {0, 1, 2}) {
        for (const int slot : {0, 1, 2, 3}) {  // 2, 3: beyond 2^32 elements
          seen.insert(bits(BFloat16::key({true, seed}, updates, index), slot));
          ++made;
        }
      }
    }
  }
  EXPECT_EQ(int(seen.size()), made);
}

TEST(HalfState, HasTheBitsOfTheTensorBackend) {
  for (const auto type : {torch::kFloat, torch::kDouble, torch::kBFloat16, torch::kHalf}) {
    for (const auto& options : {kNearest, kStochastic}) {
      HalfRun fast(options, type), slow(options, type);
      slow.optimizer->use_tensor_backend();
      for (HalfRun* run : {&fast, &slow}) run->steps(0, 5);
      EXPECT_TRUE(torch::equal(fast.states(), slow.states())) << type;
      // ATen's square root is not correctly rounded everywhere.
      EXPECT_TRUE(torch::allclose(fast.values(), slow.values(), 1e-6, 1e-7)) << type;
    }
  }
}

template <class From, class To>
void pass(const From& from, To& to) {
  std::stringstream file;
  torch::save(from, file);
  torch::load(to, file);
}

TEST(HalfState, ResumesBitForBit) {
  HalfRun whole(kStochastic), first(kStochastic);
  whole.steps(0, 8);
  first.steps(0, 4);
  HalfRun second(kNearest);  // the options are in the file
  for (std::size_t i = 0; i < first.params.size(); ++i) {
    const torch::NoGradGuard no_grad;
    second.params[i].copy_(first.params[i]);
  }
  pass(*first.optimizer, *second.optimizer);
  EXPECT_TRUE(second.optimizer->options().stochastic_rounding());
  second.steps(4, 8);
  EXPECT_TRUE(torch::equal(whole.all(), second.all()));
}

TEST(HalfState, ReadsCheckpointsOfFloatStateAndTheReverse) {
  const auto train = [](auto& optimizer, const Tensor& p) {
    torch::manual_seed(8);
    for (int t = 0; t < 3; ++t) {
      p.mutable_grad() = torch::randn(p.sizes());
      optimizer.step();
    }
  };
  Tensor p = torch::ones({100}).requires_grad_();
  torch::optim::AdamW stock(Tensors{p}, torch::optim::AdamWOptions(1e-2));
  agmohd::AdamW wide(Tensors{p}, agmohd::AdamWOptions(1e-2));
  Half half(Tensors{p}, kStochastic);
  const auto as_half = [&](const Tensor& x) { return x.to(torch::kBFloat16); };
  train(stock, p);
  pass(stock, half);
  p.mutable_grad() = Tensor();
  half.prepare();
  const auto& from =
      static_cast<torch::optim::AdamWParamState&>(*stock.state().at(p.unsafeGetTensorImpl()));
  EXPECT_TRUE(torch::equal(state_of(half, p).exp_avg(), as_half(from.exp_avg())));
  EXPECT_EQ(half.updates(), 3);
  train(wide, p);
  pass(wide, half);
  half.prepare();
  EXPECT_TRUE(
      torch::equal(state_of(half, p).exp_avg_sq(), as_half(state_of(wide, p).exp_avg_sq())));
  EXPECT_TRUE(half.options().stochastic_rounding()) << "the file does not say";
  train(half, p);
  pass(half, wide);
  wide.prepare();
  EXPECT_EQ(state_of(wide, p).exp_avg().scalar_type(), torch::kFloat);
  EXPECT_TRUE(torch::equal(as_half(state_of(wide, p).exp_avg()), state_of(half, p).exp_avg()));
  EXPECT_EQ(wide.updates(), 6);
}

TEST(HalfState, KeepsWhatIsNotFinite) {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const Tensor g = torch::tensor({inf, -inf, std::nanf(""), std::numeric_limits<float>::max(),
                                  0x1.fefp127F, 0x1.fep127F, 0.0F, -0.0F, 1e-45F, 1.0F})
                       .repeat({2});
  for (const bool stochastic : {false, true}) {
    for (std::int64_t seed = 0; seed < 20; ++seed) {
      Tensor p = torch::zeros({20}).requires_grad_();
      p.mutable_grad() = g;
      HalfSGD optimizer(
          {p}, HalfSGD::Options(0.0).momentum(0.9).seed(seed).stochastic_rounding(stochastic));
      optimizer.step();
      const Tensor buffer = state_of(optimizer, p).momentum_buffer().to(torch::kFloat);
      const Tensor expected = g.to(torch::kBFloat16).to(torch::kFloat);
      for (std::int64_t i = 0; i < 20; ++i) {
        const auto x = buffer[i].item<float>(), nearest = expected[i].item<float>();
        if (i % 10 == 8) {
          EXPECT_TRUE(x == 0 || !stochastic || x == 0x1p-133F) << x;
        } else {
          EXPECT_TRUE(x == nearest || (std::isnan(x) && std::isnan(nearest))) << i << ": " << x;
        }
      }
    }
  }
}

}  // namespace
