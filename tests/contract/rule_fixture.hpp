// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the tests of RuleContract do with the samples of a rule.

#include <gtest/gtest.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "../golden/replay.hpp"
#include "drive.hpp"
#include "samples.hpp"
#include "tensors.hpp"
#include "trained.hpp"

template <class Rule>
class RuleContract : public testing::Test {
 protected:
  using Recipe = contract::Skipping<Rule>;
  using Optimizer = agmohd::Optimizer<Recipe>;
  using Options = typename Optimizer::Options;
  static constexpr double lr = 0.01;

  /// Calls test(sample) for every sample.
  template <class F>
  static void each(F test) {
    int index = 0;
    for (const auto& sample : contract::Sample<Rule>::options()) {
      SCOPED_TRACE("sample " + std::to_string(index++));
      test(sample);
    }
  }

  /// The arithmetic on random gradients, on number type T.
  template <class T>
  static auto on(const typename Rule::Options& sample, std::int64_t size) {
    using R = agmohd::Real<T>;
    std::vector<std::vector<R>> gradients;
    for (int step = 0; step < 20; ++step) {
      gradients.push_back(contract::values<R>(contract::random({size}, 100 + step)));
    }
    return contract::drive<Recipe, T>({lr, sample},
                                      contract::values<R>(contract::random({size}, 5)), gradients);
  }

  template <class R>
  static void expect_follows_scalars(const typename Rule::Options& sample) {
    for (const std::int64_t size : {1, 5, 8, 67, 1000}) {
      at::Tensor p =
          contract::random({size}, 5).to(c10::CppTypeToScalarType<R>::value).requires_grad_();
      Optimizer optimizer({p}, Options(lr).template set<Rule>(sample));
      for (int step = 0; step < 20; ++step) {
        p.mutable_grad() = contract::random({size}, 100 + step).to(p.scalar_type());
        optimizer.step();
      }
      std::vector<R> got;
      for (const auto& [name, tensor] : contract::snapshot(optimizer).tensors) {
        if (!tensor.defined()) continue;
        const std::vector<R> part = contract::values<R>(tensor);
        got.insert(got.end(), part.begin(), part.end());
      }
      EXPECT_TRUE(contract::same_bits(got, on<R>(sample, size))) << size << " elements";
    }
  }

  /// The rule follows its golden file. On CUDA alone, as its kernels are compiled, in programs that
  /// have them: one recipe more costs each rule seconds.
  static void follow(torch::Device device) {
    if constexpr (!requires { contract::Sample<Rule>::golden; }) {
      GTEST_SKIP() << "Sample has no golden";
    } else if (device.is_cpu()) {
      golden::expect_follows<Recipe>(contract::Sample<Rule>::golden, Rule::name(), device);
    } else if (!torch::cuda::is_available()) {
      GTEST_SKIP() << "no CUDA device";
    } else {
#ifdef AGMOHD_KERNELS_OF_RULES
      golden::expect_follows<agmohd::Recipe<Rule>>(contract::Sample<Rule>::golden, Rule::name(),
                                                   device);
#else
      GTEST_SKIP() << "this program has no CUDA kernels of rules";
#endif
    }
  }

  static double sign(const typename Rule::Options& sample) {
    if constexpr (requires { sample.maximize; }) {
      return sample.maximize ? -1 : 1;
    } else {
      return 1;
    }
  }
};
