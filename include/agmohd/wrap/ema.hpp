// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "average.hpp"

namespace agmohd::wrap {

/// Exponential moving average (Polyak & Juditsky 1992), as torch.optim.swa_utils has it:
///   average <- decay average + (1 - decay) p
/// after every `every`th step behind the first `start`. The first average is the parameters.
class EMA final : public Average {
 public:
  struct Options {
    double decay = 0.999;    ///< in [0, 1]
    std::int64_t start = 0;  ///< steps before the first one that is averaged
    std::int64_t every = 1;  ///< at least 1
  };
  explicit EMA(std::vector<at::Tensor> params) : EMA(std::move(params), Options{}) {}
  EMA(std::vector<at::Tensor> params, const Options& options)
      : Average(std::move(params)), options_(options) {
    TORCH_CHECK(options.decay >= 0 && options.decay <= 1, agmohd::detail::classic,
                "agmohd: decay = ", options.decay, ", but it must be in [0, 1]");
    TORCH_CHECK(options.start >= 0 && options.every >= 1, agmohd::detail::classic,
                "agmohd: start = ", options.start, " and every = ", options.every,
                ", but they must be at least 0 and at least 1");
  }

 private:
  bool is_due(std::int64_t step) const override {
    return step > options_.start && (step - options_.start) % options_.every == 0;
  }
  double weight_of_next(std::int64_t) const override { return 1 - options_.decay; }

  Options options_;
};

/// Stochastic weight averaging (Izmailov et al. 2018): the mean of the parameters after every
/// `every`th step behind the first `start`.
class SWA final : public Average {
 public:
  struct Options {
    std::int64_t start = 0;  ///< steps before the first one that is averaged
    std::int64_t every = 1;  ///< at least 1
  };
  explicit SWA(std::vector<at::Tensor> params) : SWA(std::move(params), Options{}) {}
  SWA(std::vector<at::Tensor> params, const Options& options)
      : Average(std::move(params)), options_(options) {
    TORCH_CHECK(options.start >= 0 && options.every >= 1, agmohd::detail::classic,
                "agmohd: start = ", options.start, " and every = ", options.every,
                ", but they must be at least 0 and at least 1");
  }

 private:
  bool is_due(std::int64_t step) const override {
    return step > options_.start && (step - options_.start) % options_.every == 0;
  }
  double weight_of_next(std::int64_t n) const override { return 1 / double(n + 1); }

  Options options_;
};

}  // namespace agmohd::wrap
