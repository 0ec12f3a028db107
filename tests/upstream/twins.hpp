// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// agmohd's optimizers and those of LibTorch whose twins they are. No file of this folder includes
// more of agmohd, so that the names of fwd.hpp stand before all of it.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/fwd.hpp>

// As a program's own header may: nothing of agmohd is defined yet.
namespace forward {
torch::optim::Optimizer& base(agmohd::AdamW& optimizer);
std::size_t groups(const agmohd::AGMOHD* optimizer);
bool equal(const agmohd::SGDOptions& a, const agmohd::SGDOptions& b);
}  // namespace forward

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace testing_upstream {

using torch::Tensor;
using Tensors = std::vector<Tensor>;
using Group = torch::optim::OptimizerParamGroup;

template <class O, class S, class T>
struct Twin {
  using Optimizer = O;
  using Options = typename O::Options;
  using State = typename O::ParamState;
  using StockOptions = S;
  using Stock = T;
};
template <class T>
class Upstream : public testing::Test {
 public:
  using Optimizer = typename T::Optimizer;
  using Options = typename T::Options;
  using State = typename T::State;
  using Stock = typename T::Stock;
  using StockOptions = typename T::StockOptions;
};
using Twins =
    testing::Types<Twin<agmohd::SGD, torch::optim::SGDOptions, torch::optim::SGD>,
                   Twin<agmohd::Adam, torch::optim::AdamOptions, torch::optim::Adam>,
                   Twin<agmohd::AdamW, torch::optim::AdamWOptions, torch::optim::AdamW>,
                   Twin<agmohd::RMSprop, torch::optim::RMSpropOptions, torch::optim::RMSprop>,
                   Twin<agmohd::Adagrad, torch::optim::AdagradOptions, torch::optim::Adagrad>,
                   Twin<agmohd::AGMOHD, torch::optim::AdamWOptions, torch::optim::AdamW>,
                   Twin<agmohd::AGMOHDSGD, torch::optim::SGDOptions, torch::optim::SGD>>;
TYPED_TEST_SUITE(Upstream, Twins);

/// torch.optim's Adagrad makes its states when it is constructed.
template <class T>
inline constexpr bool at_once = std::is_same_v<typename T::Stock, torch::optim::Adagrad>;

inline Tensors parameters() {
  torch::manual_seed(0);
  Tensors out;
  for (int i = 2; i < 5; ++i) out.push_back(torch::randn({i, i}).requires_grad_());
  return out;
}
inline void give_gradients(const Tensors& parameters, int t) {
  torch::manual_seed(40 + std::uint64_t(t));
  for (const Tensor& p : parameters) p.mutable_grad() = torch::randn_like(p);
}
inline void expect_close(const Tensors& a, const Tensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(torch::allclose(a[i], b[i], 1e-5, 1e-6)) << "parameter " << i;
  }
}

}  // namespace testing_upstream
