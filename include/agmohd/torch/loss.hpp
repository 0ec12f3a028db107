// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "../policy/classic_locale.hpp"
#include "../step/executor.hpp"
#include "../tensor/validate.hpp"

namespace agmohd::detail {

/// The loss as a step can use it: of one element and a floating dtype, with memory of its own.
/// Undefined where gradient::Accumulate would add losses that nothing reads.
template <class Recipe>
at::Tensor checked_loss(const at::Tensor& loss) {
  if constexpr ((Recipe::wants & kLoss) != 0) {
    TORCH_CHECK(!loss.defined() || (loss.numel() == 1 && dtype_of(loss.scalar_type())), classic,
                "agmohd: the loss is of dtype ", loss.scalar_type(), " and shape ", loss.sizes(),
                ", but it must be one element of dtype Float, Double, BFloat16 or Half");
  } else if constexpr (Recipe::accumulates) {
    return {};
  }
  return loss.defined() && !is_plain(loss) ? loss.clone() : loss;  // a ZeroTensor has no memory
}

/// The loss where the executor that judges reads it. If one of the two is on the host, this waits
/// for the loss.
template <class Recipe>
class StepLoss {
 public:
  StepLoss(const at::Tensor& loss, c10::Device judge, bool judged_by_tensors) {
    if constexpr ((Recipe::wants & kLoss) != 0) {
      if (!loss.defined()) return;
      if (loss.is_cuda() && judge.is_cuda() && !judged_by_tensors) {
        loss_ = loss.detach().to(judge);
        const c10::impl::VirtualGuardImpl device(c10::kCUDA);
        loss_.record_stream(device.getStream(judge));
        ref_ = {loss_.const_data_ptr(), *dtype_of(loss_.scalar_type()), false};
      } else {
        value_ = loss.template item<double>();
        ref_ = {&value_, Dtype::f64, true};
      }
    }
  }
  StepLoss(const StepLoss&) = delete;
  StepLoss& operator=(const StepLoss&) = delete;

  const LossRef& ref() const { return ref_; }

 private:
  at::Tensor loss_;
  double value_ = 0;
  LossRef ref_;
};

}  // namespace agmohd::detail
