// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// States of half precision.

#include <gtest/gtest.h>
#include <torch/optim.h>
#include <torch/serialize.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "everything.hpp"

namespace {

using namespace testing_optimizer;

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
