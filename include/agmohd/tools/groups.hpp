// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>
#include <torch/nn/module.h>
#include <torch/optim/optimizer.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "glob.hpp"

namespace agmohd::tools {

/// Parameter groups of a module, of those of its parameters that require a gradient:
///   agmohd::AdamW optimizer(tools::Groups(*model, options).no_decay().groups(), options);
/// Each parameter begins with `options`, ours or torch::optim's. Each call below changes those of
/// some, in the order of calls. groups() puts parameters with the same changes and equal options
/// together, in the order of the module; options without an operator== count as equal. Parameters
/// are named as in named_parameters(); one that has several names has the first. Patterns are globs
/// of whole names, see glob(). A pattern that matches nothing is an error. Errors are c10::Error,
/// and change nothing.
template <std::derived_from<torch::optim::OptimizerOptions> Options>
class Groups {
 public:
  Groups(const torch::nn::Module& module, const Options& options) {
    std::unordered_set<const void*> seen;
    visit(module, "", [&](const std::string& name, const at::Tensor& param, const auto& owner) {
      if (!seen.insert(param.unsafeGetTensorImpl()).second) return;
      if (param.requires_grad()) {
        const std::string& type = owner.name();
        const std::size_t scope = type.rfind("::");
        params_.push_back(
            {name, scope == std::string::npos ? type : type.substr(scope + 2), param, options, ""});
      } else {
        ++frozen_;
      }
    });
    TORCH_CHECK(!params_.empty(), "agmohd: no parameter of the module requires a gradient");
  }

  /// Weight decay 0 for biases, norms and embeddings: parameters of at most one dimension, those
  /// whose last name contains "bias", and those of a module whose class has Norm or Embedding in
  /// its name.
  Groups& no_decay() {
    static_assert(decays, "agmohd: no_decay(): these options have no weight_decay");
    for (Param& param : params_) {
      const std::string last = param.name.substr(param.name.rfind('.') + 1);
      const auto has = [](const std::string& text, const char* part) {
        return text.find(part) != std::string::npos;
      };
      if (param.tensor.dim() <= 1 || has(last, "bias") || has(param.owner, "Norm") ||
          has(param.owner, "Embedding")) {
        change(param, "no decay", [](Options& o) { o.weight_decay(0.0); });
      }
    }
    return *this;
  }

  /// f(options) for the parameters that a pattern matches: match("head.*", [](auto& o) { o.lr(1);
  /// })
  Groups& match(const std::string& pattern, const std::function<void(Options&)>& f) {
    std::vector<Param> changed = params_;
    bool found = false;
    for (Param& param : changed) {
      if (!glob(pattern, param.name)) continue;
      change(param, pattern, f);
      found = true;
    }
    TORCH_CHECK(found, nothing(pattern));
    params_ = std::move(changed);
    return *this;
  }

  /// Layer-wise decay of the learning rate (Clark et al. 2020, ELECTRA; Bao et al. 2022, BEiT):
  ///   lr <- lr decay^(L - 1 - l) in layer l of L
  /// The patterns name the layers from the input to the output; where one has a number #, each
  /// value is a layer: {"embedding.*", "blocks.#.*", "*"}. The first pattern that matches a
  /// parameter decides; each parameter has to be in a layer.
  Groups& layer_decay(double decay, const std::vector<std::string>& layers) {
    TORCH_CHECK(decay > 0 && decay <= 1, agmohd::detail::classic, "agmohd: layer_decay(", decay,
                "), but it must be in (0, 1]");
    std::vector<std::pair<std::size_t, std::int64_t>> place(params_.size());
    std::set<std::pair<std::size_t, std::int64_t>> places;
    std::set<std::size_t> used;
    for (std::size_t i = 0; i < params_.size(); ++i) {
      std::optional<std::int64_t> found;
      for (std::size_t k = 0; k < layers.size() && !found; ++k) {
        found = glob(layers[k], params_[i].name);
        if (found) place[i] = {k, *found};
      }
      TORCH_CHECK(found, "agmohd: layer_decay(): no pattern matches the parameter ",
                  params_[i].name, "; a last pattern * takes the rest");
      places.insert(place[i]);
      used.insert(place[i].first);
    }
    for (std::size_t k = 0; k < layers.size(); ++k) {
      TORCH_CHECK(used.count(k) > 0, nothing(layers[k]));
    }
    for (std::size_t i = 0; i < params_.size(); ++i) {
      const auto behind = std::distance(places.upper_bound(place[i]), places.end());
      scale_lr(params_[i], std::pow(decay, double(behind)), "layer decay");
    }
    return *this;
  }

  /// Width scaling of muP for Adam and its kin (Yang et al. 2022, table 8): of hidden weights,
  /// those that have two dimensions of another size than in `base`, the same module at the width at
  /// which the rate was found,
  ///   lr <- lr / ratio,   weight_decay <- weight_decay ratio,   ratio = width / base width
  /// with the width of the last such dimension, the fan-in. The decay as in the authors' package
  /// mup: lr weight_decay stays. Initial values and the multiplier of the output are the module's
  /// affair.
  Groups& width(const torch::nn::Module& base) {
    std::vector<Param> changed = params_;
    for (Param& param : changed) {
      at::Tensor other;
      visit(base, "", [&](const std::string& name, const at::Tensor& tensor, const auto&) {
        if (name == param.name) other = tensor;
      });
      TORCH_CHECK(other.defined() && other.dim() == param.tensor.dim(), "agmohd: width(): ",
                  other.defined() ? "other dimensions in the base: " : "the base does not have ",
                  param.name);
      int differ = 0;
      double ratio = 1;
      for (std::int64_t d = 0; d < other.dim(); ++d) {
        if (other.size(d) == param.tensor.size(d)) continue;
        ++differ;
        ratio = double(param.tensor.size(d)) / double(other.size(d));
      }
      TORCH_CHECK(differ <= 2, "agmohd: width(): ", differ, " dimensions of ", param.name,
                  " differ from the base, but table 8 has two at most");
      if (differ < 2) continue;
      scale_lr(param, 1 / ratio, "width");
      if constexpr (decays) {
        param.options.weight_decay(std::as_const(param.options).weight_decay() * ratio);
      }
    }
    params_ = std::move(changed);
    return *this;
  }

  /// What an optimizer takes. Hand it `options`, too: a recipe's schedule, clip and hindrance
  /// policies are the optimizer's, not a group's.
  std::vector<torch::optim::OptimizerParamGroup> groups() const {
    std::vector<torch::optim::OptimizerParamGroup> out;
    for (const auto& members : together()) {
      std::vector<at::Tensor> tensors;
      for (const Param* param : members) tensors.push_back(param->tensor);
      out.emplace_back(std::move(tensors), std::make_unique<Options>(members[0]->options));
    }
    return out;
  }

  /// A line for each group: learning rate, weight decay, changes, elements and names.
  friend std::ostream& operator<<(std::ostream& out, const Groups& groups) {
    std::size_t g = 0;
    for (const auto& members : groups.together()) {
      std::int64_t elements = 0;
      for (const Param* param : members) elements += param->tensor.numel();
      Options options = members[0]->options;
      out << "group " << g++ << ": lr " << number(options.get_lr());
      if constexpr (decays) {
        out << ", weight_decay " << number(std::as_const(options).weight_decay());
      }
      if (!members[0]->changes.empty()) out << " (" << members[0]->changes << ")";
      out << ", " << members.size() << (members.size() == 1 ? " parameter, " : " parameters, ")
          << std::to_string(elements) << (elements == 1 ? " element: " : " elements: ");
      for (std::size_t i = 0; i < std::min<std::size_t>(members.size(), 3); ++i) {
        out << (i > 0 ? ", " : "") << members[i]->name;
      }
      out << (members.size() > 3 ? ", ...\n" : "\n");
    }
    if (groups.frozen_ > 0) out << groups.frozen_ << " without requires_grad in no group\n";
    return out;
  }

 private:
  static constexpr bool decays = requires(Options & o) { o.weight_decay(0.0); };

  struct Param {
    std::string name, owner;  // its module's class
    at::Tensor tensor;
    Options options;
    std::string changes;  // of its options
  };

  template <class F>
  static void visit(const torch::nn::Module& module, const std::string& prefix, const F& f) {
    for (const auto& item : module.named_parameters(/*recurse=*/false)) {
      if (item.value().defined()) f(prefix + item.key(), item.value(), module);
    }
    for (const auto& child : module.named_children()) {
      visit(*child.value(), prefix + child.key() + ".", f);
    }
  }
  static bool equal(const Options& a, const Options& b) {
    if constexpr (requires { bool(a == b); }) {
      return a == b;
    } else {
      return true;
    }
  }
  /// Parameters with the same changes and options, in the order of their first.
  std::vector<std::vector<const Param*>> together() const {
    std::vector<std::vector<const Param*>> out;
    for (const Param& param : params_) {
      const auto same = std::find_if(out.begin(), out.end(), [&](const auto& members) {
        return members[0]->changes == param.changes && equal(members[0]->options, param.options);
      });
      if (same != out.end()) {
        same->push_back(&param);
      } else {
        out.push_back({&param});
      }
    }
    return out;
  }
  static void change(Param& param, const std::string& what,
                     const std::function<void(Options&)>& f) {
    f(param.options);
    param.changes += (param.changes.empty() ? "" : ", ") + what;
  }
  static void scale_lr(Param& param, double factor, const char* why) {
    if (factor == 1) return;
    change(param, std::string(why) + " x " + number(factor),
           [&](Options& o) { o.set_lr(o.get_lr() * factor); });
  }
  /// As short as reads back to the same number, whatever the locale.
  static std::string number(double x) {
    char buffer[32];
    return {buffer, std::to_chars(buffer, buffer + sizeof buffer, x).ptr};
  }
  std::string nothing(const std::string& pattern) const {
    std::string out = "agmohd: the pattern " + pattern + " matches no parameter; there are ";
    for (std::size_t i = 0; i < std::min<std::size_t>(params_.size(), 5); ++i) {
      out += (i > 0 ? ", " : "") + params_[i].name;
    }
    return out + (params_.size() > 5 ? ", ..." : "");
  }

  std::vector<Param> params_;
  std::size_t frozen_ = 0;
};

}  // namespace agmohd::tools
