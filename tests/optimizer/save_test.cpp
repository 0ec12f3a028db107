// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Files that are replaced at once.

#include <gtest/gtest.h>
#include <torch/serialize.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <filesystem>
#include <iterator>
#include <string>

#include "everything.hpp"

namespace {

using namespace testing_optimizer;

TEST(Save, ReplacesTheFileAtOnceOrNotAtAll) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("agmohd_save_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "state.pt").string();
  Tensor p = torch::ones({4}).requires_grad_();
  p.mutable_grad() = torch::ones({4});
  agmohd::AdamW optimizer(Tensors{p}, 0.1);
  optimizer.step();
  agmohd::save(optimizer, path);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1)
      << "no temporary file is left";
  optimizer.step();
  EXPECT_THROW(agmohd::save(optimizer, (folder / "missing" / "state.pt").string()), c10::Error);
  agmohd::AdamW loaded(Tensors{p}, 0.5);
  torch::load(loaded, path);
  EXPECT_EQ(loaded.updates(), 1);
  agmohd::save(optimizer, path);
  torch::load(loaded, path);
  EXPECT_EQ(loaded.updates(), 2);
  std::filesystem::remove_all(folder);
}

}  // namespace
