// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "rows.hpp"

using namespace agmohd;

template <>
struct contract::Sample<gradient::AGC> {
  static std::vector<gradient::AGC::Options> options() {
    return {{}, {.clip_factor = 0.5}, {.clip_factor = 0.1, .clip_eps = 10}};
  }
};

namespace agc {

using gradient::AGC;

template <class... Behind>
using Clipped = contract::Trained<Recipe<rule::SGD, contract::SkipAbove, AGC, Behind...>>;

/// Norms of rows, to be broadcast.
at::Tensor norms(const at::Tensor& x) {
  const at::Tensor wide = x.detach().to(at::kDouble);
  if (x.dim() < 2) return wide.norm();
  std::vector<std::int64_t> dims;
  for (std::int64_t d = 1; d < x.dim(); ++d) dims.push_back(d);
  return wide.norm(2, dims, /*keepdim=*/true);
}
/// Equation 3.
at::Tensor expected(const AGC::Options& o, const at::Tensor& p, const at::Tensor& g) {
  const at::Tensor bound = o.clip_factor * norms(p).clamp_min(o.clip_eps), norm = norms(g);
  const at::Tensor wide = g.to(at::kDouble);
  return at::where(norm < bound, wide, wide * (bound / norm.clamp_min(1e-6)));
}

TEST(AGC, Bounds) { contract::expect_bounds<AGC>(); }

TEST(AGC, ClipsRowsAsTheFormulaSays) {
  for (const AGC::Options& o : contract::Sample<AGC>::options()) {
    for (const at::ScalarType dtype : contract::kDtypes) {
      for (const bool reference : {false, true}) {
        SCOPED_TRACE(std::string(c10::toString(dtype)) + (reference ? ", reference" : ""));
        std::vector<at::Tensor> params = contract::row_parameters(dtype);
        contract::set_gradients(params, 0);
        std::vector<at::Tensor> want;
        int clipped = 0;
        for (const at::Tensor& p : params) {
          const at::Tensor g = expected(o, p, p.grad());
          clipped += at::allclose(g, p.grad().to(at::kDouble), 1e-3) ? 0 : 1;
          want.push_back((p.detach().to(at::kDouble) - g).to(dtype));
        }
        EXPECT_GT(clipped, 5);
        using Trained = Clipped<>;
        Trained trained(Trained::Options(1.0).set<AGC>(o), dtype, reference, params);
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

TEST(AGC, KeepsEveryBitWhereItIsInactive) {
  using Plain = contract::Trained<Recipe<rule::SGD, contract::SkipAbove>>;
  for (const at::ScalarType dtype : contract::kDtypes) {
    Clipped<> with(Clipped<>::Options(0.1).set<AGC>({.clip_factor = 1e6}), dtype);
    Plain without(Plain::Options(0.1), dtype);
    contract::expect_same(with.run(0, 4).now(), without.run(0, 4).now());
  }
}

TEST(AGC, NormsAreMeasuredBehindIt) {
  using Trained = Clipped<gradient::ClipByNorm>;
  const AGC::Options o{.clip_factor = 0.2};
  std::vector<at::Tensor> params = contract::row_parameters(at::kDouble);
  contract::set_gradients(params, 0);
  double norm2 = 0;
  for (const at::Tensor& p : params)
    norm2 += expected(o, p, p.grad()).square().sum().item<double>();
  const double max_norm = 0.5 * std::sqrt(norm2);
  std::vector<at::Tensor> want;
  for (const at::Tensor& p : params) want.push_back(p.detach() - 0.5 * expected(o, p, p.grad()));
  Trained trained(
      Trained::Options(1.0).set<AGC>(o).set<gradient::ClipByNorm>({.max_norm = max_norm}),
      at::kDouble, false, params);
  trained.optimizer.step();
  for (std::size_t i = 0; i < params.size(); ++i) {
    EXPECT_TRUE(at::allclose(params[i].detach(), want[i], 1e-12, 1e-12)) << "tensor " << i;
  }
}

TEST(AGC, ARowThatIsNotFiniteIsSeen) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Clipped<> trained(Clipped<>::Options(1.0), at::kFloat, false,
                      contract::row_parameters(at::kFloat));
    trained.run(0, 1);
    contract::set_gradients(trained.params, 1);
    trained.params[6].mutable_grad()[3][2] = bad;
    const auto before = trained.now();
    trained.optimizer.step();  // which is skipped
    contract::expect_same(trained.now(), before);
  }
}

TEST(AGC, BackendsAgreeAndThreadsDoNotMatter) {
  using Trained = Clipped<gradient::ClipByNorm>;
  const auto options = Trained::Options(0.1)
                           .set<AGC>({.clip_factor = 0.1})
                           .set<gradient::ClipByNorm>({.max_norm = 3});
  for (const at::ScalarType dtype : contract::kDtypes) {
    Trained cpu(options, dtype, false, contract::row_parameters(dtype));
    Trained reference(options, dtype, true, contract::row_parameters(dtype));
    cpu.run(0, 6);
    contract::expect_close(cpu.now(), reference.run(0, 6).now(), contract::epsilon(dtype));
    const contract::Threads one(1);
    Trained alone(options, dtype, false, contract::row_parameters(dtype));
    contract::expect_same(alone.run(0, 6).now(), cpu.now());
  }
}

TEST(AGC, WorksWithoutAReducePassAndWithTwoSweeps) {
  using Alone = contract::Trained<Recipe<rule::SGD, AGC>>;
  static_assert(Recipe<rule::SGD, AGC>::wants == 0);
  Alone alone(Alone::Options(0.1), at::kFloat);
  Clipped<> measured(Clipped<>::Options(0.1), at::kFloat);
  contract::expect_same(alone.run(0, 4).now(), measured.run(0, 4).now());

  using Two = Recipe<rule::LAMB, contract::SkipAbove, AGC>;
  contract::expect_backends_agree<Two>(
      contract::Trained<Two>::Options(0.01).set<AGC>({.clip_factor = 0.1}));
}

TEST(AGC, GoesOnAfterACheckpoint) {
  contract::expect_resumes<Recipe<rule::SGD, contract::SkipAbove, AGC>>(
      Clipped<>::Options(0.1).set<AGC>({.clip_factor = 0.1}), at::kFloat);
}

}  // namespace agc
