// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Snapshots of what rules have beside slots: averages over rows and columns, an estimate.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <sstream>

#include "backend.hpp"

namespace {

using namespace testing_cuda;

template <class Recipe>
typename Optimizer<Recipe>::Options kept_options() {
  typename Optimizer<Recipe>::Options o(1e-3);
  if constexpr (Recipe::totals) o.lr(1), o.template set<"d0">(1e-2);
  return o.snapshots(true).snapshot_every(10);
}

/// Step t; some tensors miss some steps. Of the steps from 0 snapshots end 9 and 19, and a rollback
/// is in 32, the last bad one.
template <class O>
void step(O& optimizer, const Tensors& params, int t) {
  torch::manual_seed(std::uint64_t(100 + t));
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Tensor& p = params[i];
    const Tensor g = 0.004 * torch::randn(p.sizes()) + 0.01 * p.detach().cpu().to(torch::kFloat);
    params[i].mutable_grad() = i == 3 && t > 15 ? Tensor() : g.to(p.device(), p.scalar_type());
  }
  optimizer.step(torch::full({}, t >= 25 && t < 33 ? std::nan("") : 3 / (1 + 0.01 * t)));
}

/// The usual ones, and one with averages of many elements.
Tensors kept_parameters(at::ScalarType dtype) {
  Tensors all = parameters(dtype, 29);
  all.push_back(torch::randn({2, 9000}).to(dtype));
  return all;
}

template <class Recipe>
void expect_bits_of_the_cpu(bool on_host = false) {
  for (const auto dtype : {torch::kFloat, torch::kDouble, torch::kBFloat16}) {
    const Tensors start = kept_parameters(dtype);
    const Tensors host = copies(start, torch::kCPU), device = copies(start, torch::kCUDA);
    const auto options = kept_options<Recipe>().snapshots_on_host(on_host);
    Optimizer<Recipe> a(host, options), b(device, options);
    for (int t = 0; t < 40; ++t) {
      step(a, host, t), step(b, device, t);
      if (t != 32 && t != 39) continue;
      EXPECT_EQ(b.tally().count[agmohd::Tally::rollback], 1);
      expect_same_bits(host, device, c10::toString(dtype));
      expect_same_bits(states(a, host), states(b, device), "states");
    }
  }
}

#ifdef AGMOHD_ALL_TEST_KERNELS
#define AGMOHD_NEEDS_ALL_KERNELS
#else
#define AGMOHD_NEEDS_ALL_KERNELS GTEST_SKIP() << "built without AGMOHD_CUDA=ON"
#endif

TEST(CudaSnapshots, HaveAverages) {
  AGMOHD_NEEDS_ALL_KERNELS;
  expect_bits_of_the_cpu<testing_recipes::KeptCAME>();
  expect_bits_of_the_cpu<testing_recipes::KeptCAME>(/*on_host=*/true);
  expect_bits_of_the_cpu<testing_recipes::KeptAdamMini>();
  expect_bits_of_the_cpu<testing_recipes::KeptAdafactor>();
}
/// A file whose tensors were loaded to the host gives them back to the device.
TEST(CudaSnapshots, ComeBackFromTheHost) {
  AGMOHD_NEEDS_ALL_KERNELS;
  using Recipe = testing_recipes::KeptCAME;
  const Tensors a = copies(kept_parameters(torch::kFloat), torch::kCUDA);
  Optimizer<Recipe> through(a, kept_options<Recipe>());
  for (int t = 0; t < 27; ++t) step(through, a, t);
  std::ostringstream out;
  torch::save(through, out);
  const Tensors b = copies(a, torch::kCUDA);
  Optimizer<Recipe> resumed(b);
  std::istringstream in(out.str());
  torch::load(resumed, in, torch::kCPU);
  for (int t = 27; t < 40; ++t) step(through, a, t), step(resumed, b, t);
  EXPECT_EQ(resumed.tally().count[agmohd::Tally::rollback], 1);
  expect_same_bits(a, b, "parameters");
  expect_same_bits(states(through, a), states(resumed, b), "states");
}
TEST(CudaSnapshots, HaveAnEstimate) {
  AGMOHD_NEEDS_ALL_KERNELS;
  expect_bits_of_the_cpu<testing_recipes::KeptProdigy>();
}

/// What was summed on both goes back once.
TEST(CudaSnapshots, HaveAnEstimateOfSeveralDevices) {
  AGMOHD_NEEDS_ALL_KERNELS;
  for (const bool host_first : {false, true}) {
    const auto mixed = [&] {
      Tensors all = copies(parameters(torch::kFloat, 31), torch::kCPU);
      for (std::size_t i = host_first ? 1 : 0; i < all.size(); i += 2) {
        all[i] = copies({all[i]}, torch::kCUDA)[0];
      }
      return all;
    };
    using Recipe = testing_recipes::KeptProdigy;
    const Tensors a = mixed(), b = mixed();
    Optimizer<Recipe> hit(a, kept_options<Recipe>()), spared(b, kept_options<Recipe>());
    for (int t = 0; t < 45; ++t) {
      step(hit, a, t);
      if (t < 20 || t > 32) step(spared, b, t);
      if (t != 32 && t != 44) continue;
      EXPECT_EQ(hit.tally().count[agmohd::Tally::rollback], 1);
      expect_same_bits(a, b, "parameters");
      EXPECT_EQ(hit.rule_memory().d, spared.rule_memory().d);
      EXPECT_EQ(hit.rule_memory().numerator, spared.rule_memory().numerator);
      EXPECT_GT(hit.rule_memory().d, 1e-2);
    }
  }
}

}  // namespace
