// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A sweep by vectors has the bits of one by scalars.

#include <gtest/gtest.h>

#include <agmohd/cpu/executor.hpp>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "../elements.hpp"

namespace {

using namespace testing_unit;

/// A chunk of elements E swept by vectors V, or by scalars, and what its sums are.
template <class E>
struct SweptPage {
  using R = cpu::Compute<E>;
  using Slot = Stored<Measuring::Storage, E>;
  std::vector<E> param, grad;
  std::vector<Slot> exp_avg, exp_avg_sq;
  std::int64_t guarded = 0;
  reduction::SweptPartial sums{};

  explicit SweptPage(std::size_t size) {
    std::mt19937 random(unsigned(size) + 1);
    param = normal<E>(size, random), grad = normal<E>(size, random);
    exp_avg = normal<Slot>(size, random, 0.1), exp_avg_sq = normal<Slot>(size, random, 0.1);
    for (Slot& x : exp_avg_sq) x = x * x;
  }

  template <class V>
  void sweep(const Measuring::Coefficients<R>& k, bool measured) {
    cpu::Chunk<Measuring, E> chunk{};
    chunk.param = param.data(), chunk.grad = grad.data();
    chunk.slots[0] = exp_avg.data(), chunk.slots[1] = exp_avg_sq.data();
    chunk.count = std::int64_t(param.size());
    guarded +=
        measured ? cpu::measured_sweep_chunk<V>(chunk, k, sums) : cpu::sweep_chunk<V>(chunk, k);
  }

  bool operator==(const SweptPage& other) const {
    const auto same = [](const auto& a, const auto& b) {
      return std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0;
    };
    return same(param, other.param) && same(exp_avg, other.exp_avg) &&
           same(exp_avg_sq, other.exp_avg_sq) && guarded == other.guarded &&
           std::memcmp(&sums, &other.sums, sizeof sums) == 0;
  }
};

#ifdef AGMOHD_HAS_AVX2
template <class E>
AGMOHD_AVX2 void sweep_avx2(SweptPage<E>& chunk, const Measuring::Coefficients<cpu::Compute<E>>& k,
                            bool measured) {
  chunk.template sweep<vec_avx2<cpu::Compute<E>>>(k, measured);
}
#endif

TYPED_TEST(Reduction, EveryVectorHasTheBitsOfScalars) {
  using E = TypeParam;
  using R = cpu::Compute<E>;
  for (const bool clipped : {false, true}) {
    Measuring::Shared shared;
    shared.gradient.gradient_clipping =
        clipped ? gradient::Clipping::value : gradient::Clipping::adaptive;
    shared.gradient.max_value = 0.5;
    Measuring::Memory memory;
    Measuring::PerTensor tensor;
    const auto k = Measuring::decide<R>(shared, {1e-2, {}}, Signals{}, Verdict{}, memory, tensor, 0,
                                        {1, 1, 0, 100});
    for (const std::size_t size : {1U, 7U, 8U, 16U, 31U, 100U, 4097U, 16384U}) {
      for (const bool measured : {false, true}) {
        SweptPage<E> scalar(size), narrow(size), wide(size);
        scalar.template sweep<R>(k, measured);
        narrow.template sweep<vec<R>>(k, measured);
        EXPECT_TRUE(scalar == narrow) << size << measured;
#ifdef AGMOHD_HAS_AVX2
        if (!cpu::has_avx2()) continue;
        sweep_avx2(wide, k, measured);
        EXPECT_TRUE(scalar == wide) << size << measured;
        if (size > 1000) {
          EXPECT_GT(wide.guarded, 0);
        }
#endif
      }
    }
  }
}

}  // namespace
