// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Elements of all types, and the recipe that measures most.

#include <gtest/gtest.h>

#include <agmohd/cpu/executor.hpp>
#include <agmohd/recipes.hpp>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

namespace testing_unit {

using namespace agmohd;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

using Measuring = recipe::AGMOHD;

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

template <class E>
class Reduction : public testing::Test {};
using Elements = testing::Types<float, double, Bf16, F16>;
TYPED_TEST_SUITE(Reduction, Elements);

}  // namespace testing_unit
