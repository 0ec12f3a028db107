// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "samples.hpp"

using namespace agmohd;

/// Its formula is of each tensor by itself, so it joins no suite.
template <>
struct contract::Sample<gradient::NormalizeTensors> {
  static std::vector<gradient::NormalizeTensors::Options> options() {
    return {{}, {.rms_to = 0.1}, {.rms_eps = 0}, {2, 0.5}};
  }
};

namespace normalize_tensors {

using gradient::NormalizeTensors;

template <class... Behind>
using Normalized = Recipe<rule::SGD, contract::SkipAbove, NormalizeTensors, Behind...>;
template <class... Behind>
using Trained = contract::Trained<Normalized<Behind...>>;

TEST(NormalizeTensors, Bounds) { contract::expect_bounds<NormalizeTensors>(); }

TEST(NormalizeTensors, GivesEachTensorTheSize) {
  for (const NormalizeTensors::Options& o : contract::Sample<NormalizeTensors>::options()) {
    for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
      for (const double scale : {0.0, 1e-3, 1e3}) {
        for (const bool reference : {false, true}) {
          SCOPED_TRACE(std::string(c10::toString(dtype)) + (reference ? ", reference" : ""));
          std::vector<at::Tensor> params = contract::parameters(dtype);
          for (at::Tensor& param : params) {
            param = at::zeros_like(param.detach()).requires_grad_();
          }
          contract::set_gradients(params, 0, scale);
          Trained<> trained(
              Trained<>::Options(1.0).set<NormalizeTensors>(o).set<contract::SkipAbove>(
                  {.limit = 1e30}),
              dtype, reference, params);
          trained.optimizer.step();
          for (const at::Tensor& param : params) {
            if (param.numel() == 0) continue;
            const at::Tensor g = param.grad().to(at::kDouble);
            const double size = g.square().mean().sqrt().item<double>() + o.rms_eps;
            const at::Tensor want = g * (scale > 0 ? o.rms_to / size : 1);
            EXPECT_TRUE(
                at::allclose(-param.detach().to(at::kDouble), want, contract::epsilon(dtype), 0));
          }
        }
      }
    }
  }
}

TEST(NormalizeTensors, BackendsAgreeAndItResumes) {
  const auto options = Trained<>::Options(0.1).set<NormalizeTensors>({.rms_to = 0.1});
  contract::expect_backends_agree<Normalized<>>(options);
  contract::expect_resumes<Normalized<>>(options, at::kFloat);
}

TEST(NormalizeTensors, TellsTheRuleItsNorm) {
  Signals s;
  TensorSignals ts{.norm2 = 144, .max_abs = 8, .numel = 9};
  const auto k = NormalizeTensors::at<double>({2, 0}, s, {}, ts, {});
  EXPECT_EQ(k.factor, 0.5);
  EXPECT_EQ(ts.norm2, 36);
  EXPECT_EQ(ts.max_abs, 4);
}

TEST(NormalizeTensors, NaNStaysAndAnEmptyTensorIsLeft) {
  Signals s;
  TensorSignals bad{.norm2 = std::numeric_limits<double>::quiet_NaN(), .numel = 4}, empty;
  EXPECT_TRUE(std::isnan(NormalizeTensors::at<float>({}, s, {}, bad, {}).factor));
  EXPECT_EQ(NormalizeTensors::at<float>({}, s, {}, empty, {}).factor, 1);
}

}  // namespace normalize_tensors
