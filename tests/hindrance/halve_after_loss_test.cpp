// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/hindrance.hpp"

using namespace agmohd;

namespace {

/// Lowers the learning rate by half after a step whose loss is above a limit.
struct HalveAfterLoss {
  struct Options {
    double limit = 0.5;
  };
  static constexpr auto fields = describe(field("limit", &Options::limit));
  static const char* name() { return "HalveAfterLoss"; }
  static constexpr unsigned wants = kLoss;
  struct Memory {
    double factor = 1;
  };
  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    Verdict verdict;
    verdict.lr_factor = m.factor;
    if (s.loss > o.limit) m.factor *= 0.5;
    return verdict;
  }
};

}  // namespace

template <>
struct contract::Sample<HalveAfterLoss> {
  static std::vector<HalveAfterLoss::Options> options() { return {{}, {.limit = -1}}; }
};

INSTANTIATE_TYPED_TEST_SUITE_P(HalveAfterLoss, HindranceContract, HalveAfterLoss);

namespace {

TEST(LossSignal, ReachesTheHindrancePolicyInAnyFloatingType) {
  using Optimizer = agmohd::Optimizer<Recipe<rule::SGD, HalveAfterLoss>>;
  for (const at::ScalarType dtype : contract::kDtypes) {
    at::Tensor p = at::zeros({3}, at::kDouble);
    p.mutable_grad() = at::ones_like(p);
    Optimizer optimizer({p}, Optimizer::Options(1.0));
    double position = 0, factor = 1;
    for (const double loss : {0.25, 0.75, 0.5, 2.0, 0.0}) {
      optimizer.step(at::scalar_tensor(loss, dtype));
      position -= factor;
      if (loss > 0.5) factor /= 2;
      EXPECT_EQ(p[0].item<double>(), position) << dtype << ", loss " << loss;
    }
    optimizer.step(
        [] { return at::scalar_tensor(9.0); });  // what a closure returns is the loss, too
    optimizer.step();                            // none: nothing to judge
    optimizer.step();
    EXPECT_EQ(p[0].item<double>(), position - factor * (1 + 0.5 + 0.5));
    EXPECT_THROW(optimizer.step(at::zeros({2})), c10::Error);
  }
}

}  // namespace
