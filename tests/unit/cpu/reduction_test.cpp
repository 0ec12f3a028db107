// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What the CPU measures of gradients, whatever their sizes and magnitudes.

#include <gtest/gtest.h>

#include <agmohd/cpu/executor.hpp>
#include <agmohd/recipes.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../elements.hpp"

namespace {

using namespace testing_unit;

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

}  // namespace
