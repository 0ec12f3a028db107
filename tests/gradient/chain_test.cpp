// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "samples.hpp"

using namespace agmohd;

using ClipBoth = gradient::Chain<gradient::ClipByValue, gradient::ClipByNorm>;
using ClipTwice = gradient::Chain<gradient::ClipByNorm, gradient::ClipByNorm>;

template <>
struct contract::Sample<ClipBoth> {
  static std::vector<ClipBoth::Options> options() {
    return {{}, {{0.5}, {{3}, {}}}, {{1e-3}, {{1e3}, {}}}};
  }
  static ClipBoth::Options inactive() { return {{1e6}, {{1e6}, {}}}; }
  static std::vector<double> expected(const ClipBoth::Options& o, const std::vector<double>& g) {
    return Sample<gradient::ClipByNorm>::expected(
        o.rest.head, Sample<gradient::ClipByValue>::expected(o.head, g));
  }
};

template <>
struct contract::Sample<ClipTwice> {
  static std::vector<ClipTwice::Options> options() {
    return {{{2}, {{0.5}, {}}}, {{0.5}, {{2}, {}}}};
  }
  static std::vector<double> expected(const ClipTwice::Options& o, const std::vector<double>& g) {
    return Sample<gradient::ClipByNorm>::expected(
        o.rest.head, Sample<gradient::ClipByNorm>::expected(o.head, g));
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(ClipBoth, TransformContract, ClipBoth);
INSTANTIATE_TYPED_TEST_SUITE_P(ClipTwice, TransformContract, ClipTwice);

namespace {

TEST(Chains, MeasureWhatTheClampLeaves) {
  using Trained = contract::Trained<contract::Skipping<rule::SGD, ClipBoth>>;
  Trained trained(Trained::Options(0.01).max_value(0.5));
  trained.run(0, 1);
  double norm2 = 0;
  for (const at::Tensor& param : trained.params) {
    norm2 += param.grad().to(at::kDouble).clamp(-0.5, 0.5).square().sum().item<double>();
  }
  EXPECT_NEAR(trained.optimizer.signals().norm2, norm2, 1e-6 * norm2);
  EXPECT_EQ(trained.optimizer.signals().max_abs, 0.5);
}

}  // namespace
