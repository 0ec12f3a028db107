// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/optim/optimizer.h>
#include <torch/serialize/archive.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "../torch/archived.hpp"
#include "lerp.hpp"

namespace agmohd::wrap {

struct LookaheadOptions {
  std::int64_t steps = 5;  ///< at least 1
  double alpha = 0.5;      ///< in [0, 1]
};

/// Lookahead (Zhang et al. 2019, algorithm 1) around any optimizer, which stays the owner of
/// parameters and options. After every `steps` steps:
///   slow <- slow + alpha (p - slow),  p <- slow
/// slow begins as a parameter before its first step. Calls that only add to a window of
/// gradient::Accumulate are no steps. The optimizer's own state is left alone. One
/// launch in those steps, if agmohd_add_kernels(<target> WRAP) compiled it, else a few; none in the
/// others; never waits. Errors are c10::Error.
///
/// Slow weights know nothing of a rollback: what recovery::Snapshots undoes in the parameters is
/// still in them. Do not use the two together.
template <class Inner>
class Lookahead : public agmohd::detail::Archived {
 public:
  using Options = LookaheadOptions;
  explicit Lookahead(Inner& inner) : Lookahead(inner, Options{}) {}
  /// @param inner  is to live as long as this
  Lookahead(Inner& inner, const LookaheadOptions& options) : inner_(inner), options_(options) {
    TORCH_CHECK(options.steps >= 1 && options.alpha >= 0 && options.alpha <= 1,
                agmohd::detail::classic, "agmohd: steps = ", options.steps,
                " and alpha = ", options.alpha, ", but they must be at least 1 and in [0, 1]");
    follow();
  }
  Lookahead(const Lookahead&) = delete;  // two would write the same slow weights
  Lookahead& operator=(const Lookahead&) = delete;

  Inner& inner() { return inner_; }
  auto& param_groups() { return inner_.param_groups(); }
  /// What the optimizer's step() takes, and returns.
  template <class... Given>
  at::Tensor step(Given&&... given) {
    follow();
    at::Tensor loss = inner_.step(std::forward<Given>(given)...);
    if constexpr (requires { inner_.accumulated(); }) {
      if (inner_.accumulated() > 0) return loss;
    }
    if (++count_ % options_.steps == 0) {
      const at::NoGradGuard no_grad;
      for (std::size_t i = 0; i < params_.size(); ++i) {  // a model may have been moved
        slow_[i] = slow_[i].to(params_[i].device(), params_[i].scalar_type());
      }
      lerp_.run(slow_, params_, options_.alpha, /*write=*/true);
    }
    return loss;
  }
  void zero_grad() { inner_.zero_grad(); }

  /// The slow weights and the count of steps; the optimizer is saved by itself.
  void save(torch::serialize::OutputArchive& archive) const {
    archive.write("steps", c10::IValue(count_));
    archive.write("count", c10::IValue(std::int64_t(slow_.size())));
    for (std::size_t i = 0; i < slow_.size(); ++i) archive.write(std::to_string(i), slow_[i]);
  }
  /// Checks everything first: after an error nothing has changed.
  void load(torch::serialize::InputArchive& archive) {
    const at::NoGradGuard no_grad;
    follow();
    c10::IValue steps, count, of_average;
    TORCH_CHECK(archive.try_read("steps", steps) && archive.try_read("count", count) &&
                    !archive.try_read("averaged", of_average),
                "agmohd: the archive does not hold a Lookahead");
    TORCH_CHECK(steps.toInt() >= 0 && count.toInt() == std::int64_t(params_.size()),
                agmohd::detail::classic, "agmohd: the archive has ", count.toInt(),
                " slow weights, but here are ", params_.size(), " parameters");
    std::vector<at::Tensor> read;
    for (std::size_t i = 0; i < params_.size(); ++i) {
      at::Tensor slow;
      archive.read(std::to_string(i), slow);
      TORCH_CHECK(
          slow.sizes() == params_[i].sizes() && slow.is_complex() == params_[i].is_complex(),
          agmohd::detail::classic, "agmohd: the slow weights of parameter ", i, " are of shape ",
          slow.sizes(), " and dtype ", slow.scalar_type(), ", the parameter of ",
          params_[i].sizes(), " and ", params_[i].scalar_type());
      read.push_back(at::empty_like(params_[i].detach()));
      read.back().copy_(slow);
    }
    slow_ = std::move(read);
    count_ = steps.toInt();
  }

 private:
  /// The parameters of the optimizer now, each once, but for those of integers, which no step
  /// moves; those that are new get slow weights.
  void follow() {
    std::vector<at::Tensor> now;
    for (auto& group : inner_.param_groups()) {
      for (const at::Tensor& param : group.params()) now.push_back(param);
    }
    const auto same = [](const at::Tensor& a, const at::Tensor& b) { return a.is_same(b); };
    if (std::equal(now.begin(), now.end(), listed_.begin(), listed_.end(), same)) return;
    std::unordered_map<const void*, at::Tensor> known;
    for (std::size_t i = 0; i < params_.size(); ++i) {
      known[params_[i].unsafeGetTensorImpl()] = slow_[i];
    }
    std::vector<at::Tensor> params, slow;
    std::unordered_set<const void*> seen;
    for (const at::Tensor& param : now) {
      if (!param.is_floating_point() && !param.is_complex()) continue;
      if (!seen.insert(param.unsafeGetTensorImpl()).second) continue;
      const auto found = known.find(param.unsafeGetTensorImpl());
      params.push_back(param);
      slow.push_back(found != known.end() ? found->second : param.detach().clone());
    }
    listed_ = std::move(now);
    params_ = std::move(params);
    slow_ = std::move(slow);
  }

  Inner& inner_;
  Options options_;
  detail::Lerp lerp_;
  std::vector<at::Tensor> params_, slow_;
  std::vector<at::Tensor> listed_;  // by the optimizer: params_, some perhaps twice
  std::int64_t count_ = 0;          // steps
};

}  // namespace agmohd::wrap
