// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/optim/optimizer.h>
#include <torch/serialize/archive.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <sstream>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "../torch/of_recipe.hpp"
#include "lr_curve.hpp"

namespace agmohd::tools {

struct FindLrOptions {
  double min_lr = 1e-7;      ///< of the first step, above 0
  double max_lr = 10;        ///< of the last step, above min_lr
  std::int64_t steps = 100;  ///< at least 2
  double smoothing = 0.98;   ///< of the mean of losses, in [0, 1)
  double divergence = 4;     ///< stops where the mean is above so many times its least, above 1
  std::vector<at::Tensor> also{};  ///< other tensors to bring back: model->buffers()
};

namespace detail {

/// What a range test changes, to be brought back to the bit.
template <class Optimizer>
class Before {
 public:
  Before(Optimizer& optimizer, const std::vector<at::Tensor>& also) : optimizer_(optimizer) {
    const at::NoGradGuard no_grad;
    devices_.emplace_back(at::kCPU);
    for (auto& group : optimizer.param_groups()) {
      lrs_.push_back(group.options().get_lr());
      for (const at::Tensor& param : group.params()) {
        keep(param);
        if (param.grad().defined()) keep(param.grad());
        grads_.emplace_back(param, param.grad());
      }
    }
    for (const at::Tensor& tensor : also) keep(tensor);
    torch::serialize::OutputArchive archive;
    optimizer.save(archive);
    archive.save_to(state_);
    for (const c10::Device device : devices_) {
      at::Generator generator = at::globalContext().defaultGenerator(device);
      const std::lock_guard<std::mutex> lock(generator.mutex());
      random_.push_back(generator.get_state());
    }
  }
  /// The learning rates of the groups.
  const std::vector<double>& lrs() const { return lrs_; }

  void restore() {
    const at::NoGradGuard no_grad;
    for (auto& [tensor, copy] : kept_) tensor.copy_(copy);
    for (auto& [param, grad] : grads_) param.mutable_grad() = grad;
    for (std::size_t g = 0; g < lrs_.size(); ++g) {
      optimizer_.param_groups()[g].options().set_lr(lrs_[g]);
    }
    torch::serialize::InputArchive archive;
    archive.load_from(state_);
    optimizer_.state()
        .clear();  // torch.optim's load() leaves states that the archive does not have
    optimizer_.load(archive);
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      at::Generator generator = at::globalContext().defaultGenerator(devices_[i]);
      const std::lock_guard<std::mutex> lock(generator.mutex());
      generator.set_state(random_[i]);
    }
  }

 private:
  void keep(const at::Tensor& tensor) {
    if (!tensor.defined() || !seen_.insert(tensor.unsafeGetTensorImpl()).second) return;
    kept_.emplace_back(tensor.detach(), tensor.detach().clone());
    const c10::Device device = tensor.device();
    if (std::find(devices_.begin(), devices_.end(), device) == devices_.end()) {
      devices_.push_back(device);
    }
  }

  Optimizer& optimizer_;
  std::vector<std::pair<at::Tensor, at::Tensor>> kept_, grads_;
  std::unordered_set<const void*> seen_;
  std::vector<double> lrs_;
  std::stringstream state_;
  std::vector<c10::Device> devices_;
  std::vector<at::Tensor> random_;
};

/// The first group steps with `lr`, the others in proportion. A schedule of ours is divided out.
template <class Optimizer>
void use_lr(Optimizer& optimizer, const std::vector<double>& given, double lr) {
  const auto first = std::find_if(given.begin(), given.end(), [](double x) { return x > 0; });
  for (std::size_t g = 0; g < given.size(); ++g) {
    auto& options = optimizer.param_groups()[g].options();
    const double wanted = first == given.end() ? lr : lr * (given[g] / *first);
    options.set_lr(wanted);
    if constexpr (requires { optimizer.current_lr(g); }) {
      if (wanted == 0) continue;
      const double factor = optimizer.current_lr(g) / wanted;
      TORCH_CHECK(factor > 0,
                  "agmohd: the schedule's factor is 0 here, which no learning rate "
                  "makes up for; find the rate with a constant schedule");
      if (factor != 1) options.set_lr(wanted / factor);
    }
  }
}

/// The loss of the closure.
template <class Optimizer>
double step_with(Optimizer& optimizer, const torch::optim::Optimizer::LossClosure& closure) {
  const at::Tensor loss = optimizer.step(closure);
  TORCH_CHECK(loss.defined() && loss.numel() == 1,
              "agmohd: the closure of find_lr() is to return the loss, a tensor of one element");
  return loss.item<double>();
}
/// One update; the loss, which is the mean of those of a window of gradient::Accumulate. Ends a
/// window with calls that gave no gradient after `accumulation_steps` calls.
template <class Optimizer>
double update_with(Optimizer& optimizer, const torch::optim::Optimizer::LossClosure& closure) {
  if constexpr (requires { optimizer.accumulated(); }) {
    const auto most = optimizer.options().template get<"accumulation_steps">();
    double sum = 0;
    std::int64_t calls = 0;
    do {
      sum += step_with(optimizer, closure);
      calls += 1;
    } while (optimizer.accumulated() > 0 && calls < most);
    optimizer.apply_accumulated();
    return sum / double(calls);
  } else {
    return step_with(optimizer, closure);
  }
}

}  // namespace detail

/// The learning-rate range test (Smith 2017, section 3.3), with rates that grow exponentially as in
/// fastai: lr_i = min_lr (max_lr / min_lr)^(i / (steps - 1)), one step with each. Other groups keep
/// their ratio to the first one whose rate is not 0. Stops where the mean of losses,
///   m_i = s m_(i-1) + (1 - s) loss_i,   mean_i = m_i / (1 - s^(i+1)),   s = smoothing,
/// is above `divergence` times its least, or not finite; where the least is not positive, above it
/// by divergence - 1 times its magnitude. With gradient::Accumulate a step is a window: the closure
/// is called `accumulation_steps` times, and the loss is their mean. Begun within a window, the
/// first rate ends that one.
///
/// Afterwards parameters, gradients, `also`, the optimizer's state and options, and the default
/// random generators of the host and of the parameters' devices are as they were, to the bit, also
/// after an exception. The state is saved and loaded for that: CUDA graphs have to be captured
/// anew, and records begin anew. Not restored: the position in the data, other generators. AGMOHD
/// clips and skips what the test looks for: take the plain rule to find its rate.
///
/// @param closure  zeroes the gradients, computes the loss and the gradients, returns the loss
/// Waits for the device in every step. Errors are c10::Error.
template <std::derived_from<torch::optim::Optimizer> Optimizer>
LrCurve find_lr(Optimizer& optimizer, const torch::optim::Optimizer::LossClosure& closure,
                const FindLrOptions& options = {}) {
  TORCH_CHECK(closure, "agmohd: find_lr() needs a closure");
  TORCH_CHECK(options.min_lr > 0 && options.max_lr > options.min_lr && options.steps >= 2,
              agmohd::detail::classic, "agmohd: min_lr = ", options.min_lr,
              ", max_lr = ", options.max_lr, ", steps = ", options.steps,
              ", but they must be above 0, above min_lr, and at least 2");
  TORCH_CHECK(options.smoothing >= 0 && options.smoothing < 1 && options.divergence > 1,
              agmohd::detail::classic, "agmohd: smoothing = ", options.smoothing,
              ", divergence = ", options.divergence, ", but they must be in [0, 1) and above 1");
  if constexpr (std::is_same_v<Optimizer, torch::optim::Optimizer>) {
    TORCH_CHECK(dynamic_cast<const agmohd::detail::OfRecipe*>(&optimizer) == nullptr,
                "agmohd: find_lr() got an agmohd::Optimizer by a torch::optim::Optimizer&, which "
                "hides its schedule and its windows of gradient::Accumulate; hand it over by its "
                "own type");
  }
  detail::Before<Optimizer> before(optimizer, options.also);
  LrCurve curve;
  const auto run = [&] {
    double mean = 0, weight = 1, least = std::numeric_limits<double>::infinity();
    for (std::int64_t i = 0; i < options.steps && !curve.diverged; ++i) {
      const double lr = options.min_lr * std::pow(options.max_lr / options.min_lr,
                                                  double(i) / double(options.steps - 1));
      detail::use_lr(optimizer, before.lrs(), lr);
      const double value = detail::update_with(optimizer, closure);
      mean = options.smoothing * mean + (1 - options.smoothing) * value;
      weight *= options.smoothing;
      const double smoothed = mean / (1 - weight);
      if (!std::isfinite(smoothed)) {
        curve.diverged = true;
        return;
      }
      curve.lrs.push_back(lr);
      curve.losses.push_back(value);
      curve.smoothed.push_back(smoothed);
      least = std::min(least, smoothed);
      curve.diverged = smoothed > least + (options.divergence - 1) * std::abs(least);
    }
  };
  try {
    run();
  } catch (...) {
    before.restore();
    throw;
  }
  before.restore();
  detail::suggest(curve, options.steps);
  return curve;
}

}  // namespace agmohd::tools
