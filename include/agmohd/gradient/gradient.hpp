// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>

#include "../policy/policy.hpp"

namespace agmohd {

/// How a transform of a gradient chain acts. element: on each element by itself, known before
/// anything is measured. scale: one factor for all elements, decided from what was measured.
enum class TransformKind { element, scale };

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
concept apply = requires(const float& g, const typename G::template Coefficients<float>& k) {
  { G::apply(g, k) } -> std::convertible_to<float>;
};
}  // namespace has

/// A transform of a gradient chain; a chain is a transform itself. `at` may also look at the
/// tensor, and have a `TensorMemory`, which moves on in every applied step.
template <class G>
concept Transform = Policy<G> && has::kind<G> && has::wants<G> &&
    (has::transform_at<G> || has::transform_at_tensor<G> ||
     has::transform_remembers<G>)&&has::apply<G>;

namespace detail {

template <has::transform_remembers G>
struct TensorMemory<G> {
  using type = typename G::TensorMemory;
};

/// Optional members: `applies_norm_bound`, it lowers the norm to Verdict::norm_bound, and
/// `applies_tensor_bounds`, each tensor's to that of TensorVerdict.
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
  static_assert(has::apply<GradientPolicy>,
                "agmohd: the gradient policy has no static function apply(g, coefficients)");
  static_assert(
      agmohd::Transform<GradientPolicy>,
      "agmohd: an argument of Recipe is not a gradient policy; see agmohd/gradient/gradient.hpp");
  static constexpr bool passed = true;
};

}  // namespace detail

}  // namespace agmohd
