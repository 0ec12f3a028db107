// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/serialize/archive.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "same_kind.hpp"

namespace agmohd::wrap {

/// An average of parameters beside them, in float32 (float64 for float64). Works with any
/// optimizer: call update() after its step. Parameters and averages are exchanged by swap(), for an
/// evaluation. A few launches for any number of parameters; never waits.
class Average {
 public:
  /// @param params  of floating dtype, on any devices; their memory is read in every update()
  explicit Average(std::vector<at::Tensor> params) : params_(std::move(params)) {
    for (std::size_t i = 0; i < params_.size(); ++i) {
      TORCH_CHECK(
          params_[i].defined() && params_[i].is_floating_point(), agmohd::detail::classic,
          "agmohd: parameter ", i, " is ",
          params_[i].defined() ? c10::str("of dtype ", params_[i].scalar_type()) : "undefined",
          ", but averages are of floating-point tensors");
    }
  }
  virtual ~Average() = default;

  /// One more step was taken: averages if it is its turn.
  void update() {
    const at::NoGradGuard no_grad;
    steps_ += 1;
    if (!is_due(steps_)) return;
    if (averaged_ == 0) {
      begin();
    } else {
      const double weight = weight_of_next(averaged_);
      for (detail::SameKind& some : kinds_) {
        if (!some.wide.empty()) at::_foreach_copy_(some.wide, some.params);
        at::_foreach_lerp_(some.others, some.wide.empty() ? some.params : some.wide, weight);
      }
    }
    averaged_ += 1;
  }

  /// Parameters become their averages, and the averages hold the parameters until the next swap().
  /// Nothing before the first average. update() between the two would average the averages.
  void swap() {
    const at::NoGradGuard no_grad;
    for (detail::SameKind& some : kinds_) {
      std::vector<at::Tensor> kept;
      for (const at::Tensor& param : some.params) kept.push_back(param.clone());
      at::_foreach_copy_(some.params, some.others);
      at::_foreach_copy_(some.others, kept);
    }
  }

  /// In the order of the parameters; empty before the first average.
  std::vector<at::Tensor> averages() const {
    std::vector<at::Tensor> out(averaged_ > 0 ? params_.size() : 0);
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = kinds_[places_[i].first].others[places_[i].second];
    }
    return out;
  }
  /// Calls of update(), and those that averaged.
  std::int64_t steps() const { return steps_; }
  std::int64_t averaged() const { return averaged_; }

  void save(torch::serialize::OutputArchive& archive) const {
    archive.write("steps", c10::IValue(steps_));
    archive.write("averaged", c10::IValue(averaged_));
    const std::vector<at::Tensor> all = averages();
    for (std::size_t i = 0; i < all.size(); ++i) archive.write(std::to_string(i), all[i]);
  }
  /// Checks everything first: after an error nothing has changed.
  void load(torch::serialize::InputArchive& archive) {
    const at::NoGradGuard no_grad;
    c10::IValue steps, averaged;
    archive.read("steps", steps);
    archive.read("averaged", averaged);
    std::vector<at::Tensor> all;
    for (std::size_t i = 0; averaged.toInt() > 0 && i < params_.size(); ++i) {
      at::Tensor& average = all.emplace_back();
      archive.read(std::to_string(i), average);
      TORCH_CHECK(average.sizes() == params_[i].sizes(), agmohd::detail::classic,
                  "agmohd: the average of parameter ", i, " is of shape ", average.sizes(),
                  ", the parameter of ", params_[i].sizes());
    }
    steps_ = steps.toInt();
    averaged_ = averaged.toInt();
    if (averaged_ == 0) {
      kinds_.clear();
      return;
    }
    begin();
    const std::vector<at::Tensor> ours = averages();
    for (std::size_t i = 0; i < all.size(); ++i) ours[i].copy_(all[i]);
  }

 protected:
  /// Whether step number `step`, counted from 1, is averaged.
  virtual bool is_due(std::int64_t step) const = 0;
  /// The weight of the parameters in an average of which `n` were averaged before, at least 1.
  virtual double weight_of_next(std::int64_t n) const = 0;

 private:
  /// The first average: the parameters.
  void begin() {
    kinds_.clear();
    places_.clear();
    for (const at::Tensor& param : params_) {
      const std::size_t k = detail::kind_of(param, kinds_);
      detail::SameKind& some = kinds_[k];
      places_.emplace_back(k, some.params.size());
      some.params.push_back(param.detach());
      const at::ScalarType type = param.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
      some.others.push_back(param.detach().to(type, /*non_blocking=*/false, /*copy=*/true));
      if (type != param.scalar_type()) some.wide.push_back(at::empty_like(some.others.back()));
    }
  }

  std::vector<at::Tensor> params_;
  std::vector<detail::SameKind> kinds_;                      // once the first average is made
  std::vector<std::pair<std::size_t, std::size_t>> places_;  // of the parameters: kind, position
  std::int64_t steps_ = 0, averaged_ = 0;
};

}  // namespace agmohd::wrap
