// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Texts that an error or a warning has, and a checkpoint that passes on.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "runs.hpp"

namespace testing_checkpoints {

using checkpoints::Tensors;
using Texts = std::vector<std::string>;
namespace fs = std::filesystem;

inline void expect_in(const std::string& text, const Texts& parts) {
  for (const std::string& part : parts) {
    EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in: " << text;
  }
}
inline void expect_error(const std::function<void()>& f, const Texts& parts) {
  try {
    f();
    ADD_FAILURE() << "no error";
  } catch (const c10::Error& error) {
    expect_in(error.what_without_backtrace(), parts);
  }
}

template <class From, class To>
void pass(const From& from, To& to) {
  std::stringstream file;
  torch::save(from, file);
  torch::load(to, file);
}

}  // namespace testing_checkpoints
