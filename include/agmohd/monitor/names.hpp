// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <torch/optim/optimizer.h>
#include <torch/ordered_dict.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <unordered_map>
#include <vector>

#include "../tensor/validate.hpp"

namespace agmohd::monitor {

/// What the parameters of an optimizer are called.
template <class = void>  // for units without an optimizer, as in tensor/overlap.hpp
class BasicNames {
 public:
  void add(const torch::OrderedDict<std::string, at::Tensor>& named) {
    for (const auto& item : named) names_[item.value().unsafeGetTensorImpl()] = item.key();
  }

  /// "encoder.weight", or "parameter 3 of group 0" where it has no name.
  std::string of(const at::Tensor& param, Place place) const {
    const auto found = names_.find(param.unsafeGetTensorImpl());
    return found != names_.end() ? found->second : c10::str(place);
  }

  /// The parameters and gradients that have an element which is inf or NaN: the first four, and how
  /// many more. Empty: none. Waits for the device.
  std::string nonfinite(const std::vector<torch::optim::OptimizerParamGroup>& groups) const {
    constexpr int kNamed = 4;
    std::string out;
    int found = 0;
    const auto look = [&](const char* what, const at::Tensor& x, const at::Tensor& of_param,
                          Place place) {
      if (is_finite(x)) return;
      found += 1;
      if (found <= kNamed) out += (found > 1 ? ", " : "") + (what + of(of_param, place));
    };
    for (std::size_t g = 0; g < groups.size(); ++g) {
      for (std::size_t i = 0; i < groups[g].params().size(); ++i) {
        const at::Tensor& param = groups[g].params()[i];
        if (!param.defined()) continue;
        look("", param, param, {g, i});
        look("the gradient of ", param.grad(), param, {g, i});
      }
    }
    if (found > kNamed) out += " and " + std::to_string(found - kNamed) + " more";
    return out;
  }

 private:
  /// Without a buffer of the tensor's size; true for what is not a dense floating tensor.
  static bool is_finite(const at::Tensor& x) {
    if (!x.defined() || foreign_key(x) != c10::DispatchKey::Undefined ||
        x.layout() != at::kStrided || (!x.is_floating_point() && !x.is_complex()) || x.is_meta() ||
        x.numel() == 0) {
      return true;
    }
    const double most = std::numeric_limits<double>::infinity();
    return std::isfinite(at::linalg_vector_norm(x.detach(), most).item<double>());
  }

  std::unordered_map<const c10::TensorImpl*, std::string> names_;
};
using Names = BasicNames<>;

}  // namespace agmohd::monitor
