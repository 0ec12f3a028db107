// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "average.hpp"

namespace agmohd::wrap {

/// How the decay of an exponential average begins, with n averages made before, at least 1.
enum class Warmup {
  none,   ///< decay
  ratio,  ///< min(decay, (1 + n) / (10 + n)), as TensorFlow's ExponentialMovingAverage has it
  power   ///< min(decay, 1 - (1 + n / inv_gamma)^-power), as diffusers and timm have it
};

/// Exponential moving average (Polyak & Juditsky 1992), as torch.optim.swa_utils has it:
///   average <- decay average + (1 - decay) p
/// after every `every`th step behind the first `start`. The first average is the parameters. With a
/// warm-up it forgets them sooner. n counts as in diffusers, whose first average is the parameters,
/// too; torch_ema's is those before the first step, where n is 1.
class EMA final : public Average {
 public:
  struct Options {
    double decay = 0.999;          ///< in [0, 1]
    std::int64_t start = 0;        ///< steps before the first one that is averaged
    std::int64_t every = 1;        ///< at least 1
    Warmup warmup = Warmup::none;  ///< how the decay begins: `none`, `ratio`, `power`
    double inv_gamma = 1;          ///< of `Warmup::power`, in averages, above 0
    double power = 2.0 / 3;        ///< of `Warmup::power`, at least 0
  };
  explicit EMA(std::vector<at::Tensor> params) : EMA(std::move(params), Options{}) {}
  EMA(std::vector<at::Tensor> params, const Options& options)
      : Average(std::move(params)), options_(options) {
    TORCH_CHECK(options.decay >= 0 && options.decay <= 1, agmohd::detail::classic,
                "agmohd: decay = ", options.decay, ", but it must be in [0, 1]");
    TORCH_CHECK(options.start >= 0 && options.every >= 1, agmohd::detail::classic,
                "agmohd: start = ", options.start, " and every = ", options.every,
                ", but they must be at least 0 and at least 1");
    TORCH_CHECK(options.inv_gamma > 0 && options.power >= 0, agmohd::detail::classic,
                "agmohd: inv_gamma = ", options.inv_gamma, " and power = ", options.power,
                ", but they must be above 0 and at least 0");
  }

  /// The decay of the average that comes.
  double next_decay() const { return averaged() == 0 ? 0 : decay_after(averaged()); }

 private:
  bool is_due(std::int64_t step) const override {
    return step > options_.start && (step - options_.start) % options_.every == 0;
  }
  double weight_of_next(std::int64_t n) const override { return 1 - decay_after(n); }
  double decay_after(std::int64_t averages) const {
    const double n = double(averages);
    switch (options_.warmup) {
      case Warmup::ratio:
        return std::min(options_.decay, (1 + n) / (10 + n));
      case Warmup::power:
        return std::min(options_.decay, 1 - std::pow(1 + n / options_.inv_gamma, -options_.power));
      default:
        return options_.decay;
    }
  }

  Options options_;
};

/// Stochastic weight averaging (Izmailov et al. 2018): the mean of the parameters after every
/// `every`th step behind the first `start`, n having been averaged before:
///   average <- average + (p - average) / (n + 1)
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
