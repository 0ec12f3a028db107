// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>

#include "../policy/members.hpp"
#include "../policy/name.hpp"
#include "rule.hpp"

namespace agmohd::rule {

/// Hyperball<AdamW> and so on: matrices keep their norm, and the direction of their updates is all
/// that counts (Wen et al. 2026, "Fantastic pretraining optimizers and where to find them II:
/// Hyperball optimization"). With the update u of R, Frobenius norms, and r that of p before its
/// first step:
///   q = p - lr r u / |u|,  p <- r q / |q|
/// Where u is orthogonal to p and |p| is r, lr is the tangent of the angle by which the tensor
/// turns; else the angle is about lr times the sine of that between u and p. Tensors of two or more
/// dimensions are matrices; others move as R says. Weight decay of R that is decoupled has no
/// effect on matrices, as they have no length to lose; L2 decay is part of u.
///
/// |q| comes from the tensor's sums of p^2, u^2 and p u, so the step has two sweeps, as LAMB's. r
/// is a memory of the tensor: where a state comes without it, as one that a program made, r is the
/// norm that p has. A matrix that begins as zeros has none, and moves as R says for good. Where
/// |u|^2 vanishes or overflows in the precision of the step, the direction is lost and the matrix
/// stands still: in float32, updates below 1e-23 or beyond 1e18 in all elements.
template <class R>
struct Hyperball : R {
  static_assert(!has::second<R> && !has::residual<R>,
                "agmohd: Hyperball needs a rule with one sweep (no second, no residual)");
  static_assert(!has::totals<R>, "agmohd: Hyperball needs a rule without sums over all tensors");
  static_assert(!has::write<R>,
                "agmohd: Hyperball needs a rule whose parameter becomes decay p - lr u (no write)");
  static constexpr double default_lr = 2.5e-3;
  static unsigned slots(const typename R::Options& o) {
    return agmohd::detail::slots_for_second_sweep<R>(o);
  }
  static constexpr bool lazy = false;  // all rows turn
  static constexpr bool squares = true;
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, R>("Hyperball");
  }

  struct Memory : R::Memory {
    double radius = 0;  ///< r; 0: not known yet; -1: none
    constexpr void members(auto&& f) {
      if constexpr (agmohd::detail::Listed<typename R::Memory>) {
        R::Memory::members(f);
      } else if constexpr (!std::is_empty_v<typename R::Memory>) {
        f("rule", static_cast<typename R::Memory&>(*this));
      }
      f("radius", radius);
    }
  };
  static Memory restore(const typename R::Options& o, std::int64_t step) {
    return {R::restore(o, step), 0};
  }

  AGMOHD_HD static Projected project(Memory& m, bool matrix, double p2, double u2, double pu,
                                     const Projected& to) {
    if (!matrix || m.radius < 0) return to;
    if (p2 == 0 && u2 == 0) return to;  // without elements, or zeros that stay
    if (m.radius == 0) m.radius = p2 > 0 ? std::sqrt(p2) : -1;
    if (m.radius < 0) return to;
    if (u2 - u2 != 0) return {0, 1};
    const double turn = u2 > 0 ? to.lr * m.radius / std::sqrt(u2) : 0;
    const double q2 = p2 - 2 * turn * pu + turn * turn * u2;
    if (q2 <= 0) return {0, 1};  // p and u are one line, and lr is 1
    const double length = m.radius / std::sqrt(q2);
    return {length * turn, length};
  }
};

}  // namespace agmohd::rule
