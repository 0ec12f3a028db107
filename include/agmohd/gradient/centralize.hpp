// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/field.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

/// Gradient centralization: subtracts from the gradient of a row its mean. Yong et al. 2020,
/// "Gradient Centralization: A New Optimization Technique for Deep Neural Networks", equation 1.
///   g <- g - mean(g)
/// A row is what one index of the first dimension names: an output unit of a linear layer or a
/// convolution. Vectors and scalars, such as biases, stay as they are. A row of one element becomes
/// 0. So does pytorch-optimizer's centralize_gradient; the authors' optimizers centralize the whole
/// update, with momentum and weight decay.
///
/// A row whose sum is not finite passes as it is, for the hindrance policy to see; published
/// versions make it NaN. Norms are measured of the centralized gradient. The pass over rows reads
/// the gradients once more.
struct Centralize : AppliedBefore {
  struct Options {
    bool centralize_conv_only = false;  ///< only tensors of four and more dimensions
  };
  static constexpr auto fields =
      describe(field("centralize_conv_only", &Options::centralize_conv_only));
  static constexpr TransformKind kind = TransformKind::element;
  static constexpr unsigned wants = kNothing;
  static const char* name() { return "Centralize"; }

  /// What is subtracted from the gradients of a row.
  AGMOHD_HD static double row_shift(const Options& o, double sum, std::int64_t length,
                                    std::int64_t dims) {
    if (dims < (o.centralize_conv_only ? 4 : 2) || sum - sum != 0) return 0;
    return sum / double(length);
  }
};
static_assert(Transform<Centralize>);

}  // namespace agmohd::gradient
