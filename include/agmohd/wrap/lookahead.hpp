// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/optim/optimizer.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "same_kind.hpp"

namespace agmohd::wrap {

struct LookaheadOptions {
  std::int64_t steps = 5;  ///< at least 1
  double alpha = 0.5;      ///< in [0, 1]
};

/// Lookahead (Zhang et al. 2019, algorithm 1) around any optimizer, which stays the owner of
/// parameters and options. After every `steps` steps:
///   slow <- slow + alpha (p - slow),  p <- slow
/// slow begins as the parameters before their first step. The optimizer's own state is left alone.
/// A few launches in those steps, none in the others; never waits.
template <class Inner>
class Lookahead {
 public:
  using Options = LookaheadOptions;
  explicit Lookahead(Inner& inner) : Lookahead(inner, Options{}) {}
  Lookahead(Inner& inner, const LookaheadOptions& options) : inner_(inner), options_(options) {
    TORCH_CHECK(options.steps >= 1 && options.alpha >= 0 && options.alpha <= 1,
                agmohd::detail::classic, "agmohd: steps = ", options.steps,
                " and alpha = ", options.alpha, ", but they must be at least 1 and in [0, 1]");
    follow();
  }

  Inner& inner() { return inner_; }
  /// What the optimizer's step() takes, and returns.
  template <class... Given>
  at::Tensor step(Given&&... given) {
    follow();
    at::Tensor loss = inner_.step(std::forward<Given>(given)...);
    if (++count_ % options_.steps == 0) {
      const at::NoGradGuard no_grad;
      for (detail::SameKind& some : kinds_) {
        at::_foreach_lerp_(some.others, some.params, options_.alpha);
        at::_foreach_copy_(some.params, some.others);
      }
    }
    return loss;
  }
  void zero_grad() { inner_.zero_grad(); }

 private:
  /// Parameters that joined since the last step get their slow weights.
  void follow() {
    const at::NoGradGuard no_grad;
    std::size_t count = 0;
    for (auto& group : inner_.param_groups()) count += group.params().size();
    if (count == followed_) return;
    std::size_t i = 0;
    for (auto& group : inner_.param_groups()) {
      for (const at::Tensor& param : group.params()) {
        if (i++ < followed_) continue;
        const std::size_t k = detail::kind_of(param, kinds_);
        kinds_[k].params.push_back(param.detach());
        kinds_[k].others.push_back(param.detach().clone());
      }
    }
    followed_ = count;
  }

  Inner& inner_;
  Options options_;
  std::vector<detail::SameKind> kinds_;
  std::size_t followed_ = 0;  // parameters
  std::int64_t count_ = 0;    // steps
};

}  // namespace agmohd::wrap
