// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "../step/executor.hpp"
#include "../step/row_slot.hpp"
#include "factor_pass.hpp"
#include "parallel.hpp"
#include "row_slot.hpp"

namespace agmohd::cpu {

/// Moves the averages of all rows of a step on, between its decision and its sweep.
template <class Recipe>
class RowSlotPass {
  using Tensors = std::vector<TensorRef<Recipe>>;
  template <class R>
  using K = typename Recipe::template Coefficients<R>;

 public:
  void bind(const Tensors& tensors) {
    first_piece_.assign(1, 0);
    std::int64_t elements = 0;
    for (const auto& t : tensors) {
      const bool moves = t.factors.used() && !t.resting();
      if (moves) elements += t.numel;
      first_piece_.push_back(first_piece_.back() +
                             (moves ? t.factors.shape.count * pieces_of(t) : 0));
    }
    thread_pieces_ = worth_a_thread(first_piece_.back(), elements);
    sums_.resize(std::size_t(first_piece_.back()));
  }

  /// `rows`: what transforms by rows have of gradients, where the recipe has them.
  template <class Rows>
  void run(const Tensors& tensors, const Rows& rows, const std::vector<K<float>>& k,
           const std::vector<K<double>>& k64) {
    const auto work_on = [&](std::int64_t begin, std::int64_t end) {
      auto t = std::size_t(std::upper_bound(first_piece_.begin(), first_piece_.end(), begin) -
                           first_piece_.begin() - 1);
      for (std::int64_t piece = begin; piece < end; ++piece) {
        while (piece >= first_piece_[t + 1]) ++t;
        with_tensor(tensors[t], t, rows, k, k64, [&](const auto& x, auto*) {
          sums_[std::size_t(piece)] = sum(x, tensors[t], piece - first_piece_[t]);
        });
      }
    };
    parallel_ranges(first_piece_.back(), work_on, thread_pieces_);
    for (std::size_t t = 0; t < tensors.size(); ++t) {
      if (first_piece_[t] == first_piece_[t + 1]) continue;
      with_tensor(tensors[t], t, rows, k, k64, [&](const auto& x, auto* averages) {
        const RowShape& shape = tensors[t].factors.shape;
        const std::int64_t pieces = pieces_of(tensors[t]);
        const auto gain = Recipe::Rule::factoring(x.k.rule).gain;
        for (std::int64_t r = 0; r < shape.count; ++r) {
          x.move(averages[r], sums_.data() + first_piece_[t] + r * pieces, pieces, 1,
                 tensors[t].numel / shape.count, gain);
        }
      });
    }
  }

  template <class R>
  RowAverages<R> of(std::size_t, const RowSlotRefs& refs) const {
    RowAverages<R> out;
    out.averages = static_cast<const R*>(refs.row);
    out.shape = refs.shape;
    return out;
  }

 private:
  static std::int64_t pieces_of(const TensorRef<Recipe>& t) {
    return reduction::pieces(t.numel / t.factors.shape.count);
  }
  /// f(its gradients, its averages).
  template <class Rows, class F>
  static void with_tensor(const TensorRef<Recipe>& ref, std::size_t t,
                          [[maybe_unused]] const Rows& rows, const std::vector<K<float>>& k,
                          const std::vector<K<double>>& k64, const F& f) {
    const auto of = [&]<class E>(E) {
      using R = Compute<E>;
      const auto run = [&](const auto& own) {
        SquaredTensor<Recipe, E> x{static_cast<const E*>(ref.grad), own};
        if constexpr (Recipe::rows) x.values = rows.of(t, ref);
        f(x, static_cast<R*>(ref.factors.row));
      };
      if constexpr (std::is_same_v<R, double>) {
        run(k64[t]);
      } else {
        run(k[t]);
      }
    };
    with_element(ref.dtype, of);
  }
  /// The squares of a piece of a row.
  template <class X>
  static double sum(const X& x, const TensorRef<Recipe>& ref, std::int64_t number) {
    using namespace reduction;
    using R = typename X::R;
    const RowShape& shape = ref.factors.shape;
    const std::int64_t length = ref.numel / shape.count, pieces = reduction::pieces(length);
    const std::int64_t row = number / pieces, first = number % pieces * kPiece;
    const int count = int(std::min<std::int64_t>(kPiece, length - first));
    R g[kPiece];
    if (shape.stride == length) {  // neighbours
      x.load_run(row * length + first, count, g);
    } else {
      for (int i = 0; i < count; ++i) {
        g[i] = x.template transformed<R>(shape.element(length, row, first + i));
      }
    }
    double lanes[kPieceLanes] = {};
    int i = 0;
    for (; i + kPieceLanes <= count; i += kPieceLanes) {
      for (int l = 0; l < kPieceLanes; ++l) lanes[l] += double(g[i + l]) * double(g[i + l]);
    }
    for (int l = 0; i < count; ++i, ++l) lanes[l] += double(g[i]) * double(g[i]);
    return fold<kPieceLanes / 2>(lanes);
  }

  std::int64_t thread_pieces_ = 1;         // that hold so many, on average
  std::vector<std::int64_t> first_piece_;  // of each tensor, and the end
  std::vector<double> sums_;               // of pieces
};

/// What moves the averages that a recipe has in the place of a slot, and those of residuals.
template <class Recipe>
using AveragePass = std::conditional_t<
    !Recipe::factored, detail::NoFactors,
    std::conditional_t<Recipe::by_rows, RowSlotPass<Recipe>, FactorPass<Recipe>>>;
template <class Recipe>
using ResidualPass = std::conditional_t<Recipe::residual, FactorPass<Recipe, true>, NoResiduals>;

}  // namespace agmohd::cpu
