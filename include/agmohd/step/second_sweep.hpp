// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../gradient/chain.hpp"
#include "../policy/number.hpp"
#include "../policy/random.hpp"
#include "../rule/rule.hpp"

namespace agmohd::detail {

/// What a recipe with a rule of two sweeps does after the first one, from what that stored. Of one
/// with residuals squared() and scale() come before its sweep.
template <class Types>
struct SecondSweep : Types {
  using typename Types::Rule, typename Types::Gradient, typename Types::Group;
  template <class T>
  using Slots = typename Types::template Slots<T>;
  template <class R>
  using Coefficients = typename Types::template Coefficients<R>;

  /// The update of one element.
  template <Number T>
  AGMOHD_HD static T direction(const T& p, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k, const Position& at) {
    const T h = Types::template seen<T>(g, k, at);
    if constexpr (has::stored<Rule>) {
      return Rule::direction(p, h, Rule::stored(s), k.rule);
    } else {
      return Rule::direction(p, h, s, k.rule);
    }
  }
  /// What is squared of one element, for the sums over the tensor.
  template <Number T>
  AGMOHD_HD static Squared<T> squared(const T& p, const T& g, const Slots<T>& s,
                                      const Coefficients<Real<T>>& k, const Position& at) {
    if constexpr (Types::residual) {
      const T h = Types::template seen<T>(g, k, at);
      return {math::like(p, Real<T>(0)), T(Rule::measured(h, s, k.rule))};
    } else {
      const T u = direction(p, g, s, k, at);
      if constexpr (has::squared<Rule>) {
        return Rule::squared(p, u);
      } else {
        return {p, u};
      }
    }
  }
  /// The same, where products are summed, too. `saved`: the snapshot that this step writes, or -1;
  /// that of a tensor without room is never read.
  template <class R>
  AGMOHD_HD static void project(typename Types::PerTensor& tensor, bool matrix,
                                const double (&sums)[Types::norm_sums], Coefficients<R>& k,
                                [[maybe_unused]] int saved) {
    const Projected to = Rule::project(tensor.rule, matrix, sums[0], sums[1],
                                       sums[Types::norm_sums - 1], {double(k.lr), double(k.decay)});
    k.lr = R(to.lr), k.decay = R(to.decay);
    if constexpr (Types::keeps_snapshots) {
      if (saved >= 0) tensor.snapshots.kept[saved].rule = tensor.rule;
    }
  }
  /// The coefficients of the second sweep, from those of the first and the sums of squares.
  template <class R>
  AGMOHD_HD static void scale(const Group& group, double p2, double u2, Coefficients<R>& k) {
    if constexpr (Types::residual) {
      Rule::resize(k.rule, u2);
    } else {
      k.lr = R(double(k.lr) * detail::second<Rule>(group.rule, k.rule, p2, u2));
    }
  }
  /// The second sweep of one element: the new parameter.
  template <Number T>
  AGMOHD_HD static T second(const T& p, const T& g, const Slots<T>& s,
                            const Coefficients<Real<T>>& k, const Position& at) {
    return k.decay * p - k.lr * direction(p, g, s, k, at);
  }
};

}  // namespace agmohd::detail
