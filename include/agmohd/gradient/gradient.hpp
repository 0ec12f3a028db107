// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>

#include "../policy/policy.hpp"

namespace agmohd {

/// How a transform acts. element: on each element by itself, by a function that does not depend on
/// signals (such as a clamp). scale: a factor, the same for all elements of a tensor, that is
/// decided from the signals.
enum class TransformKind { element, scale };

namespace gradient {

/// What becomes of a tensor's gradient g beside its parameter p: scale (g - along p).
struct Projection {
  double along = 0, scale = 1;
};

/// What becomes of a tensor's gradient: elements of a magnitude above `bound`, but below infinity,
/// get the magnitude `value` and keep their sign.
struct Outliers {
  double bound = std::numeric_limits<double>::infinity(), value = 0;
};

}  // namespace gradient

namespace has {
template <class G>
concept kind = requires {
  { G::kind } -> std::convertible_to<TransformKind>;
};
template <class G>
concept transform_at = requires(typename G::Options o, Signals& s, const Verdict& v) {
  { G::template at<float>(o, s, v) } -> std::same_as<typename G::template Coefficients<float>>;
};
template <class G>
concept transform_at_tensor = requires(typename G::Options o, Signals& s, const Verdict& v,
                                       TensorSignals& ts, const TensorVerdict& tv) {
  {
    G::template at<float>(o, s, v, ts, tv)
    } -> std::same_as<typename G::template Coefficients<float>>;
};
template <class G>
concept transform_remembers = requires(typename G::Options o, Signals& s, const Verdict& v,
                                       TensorSignals& ts, const TensorVerdict& tv,
                                       typename G::TensorMemory& memory) {
  {
    G::template at<float>(o, s, v, ts, tv, memory)
    } -> std::same_as<typename G::template Coefficients<float>>;
}
&&PolicyMemory<typename G::TensorMemory>;
template <class G>
concept apply_alone = requires(const float& g, const typename G::template Coefficients<float>& k) {
  { G::apply(g, k) } -> std::convertible_to<float>;
};
template <class G>
concept apply_at = requires(const float& g, const typename G::template Coefficients<float>& k,
                            const Position& at) {
  { G::apply(g, k, at) } -> std::convertible_to<float>;
};
template <class G>
concept row_factor = requires(typename G::Options o) {
  { G::row_factor(o, 1.0, 1.0) } -> std::same_as<double>;
};
template <class G>
concept row_shift = requires(typename G::Options o) {
  { G::row_shift(o, 1.0, std::int64_t{}, std::int64_t{}) } -> std::same_as<double>;
};
template <class G>
concept projection = requires(typename G::Options o) {
  { G::projection(o, 1.0, 1.0, 1.0) } -> std::same_as<gradient::Projection>;
};
template <class G>
concept outliers = requires(typename G::Options o) {
  { G::outliers(o, 1.0, 1.0, std::int64_t{}) } -> std::same_as<gradient::Outliers>;
};
template <class G>
concept power = requires(typename G::Options o) {
  { G::power(o) } -> std::same_as<std::int64_t>;
};
template <class G>
concept rows = row_factor<G> || row_shift<G> || projection<G> || outliers<G>;
template <class G>
concept apply = apply_alone<G> || apply_at<G>;
}  // namespace has

/// A gradient transform; a chain of transforms is one, too. `apply(g, coefficients)` gives the
/// gradient that the next transform, or the rule, gets. `at` makes the coefficients once a step and
/// tensor. It has one of three forms: with the global signals and verdict; also with those of the
/// tensor; also with a `TensorMemory`, which moves on in every applied step. A transform of random
/// numbers has apply(g, coefficients, position) instead, and its `at` makes a random::key of
/// TensorSignals::draw.
///
/// A transform with row_factor(options, p2, g2) acts on the rows of tensors, see step/rows.hpp:
/// from the sums of squares of a row's parameters and gradients it makes the factor of these
/// gradients. With row_shift(options, sum, length, dims) it makes of the sum of a row's `length`
/// gradients what is subtracted from each; `dims` are the dimensions of the tensor. With
/// projection(options, p2, pg, g2) it makes a gradient::Projection of sums over a whole tensor: of
/// p^2, p g and g^2. With outliers(options, median, deviation, numel) it makes gradient::Outliers
/// of the median of a tensor's magnitudes and the median of their distances from it; of two middle
/// ones the lower, as torch.median, and NaN above all others. The backends apply all of these as
/// they read the gradients, so it stands before all other transforms.
///
/// With power(options), of at least 1, the reduce pass sums these powers of magnitudes in the place
/// of squares, see clip_by_p_norm.hpp; no other policy of the recipe then wants norms.
template <class G>
concept Transform = Policy<G> && has::kind<G> && has::wants<G> &&
    (has::transform_at<G> || has::transform_at_tensor<G> ||
     has::transform_remembers<G>)&&has::apply<G>;

namespace gradient {

/// A transform without coefficients is made of this.
struct NoCoefficients {
  template <class R>
  struct Coefficients {};
  template <class R>
  AGMOHD_HD static Coefficients<R> at(const auto& /*options*/, Signals&, const Verdict&) {
    return {};
  }
};
/// One that multiplies all elements of a tensor with a factor is made of this.
struct OneFactor {
  template <class R>
  struct Coefficients {
    R factor;
  };
  template <Number T>
  AGMOHD_HD static T apply(const T& g, const Coefficients<Real<T>>& k) {
    return k.factor * g;
  }
};
/// One whose work is done when elements are transformed, by the backends as they read the gradients
/// of rows, or by the optimizer, is made of this.
struct AppliedBefore : NoCoefficients {
  template <Number T>
  AGMOHD_HD static T apply(const T& g, const Coefficients<Real<T>>&) {
    return g;
  }
};

}  // namespace gradient

namespace detail {

template <has::transform_remembers G>
struct TensorMemory<G> {
  using type = typename G::TensorMemory;
};

/// Whether wants are of norms.
constexpr bool wants_norms(unsigned wants) { return (wants & (kNorm | kTensors)) != 0; }

/// Optional members of a transform: `applies_norm_bound`: it clips to Verdict::norm_bound;
/// `applies_tensor_bounds`: it clips each tensor to TensorVerdict::norm_bound; `norm_of_parts`: its
/// norm of parts is not that of complex elements; `accumulates`: the optimizer adds the gradients
/// of several calls of step() to an update, see accumulate.hpp; `counts_zeroed`: the backends count
/// the elements that are not finite, see zero_nonfinite.hpp.
template <class G>
constexpr bool applies_norm_bound() {
  if constexpr (requires { G::applies_norm_bound; }) return G::applies_norm_bound;
  return false;
}
template <class G>
constexpr bool applies_tensor_bounds() {
  if constexpr (requires { G::applies_tensor_bounds; }) return G::applies_tensor_bounds;
  return false;
}

template <class G>
constexpr bool norm_of_parts() {
  if constexpr (requires { G::norm_of_parts; }) return G::norm_of_parts;
  return false;
}
template <class G>
constexpr bool accumulates() {
  if constexpr (requires { G::accumulates; }) return G::accumulates;
  return false;
}
template <class G>
constexpr bool counts_zeroed() {
  if constexpr (requires { G::counts_zeroed; }) return G::counts_zeroed;
  return false;
}

/// `by_group`: it looks at the tensor's group, TensorSignals::draw.group().
template <class G>
constexpr bool by_group() {
  if constexpr (requires { G::by_group; }) return G::by_group;
  return false;
}

/// How many parameter groups a policy, a transform or a schedule, names.
template <class P>
constexpr int named_groups() {
  if constexpr (requires { P::named_groups; }) return P::named_groups;
  return 0;
}
template <class P, class Q>
constexpr int named_groups() {
  return named_groups<P>() > named_groups<Q>() ? named_groups<P>() : named_groups<Q>();
}

template <class GradientPolicy>
struct CheckGradient {
  static_assert(has::Options<GradientPolicy>,
                "agmohd: the gradient policy has no member type Options");
  static_assert(has::fields<GradientPolicy>,
                "agmohd: the gradient policy has no static member fields");
  static_assert(has::name<GradientPolicy>,
                "agmohd: the gradient policy has no static function name()");
  static_assert(has::kind<GradientPolicy>, "agmohd: the gradient policy has no static member kind");
  static_assert(has::wants<GradientPolicy>,
                "agmohd: the gradient policy has no static member wants");
  static_assert(
      has::transform_at<GradientPolicy> || has::transform_at_tensor<GradientPolicy> ||
          has::transform_remembers<GradientPolicy>,
      "agmohd: the gradient policy has no static function at<R>(options, signals, verdict)");
  static_assert(
      has::apply<GradientPolicy>,
      "agmohd: the gradient policy has no static function apply(g, coefficients), or apply(g, "
      "coefficients, position)");
  // A chain has one if its first transform has; GCC takes its address anyway.
  static_assert(
      has::row_factor<GradientPolicy> || requires { typename GradientPolicy::Rest; } ||
          !requires { &GradientPolicy::row_factor; },
      "agmohd: the gradient policy's row_factor is not double row_factor(options, double "
      "p2, double g2)");
  static_assert(
      has::row_shift<GradientPolicy> || requires { typename GradientPolicy::Rest; } ||
          !requires { &GradientPolicy::row_shift; },
      "agmohd: the gradient policy's row_shift is not double row_shift(options, double sum, "
      "std::int64_t length, std::int64_t dims)");
  static_assert(
      has::projection<GradientPolicy> || requires { typename GradientPolicy::Rest; } ||
          !requires { &GradientPolicy::projection; },
      "agmohd: the gradient policy's projection is not gradient::Projection projection(options, "
      "double p2, double pg, double g2)");
  static_assert(
      has::power<GradientPolicy> || requires { typename GradientPolicy::Rest; } ||
          !requires { &GradientPolicy::power; },
      "agmohd: the gradient policy's power is not std::int64_t power(options)");
  static_assert(
      has::outliers<GradientPolicy> || requires { typename GradientPolicy::Rest; } ||
          !requires { &GradientPolicy::outliers; },
      "agmohd: the gradient policy's outliers is not gradient::Outliers outliers(options, double "
      "median, double deviation, std::int64_t numel)");
  static_assert(
      requires { typename GradientPolicy::Rest; } ||
          int(has::row_factor<GradientPolicy>) + int(has::row_shift<GradientPolicy>) +
                  int(has::projection<GradientPolicy>) + int(has::outliers<GradientPolicy>) <
              2,
      "agmohd: the gradient policy has more than one of row_factor, row_shift, "
      "projection and outliers");
  static_assert(
      agmohd::Transform<GradientPolicy>,
      "agmohd: an argument of Recipe is not a gradient policy; see agmohd/gradient/gradient.hpp");
  static constexpr bool passed = true;
};

}  // namespace detail

}  // namespace agmohd
