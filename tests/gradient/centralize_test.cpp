// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "rows.hpp"

using namespace agmohd;

template <>
struct contract::Sample<gradient::Centralize> {
  static std::vector<gradient::Centralize::Options> options() {
    return {{}, {.centralize_conv_only = true}};
  }
};

namespace centralize {

using gradient::Centralize;

template <class... Behind>
using Centralized = Recipe<rule::SGD, contract::SkipAbove, Centralize, Behind...>;
template <class... Behind>
using Trained = contract::Trained<Centralized<Behind...>>;

/// Equation 1.
at::Tensor expected(const Centralize::Options& o, const at::Tensor& g) {
  const at::Tensor wide = g.to(at::kDouble);
  if (g.dim() < (o.centralize_conv_only ? 4 : 2) || g.numel() == 0) return wide;
  std::vector<std::int64_t> dims;
  for (std::int64_t d = 1; d < g.dim(); ++d) dims.push_back(d);
  return wide - wide.mean(dims, /*keepdim=*/true);
}

TEST(Centralize, Bounds) { contract::expect_bounds<Centralize>(); }

TEST(Centralize, SubtractsTheMeanOfRows) {
  for (const Centralize::Options& o : contract::Sample<Centralize>::options()) {
    for (const at::ScalarType dtype : contract::kDtypes) {
      for (const bool reference : {false, true}) {
        SCOPED_TRACE(std::string(c10::toString(dtype)) + (reference ? ", reference" : ""));
        std::vector<at::Tensor> params = contract::row_parameters(dtype);
        contract::set_gradients(params, 0);
        std::vector<at::Tensor> want;
        for (const at::Tensor& p : params) {
          want.push_back((p.detach().to(at::kDouble) - expected(o, p.grad())).to(dtype));
        }
        Trained<> trained(Trained<>::Options(1.0).set<Centralize>(o), dtype, reference, params);
        trained.optimizer.step();
        for (std::size_t i = 0; i < params.size(); ++i) {
          EXPECT_TRUE(at::allclose(params[i].detach().to(at::kDouble), want[i].to(at::kDouble),
                                   contract::epsilon(dtype), contract::epsilon(dtype)))
              << "tensor " << i;
        }
      }
    }
  }
}

TEST(Centralize, NormsAreMeasuredBehindIt) {
  std::vector<at::Tensor> params = contract::row_parameters(at::kDouble);
  contract::set_gradients(params, 0);
  double norm2 = 0;
  for (const at::Tensor& p : params) norm2 += expected({}, p.grad()).square().sum().item<double>();
  using Measured = Trained<gradient::ClipByNorm>;
  Measured trained(Measured::Options(1.0), at::kDouble, false, params);
  trained.optimizer.step();
  EXPECT_NEAR(trained.optimizer.signals().norm2, norm2, 1e-12 * norm2);
}

TEST(Centralize, ARowThatIsNotFiniteIsSeen) {
  Trained<> trained(Trained<>::Options(1.0), at::kFloat, false,
                    contract::row_parameters(at::kFloat));
  trained.run(0, 1);
  contract::set_gradients(trained.params, 1);
  trained.params[6].mutable_grad()[3][2] = std::numeric_limits<float>::infinity();
  const auto before = trained.now();
  trained.optimizer.step();  // which is skipped
  contract::expect_same(trained.now(), before);
  EXPECT_EQ(trained.optimizer.signals().nonfinite, 1);
}

TEST(Centralize, BackendsAgreeThreadsDoNotMatterAndItResumes) {
  const auto options = Trained<>::Options(0.1);
  for (const at::ScalarType dtype : contract::kDtypes) {
    Trained<> cpu(options, dtype, false, contract::row_parameters(dtype));
    Trained<> reference(options, dtype, true, contract::row_parameters(dtype));
    cpu.run(0, 6);
    contract::expect_close(cpu.now(), reference.run(0, 6).now(), contract::epsilon(dtype));
    const contract::Threads one(1);
    Trained<> alone(options, dtype, false, contract::row_parameters(dtype));
    contract::expect_same(alone.run(0, 6).now(), cpu.now());
  }
  contract::expect_resumes<Centralized<>>(options, at::kFloat);
}

}  // namespace centralize
