// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "chain.hpp"
#include "gradient.hpp"

namespace agmohd::gradient {

namespace detail {

/// A number as text; see agmohd::detail::name_of.
template <class Text>
Text digits(int n) {
  Text out = n < 10 ? Text() : digits<Text>(n / 10);
  return out += char('0' + n % 10);
}

}  // namespace detail

/// Transform G for the tensors of parameter group `number` only, counted from 0; the gradients of
/// other groups stay as they are. G acts on each element or on each tensor by itself. What acts on
/// all gradients together (ClipByNorm, ClipByMaxNorm, Normalize, NormalizeToMedian), or on rows as
/// they are read (AGC, Centralize, Orthogonal, MedianFilter), is refused. A group that does not
/// exist in the first step is warned of. Several for several groups stand beside each other, also
/// with the same G; options are set by set<OnGroup<G, number>>({...}). What a ZeroNonfinite of one
/// group makes 0 is not counted.
template <class G, int number>
struct OnGroup {
  static_assert(number >= 0, "agmohd: OnGroup<G, number>: groups are counted from 0");
  static_assert(Transform<G>,
                "agmohd: the G of OnGroup<G, number> is not a transform; see "
                "agmohd/gradient/gradient.hpp");
  static_assert(!detail::is_chain<G>,
                "agmohd: the G of OnGroup<G, number> is a Chain; write an OnGroup for each of its "
                "transforms");
  static_assert(
      !has::rows<G>,
      "agmohd: the G of OnGroup<G, number> takes the gradients as they come, where groups "
      "are not known");
  static_assert(
      !has::power<G> && !agmohd::detail::accumulates<G>() &&
          !agmohd::detail::applies_norm_bound<G>() && !agmohd::detail::applies_tensor_bounds<G>() &&
          (G::wants & (kLoss | kMedian)) == 0 &&
          ((G::wants & kTensors) != 0 ||
           (G::kind == TransformKind::element && G::wants == kNothing)),
      "agmohd: the G of OnGroup<G, number> acts on all gradients together; only a transform of "
      "elements, or of each tensor by itself, can be of one group");

  using Options = typename G::Options;
  using TensorMemory = typename agmohd::detail::TensorMemory<G>::type;
  static constexpr auto fields = G::fields;
  static constexpr TransformKind kind = G::kind;
  static constexpr unsigned wants = G::wants;
  static constexpr bool by_group = true;
  static constexpr int named_groups = number + 1;
  template <class Text = std::string>
  static Text name() {
    return "OnGroup<" + Text(G::name()) + "," + detail::digits<Text>(number) + ">";
  }
  static void check(const Options& o) {
    if constexpr (requires { G::check(o); }) G::check(o);
  }
  static const char* needs(const Options& o, std::string_view name) {
    return agmohd::detail::needs<G>(o, name);
  }

  template <class R>
  struct Coefficients {
    typename G::template Coefficients<R> of_group;
    R active;  ///< 1 in the group, else 0
  };
  template <class R>
  AGMOHD_HD static Coefficients<R> at(const Options& o, Signals& s, const Verdict& v,
                                      TensorSignals& ts, const TensorVerdict& tv,
                                      TensorMemory& memory) {
    if (ts.draw.group() != number) return {};
    return {transform_at<R, G>(o, s, v, ts, tv, memory), R(1)};
  }
  template <Number T>
  AGMOHD_HD static T apply(const T& g, const Coefficients<Real<T>>& k, const Position& at) {
    if (k.active == 0) return g;
    return transformed<G>(g, k.of_group, at);
  }
};

}  // namespace agmohd::gradient
