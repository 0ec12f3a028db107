// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The parts below the optimizer: fields, conversions, the reduction, the pool, options.

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <gtest/gtest.h>

#include <agmohd/cpu/executor.hpp>
#include <agmohd/cuda/host/launch_plan.hpp>
#include <agmohd/policy/atan2.hpp>
#include <agmohd/policy/check.hpp>
#include <agmohd/policy/power.hpp>
#include <agmohd/recipes.hpp>
#include <agmohd/torch/options.hpp>
#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace agmohd;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <class Policy>
std::string complaint(const typename Policy::Options& options) {
  try {
    check<Policy>(options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "none";
}

// ---- Fields

TEST(Bounds, ContainWhatTheySay) {
  EXPECT_TRUE(in(0, 1).contain(0) && !in(0, 1).contain(1) && !in(0, 1).contain(-1e-300));
  EXPECT_TRUE(between(0, 1).contain(0) && between(0, 1).contain(1) && !between(0, 1).contain(1.5));
  EXPECT_TRUE(at_least(2).contain(2) && at_least(2).contain(1e300) && !at_least(2).contain(1.9));
  EXPECT_TRUE(!above(0).contain(0) && above(0).contain(1e-320));
  EXPECT_TRUE(any().contain(-1e308) && any().contain(1e308));
  for (const Bounds& b : {in(0, 1), between(0, 1), at_least(0), above(0), any()}) {
    EXPECT_FALSE(b.contain(std::nan("")) && std::isfinite(b.low));
  }
}

TEST(Check, NamesTheFieldTheValueAndWhatIsAllowed) {
  EXPECT_EQ(complaint<rule::Adam>({.betas = {0.9, 1}}), "betas[1] = 1, but it must be in [0, 1)");
  EXPECT_EQ(complaint<rule::Adam>({.betas = {-0.5, 0.9}}),
            "betas[0] = -0.5, but it must be in [0, 1)");
  EXPECT_EQ(complaint<rule::Adam>({.eps = -1}), "eps = -1, but it must be finite and at least 0");
  EXPECT_EQ(complaint<rule::SGD>({.dampening = double(kInf)}),
            "dampening = inf, but it must be finite");
  EXPECT_EQ(complaint<gradient::ClipByNorm>({.max_norm = 0}),
            "max_norm = 0, but it must be finite and greater than 0");
  EXPECT_EQ(complaint<schedule::Cosine>({.total_steps = -3}),
            "total_steps = -3, but it must be finite and at least 1");
  EXPECT_EQ(complaint<schedule::Cosine>({.total_steps = 5, .min_factor = 1.25}),
            "min_factor = 1.25, but it must be in [0, 1]");
  EXPECT_EQ(complaint<rule::Adam>({}), "none");
}

TEST(Check, ReachesThePoliciesInsideAPolicy) {
  using Warm = schedule::Warmup<schedule::Cosine>;
  using Transforms = gradient::Chain<gradient::ClipByValue, gradient::ClipByNorm>;
  EXPECT_EQ(complaint<Warm>({.warmup_steps = 1, .after = {.total_steps = 9, .min_factor = -1}}),
            "min_factor = -1, but it must be in [0, 1]");
  EXPECT_EQ(complaint<Transforms>({{1}, {{-2}, {}}}),
            "max_norm = -2, but it must be finite and greater than 0");
  EXPECT_EQ(
      complaint<schedule::Warmup<Warm>>(
          {.warmup_steps = 1, .after = {.warmup_steps = 9, .after = {.total_steps = 9}}}),
      "warmup_steps = 9, but it must be less than total_steps = 9, which includes the warm-up");
}

TEST(Check, RefusesNesterovWithoutMomentum) {
  EXPECT_NE(complaint<rule::SGD>({.nesterov = true}).find("nesterov = true"), std::string::npos);
  EXPECT_NE(complaint<rule::SGD>({.momentum = 0.9, .dampening = 0.1, .nesterov = true})
                .find("dampening = 0.1"),
            std::string::npos);
  EXPECT_EQ(complaint<rule::SGD>({.momentum = 0.9, .nesterov = true}), "none");
}

TEST(Check, WarmupMustLeaveStepsOfTheTotal) {
  using Warm = schedule::Warmup<schedule::Linear>;
  for (const std::int64_t warmup : {10, 11, 1000}) {
    EXPECT_EQ(complaint<Warm>({.warmup_steps = warmup, .after = {.total_steps = 10}}),
              "warmup_steps = " + std::to_string(warmup) +
                  ", but it must be less than total_steps = 10, which includes the warm-up");
  }
  EXPECT_EQ(complaint<Warm>({.warmup_steps = 9, .after = {.total_steps = 10}}), "none");
  EXPECT_EQ(complaint<schedule::Warmup<>>({.warmup_steps = 1'000'000}), "none");
}

TEST(Same, ComparesEveryField) {
  const rule::AdamW::Options base;
  EXPECT_TRUE(same<rule::AdamW>(base, base));
  EXPECT_FALSE(same<rule::AdamW>(base, {.betas = {0.9, 0.99}}));
  EXPECT_FALSE(same<rule::AdamW>(base, {.eps = 1e-7}));
  EXPECT_FALSE(same<rule::AdamW>(base, {.weight_decay = 0}));
  EXPECT_FALSE(same<rule::AdamW>(base, {.amsgrad = true}));
  EXPECT_FALSE(same<rule::AdamW>(base, {.maximize = true}));
}

// ---- Arithmetic

TEST(CosPi, IsAccurate) {
  const long double pi = std::acos(-1.0L);
  for (int i = 0; i <= 100'000; ++i) {
    const double x = i / 100'000.0;
    EXPECT_NEAR(math::cos_pi(x), double(std::cos(pi * (long double)x)), 5e-16) << x;
  }
  EXPECT_EQ(math::cos_pi(0.5), 0);
}

TEST(Power, IsWithinItsBounds) {
  for (double x = 1e-300; x < 1e300; x *= 1.37) {
    const long double ln = std::log((long double)x);
    EXPECT_NEAR(math::log(x), double(ln), 1e-15 * double(std::abs(ln)) + 2e-16) << x;
    for (const double a : {-2.0, -0.8, -0.55, 0.0, 0.5, 0.8, 3.0}) {
      const auto want = double(std::pow((long double)x, (long double)a));
      if (want < 1e-300 || !(want < 1e300)) continue;
      EXPECT_NEAR(math::pow(x, a) / want, 1, 1e-15 * (2 + double(std::abs(a * ln))))
          << x << ' ' << a;
    }
  }
  for (double x = -707; x < 709; x += 0.0371) {
    EXPECT_NEAR(math::exp(x) / double(std::exp((long double)x)), 1, 1e-15) << x;
  }
  EXPECT_EQ(math::log(1), 0);
  EXPECT_EQ(math::exp(0), 1);
  EXPECT_EQ(math::exp(710), std::numeric_limits<double>::infinity());
  EXPECT_EQ(math::exp(-710), 0);
  EXPECT_TRUE(std::isnan(math::exp(std::numeric_limits<double>::quiet_NaN())));
  EXPECT_EQ(math::pow(1, -0.55), 1);
}

template <class T>
class Math : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(Math, Reals);

/// A function of vectors is that of scalars, bit for bit, NaN and infinities too.
TYPED_TEST(Math, VectorsAreScalars) {
  using R = TypeParam;
  using V = vec<R>;
  using Bits = std::make_unsigned_t<typename V::bits>;
  const R inf = std::numeric_limits<R>::infinity(), nan = std::numeric_limits<R>::quiet_NaN();
  const std::vector<R> numbers{0,
                               R(-0.0),
                               1,
                               -1,
                               R(0.3),
                               R(-7.5),
                               std::numeric_limits<R>::min(),
                               inf,
                               -inf,
                               nan,
                               R(2),
                               std::numeric_limits<R>::denorm_min()};
  for (const R a : numbers) {
    for (const R b : numbers) {
      V va, vb;
      for (int i = 0; i < V::size; ++i) {
        std::memcpy(reinterpret_cast<char*>(&va) + sizeof(R) * std::size_t(i), &a, sizeof a);
        std::memcpy(reinterpret_cast<char*>(&vb) + sizeof(R) * std::size_t(i), &b, sizeof b);
      }
      const auto expect = [&](const char* what, R scalar, const V& vector) {
        R lanes[V::size];
        std::memcpy(lanes, &vector, sizeof lanes);
        for (const R lane : lanes) {
          if (std::isnan(scalar)) {
            EXPECT_TRUE(std::isnan(lane)) << what << " of " << a << ", " << b;
          } else {
            EXPECT_EQ(std::bit_cast<Bits>(scalar), std::bit_cast<Bits>(lane))
                << what << " of " << a << ", " << b;
          }
        }
      };
      expect("max", math::max(a, b), math::max(va, vb));
      expect("min", math::min(a, b), math::min(va, vb));
      expect("abs", math::abs(a), math::abs(va));
      expect("sign", math::sign(a), math::sign(va));
      expect("sqrt", math::sqrt(a), math::sqrt(va));
      expect("atan2", math::atan2(a, math::abs(b)), math::atan2(va, math::abs(vb)));
      expect("clamp", math::clamp(a, R(1)), math::clamp(va, R(1)));
      expect("select", math::select(a <= b, a, b), math::select(va <= vb, va, vb));
      expect("like", math::like(a, b), math::like(va, b));
      expect("product", a * b + a, va * vb + va);
      expect("quotient", a / b - b, va / vb - vb);
    }
  }
}

TYPED_TEST(Math, Atan2IsWithinItsBounds) {
  using R = TypeParam;
  const double bound = sizeof(R) == 4 ? 2.5e-7 : 4.5e-16;
  const auto expect = [bound](R y, R x) {
    const long double want = std::atan2((long double)y, (long double)x);
    EXPECT_LE(std::abs(double((long double)math::atan2(y, x) - want)),
              bound * double(std::abs(want)))
        << y << ' ' << x;
  };
  for (double ratio = 1e-30; ratio < 1e30; ratio *= 1.0123) {
    for (const double x : {1e-3, 1.0, 7.7}) expect(R(ratio * x), R(x)), expect(R(-ratio * x), R(x));
  }
  for (int i = 0; i <= 20000; ++i) expect(R(i / 10000.0), R(1)), expect(R(1), R(i / 10000.0));
  expect(R(1), R(0)), expect(R(-1), R(0)), expect(R(0), R(0));
  expect(std::numeric_limits<R>::infinity(), R(1)),
      expect(R(1), std::numeric_limits<R>::infinity());
}

TYPED_TEST(Math, DoesWhatItSays) {
  using R = TypeParam;
  const R nan = std::numeric_limits<R>::quiet_NaN();
  EXPECT_EQ(math::max(R(1), R(2)), 2);
  EXPECT_EQ(math::min(R(1), R(2)), 1);
  EXPECT_TRUE(std::isnan(math::max(nan, R(1))) && std::isnan(math::max(R(1), nan)));
  EXPECT_TRUE(std::isnan(math::min(nan, R(1))) && std::isnan(math::min(R(1), nan)));
  EXPECT_EQ(math::clamp(R(-3), R(2)), -2);
  EXPECT_EQ(math::clamp(R(1.5), R(2)), R(1.5));
  EXPECT_TRUE(std::isnan(math::clamp(nan, R(2))));
  EXPECT_EQ(math::sign(R(-3)), -1);
  EXPECT_EQ(math::sign(R(0)), 0);
  EXPECT_EQ(math::abs(R(-3)), 3);
}

// ---- Half formats

TEST(Bf16, WidensAndNarrowsAllBitPatterns) {
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const float wide = Bf16::widen(bits);
    const float theirs = float(c10::BFloat16(std::uint16_t(bits), c10::BFloat16::from_bits()));
    ASSERT_EQ(std::bit_cast<std::uint32_t>(wide), std::bit_cast<std::uint32_t>(theirs)) << bits;
    ASSERT_EQ(Bf16::narrow(wide), std::isnan(wide) ? 0x7fc0 : bits);
  }
}

TEST(Bf16, RoundsAsC10) {
  std::mt19937 random(1);
  const auto expect = [](std::uint32_t bits) {
    const float x = std::bit_cast<float>(bits);
    ASSERT_EQ(Bf16::narrow(x), std::isnan(x) ? 0x7fc0 : c10::BFloat16(x).x) << bits;
  };
  for (int i = 0; i < 1'000'000; ++i) expect(std::uint32_t(random()));
  for (std::uint32_t high = 0; high <= 0xffff; ++high) {  // ties and their neighbours
    for (const std::uint32_t low : {0x7fffU, 0x8000U, 0x8001U}) expect(high << 16 | low);
  }
}

TEST(F16, WidensAndNarrowsAsC10) {
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const c10::Half theirs(std::uint16_t(bits), c10::Half::from_bits());
    const float wide = cpu::widen(F16{std::uint16_t(bits)});
    F16 back{};
    cpu::narrow(wide, back);
    if (std::isnan(float(theirs))) {
      ASSERT_TRUE(std::isnan(wide));
    } else {
      ASSERT_EQ(wide, float(theirs));
      ASSERT_EQ(back.bits, bits);
    }
  }
}

// ---- The reduction

using Clipped = Recipe<rule::SGD, gradient::ClipByNorm>;

/// Tensors of one element type, measured by the CPU's executor.
template <class E>
class Measured {
 public:
  explicit Measured(std::vector<std::vector<E>> gradients) : gradients_(std::move(gradients)) {
    Settings<Clipped> settings;
    settings.groups.resize(1);
    executor_.configure(settings);
    std::vector<TensorRef<Clipped>> refs;
    for (auto& g : gradients_) {
      params_.emplace_back(g.size());
      TensorRef<Clipped> ref;
      ref.param = params_.back().data();
      ref.grad = g.data();
      ref.numel = std::int64_t(g.size());
      ref.per_tensor = executor_.add_per_tensor({});
      ref.dtype = std::is_same_v<E, float>    ? Dtype::f32
                  : std::is_same_v<E, double> ? Dtype::f64
                  : std::is_same_v<E, Bf16>   ? Dtype::bf16
                                              : Dtype::f16;
      refs.push_back(ref);
    }
    executor_.bind(refs, nullptr);
  }
  Signals signals() {
    executor_.measure({}, true);
    return executor_.signals();
  }

 private:
  std::vector<std::vector<E>> gradients_, params_;
  cpu::CpuExecutor<Clipped> executor_;
};

template <class E>
double as_double(E x) {
  if constexpr (std::is_floating_point_v<E>) {
    return x;
  } else {
    return cpu::widen(x);
  }
}
template <class E>
E from_double(double x) {
  if constexpr (std::is_floating_point_v<E>) {
    return E(x);
  } else {
    E out{};
    cpu::narrow(float(x), out);
    return out;
  }
}

template <class E>
std::vector<E> normal(std::size_t size, std::mt19937& random, double scale = 1) {
  std::normal_distribution<double> distribution;
  std::vector<E> out(size);
  for (E& x : out) x = from_double<E>(scale * distribution(random));
  return out;
}

struct Expected {
  long double norm2 = 0;
  double max_abs = 0;
};
template <class E>
Expected expected(const std::vector<std::vector<E>>& tensors) {
  Expected out;
  for (const auto& tensor : tensors) {
    for (const E e : tensor) {
      const double x = as_double(e);
      out.norm2 += (long double)x * x;
      out.max_abs = std::max(out.max_abs, std::abs(x));
    }
  }
  return out;
}
template <class E>
void expect_measured(const std::vector<std::vector<E>>& tensors) {
  const Signals got = Measured<E>(tensors).signals();
  const Expected want = expected(tensors);
  EXPECT_NEAR(got.norm2, double(want.norm2), 1e-6 * double(want.norm2));
  EXPECT_EQ(got.max_abs, want.max_abs);
  EXPECT_EQ(got.nonfinite, 0);
  EXPECT_EQ(got.norm2 == 0, want.norm2 == 0);
}

template <class E>
class Reduction : public testing::Test {};
using Elements = testing::Types<float, double, Bf16, F16>;
TYPED_TEST_SUITE(Reduction, Elements);

TYPED_TEST(Reduction, EqualsALongDoubleSum) {
  std::mt19937 random(7);
  std::uniform_int_distribution<std::size_t> sizes(1, 70'000);
  for (const std::size_t size : {1,    2,    3,    4,    5,    7,     8,     9,     31,    32,   33,
                                 2047, 2048, 2049, 2056, 4095, 16383, 16384, 16385, 18432, 32769}) {
    SCOPED_TRACE(size);
    expect_measured<TypeParam>({normal<TypeParam>(size, random)});
  }
  for (int i = 0; i < 25; ++i) {
    const std::size_t a = sizes(random), b = sizes(random) % 100;
    SCOPED_TRACE(a);
    expect_measured<TypeParam>({normal<TypeParam>(a, random),
                                normal<TypeParam>(b, random),
                                {},
                                normal<TypeParam>(a / 3, random, 100)});
  }
  // More chunks than lanes of the last sum.
  std::vector<std::vector<TypeParam>> many;
  for (int i = 0; i < 1200; ++i) many.push_back(normal<TypeParam>(std::size_t(i % 7 + 1), random));
  expect_measured<TypeParam>(many);
}

TYPED_TEST(Reduction, KeepsExtremeMagnitudes) {
  std::mt19937 random(8);
  std::vector<double> magnitudes{1e3, 1e-4};
  if (!std::is_same_v<TypeParam, F16>) {
    for (const double m : {1e10, 1e19, 1e30, 1e37, 1e-10, 1e-15, 1e-19, 1e-30, 1e-37, 1e-40}) {
      magnitudes.push_back(m);
    }
  }
  for (const double magnitude : magnitudes) {
    for (const std::size_t size : {1, 9, 100, 5000, 20'000}) {
      SCOPED_TRACE(std::to_string(size) + " elements of " + std::to_string(std::log10(magnitude)));
      auto g = normal<TypeParam>(size, random, magnitude / 4);
      expect_measured<TypeParam>({g});
      g = normal<TypeParam>(size, random);  // one such element among ordinary ones
      g[size / 2] = from_double<TypeParam>(magnitude);
      expect_measured<TypeParam>({g});
    }
  }
}

TEST(Reduction, SeesTheSmallestAndTheLargestFloats) {
  for (const float x : {std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::min(),
                        std::numeric_limits<float>::max(), 1e38F}) {
    for (const std::size_t size : {1, 8, 3000}) {
      std::vector<float> g(size, 0);
      g[size - 1] = -x;
      expect_measured<float>({g});
      expect_measured<float>({std::vector<float>(size, x)});
    }
  }
  expect_measured<double>({{1e-150, 1e150, 3}});
}

TYPED_TEST(Reduction, CountsEveryNonfiniteElementAnywhere) {
  std::mt19937 random(9);
  const auto nan = from_double<TypeParam>(kNan), inf = from_double<TypeParam>(kInf),
             minus_inf = from_double<TypeParam>(-kInf);
  for (int i = 0; i < 80; ++i) {
    const std::size_t size = i < 40 ? std::size_t(i + 1) : random() % 20'000 + 1;
    const std::size_t at = random() % size;
    SCOPED_TRACE(std::to_string(at) + " of " + std::to_string(size));
    auto g = normal<TypeParam>(size, random);
    g[at] = nan;
    Signals s = Measured<TypeParam>({g, normal<TypeParam>(100, random)}).signals();
    EXPECT_EQ(s.nonfinite, 1);
    EXPECT_TRUE(std::isnan(s.norm2));
    EXPECT_TRUE(std::isnan(s.max_abs));
    g[at] = i % 2 == 0 ? inf : minus_inf;
    s = Measured<TypeParam>({g, normal<TypeParam>(100, random)}).signals();
    EXPECT_EQ(s.nonfinite, 1);
    EXPECT_EQ(s.norm2, double(kInf));
    EXPECT_EQ(s.max_abs, double(kInf));
  }
  auto g = normal<TypeParam>(30'000, random);
  std::int64_t count = 0;
  for (auto& x : g) {
    if (random() % 10 == 0) {
      x = random() % 2 == 0 ? nan : inf;
      ++count;
    }
  }
  EXPECT_EQ(Measured<TypeParam>({g, g}).signals().nonfinite, 2 * count);
}

TYPED_TEST(Reduction, IsTheSameForAnyNumberOfThreads) {
  std::mt19937 random(10);
  std::vector<std::vector<TypeParam>> tensors;
  for (int i = 0; i < 30; ++i) tensors.push_back(normal<TypeParam>(random() % 60'000, random));
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Signals one = Measured<TypeParam>(tensors).signals();
  for (const int threads : {2, 3, 8}) {
    at::set_num_threads(threads);
    for (int round = 0; round < 5; ++round) {
      const Signals many = Measured<TypeParam>(tensors).signals();
      EXPECT_EQ(one.norm2, many.norm2) << threads;
      EXPECT_EQ(one.max_abs, many.max_abs) << threads;
    }
  }
  at::set_num_threads(before);
}

// ---- The sweep

using Measuring = recipe::AGMOHD;

/// A chunk of elements E swept by vectors V, or by scalars, and what its sums are.
template <class E>
struct SweptPage {
  using R = cpu::Compute<E>;
  using Slot = Stored<Measuring::Storage, E>;
  std::vector<E> param, grad;
  std::vector<Slot> exp_avg, exp_avg_sq;
  std::int64_t guarded = 0;
  reduction::SweptPartial sums{};

  explicit SweptPage(std::size_t size) {
    std::mt19937 random(unsigned(size) + 1);
    param = normal<E>(size, random), grad = normal<E>(size, random);
    exp_avg = normal<Slot>(size, random, 0.1), exp_avg_sq = normal<Slot>(size, random, 0.1);
    for (Slot& x : exp_avg_sq) x = x * x;
  }

  template <class V>
  void sweep(const Measuring::Coefficients<R>& k, bool measured) {
    cpu::Chunk<Measuring, E> chunk{};
    chunk.param = param.data(), chunk.grad = grad.data();
    chunk.slots[0] = exp_avg.data(), chunk.slots[1] = exp_avg_sq.data();
    chunk.count = std::int64_t(param.size());
    guarded +=
        measured ? cpu::measured_sweep_chunk<V>(chunk, k, sums) : cpu::sweep_chunk<V>(chunk, k);
  }

  bool operator==(const SweptPage& other) const {
    const auto same = [](const auto& a, const auto& b) {
      return std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0;
    };
    return same(param, other.param) && same(exp_avg, other.exp_avg) &&
           same(exp_avg_sq, other.exp_avg_sq) && guarded == other.guarded &&
           std::memcmp(&sums, &other.sums, sizeof sums) == 0;
  }
};

#ifdef AGMOHD_HAS_AVX2
template <class E>
AGMOHD_AVX2 void sweep_avx2(SweptPage<E>& chunk, const Measuring::Coefficients<cpu::Compute<E>>& k,
                            bool measured) {
  chunk.template sweep<vec_avx2<cpu::Compute<E>>>(k, measured);
}
#endif

// ---- The sample

/// In every so many steps one after another, each element is in the sample once.
TEST(Sample, RotatesOverAllPages) {
  std::vector<std::int64_t> sizes{3 * reduction::kChunk + 77, reduction::kChunk};
  for (int i = 0; i < 250; ++i) sizes.push_back(1 + i * 37 % 2000);
  std::vector<std::vector<float>> params, grads, states;
  std::vector<TensorRef<Measuring>> refs;
  cpu::CpuExecutor<Measuring> executor;
  executor.configure({{}, {{1e-3, {}}}});
  double elements = 0;
  std::int64_t chunks = 0;
  for (const std::int64_t size : sizes) {
    const auto n = std::size_t(size);
    params.emplace_back(n, 1.F), grads.emplace_back(n, 1e-3F);
    states.emplace_back(n), states.emplace_back(n);
    TensorRef<Measuring> ref;
    ref.param = params.back().data(), ref.grad = grads.back().data();
    ref.slots[0] = states.rbegin()[1].data(), ref.slots[1] = states.back().data();
    ref.numel = size;
    ref.per_tensor = executor.add_per_tensor({});
    refs.push_back(ref);
    elements += double(size);
    chunks += reduction::chunks(size);
  }
  executor.bind(refs, nullptr);
  const std::int64_t every = reduction::sample_every(chunks);
  ASSERT_EQ(every, 3);
  std::vector<double> updated;
  const std::shared_ptr<Executor<Measuring>> all[] = {{&executor, [](auto*) {}}};
  for (int t = 0; t < 12; ++t) {
    executor.measure({}, true);
    executor.judge(all);
    executor.finish(executor);
    updated.push_back(executor.read_memory().swept.updated);
    EXPECT_LT(updated.back(), elements);
  }
  for (std::size_t t = 0; t + 3 <= updated.size(); ++t) {
    EXPECT_EQ(updated[t] + updated[t + 1] + updated[t + 2], elements) << t;
  }
}

TEST(Sample, HasTheNumberOfPagesThatIsSaid) {
  for (const std::int64_t chunks : {1, 64, 127, 128, 191, 192, 7596, 95'103}) {
    const std::int64_t every = reduction::sample_every(chunks);
    std::int64_t sum = 0;
    for (std::int64_t phase = 0; phase < every; ++phase) {
      const std::int64_t count = reduction::samples(chunks, phase);
      EXPECT_LE(count, reduction::kMostSamples);
      sum += count;
    }
    EXPECT_EQ(sum, chunks);
  }
}

// ---- Tensors of more than 2^31 elements

constexpr std::int64_t kHuge = (std::int64_t{1} << 31) + 5;

TEST(Huge, ChunksRowsAndMatricesHavePlacesBeyond32Bits) {
  EXPECT_EQ(reduction::chunks(kHuge), 131'073);
  double by_phase[3] = {};
  reduction::add_sampled(by_phase, 3, 2, kHuge);
  EXPECT_EQ(by_phase[0] + by_phase[1] + by_phase[2], double(kHuge));

  const std::int64_t last = 3 * kHuge - 1;
  const RowShape neighbours{3, kHuge, 2};
  EXPECT_EQ(neighbours.of(last), 2);
  EXPECT_EQ(neighbours.element(kHuge, 2, kHuge - 1), last);
  const std::int64_t rows = std::int64_t{1} << 20, length = 5000;
  const RowShape apart{rows, 1, 2};  // the first dimension is the innermost in memory
  EXPECT_EQ(apart.element(length, rows - 1, length - 1), rows * length - 1);
  EXPECT_EQ(apart.of(rows * length - 1), rows - 1);

  const std::int64_t side = std::int64_t{1} << 17;
  const FactorMatrix matrix({1, side, 1, side, 1, true}, 0);
  EXPECT_EQ(matrix.element(side - 1, side - 1), side * side - 1);
}

TEST(Huge, LaunchesOfADeviceCoverThem) {
  struct Plan : cuda::LaunchPlan<Measuring> {
    Plan() : LaunchPlan(cuda::default_tuning, 132) {}
    using LaunchPlan::chunks_;
    using LaunchPlan::plan;
  } plan;
  TensorRef<Measuring> small, huge;
  small.numel = 7, huge.numel = kHuge;
  ASSERT_TRUE(plan.plan({small, huge}));
  ASSERT_EQ(plan.chunks_.size(), 131'074U);
  EXPECT_EQ(plan.chunks_.back().tensor, 1);
  EXPECT_EQ(plan.chunks_.back().chunk, 131'072);
  ASSERT_EQ(plan.runs().size(), 1U);
  EXPECT_EQ(plan.runs()[0].chunks, 131'074);
  EXPECT_EQ(plan.runs()[0].elements, kHuge + 7);
  EXPECT_GE(std::int64_t{plan.runs()[0].reduce_blocks()} * plan.runs()[0].reduce_chunks, 131'074);
}

TYPED_TEST(Reduction, EveryVectorHasTheBitsOfScalars) {
  using E = TypeParam;
  using R = cpu::Compute<E>;
  for (const bool clipped : {false, true}) {
    Measuring::Shared shared;
    shared.gradient.gradient_clipping =
        clipped ? gradient::Clipping::value : gradient::Clipping::adaptive;
    shared.gradient.max_value = 0.5;
    Measuring::Memory memory;
    Measuring::PerTensor tensor;
    const auto k = Measuring::decide<R>(shared, {1e-2, {}}, Signals{}, Verdict{}, memory, tensor, 0,
                                        {1, 1, 0, 100});
    for (const std::size_t size : {1U, 7U, 8U, 16U, 31U, 100U, 4097U, 16384U}) {
      for (const bool measured : {false, true}) {
        SweptPage<E> scalar(size), narrow(size), wide(size);
        scalar.template sweep<R>(k, measured);
        narrow.template sweep<vec<R>>(k, measured);
        EXPECT_TRUE(scalar == narrow) << size << measured;
#ifdef AGMOHD_HAS_AVX2
        if (!cpu::has_avx2()) continue;
        sweep_avx2(wide, k, measured);
        EXPECT_TRUE(scalar == wide) << size << measured;
        if (size > 1000) {
          EXPECT_GT(wide.guarded, 0);
        }
#endif
      }
    }
  }
}

// ---- The pool

/// Counts how often each index is visited.
void expect_covered(std::int64_t count) {
  const auto visits = std::make_unique<std::atomic<int>[]>(std::size_t(count) + 1);
  parallel_ranges(count, [&](std::int64_t begin, std::int64_t end) {
    EXPECT_LT(begin, end);
    for (std::int64_t i = begin; i < end; ++i) visits[std::size_t(i)].fetch_add(1);
  });
  for (std::int64_t i = 0; i < count; ++i) ASSERT_EQ(visits[std::size_t(i)].load(), 1) << i;
}

TEST(ParallelRanges, CoverEveryIndexOnce) {
  const int before = at::get_num_threads();
  for (const int threads : {1, 2, 7}) {
    at::set_num_threads(threads);
    for (std::int64_t count = 0; count < 70; ++count) expect_covered(count);
    for (const std::int64_t count : {1000, 4097, 100'000}) expect_covered(count);
  }
  at::set_num_threads(before);
}

TEST(ParallelRanges, NestAndRunConcurrently) {
  const int before = at::get_num_threads();
  at::set_num_threads(4);
  std::atomic<std::int64_t> sum{0};
  parallel_ranges(50, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      parallel_ranges(100, [&](std::int64_t first, std::int64_t last) { sum += last - first; });
    }
  });
  EXPECT_EQ(sum.load(), 5000);
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([] {
      at::set_num_threads(4);
      for (int round = 0; round < 50; ++round) expect_covered(300);
    });
  }
  for (std::thread& caller : callers) caller.join();
  at::set_num_threads(before);
}

// ---- Options

using Rich = Recipe<rule::AdamW, gradient::Chain<gradient::ClipByValue, gradient::ClipByNorm>,
                    schedule::Warmup<schedule::Cosine>>;
using RichOptions = Options<Rich>;
using AdamWOptions = Options<recipe::AdamW>;

TEST(Options, SettersChainAndGettersRead) {
  AdamWOptions options =
      AdamWOptions(0.5).betas({0.8, 0.9}).eps(1e-6).weight_decay(0.1).amsgrad(true);
  options.maximize(true);
  EXPECT_EQ(options.lr(), 0.5);
  EXPECT_EQ(options.betas(), std::make_tuple(0.8, 0.9));
  EXPECT_EQ(options.eps(), 1e-6);
  EXPECT_EQ(options.weight_decay(), 0.1);
  EXPECT_TRUE(options.amsgrad() && options.maximize());
  options.lr() = 0.25;  // a reference, as torch.optim's
  EXPECT_EQ(std::as_const(options).lr(), 0.25);
  EXPECT_EQ(options.get_lr(), 0.25);
  options.set_lr(0.125);
  EXPECT_EQ(options.lr(), 0.125);
  EXPECT_EQ(AdamWOptions().lr(), 1e-3);
  EXPECT_EQ(options.group().rule.betas.second, 0.9);
}

TEST(Options, AllPoliciesByNameOrWhole) {
  const auto named =
      RichOptions(0.1).max_value(2).max_norm(3).warmup_steps(4).total_steps(50).min_factor(0.5);
  const auto whole = RichOptions(0.1)
                         .set<gradient::ClipByValue>({2})
                         .set<gradient::ClipByNorm>({3})
                         .set<schedule::Cosine>({.total_steps = 50, .min_factor = 0.5})
                         .warmup_steps(4)
                         .weight_decay(0.01);
  EXPECT_EQ(named, whole);
  EXPECT_EQ(named.get<"max_norm">(), 3);
  EXPECT_EQ(named.shared().gradient.rest.head.max_norm, 3);
  EXPECT_EQ(named.shared().schedule.after.total_steps, 50);
  auto changed = named;
  changed.set<"total_steps">(60).get<"eps">() = 1e-4;
  EXPECT_EQ(changed.total_steps(), 60);
  EXPECT_EQ(changed.eps(), 1e-4);
  EXPECT_FALSE(changed == named);
  EXPECT_TRUE(changed.eps(1e-8).total_steps(50) == named);
}

TEST(Options, OfAPolicyAreFoundWhereItStands) {
  using R = Recipe<rule::SGD, gradient::AdaptiveClip, gradient::ClipByNorm,
                   schedule::Plateau<schedule::Warmup<schedule::Cosine>>>;
  const auto options = Options<R>(0.1)
                           .set<gradient::ClipByNorm>({.max_norm = 5})
                           .set<schedule::Cosine>({.total_steps = 60})
                           .set<schedule::Warmup<schedule::Cosine>>({.warmup_steps = 7})
                           .set<rule::SGD>({.momentum = 0.5});
  const auto shared = options.shared();
  EXPECT_EQ(shared.gradient.head.max_norm, gradient::AdaptiveClip::Options{}.max_norm);
  EXPECT_EQ(shared.gradient.rest.head.max_norm, 5);
  EXPECT_EQ(shared.schedule.patience, 10);
  EXPECT_EQ(shared.schedule.schedule.warmup_steps, 7);
  EXPECT_EQ(shared.schedule.schedule.after.total_steps, 60);
  EXPECT_EQ(options.momentum(), 0.5);
  // What is at the policy's default counts as not named.
  const auto decayed = Options<R>(0.1).weight_decay(0.2).set<rule::SGD>({.weight_decay = 0});
  EXPECT_EQ(decayed.weight_decay(), 0.2);
}

TEST(Options, WholePoliciesKeepTheLearningRateAndOneAnother) {
  const auto options = RichOptions(0.1).max_norm(3).betas({0.5, 0.6});
  EXPECT_EQ(options.lr(), 0.1);
  EXPECT_EQ(options.max_norm(), 3);
  EXPECT_EQ(options.betas(), std::make_tuple(0.5, 0.6));
  EXPECT_EQ(options.weight_decay(), 0.01);
}

TEST(Options, UnsetFieldsOfAGroupFollowTheOptimizer) {
  const auto defaults = AdamWOptions(0.5).betas({0.8, 0.9}).weight_decay(0.3).amsgrad(true);
  AdamWOptions group(0.25);
  group.eps() = 1e-5;  // through a reference counts as set
  group.inherit(defaults);
  EXPECT_EQ(group.lr(), 0.25);
  EXPECT_EQ(group.eps(), 1e-5);
  EXPECT_EQ(group.betas(), std::make_tuple(0.8, 0.9));
  EXPECT_EQ(group.weight_decay(), 0.3);
  EXPECT_TRUE(group.amsgrad());
}

TEST(Options, FieldsSetToTheirDefaultsAreSet) {
  const auto defaults =
      AdamWOptions(0.5).betas({0.8, 0.9}).weight_decay(0.3).amsgrad(true).eps(1e-4);
  AdamWOptions group =
      AdamWOptions(1e-3).betas({0.9, 0.999}).weight_decay(1e-2).amsgrad(false).eps(1e-8);
  const AdamWOptions before = group;
  group.inherit(defaults);
  EXPECT_EQ(group, before);
  AdamWOptions empty;
  empty.set_lr(1e-3);
  empty.inherit(defaults);
  EXPECT_EQ(empty.lr(), 1e-3);
  EXPECT_EQ(empty.weight_decay(), 0.3);
}

TEST(Options, OptionsOfTheOptimizerAsAWholeAreAnErrorInAGroup) {
  const auto defaults = RichOptions(0.5).max_norm(2).total_steps(100);
  const auto complaint_of = [&](RichOptions group) -> std::string {
    try {
      group.inherit(defaults);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(complaint_of(RichOptions(0.1).max_norm(3)),
            "max_norm was set for one parameter group, but it belongs to the optimizer as a whole: "
            "set it in the optimizer's options");
  EXPECT_NE(complaint_of(RichOptions().warmup_steps(5)).find("warmup_steps"), std::string::npos);
  EXPECT_NE(complaint_of(RichOptions().max_norm(1)).find("max_norm"), std::string::npos);
  RichOptions by_reference;
  by_reference.total_steps() = 7;
  EXPECT_NE(complaint_of(by_reference).find("total_steps"), std::string::npos);
  EXPECT_EQ(complaint_of(RichOptions(0.1).weight_decay(0.5)), "none");
  EXPECT_EQ(complaint_of(RichOptions(defaults).lr(0.1)), "none");  // the optimizer's own, changed
}

template <class O>
concept HasMomentum = requires(O options) {
  options.momentum(0.9);
};
template <class O>
concept HasBetas = requires(O options) {
  options.betas({0.9, 0.99});
};
template <class O>
concept HasMaxNorm = requires(O options) {
  options.max_norm(1.0);
};
template <class O>
concept HasTotalSteps = requires(O options) {
  options.total_steps(1);
};
static_assert(HasMomentum<Options<recipe::SGD>> && !HasMomentum<AdamWOptions>);
static_assert(HasBetas<AdamWOptions> && !HasBetas<Options<recipe::SGD>>);
static_assert(HasMaxNorm<RichOptions> && !HasMaxNorm<AdamWOptions>);
static_assert(HasTotalSteps<RichOptions> && !HasTotalSteps<AdamWOptions>);

}  // namespace
