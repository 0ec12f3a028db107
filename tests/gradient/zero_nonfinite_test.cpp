// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <limits>
#include <vector>

#include "samples.hpp"

using namespace agmohd;

template <>
struct contract::Sample<gradient::ZeroNonfinite> {
  static constexpr bool removes_nan = true;
  static std::vector<gradient::ZeroNonfinite::Options> options() { return {{}}; }
  static gradient::ZeroNonfinite::Options inactive() { return {}; }
  static std::vector<double> expected(const gradient::ZeroNonfinite::Options&,
                                      std::vector<double> g) {
    for (double& x : g) x = std::isfinite(x) ? x : 0;
    return g;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(ZeroNonfinite, TransformContract, gradient::ZeroNonfinite);

namespace {

TEST(ZeroNonfinite, IsNanToNumAndIsMeasured) {
  using Trained = contract::Trained<
      Recipe<rule::SGD, contract::SkipAbove, gradient::ZeroNonfinite, gradient::ClipByNorm>>;
  constexpr double inf = std::numeric_limits<double>::infinity();
  for (const at::ScalarType dtype : contract::kDtypes) {
    for (const bool reference : {false, true}) {
      std::vector<at::Tensor> params = contract::parameters(dtype);
      for (at::Tensor& param : params) param = at::zeros_like(param.detach()).requires_grad_();
      contract::set_gradients(params, 0);
      for (const double bad : {inf, -inf, std::numeric_limits<double>::quiet_NaN()}) {
        params[6].mutable_grad()[bad > 0 ? 2 : bad < 0 ? 3 : 4][5] = bad;
      }
      params[0].mutable_grad().fill_(inf);  // a tensor of one element
      Trained trained(Trained::Options(1.0).max_norm(1e6), dtype, reference, params);
      trained.optimizer.step();
      EXPECT_EQ(trained.optimizer.signals().nonfinite, 0);
      for (const at::Tensor& param : params) {
        EXPECT_TRUE(at::equal(-param.detach(), at::nan_to_num(param.grad(), 0, 0, 0)));
      }
    }
  }
}

TEST(ZeroNonfinite, KeepsTheLargestAndTheSmallest) {
  using Limits = std::numeric_limits<float>;
  const std::vector<float> g{Limits::max(), Limits::lowest(), Limits::denorm_min(), -0.0F};
  EXPECT_TRUE(contract::same_bits(contract::linked<gradient::ZeroNonfinite>({}, g), g));
}

}  // namespace
