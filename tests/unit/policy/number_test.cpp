// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Functions of scalars and vectors, and the half formats.

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <gtest/gtest.h>

#include <agmohd/cpu/executor.hpp>
#include <agmohd/policy/atan2.hpp>
#include <agmohd/policy/power.hpp>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

namespace {

using namespace agmohd;

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

}  // namespace
