// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// TransformContract: what every transform of a gradient chain must do. A sample has
// expected(options, gradient): all gradients of a step as the rule must see them. It may have
// inactive(): options that leave gradients of ordinary size alone; and removes_nan, if NaN does not
// stay.

#include <gtest/gtest.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "options.hpp"
#include "samples.hpp"
#include "tensors.hpp"
#include "trained.hpp"

namespace contract {

/// The gradient that a rule would see, from the transform's arithmetic alone on scalars of type R.
template <class Transform, class R>
std::vector<R> linked(const typename Transform::Options& options, const std::vector<R>& gradient,
                      agmohd::Signals* measured = nullptr) {
  using Recipe = agmohd::Recipe<agmohd::rule::SGD, Transform>;
  typename Recipe::Shared shared;
  if constexpr (std::is_same_v<typename Recipe::Gradient, Transform>) {
    shared.gradient = options;
  } else {  // a chain of one transform
    shared.gradient = options.head;
  }
  agmohd::Signals signals;
  const auto prefix = Recipe::template prefix<R>(shared, {});
  for (const R g : gradient) {
    const double x = Recipe::measured(g, prefix, {});
    signals.norm2 += x * x;
    signals.max_abs = agmohd::reduction::larger(signals.max_abs, std::abs(x));
    signals.nonfinite += std::isfinite(x) ? 0 : 1;
  }
  if (measured != nullptr) *measured = signals;
  agmohd::TensorSignals one;
  const auto k = agmohd::gradient::transform_at<R, Transform>(options, signals, {}, one, {});
  std::vector<R> out;
  for (const R g : gradient) out.push_back(agmohd::gradient::transformed<Transform>(g, k, {}));
  return out;
}

}  // namespace contract

template <class Transform>
class TransformContract : public testing::Test {
 protected:
  // With a learning rate of 1 and nothing else, a parameter that was 0 becomes minus what the rule
  // saw.
  using Trained = contract::Trained<contract::Skipping<agmohd::rule::SGD, Transform>>;
  using Options = typename Trained::Options;

  static Options options(const typename Transform::Options& sample) {
    return Options(1.0).template set<Transform>(sample).template set<contract::SkipAbove>(
        {.limit = 1e30});
  }
  /// What the rule sees of gradients that are already set on parameters that are 0.
  static std::vector<double> seen(const std::vector<at::Tensor>& params, const Options& options,
                                  bool reference = false) {
    Trained trained(options, params[0].scalar_type(), reference, params);
    trained.optimizer.step();
    return flat(params, [](const at::Tensor& param) { return -param.detach(); });
  }
  template <class F>
  static std::vector<double> flat(const std::vector<at::Tensor>& params, F of) {
    std::vector<double> out;
    for (const at::Tensor& param : params) {
      const std::vector<double> part = contract::values<double>(of(param));
      out.insert(out.end(), part.begin(), part.end());
    }
    return out;
  }
  static std::vector<at::Tensor> zeros(at::ScalarType dtype, double scale) {
    std::vector<at::Tensor> params = contract::parameters(dtype);
    for (at::Tensor& param : params) param = at::zeros_like(param.detach()).requires_grad_();
    contract::set_gradients(params, 0, scale);
    return params;
  }
  static std::vector<double> gradients(const std::vector<at::Tensor>& params) {
    return flat(params, [](const at::Tensor& param) { return param.grad(); });
  }
  template <class F>
  static void each(F test) {
    int index = 0;
    for (const auto& sample : contract::Sample<Transform>::options()) {
      for (const double scale : {0.0, 1e-3, 1.0, 1e3}) {
        SCOPED_TRACE("sample " + std::to_string(index) + ", gradients of size " +
                     std::to_string(scale));
        test(sample, scale);
      }
      ++index;
    }
  }
};

TYPED_TEST_SUITE_P(TransformContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TransformContract);

TYPED_TEST_P(TransformContract, Bounds) { contract::expect_bounds<TypeParam>(); }

TYPED_TEST_P(TransformContract, FollowsTheFormula) {
  this->each([](const auto& sample, double scale) {
    for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
      for (const bool reference : {false, true}) {
        const auto params = TestFixture::zeros(dtype, scale);
        const auto want =
            contract::Sample<TypeParam>::expected(sample, TestFixture::gradients(params));
        const auto got = TestFixture::seen(params, TestFixture::options(sample), reference);
        ASSERT_EQ(got.size(), want.size());
        for (std::size_t i = 0; i < got.size(); ++i) {
          EXPECT_NEAR(got[i], want[i], contract::epsilon(dtype) * std::abs(want[i]));
        }
      }
    }
  });
}

TYPED_TEST_P(TransformContract, BackendsAgree) {
  this->each([](const auto& sample, double scale) {
    contract::expect_backends_agree<contract::Skipping<agmohd::rule::SGD, TypeParam>>(
        TestFixture::options(sample), scale);
  });
}

TYPED_TEST_P(TransformContract, NeverWritesTheGradients) {
  this->each([](const auto& sample, double scale) {
    for (const at::ScalarType dtype : contract::kDtypes) {
      const auto params = TestFixture::zeros(dtype, scale);
      std::vector<at::Tensor> before;
      for (const at::Tensor& param : params) before.push_back(param.grad().clone());
      TestFixture::seen(params, TestFixture::options(sample));
      for (std::size_t i = 0; i < params.size(); ++i) {
        EXPECT_TRUE(contract::same_bits(params[i].grad(), before[i])) << dtype;
      }
    }
  });
}

TYPED_TEST_P(TransformContract, KeepsEveryBitWhereItIsInactive) {
  if constexpr (requires { contract::Sample<TypeParam>::inactive(); }) {
    for (const at::ScalarType dtype : contract::kDtypes) {
      const auto params = TestFixture::zeros(dtype, 1);
      const auto got =
          TestFixture::seen(params, TestFixture::options(contract::Sample<TypeParam>::inactive()));
      EXPECT_TRUE(contract::same_bits(got, TestFixture::gradients(params))) << dtype;
    }
  } else {
    GTEST_SKIP() << "Sample has no inactive()";
  }
}

TYPED_TEST_P(TransformContract, NanStaysNan) {
  if constexpr (requires { contract::Sample<TypeParam>::removes_nan; }) {
    GTEST_SKIP() << "it is there to remove NaN";
  }
  this->each([](const auto& sample, double scale) {
    std::vector<float> gradient = contract::values<float>(scale * contract::random({100}, 2));
    for (const std::size_t at : {0U, 7U, 99U}) {
      auto with_nan = gradient;
      with_nan[at] = std::numeric_limits<float>::quiet_NaN();
      EXPECT_TRUE(std::isnan(contract::linked<TypeParam>(sample, with_nan)[at]));
    }
  });
}

TYPED_TEST_P(TransformContract, ChainsApplyInOrder) {
  using agmohd::gradient::Chain;
  using agmohd::gradient::ClipByValue;
  if constexpr (agmohd::gradient::detail::is_chain<TypeParam>) {
    GTEST_SKIP() << "a chain does not stand inside a chain";
  } else {
    this->each([](const auto& sample, double scale) {
      const std::vector<float> g = contract::values<float>(scale * contract::random({1000}, 2));
      agmohd::Signals alone, chained;
      EXPECT_TRUE(contract::same_bits(contract::linked<Chain<TypeParam>>({sample, {}}, g, &chained),
                                      contract::linked<TypeParam>(sample, g, &alone)));
      EXPECT_EQ(chained.norm2, alone.norm2);
      EXPECT_EQ(chained.max_abs, alone.max_abs);
      for (const double bound : {0.25, 1.0}) {
        const ClipByValue::Options value{bound};
        const auto clamped = contract::linked<ClipByValue>(value, g);
        EXPECT_TRUE(contract::same_bits(
            contract::linked<Chain<ClipByValue, TypeParam>>({value, {sample, {}}}, g),
            contract::linked<TypeParam>(sample, clamped)));
        EXPECT_TRUE(contract::same_bits(
            contract::linked<Chain<TypeParam, ClipByValue>>({sample, {value, {}}}, g),
            contract::linked<ClipByValue>(value, contract::linked<TypeParam>(sample, g))));
      }
    });
  }
}

REGISTER_TYPED_TEST_SUITE_P(TransformContract, Bounds, FollowsTheFormula, BackendsAgree,
                            NeverWritesTheGradients, KeepsEveryBitWhereItIsInactive, NanStaysNan,
                            ChainsApplyInOrder);
