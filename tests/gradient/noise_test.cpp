// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <agmohd/cpu/load_store.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "samples.hpp"

using namespace agmohd;

template <>
struct contract::Sample<gradient::Noise> {
  static std::vector<gradient::Noise::Options> options() { return {{}, {.noise_eta = 1}}; }
};

namespace noise {

using gradient::Noise;

/// With gradients of zero and a learning rate of 1 a step subtracts the noise, or what the
/// transforms behind it leave.
template <class... Behind>
using Noisy = contract::Trained<Recipe<rule::SGD, contract::SkipAbove, Noise, Behind...>>;

at::Tensor zeros(std::int64_t size) { return at::zeros({size}, at::kDouble).requires_grad_(); }
void set_zero_gradients(const std::vector<at::Tensor>& params) {
  for (const at::Tensor& param : params) param.mutable_grad() = at::zeros_like(param.detach());
}
/// What each step added to each parameter.
template <class Trained>
std::vector<std::vector<at::Tensor>> draws(Trained& trained, int steps) {
  std::vector<std::vector<at::Tensor>> out;
  for (int step = 0; step < steps; ++step) {
    std::vector<at::Tensor> before;
    for (const at::Tensor& param : trained.params) before.push_back(param.detach().clone());
    set_zero_gradients(trained.params);
    trained.optimizer.step();
    out.emplace_back();
    for (std::size_t i = 0; i < before.size(); ++i) {
      out.back().push_back(before[i] - trained.params[i].detach());
    }
  }
  return out;
}
double correlation(const at::Tensor& a, const at::Tensor& b) {
  return a.dot(b).item<double>() / (a.norm() * b.norm()).item<double>();
}

TEST(Noise, Bounds) { contract::expect_bounds<Noise>(); }

TEST(Noise, IsNormalWithTheVarianceOfTheFormula) {
  constexpr std::int64_t kSize = 200'000;
  for (const double gamma : {0.55, 0.0, 2.0}) {
    Noisy<> trained(Noisy<>::Options(1.0).set<Noise>({.noise_eta = 0.3, .noise_gamma = gamma}),
                    at::kDouble, false, {zeros(kSize)});
    for (int t = 0; const auto& of_step : draws(trained, 6)) {
      const at::Tensor z = of_step[0] / std::sqrt(0.3 / std::pow(1 + t, gamma));
      ++t;
      // Five standard deviations of each estimate.
      const double n = double(kSize);
      EXPECT_NEAR(z.mean().item<double>(), 0, 5 / std::sqrt(n));
      EXPECT_NEAR(z.square().mean().item<double>(), 1, 5 * std::sqrt(2 / n));
      EXPECT_NEAR(z.pow(3).mean().item<double>(), 0, 5 * std::sqrt(15 / n));
      EXPECT_NEAR(z.pow(4).mean().item<double>(), 3, 5 * std::sqrt(96 / n));
      const at::Tensor sorted = std::get<0>(z.sort());
      const at::Tensor expected = (at::arange(kSize, at::kDouble) + 0.5) / kSize;
      const at::Tensor normal = 0.5 * at::erfc(-sorted / std::sqrt(2.0));
      EXPECT_LT((normal - expected).abs().max().item<double>(), 1.95 / std::sqrt(n) + 2e-4)
          << "Kolmogorov-Smirnov, 0.1 %";
      EXPECT_NEAR(correlation(z.slice(0, 1), z.slice(0, 0, -1)), 0, 5 / std::sqrt(n));
    }
  }
}

TEST(Noise, DiffersBetweenStepsTensorsAndSeeds) {
  constexpr std::int64_t kSize = 20'000;
  std::vector<at::Tensor> all;
  for (const std::int64_t seed : {0LL, 1LL, 1LL << 40}) {
    Noisy<> trained(Noisy<>::Options(1.0).set<Noise>({.noise_seed = seed}), at::kDouble, false,
                    {zeros(kSize), zeros(kSize)});
    for (const auto& of_step : draws(trained, 3)) {
      all.insert(all.end(), of_step.begin(), of_step.end());
    }
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      EXPECT_NEAR(correlation(all[i], all[j]), 0, 5 / std::sqrt(double(kSize))) << i << ' ' << j;
    }
  }
}

/// Of two sequences of numbers whose mean is 0.
template <class A, class B>
double correlation(int size, const A& a, const B& b) {
  double aa = 0, bb = 0, ab = 0;
  for (int i = 0; i < size; ++i) {
    const double x = double(a(i)), y = double(b(i));
    aa += x * x, bb += y * y, ab += x * y;
  }
  return ab / std::sqrt(aa * bb);
}

TEST(Noise, NoKeyGoesOnWhereAnotherBegan) {
  constexpr int kSize = 50'000;
  std::vector<random::Key> keys;
  for (std::int64_t t = 0; t < 3000; ++t) {
    keys.push_back(random::key(0, {t, 0}, random::Purpose::noise));
  }
  std::sort(keys.begin(), keys.end(),
            [](const auto& a, const auto& b) { return a.element < b.element; });
  for (std::size_t i = 1; i < 40; ++i) {  // the same sum of key and element
    const std::int64_t shift = std::int64_t{keys[i].element} - keys[i - 1].element;
    const double r = correlation(
        kSize, [&](int e) { return random::centred(keys[i], e); },
        [&](int e) { return random::centred(keys[i - 1], e + shift); });
    EXPECT_NEAR(r, 0, 5 / std::sqrt(double(kSize))) << shift;
  }
}

TEST(Noise, TellsNothingOfRoundingWithTheSameSeed) {
  constexpr int kSize = 200'000;
  const Draw draw{5, 2};
  const random::Key noise = random::key(0, draw, random::Purpose::noise);
  const auto rounding = storage::BFloat16::key({.stochastic_rounding = true}, 5, 2);
  for (const int slot : {0, 1, 2}) {
    const double r = correlation(
        kSize, [&](int e) { return random::centred(noise, e); },
        [&](int e) {
          // 1 plus a half of a unit in the last place of a bfloat16: up or down by half of it.
          return storage::BFloat16::rounded(1 + 0.00390625F, rounding, e, slot) - 1.00390625F;
        });
    EXPECT_NEAR(r, 0, 5 / std::sqrt(double(kSize))) << slot;
  }
}

TEST(Noise, IsMeasured) {
  using Trained = Noisy<gradient::ClipByNorm>;
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    Trained trained(Trained::Options(1.0)
                        .set<Noise>({.noise_eta = 1})
                        .set<gradient::ClipByNorm>({.max_norm = 0.25}),
                    dtype, false, {zeros(70'000).detach().to(dtype).requires_grad_()});
    for (const auto& of_step : draws(trained, 3)) {
      EXPECT_NEAR(of_step[0].to(at::kDouble).norm().item<double>(), 0.25, 1e-4);
    }
  }
}

TEST(Noise, BackendsAgree) {
  const auto options = Noisy<>::Options(0.1).set<Noise>({.noise_eta = 0.5, .noise_seed = 3});
  for (const double scale : {0.0, 1.0}) {
    contract::expect_backends_agree<Recipe<rule::SGD, contract::SkipAbove, Noise>>(options, scale);
  }
}

TEST(Noise, VectorsGiveTheBitsOfScalars) {
  const random::Key key = random::key(7, {3, 2}, random::Purpose::noise);
  const std::int64_t first = (std::int64_t{1} << 32) - 64;
  const auto expect = [&]<class V>(V) {
    using R = Real<V>;
    for (std::int64_t i = first; i < first + 128; i += V::size) {
      R of[V::size];
      cpu::store(of, random::normal(V{}, key, Position{i}));
      for (int j = 0; j < V::size; ++j) {
        EXPECT_EQ(of[j], random::normal(R(0), key, Position{i + j})) << i << ' ' << j;
      }
    }
  };
  expect(vec<float>{});
  expect(vec<double>{});
#ifdef AGMOHD_HAS_AVX2
  if (__builtin_cpu_supports("avx2")) {
    expect(vec_avx2<float>{});
    expect(vec_avx2<double>{});
  }
#endif
}

TEST(Noise, GoesOnAfterACheckpoint) {
  for (const at::ScalarType dtype : contract::kDtypes) {
    contract::expect_resumes<Recipe<rule::SGD, contract::SkipAbove, Noise>>(
        Noisy<>::Options(0.1).set<Noise>({.noise_eta = 0.5}), dtype);
  }
}

TEST(Noise, ASkippedStepIsTriedWithTheSameNoise) {
  Noisy<> straight(Noisy<>::Options(1.0), at::kDouble, false, {zeros(100)});
  Noisy<> skipped(Noisy<>::Options(1.0), at::kDouble, false, {zeros(100)});
  draws(straight, 2);
  draws(skipped, 1);
  const at::Tensor before = skipped.params[0].detach().clone();
  skipped.params[0].mutable_grad() =
      at::full_like(before, std::numeric_limits<double>::quiet_NaN());
  skipped.optimizer.step();
  EXPECT_TRUE(contract::same_bits(skipped.params[0], before));
  draws(skipped, 1);
  EXPECT_TRUE(contract::same_bits(skipped.params[0], straight.params[0]));
}

TEST(Noise, NeverWritesTheGradients) {
  Noisy<> trained(Noisy<>::Options(1.0), at::kFloat);
  contract::set_gradients(trained.params, 0);
  std::vector<at::Tensor> before;
  for (const at::Tensor& param : trained.params) before.push_back(param.grad().clone());
  trained.optimizer.step();
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(contract::same_bits(trained.params[i].grad(), before[i]));
  }
}

}  // namespace noise
