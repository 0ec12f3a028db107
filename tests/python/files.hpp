// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files in a folder that goes with the test, and optimizers that are written to them.

#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include <agmohd/python.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace testing_python {

namespace fs = std::filesystem;
namespace python = agmohd::python;
using Texts = std::vector<std::string>;
using Tensors = std::vector<at::Tensor>;

class Python : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("agmohd_python_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    path_ = (folder_ / "file.pt").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  c10::IValue passed(const c10::IValue& value) const {
    python::write(value, path_);
    return python::read(path_);
  }

  fs::path folder_;
  std::string path_;
};

inline void expect_error(const std::function<void()>& f, const Texts& parts) {
  try {
    f();
    ADD_FAILURE() << "no error";
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    EXPECT_TRUE(text.starts_with("agmohd: ")) << text;
    for (const std::string& part : parts) {
      EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in: " << text;
    }
  }
}

inline std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// Three parameters in two groups; the last one gets no gradient in the first steps.
template <class Optimizer>
struct Training {
  explicit Training(at::ScalarType dtype = at::kFloat, typename Optimizer::Options options = {0.05},
                    at::Device device = at::kCPU) {
    torch::manual_seed(3);
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{{3, 4}, {5}, {2, 2}}) {
      params.push_back(at::randn(shape).to(device, dtype).requires_grad_());
    }
    std::vector<torch::optim::OptimizerParamGroup> groups;
    groups.emplace_back(Tensors{params[0]});
    groups.emplace_back(Tensors{params[1], params[2]});
    optimizer = std::make_unique<Optimizer>(groups, options);
  }
  void run(int steps, std::size_t with_gradient = 3) {
    for (int i = 0; i < steps; ++i) {
      optimizer->zero_grad();
      for (std::size_t k = 0; k < with_gradient; ++k) {
        ((params[k] - 1).square() * double(k + 1)).sum().backward();
      }
      optimizer->step();
    }
  }
  std::string content() const {
    std::ostringstream out;
    torch::save(*optimizer, out);
    for (const at::Tensor& p : params) torch::save(p.detach(), out);
    return out.str();
  }

  Tensors params;
  std::unique_ptr<Optimizer> optimizer;
};

inline python::Dict group_of(const c10::IValue& state_dict, std::size_t g) {
  return state_dict.toGenericDict().at("param_groups").toList().get(g).toGenericDict();
}
inline void erase(const python::Dict& dict, const char* key) { EXPECT_EQ(dict.erase(key), 1U); }
inline python::Dict states_of(const c10::IValue& state_dict) {
  return state_dict.toGenericDict().at("state").toGenericDict();
}

}  // namespace testing_python
