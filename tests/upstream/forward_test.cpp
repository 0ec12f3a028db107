// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Names that are declared before anything of agmohd is defined.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "twins.hpp"

namespace forward {
torch::optim::Optimizer& base(agmohd::AdamW& optimizer) { return optimizer; }
std::size_t groups(const agmohd::AGMOHD* optimizer) { return optimizer->param_groups().size(); }
bool equal(const agmohd::SGDOptions& a, const agmohd::SGDOptions& b) { return a == b; }
}  // namespace forward

namespace {

using namespace testing_upstream;

TEST(Forward, DeclaredNamesAreTheOptimizers) {
  const Tensors params = parameters();
  agmohd::AdamW adamw(params, 0.1);
  agmohd::AGMOHD agmohd(params, 0.1);
  EXPECT_EQ(&forward::base(adamw), &adamw);
  EXPECT_EQ(forward::groups(&agmohd), 1U);
  EXPECT_TRUE(forward::equal(agmohd::SGDOptions(0.1), agmohd::SGDOptions(0.1)));
}

}  // namespace
