// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads the trajectories that golden/make_golden.py wrote; the layout of the files is described
// there.

#include <torch/cuda.h>
#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#ifndef AGMOHD_TESTS
#define AGMOHD_TESTS "."  // a program outside of the repository has its golden files, if any, there
#endif

namespace golden {

using Dict = c10::impl::GenericDict;
using Tensors = std::vector<torch::Tensor>;

constexpr std::int64_t kSteps = 100;
inline bool is_snapshot(std::int64_t steps) { return steps == 1 || steps == 10 || steps == kSteps; }

/// What an optimizer did: by name ("params_10", "exp_avg") one tensor for each parameter, and the
/// applied updates.
struct Trajectory {
  std::map<std::string, Tensors> tensors;
  std::vector<std::int64_t> steps;
};

inline std::filesystem::path folder() { return std::filesystem::path(AGMOHD_TESTS) / "golden"; }

inline Dict load(const std::string& name) {
  const auto path = folder() / (name + ".pt");
  std::ifstream file(path, std::ios::binary);
  TORCH_CHECK(file, "cannot open ", path.string());
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  return torch::pickle_load(bytes).toGenericDict();
}

inline std::vector<std::int64_t> integers(const c10::IValue& list) {
  std::vector<std::int64_t> result;
  for (const c10::IValue& value : list.toListRef()) result.push_back(value.toInt());
  return result;
}

inline std::vector<std::vector<std::int64_t>> lists(const c10::IValue& list) {
  std::vector<std::vector<std::int64_t>> result;
  for (const c10::IValue& value : list.toListRef()) result.push_back(integers(value));
  return result;
}

/// The parameters and gradients that every scenario shares.
class Inputs {
 public:
  Inputs() : file_(load("inputs")), shapes_(lists(file_.at("shapes"))) {}

  /// The tensors that `flat` concatenates.
  Tensors split(const torch::Tensor& flat) const { return split(flat, shapes_); }
  static Tensors split(const torch::Tensor& flat,
                       const std::vector<std::vector<std::int64_t>>& shapes) {
    std::vector<std::int64_t> sizes;
    for (const auto& shape : shapes) sizes.push_back(c10::multiply_integers(shape));
    Tensors result = flat.split_with_sizes(sizes);
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = result[i].view(shapes[i]).clone();
    return result;
  }

  Tensors initial(const torch::TensorOptions& options) const {
    return laid_out(file_.at("initial").toTensor(), options);
  }

  /// The gradients of a step (counted from 0); undefined where the parameter has none.
  Tensors gradients(std::int64_t step, const torch::TensorOptions& options) const {
    Tensors result = laid_out(file_.at("gradients").toTensor()[step], options);
    const torch::Tensor present = file_.at("present").toTensor()[step];
    for (std::size_t i = 0; i < result.size(); ++i) {
      if (!present[static_cast<std::int64_t>(i)].item<bool>()) result[i].reset();
    }
    return result;
  }

 private:
  Tensors laid_out(const torch::Tensor& flat, const torch::TensorOptions& options) const {
    Tensors result = split(flat);
    const bool is_complex = c10::isComplexType(options.dtype().toScalarType());
    for (auto& tensor : result) {
      if (is_complex) tensor = torch::complex(tensor, tensor.flatten().flip(0).view_as(tensor));
      tensor = tensor.to(options);
    }
    auto& image = result.at(static_cast<std::size_t>(file_.at("channels_last").toInt()));
    image = image.contiguous(at::MemoryFormat::ChannelsLast);
    return result;
  }

  Dict file_;
  std::vector<std::vector<std::int64_t>> shapes_;
};

struct Group {
  std::vector<std::int64_t> tensors;  // indices into Inputs
  std::int64_t joins;                 // after so many steps
  Dict options;                       // what the group sets itself
};

class Scenario {
 public:
  explicit Scenario(Dict content) : content_(std::move(content)) {}
  explicit Scenario(const std::string& name)
      : content_(load(name.substr(0, name.find('_'))).at(name).toGenericDict()) {}

  std::string recipe() const { return content_.at("recipe").toStringRef(); }
  /// Its tensors are complex; what is stored are their parts.
  bool is_complex() const { return content_.contains("is_complex"); }
  Dict options() const { return content_.at("options").toGenericDict(); }

  std::vector<Group> groups() const {
    std::vector<Group> result;
    for (const c10::IValue& value : content_.at("groups").toListRef()) {
      const Dict group = value.toGenericDict();
      result.push_back({integers(group.at("tensors")), group.at("joins").toInt(),
                        group.at("options").toGenericDict()});
    }
    return result;
  }

  Trajectory expected(const Inputs& inputs, torch::Dtype dtype) const {
    const Dict content =
        content_.at(dtype == torch::kFloat64 ? "float64" : "float32").toGenericDict();
    Trajectory result{{}, integers(content.at("steps"))};
    const Dict shapes = content.contains("shapes")
                            ? content.at("shapes").toGenericDict()
                            : Dict(c10::StringType::get(), c10::AnyType::get());
    for (const auto& entry : content.at("tensors").toGenericDict()) {
      const std::string& name = entry.key().toStringRef();
      const torch::Tensor flat = entry.value().toTensor();
      TORCH_CHECK(flat.dtype() == dtype, name, " has another dtype");
      result.tensors[name] =
          shapes.contains(name) ? Inputs::split(flat, lists(shapes.at(name))) : inputs.split(flat);
    }
    return result;
  }

 private:
  Dict content_;
};

}  // namespace golden
