// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Checkpoints of older versions load.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <filesystem>
#include <string>
#include <type_traits>

#include "../warnings.hpp"
#include "errors.hpp"
#include "runs.hpp"

namespace {

using namespace testing_checkpoints;

/// agmohd's optimizer for what each of the runs had.
template <class Optimizer>
struct Twin {
  using type = Optimizer;
};
template <>
struct Twin<torch::optim::AdamW> {
  using type = agmohd::AdamW;
};

void expect_loads(const fs::path& folder) {
  checkpoints::each([&]<class Saved>(const std::string& name, const auto&) {
    SCOPED_TRACE(folder.filename().string() + ", " + name);
    using Optimizer = typename Twin<Saved>::type;
    Tensors values;
    torch::load(values, folder / (name + "_parameters.pt"));
    const Tensors params{values[0].requires_grad_(), values[1].requires_grad_()};
    Optimizer optimizer(params);
    Warnings warnings;
    agmohd::load(optimizer, folder / (name + ".pt"));
    EXPECT_EQ(optimizer.updates(), checkpoints::kSaved);
    EXPECT_EQ(optimizer.param_groups()[0].options().get_lr(), 0.01);
    if constexpr (std::is_same_v<Optimizer, agmohd::AGMOHD>) {
      EXPECT_EQ(optimizer.options().total_steps(), 100);
      EXPECT_EQ(optimizer.options().max_norm(), 2);
      EXPECT_TRUE(optimizer.options().snapshots());
      if (folder.filename() == "v0.1") {
        ASSERT_EQ(warnings.texts.size(), 1U) << testing::PrintToString(warnings.texts);
        expect_in(warnings.texts[0], {"version 0.1", "begins anew", "memory of the optimizer",
                                      "hindrance of parameters", "snapshots of parameters"});
      }
    } else if (folder.filename() == "v0.1" && !name.starts_with("torch")) {
      ASSERT_EQ(warnings.texts.size(), 1U) << testing::PrintToString(warnings.texts);
      expect_in(warnings.texts[0], {"version 0.1"});
    } else {
      EXPECT_TRUE(warnings.texts.empty()) << testing::PrintToString(warnings.texts);
    }
    checkpoints::run(optimizer, params, checkpoints::kSaved,
                     checkpoints::kSaved + checkpoints::kFurther);
    for (std::size_t i = 0; i < params.size(); ++i) {
      // AGMOHD takes other steps where its statistics begin anew, and from version to version.
      const bool same = std::is_same_v<Optimizer, agmohd::AGMOHD>
                            ? at::isfinite(params[i]).all().template item<bool>()
                            : at::allclose(params[i], values[2 + i], 1e-6, 1e-6);
      EXPECT_TRUE(same) << params[i] << values[2 + i];
    }
  });
}

TEST(Checkpoints, OfOlderVersionsLoad) {
  int versions = 0;
  for (const auto& entry : fs::directory_iterator(checkpoints::folder())) {
    if (!entry.is_directory()) continue;
    ++versions;
    expect_loads(entry.path());
  }
  EXPECT_GE(versions, 1);
}

/// Beside each optimizer's state, the parameters when it was saved and after the further steps.
TEST(Checkpoints, DISABLED_WriteThoseOfThisVersion) {
  const fs::path folder = checkpoints::folder() / ("v" + std::to_string(AGMOHD_VERSION_MAJOR) +
                                                   "." + std::to_string(AGMOHD_VERSION_MINOR));
  fs::create_directories(folder);
  checkpoints::each([&]<class Optimizer>(const std::string& name, const auto& options) {
    const Tensors params = checkpoints::parameters();
    Optimizer optimizer(params, options);
    checkpoints::run(optimizer, params, 0, checkpoints::kSaved);
    torch::save(optimizer, folder / (name + ".pt"));
    Tensors values;
    for (const at::Tensor& p : params) values.push_back(p.detach().clone());
    checkpoints::run(optimizer, params, checkpoints::kSaved,
                     checkpoints::kSaved + checkpoints::kFurther);
    for (const at::Tensor& p : params) values.push_back(p.detach().clone());
    torch::save(values, folder / (name + "_parameters.pt"));
  });
}

}  // namespace
