// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/serialize/archive.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "../tensor/same_kind.hpp"
#include "../torch/archived.hpp"
#include "lerp.hpp"

namespace agmohd::wrap {

/// An average of parameters beside them, in float32 (float64 for float64). Works with any
/// optimizer: call update() after its step. For an evaluation a Scope, or swap(), puts the averages
/// into the parameters, rounded to their dtype, and keeps copies of the parameters until they come
/// back with the bits of before. The averages themselves stay wide. One launch an update for any
/// number of parameters, if agmohd_add_kernels(<target> WRAP) compiled it, else a few; never waits.
/// A model may be moved to another device or dtype in between. Errors are c10::Error.
///
/// The average takes parameters as they are: one that is not finite makes its element of an
/// exponential average not finite for good. Let the optimizer skip such steps (hindrance policies
/// do), and do not average steps that a rollback is to undo.
class Average : public agmohd::detail::Archived {
 public:
  /// @param params  of floating or complex dtype, on any devices
  explicit Average(std::vector<at::Tensor> params) : params_(std::move(params)) {
    for (std::size_t i = 0; i < params_.size(); ++i) {
      TORCH_CHECK(
          params_[i].defined() && (params_[i].is_floating_point() || params_[i].is_complex()),
          agmohd::detail::classic, "agmohd: parameter ", i, " is ",
          params_[i].defined() ? c10::str("of dtype ", params_[i].scalar_type()) : "undefined",
          ", but averages are of floating-point or complex tensors");
    }
  }
  Average(const Average&) = delete;  // two would write the same averages
  Average& operator=(const Average&) = delete;
  virtual ~Average() = default;

  /// While it lives, the parameters are the averages, unless there are none yet:
  ///   const auto scope = ema.scope();
  /// Its end brings them back, also where it comes by an exception; if that fails, it warns, and
  /// update() refuses to go on. The Average is to live longer.
  class [[nodiscard]] Scope {
   public:
    [[nodiscard]] explicit Scope(Average& average) : average_(average) {
      TORCH_CHECK(!average.scoped_ && !average.swapped_,
                  "agmohd: a Scope of an average while the parameters are swapped with it; end the "
                  "other Scope, or call swap(), before");
      average.exchange();
      average.scoped_ = true;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      average_.scoped_ = false;
      if (!average_.swapped_) return;
      try {
        average_.exchange();
      } catch (const std::exception& error) {
        TORCH_WARN("agmohd: the parameters are still the averages: ", error.what());
      }
    }

   private:
    Average& average_;
  };
  /// A Scope from now on.
  [[nodiscard]] Scope scope() { return Scope(*this); }

  /// One more step was taken: averages if it is its turn.
  void update() {
    refuse_swapped("update");
    const at::NoGradGuard no_grad;
    if (is_due(steps_ + 1)) {
      if (averages_.empty()) {
        averages_ = first_averages();
      } else {
        follow_devices();
        lerp_.run(averages_, params_, weight_of_next(averaged_));
      }
      averaged_ += 1;
    }
    steps_ += 1;
  }

  /// Parameters become their averages, and at the next swap() what they were. What is written to
  /// them in between is lost. Nothing before the first average.
  void swap() {
    TORCH_CHECK(!scoped_, "agmohd: swap() of an average within a Scope of it, which swaps back");
    exchange();
  }
  /// Whether the parameters are the averages now.
  bool swapped() const { return swapped_; }

  /// In the order of the parameters; empty before the first average.
  const std::vector<at::Tensor>& averages() const { return averages_; }
  /// Calls of update(), and those that averaged.
  std::int64_t steps() const { return steps_; }
  std::int64_t averaged() const { return averaged_; }

  void save(torch::serialize::OutputArchive& archive) const {
    refuse_swapped("save");
    archive.write("steps", c10::IValue(steps_));
    archive.write("averaged", c10::IValue(averaged_));
    archive.write("count", c10::IValue(std::int64_t(averages_.size())));
    for (std::size_t i = 0; i < averages_.size(); ++i) {
      archive.write(std::to_string(i), averages_[i]);
    }
  }
  /// Checks everything first: after an error nothing has changed.
  void load(torch::serialize::InputArchive& archive) {
    refuse_swapped("load");
    const at::NoGradGuard no_grad;
    c10::IValue steps, averaged, count;
    TORCH_CHECK(archive.try_read("steps", steps) && archive.try_read("averaged", averaged) &&
                    archive.try_read("count", count),
                "agmohd: the archive does not hold averages");
    const std::int64_t wanted = averaged.toInt() > 0 ? std::int64_t(params_.size()) : 0;
    TORCH_CHECK(
        steps.toInt() >= averaged.toInt() && averaged.toInt() >= 0 && count.toInt() == wanted,
        agmohd::detail::classic, "agmohd: the archive has ", count.toInt(), " averages, ",
        averaged.toInt(), " of ", steps.toInt(), " steps, but here are ", params_.size(),
        " parameters");
    std::vector<at::Tensor> read(static_cast<std::size_t>(wanted));
    for (std::size_t i = 0; i < read.size(); ++i) {
      at::Tensor average;
      archive.read(std::to_string(i), average);
      TORCH_CHECK(
          average.sizes() == params_[i].sizes() && average.is_complex() == params_[i].is_complex(),
          agmohd::detail::classic, "agmohd: the average of parameter ", i, " is of shape ",
          average.sizes(), " and dtype ", average.scalar_type(), ", the parameter of ",
          params_[i].sizes(), " and ", params_[i].scalar_type());
      read[i] = at::empty_like(params_[i], params_[i].options().dtype(wide(params_[i])));
      read[i].copy_(average);
    }
    averages_ = std::move(read);
    steps_ = steps.toInt();
    averaged_ = averaged.toInt();
  }

 protected:
  /// Whether step number `step`, counted from 1, is averaged.
  virtual bool is_due(std::int64_t step) const = 0;
  /// The weight of the parameters in an average of which `n` were averaged before, at least 1.
  virtual double weight_of_next(std::int64_t n) const = 0;

 private:
  static at::ScalarType wide(const at::Tensor& param) {
    if (param.is_complex()) return param.scalar_type();
    return param.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  }
  std::vector<at::Tensor> first_averages() const {
    std::vector<at::Tensor> out;
    for (const at::Tensor& param : params_) {
      out.push_back(param.detach().to(wide(param), /*non_blocking=*/false, /*copy=*/true));
    }
    return out;
  }
  /// Copies of all parameters are made before any is written. If a write fails, they count as
  /// swapped, and swap() brings back what they were.
  void exchange() {
    const at::NoGradGuard no_grad;
    if (averages_.empty()) return;
    if (swapped_) {
      write_params(kept_);
      swapped_ = false;
      kept_.clear();
      return;
    }
    follow_devices();
    std::vector<at::Tensor> kept;
    for (const at::Tensor& param : params_) kept.push_back(at::empty_like(param));
    for (agmohd::detail::SameKind& some : agmohd::detail::by_kind(params_, kept)) {
      at::_foreach_copy_(some.others, some.params);
    }
    kept_ = std::move(kept);
    swapped_ = true;
    write_params(averages_);
  }
  void write_params(const std::vector<at::Tensor>& values) {
    for (agmohd::detail::SameKind& some : agmohd::detail::by_kind(params_, values)) {
      at::_foreach_copy_(some.params, some.others);
    }
  }
  /// Averages lie on the devices of their parameters, and are as wide, after a model was moved.
  void follow_devices() {
    for (std::size_t i = 0; i < params_.size(); ++i) {
      averages_[i] = averages_[i].to(params_[i].device(), wide(params_[i]));
    }
  }
  void refuse_swapped(const char* what) const {
    TORCH_CHECK(!swapped_ && !scoped_, "agmohd: ", what,
                "() of an average while the parameters are swapped with it; call ",
                scoped_ ? "it after the Scope" : "swap() before");
  }

  detail::Lerp lerp_;
  std::vector<at::Tensor> params_, averages_, kept_;  // kept_: the parameters while swapped
  std::int64_t steps_ = 0, averaged_ = 0;
  bool swapped_ = false, scoped_ = false;
};

}  // namespace agmohd::wrap
