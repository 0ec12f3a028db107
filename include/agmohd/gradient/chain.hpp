// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "../policy/several.hpp"
#include "../policy/signals.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

template <class...>
struct Chain;

/// The coefficients of transform G for one tensor, by whichever form of `at` it has. A scale
/// transform whose `at` does not get the tensor's signals has its global factor applied to them
/// here.
template <class R, class G>
AGMOHD_HD typename G::template Coefficients<R> transform_at(
    const typename G::Options& o, Signals& s, const Verdict& v, TensorSignals& ts,
    const TensorVerdict& tv, typename agmohd::detail::TensorMemory<G>::type& memory) {
  if constexpr (has::transform_remembers<G>) {
    return G::template at<R>(o, s, v, ts, tv, memory);
  } else if constexpr (has::transform_at_tensor<G>) {
    return G::template at<R>(o, s, v, ts, tv);
  } else {
    const double before = s.norm2;
    const auto k = G::template at<R>(o, s, v);
    if (s.norm2 != before && before > 0) {
      const double factor2 = s.norm2 / before;
      ts.norm2 *= factor2;
      ts.max_abs *= std::sqrt(factor2);
    }
    return k;
  }
}

/// The same with a memory that is not kept.
template <class R, class G>
AGMOHD_HD typename G::template Coefficients<R> transform_at(const typename G::Options& o,
                                                            Signals& s, const Verdict& v,
                                                            TensorSignals& ts,
                                                            const TensorVerdict& tv) {
  typename agmohd::detail::TensorMemory<G>::type memory{};
  return transform_at<R, G>(o, s, v, ts, tv, memory);
}

/// The coefficients of a transform that wants nothing, for the reduce pass: nothing is measured
/// yet.
template <class R, class G>
AGMOHD_HD typename G::template Coefficients<R> unmeasured_at(const typename G::Options& o,
                                                             const Draw& draw) {
  Signals s;
  TensorSignals ts;
  ts.draw = draw;
  return transform_at<R, G>(o, s, Verdict{}, ts, TensorVerdict{});
}

/// What transform G makes of the gradients of some elements.
template <class G, Number T>
AGMOHD_HD T transformed(const T& g, const typename G::template Coefficients<Real<T>>& k,
                        const Position& at) {
  if constexpr (has::apply_at<G>) {
    return G::apply(g, k, at);
  } else {
    return G::apply(g, k);
  }
}

namespace detail {
template <class>
inline constexpr bool is_chain = false;
template <class... L>
inline constexpr bool is_chain<Chain<L...>> = true;
}  // namespace detail

/// Transforms applied in written order. The element transforms that want nothing, up to the first
/// other transform, are also applied in the reduce pass, so that the signals are of the gradients
/// that this one gets. A scale transform multiplies the signals with its factor, for the transforms
/// after it.
template <class... L>
struct Chain : agmohd::detail::Several<> {
  static constexpr TransformKind kind = TransformKind::element;
  static constexpr unsigned wants = kNothing;
  static constexpr bool has_element = false;
  static constexpr bool looks_at_max_abs = false;
  static constexpr bool in_order = true;
  static const char* name() { return "None"; }

  template <class R>
  struct Coefficients {};

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options&, Signals&, const Verdict&, TensorSignals&,
                                      const TensorVerdict&, TensorMemory&) {
    return {};
  }
  template <Number T>
  AGMOHD_HD static T apply(const T& g, const Coefficients<Real<T>>&, const Position&) {
    return g;
  }
  static constexpr bool prefixed = false;
  template <class R>
  AGMOHD_HD static Coefficients<R> prefix_at(const Options&, const Draw&) {
    return {};
  }
  template <Number T>
  AGMOHD_HD static T prefix(const T& g, const Coefficients<Real<T>>&, const Position&) {
    return g;
  }
};

template <class H, class... L>
struct Chain<H, L...> : agmohd::detail::Several<H, L...> {
  static_assert(
      Transform<H>,
      "agmohd: a member of a gradient Chain is not a transform; see agmohd/gradient/gradient.hpp");
  static_assert(
      !detail::is_chain<H>,
      "agmohd: a gradient Chain stands inside a Chain; write its transforms in its place");
  using Rest = Chain<L...>;
  using Both = agmohd::detail::Several<H, L...>;
  using typename Both::Options, typename Both::TensorMemory, typename Both::TensorMemories;
  static constexpr bool element = H::kind == TransformKind::element;
  // Of those behind, the innermost message is the one: what they are is not looked at any more.
  static constexpr bool one_pass = element || !Rest::has_element || Rest::wants == kNothing;
  static constexpr bool rows_in_front = !has::rows<Rest>;
  static constexpr bool powers_alone =
      (!has::power<H> || !agmohd::detail::wants_norms(Rest::wants)) &&
      (!has::power<Rest> || !agmohd::detail::wants_norms(H::wants));
  static constexpr bool one_median = (H::wants & Rest::wants & kMedian) == 0;
  static constexpr bool median_in_front =
      (Rest::wants & kMedian) == 0 || (H::wants & (kTensors | kMedian)) != kTensors;
  static constexpr bool max_abs_in_front = (H::wants & kMedian) == 0 || !Rest::looks_at_max_abs;
  static constexpr bool in_order = Rest::in_order && one_pass && rows_in_front && powers_alone &&
                                   one_median && median_in_front && max_abs_in_front;
  static_assert(
      !Rest::in_order || one_pass,
      "agmohd: in a gradient Chain an element transform stands between a scale transform and a "
      "transform that "
      "measures; "
      "it would need a second pass over the gradients: move the element transform to the front");

  static_assert(!Rest::in_order || rows_in_front,
                "agmohd: AGC, Centralize, Orthogonal and MedianFilter, and transforms with "
                "row_factor, row_shift, projection or outliers, take the gradients as they come: "
                "write it in front of all others; a chain has one");

  static_assert(!Rest::in_order || powers_alone,
                "agmohd: ClipByPNorm has powers of gradients summed in the place of squares, but "
                "another transform of the gradient Chain wants norms; leave one of them out");

  static_assert(
      !Rest::in_order || one_median,
      "agmohd: two transforms of a gradient Chain look at the median of all norms; one is "
      "enough");
  static_assert(!Rest::in_order || median_in_front,
                "agmohd: in a gradient Chain a transform that looks at the median of all norms "
                "stands behind one that acts on each tensor by itself, which the median does not "
                "count; swap them");
  static_assert(!Rest::in_order || max_abs_in_front,
                "agmohd: in a gradient Chain a transform that looks at the largest magnitude "
                "(ClipByMaxNorm) stands behind one that looks at the median of all norms, and does "
                "not know what that leaves; swap them");

  static_assert(!agmohd::detail::accumulates<H>() || !agmohd::detail::accumulates<Rest>(),
                "agmohd: a recipe has two gradient::Accumulate; one is enough");

  static constexpr TransformKind kind = element ? Rest::kind : TransformKind::scale;
  static constexpr unsigned wants = H::wants | Rest::wants;
  static constexpr bool has_element = element || Rest::has_element;
  static constexpr bool looks_at_max_abs =
      (H::wants & (kMaxAbs | kTensors)) == kMaxAbs || Rest::looks_at_max_abs;
  static constexpr bool applies_norm_bound =
      agmohd::detail::applies_norm_bound<H>() || agmohd::detail::applies_norm_bound<Rest>();
  static constexpr bool applies_tensor_bounds =
      agmohd::detail::applies_tensor_bounds<H>() || agmohd::detail::applies_tensor_bounds<Rest>();
  static constexpr bool accumulates =
      agmohd::detail::accumulates<H>() || agmohd::detail::accumulates<Rest>();
  static constexpr bool counts_zeroed =
      agmohd::detail::counts_zeroed<H>() || agmohd::detail::counts_zeroed<Rest>();
  static constexpr bool norm_of_parts =
      agmohd::detail::norm_of_parts<H>() || agmohd::detail::norm_of_parts<Rest>();
  static constexpr bool by_group =
      agmohd::detail::by_group<H>() || agmohd::detail::by_group<Rest>();
  static constexpr int named_groups = agmohd::detail::named_groups<H, Rest>();
  template <class Text = std::string>
  static Text name() {
    return Both::template names<Text>();
  }

  AGMOHD_HD static double row_factor(const Options& o, double p2,
                                     double g2) requires(has::row_factor<H>) {
    return H::row_factor(o.head, p2, g2);
  }
  AGMOHD_HD static double row_shift(const Options& o, double sum, std::int64_t length,
                                    std::int64_t dims) requires(has::row_shift<H>) {
    return H::row_shift(o.head, sum, length, dims);
  }
  AGMOHD_HD static std::int64_t power(const Options& o) requires(has::power<H> ||
                                                                 has::power<Rest>) {
    if constexpr (has::power<H>) {
      return H::power(o.head);
    } else {
      return Rest::power(o.rest);
    }
  }
  AGMOHD_HD static Projection projection(const Options& o, double p2, double pg,
                                         double g2) requires(has::projection<H>) {
    return H::projection(o.head, p2, pg, g2);
  }
  AGMOHD_HD static Outliers outliers(const Options& o, double median, double deviation,
                                     std::int64_t numel) requires(has::outliers<H>) {
    return H::outliers(o.head, median, deviation, numel);
  }

  template <class R>
  struct Coefficients {
    typename H::template Coefficients<R> head;
    typename Rest::template Coefficients<R> rest;
  };

  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, Signals& s, const Verdict& v,
                                      TensorSignals& ts, const TensorVerdict& tv,
                                      TensorMemory& memory) {
    auto&& first = TensorMemories::head(memory);
    auto&& others = TensorMemories::rest(memory);
    const auto head = transform_at<R, H>(o.head, s, v, ts, tv, first);
    return {head, Rest::template at<R>(o.rest, s, v, ts, tv, others)};
  }
  template <Number T>
  AGMOHD_HD static T apply(const T& g, const Coefficients<Real<T>>& k, const Position& at) {
    return Rest::apply(transformed<H>(g, k.head, at), k.rest, at);
  }
  /// What the reduce pass sees: after the element transforms that want nothing, up to the first
  /// other transform. Only they have coefficients then.
  static constexpr bool prefixed = element && H::wants == kNothing;
  template <class R>
  AGMOHD_HD static Coefficients<R> prefix_at(const Options& o, const Draw& draw) {
    if constexpr (prefixed) {
      return {unmeasured_at<R, H>(o.head, draw), Rest::template prefix_at<R>(o.rest, draw)};
    } else {
      return {};
    }
  }
  template <Number T>
  AGMOHD_HD static T prefix(const T& g, const Coefficients<Real<T>>& k, const Position& at) {
    if constexpr (prefixed) {
      return Rest::prefix(transformed<H>(g, k.head, at), k.rest, at);
    } else {
      return g;
    }
  }
};

/// Leaves the gradients alone.
using None = Chain<>;
static_assert(Transform<None>);

/// Whether a gradient policy, a transform or a chain, acts on gradients before they are measured;
/// with which coefficients, and how.
template <class G>
constexpr bool prefixed() {
  if constexpr (detail::is_chain<G>) return G::prefixed;
  return G::kind == TransformKind::element && G::wants == kNothing;
}
template <class R, class G>
AGMOHD_HD typename G::template Coefficients<R> prefix_at(const typename G::Options& o,
                                                         const Draw& draw) {
  if constexpr (detail::is_chain<G>) {
    return G::template prefix_at<R>(o, draw);
  } else {
    return unmeasured_at<R, G>(o, draw);
  }
}
template <class G, Number T>
AGMOHD_HD T prefix(const T& g, const typename G::template Coefficients<Real<T>>& k,
                   const Position& at) {
  if constexpr (detail::is_chain<G>) {
    return G::prefix(g, k, at);
  } else {
    return transformed<G>(g, k, at);
  }
}

}  // namespace agmohd::gradient
