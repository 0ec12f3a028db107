// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Many threads, and many parameters for them.

#include <gtest/gtest.h>
#include <torch/optim.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <atomic>
#include <thread>
#include <vector>

#include "everything.hpp"

namespace {

using namespace testing_optimizer;

TEST(Threads, DoNotChangeABit) {
  Tensor results[2];
  const int threads = at::get_num_threads();
  for (int run = 0; run < 2; ++run) {
    at::set_num_threads(run == 0 ? 1 : 4);
    torch::manual_seed(4);
    Tensors params;
    for (int i = 0; i < 9; ++i) params.push_back(torch::randn({1 + i * 7919}).requires_grad_());
    Everything optimizer(params, everything());
    for (int t = 0; t < 5; ++t) {
      for (const Tensor& p : params) p.mutable_grad() = torch::randn_like(p);
      optimizer.step();
    }
    for (Tensor& p : params) p = p.detach();
    results[run] = torch::cat(params);
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(torch::equal(results[0], results[1]));
}

/// So many that several threads look at them. What changed is seen wherever it lies.
TEST(Threads, FindEveryChangeAmongThousandsOfParameters) {
  constexpr int kCount = 3000;
  torch::manual_seed(8);
  Tensors ours, theirs;
  for (int i = 0; i < kCount; ++i) {
    ours.push_back(leaf(torch::randn({1 + i % 5})));
    theirs.push_back(leaf(ours.back().clone()));
  }
  const auto groups = [](const Tensors& all) {
    std::vector<torch::optim::OptimizerParamGroup> out;
    for (const int begin : {0, 1, 1400}) {
      const int end = begin == 0 ? 1 : begin == 1 ? 1400 : kCount;
      out.emplace_back(Tensors(all.begin() + begin, all.begin() + end));
    }
    return out;
  };
  agmohd::SGD a(groups(ours), agmohd::SGDOptions(0.1).momentum(0.9));
  torch::optim::SGD b(groups(theirs), torch::optim::SGDOptions(0.1).momentum(0.9));
  for (int t = 0; t < 8; ++t) {
    for (int i = 0; i < kCount; ++i) {
      const auto n = std::size_t(i);
      if (t % 2 == 0) {  // elsewhere; in odd steps where they were
        ours[n].mutable_grad() = torch::randn_like(ours[n].detach());
        theirs[n].mutable_grad() = ours[n].grad().clone();
      }
      if ((t == 2 && i == 2999) || (t == 3 && i == 1700)) {
        ours[n].mutable_grad() = theirs[n].mutable_grad() = Tensor();
      } else if (t == 5 && (i == 3 || i == 2048)) {
        const Tensor fresh = torch::randn_like(ours[n].detach());
        ours[n].set_data(fresh.clone()), theirs[n].set_data(fresh.clone());
      }
    }
    if (t == 4) {  // a parameter takes the place of another
      ours[77] = leaf(torch::ones({2})), theirs[77] = leaf(torch::ones({2}));
      ours[77].mutable_grad() = torch::full({2}, 3.0);
      theirs[77].mutable_grad() = torch::full({2}, 3.0);
      a.param_groups()[1].params()[76] = ours[77], b.param_groups()[1].params()[76] = theirs[77];
    }
    const auto version = ours[2500]._version();
    a.step(), b.step();
    EXPECT_GT(ours[2500]._version(), version);
    for (int i = 0; i < kCount; ++i) {
      const auto n = std::size_t(i);
      ASSERT_TRUE(torch::allclose(ours[n], theirs[n], 1e-5, 1e-5))
          << "step " << t << ", " << i << ours[n] << theirs[n];
    }
  }
}

TEST(Threads, StepsRunInsideLibTorchsOwnPool) {
  std::vector<std::thread> programs;
  std::atomic<int> finished{0};
  for (int i = 0; i < 4; ++i) {
    programs.emplace_back([&] {
      Tensor p = torch::ones({200000}).requires_grad_();
      agmohd::AdamW optimizer(Tensors{p}, 0.1);
      for (int t = 0; t < 20; ++t) {
        p.mutable_grad() = torch::ones_like(p);
        optimizer.step();
      }
      finished += p.detach().min().item<float>() == p.detach().max().item<float>() ? 1 : 0;
    });
  }
  for (std::thread& t : programs) t.join();
  EXPECT_EQ(finished, 4);
}

}  // namespace
