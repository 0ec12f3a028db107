// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Gradient transforms and schedules around rules follow the golden files of their peers. The rules'
// own files are in the tests of rule/, those of averages in wrap/.

#include <gtest/gtest.h>

#include <agmohd/agmohd.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "golden/recipes.hpp"
#include "golden/replay.hpp"

namespace {

namespace fs = std::filesystem;

struct Case {
  std::string file, recipe;
  void (*follow)(const std::string&, const std::string&, torch::Device);
  bool has_kernels;
};
template <class Recipe>
Case of(const std::string& file, const std::string& recipe) {
  return {file, recipe, golden::expect_follows<Recipe>,
          agmohd::cuda::find_kernels<Recipe>() != nullptr};
}
std::vector<Case> cases() {
  return {
      of<golden::ClipByNormAdamW>("clip", "ClipByNorm+AdamW"),
      of<golden::ClipByMaxNormAdamW>("clip", "ClipByMaxNorm+AdamW"),
      of<golden::ClipByPNormAdamW>("pnorm", "ClipByPNorm+AdamW"),
      of<golden::ClipByValueSGD>("clip", "ClipByValue+SGD"),
      of<golden::ClipByValueClipByNormAdam>("clip", "ClipByValue+ClipByNorm+Adam"),
      of<golden::NormalizeSGD>("normalize", "Normalize+SGD"),
      of<golden::NormalizeAdamW>("normalize", "Normalize+AdamW"),
      of<golden::NormalizeTensorsSGD>("normalize", "NormalizeTensors+SGD"),
      of<golden::NormalizeToMedianSGD>("normalize", "NormalizeToMedian+SGD"),
      of<golden::ClipByNormNormalizeToMedianAdamW>("normalize",
                                                   "ClipByNorm+NormalizeToMedian+AdamW"),
      of<golden::MedianFilterSGD>("medianfilter", "MedianFilter+SGD"),
      of<golden::MedianFilterClipByNormAdamW>("medianfilter", "MedianFilter+ClipByNorm+AdamW"),
      of<golden::SignSGD>("normalize", "Sign+SGD"),
      of<golden::RowsSGD>("agc", "AGC+SGD"),
      of<golden::RowsAdamW>("agc", "AGC+AdamW"),
      of<golden::CentralizeSGD>("centralize", "Centralize+SGD"),
      of<golden::CentralizeAdamW>("centralize", "Centralize+AdamW"),
      of<golden::OrthogonalSGD>("orthogonal", "Orthogonal+SGD"),
      of<golden::OrthogonalAdamW>("orthogonal", "Orthogonal+AdamW"),
      of<golden::OrthogonalClipByNormAdamW>("orthogonal", "Orthogonal+ClipByNorm+AdamW"),
      of<golden::AccumulatedAdamW>("accumulate", "Accumulate+AdamW"),
      of<golden::AccumulatedSGD>("accumulate", "Accumulate+SGD"),
      of<golden::LinearSGD>("schedule", "Linear+SGD"),
      of<golden::CosineAdam>("schedule", "Cosine+Adam"),
      of<golden::ByGroupAdamW>("schedule", "ByGroup+AdamW"),
      of<golden::WarmupCosineAdamW>("schedule", "Warmup+Cosine+AdamW"),
  };
}

class Golden : public testing::TestWithParam<Case> {
 protected:
  void follow(torch::Device device) {
    GetParam().follow(GetParam().file, GetParam().recipe, device);
  }
};
class GoldenCuda : public Golden {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
    if (!GetParam().has_kernels) {
      GTEST_SKIP() << "this program has no CUDA kernels of that recipe";
    }
  }
};

std::string case_name(const testing::TestParamInfo<Case>& info) {
  std::string out;
  for (const char c : info.param.recipe) out += c == '+' ? '_' : c;
  return out;
}
INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(cases()), case_name);
INSTANTIATE_TEST_SUITE_P(All, GoldenCuda, testing::ValuesIn(cases()), case_name);

TEST_P(Golden, FollowsItsPeer) { follow(torch::kCPU); }
TEST_P(GoldenCuda, FollowsItsPeerAndEqualsTheCpu) { follow(torch::kCUDA); }

/// Whether a test follows a scenario: one of this file, of wrap/, of complex/, or that of a rule
/// which names the file and has the recipe's sample or name.
bool is_followed(const std::string& file, const std::string& recipe) {
  for (const Case& c : cases()) {
    if (c.file == file && c.recipe == recipe) return true;
  }
  for (const char* of_others : {"ema", "lookahead", "sam", "complex"}) {
    if (file == of_others) return true;
  }
  for (const auto& entry : fs::directory_iterator(fs::path(AGMOHD_TESTS) / "rule")) {
    std::ifstream stream(entry.path());
    std::string text{std::istreambuf_iterator<char>(stream), {}};
    for (std::size_t at = 0; (at = text.find("rule::", at)) != std::string::npos;)
      text.erase(at, 6);
    const auto has = [&text](const std::string& part) {
      return text.find(part) != std::string::npos;
    };
    if (has("golden = \"" + file + "\"") &&
        (has("Sample<" + recipe + ">") || has("\"" + recipe + "\""))) {
      return true;
    }
  }
  return false;
}

TEST(GoldenFiles, HoldCompleteScenariosThatATestFollows) {
  const golden::Inputs inputs;
  for (const auto& entry : fs::directory_iterator(golden::folder())) {
    const fs::path& file = entry.path();
    const std::string stem = file.stem().string();
    if (file.extension() != ".pt" || stem == "inputs") continue;
    for (const auto& item : golden::load(stem)) {
      const std::string& name = item.key().toStringRef();
      const golden::Scenario scenario(item.value().toGenericDict());
      for (const torch::Dtype dtype : {torch::kFloat32, torch::kFloat64}) {
        const golden::Trajectory expected = scenario.expected(inputs, dtype);
        ASSERT_TRUE(expected.tensors.contains("params_100")) << name;
        EXPECT_EQ(expected.steps.size(), expected.tensors.at("params_100").size()) << name;
      }
      EXPECT_TRUE(is_followed(stem, scenario.recipe())) << name << " of " << scenario.recipe();
    }
  }
}

}  // namespace
