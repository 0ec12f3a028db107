// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A rule of one's own with a single slot, of which rows have averages, and one sweep.

#include <gtest/gtest.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/rule/adam_mini.hpp>
#include <array>
#include <cmath>

#include "../contract/tensors.hpp"

namespace {

using namespace agmohd;

/// RMSprop with a second moment for each row.
struct RowRMS : rule::AdamMini {
  static const char* name() { return "RowRMS"; }
  template <class T>
  struct Slots {
    T exp_avg_sq;
  };
  static constexpr std::array<const char*, 1> slot_names{"exp_avg_sq"};
  static unsigned slots(const Options&) { return 1; }
  static constexpr int factored = 0;

  template <class T>
  static Slots<T> before(const Slots<T>&, const Slots<T>& now) {
    return now;
  }
  template <Number T>
  AGMOHD_HD static void update(const T&, const T&, Slots<T>&, const Coefficients<Real<T>>&) {}
  template <Number T>
  AGMOHD_HD static T direction(const T&, const T& g, const Slots<T>& s,
                               const Coefficients<Real<T>>& k) {
    const auto& c = k.moments;
    return k.sign * g / (c.scale2 * math::sqrt(s.exp_avg_sq) + math::like(g, c.eps));
  }
};
static_assert(has::factored<RowRMS>);

TEST(OwnRows, MoveParameters) {
  using Recipe = agmohd::Recipe<RowRMS>;
  for (const bool reference : {false, true}) {
    at::Tensor p = contract::random({5, 7000}, 1).to(at::kFloat).requires_grad_();
    Optimizer<Recipe> optimizer({p}, Optimizer<Recipe>::Options(0.1));
    if (reference) optimizer.use_tensor_backend();
    at::Tensor want = p.detach().to(at::kDouble).clone(), mean = at::zeros({5, 1}, at::kDouble);
    for (int t = 1; t <= 3; ++t) {
      const at::Tensor g = contract::random({5, 7000}, 10 + t);
      p.mutable_grad() = g.to(at::kFloat);
      optimizer.step();
      mean = 0.999 * mean + 0.001 * g.square().mean(1, true);
      want -= 0.1 * g / ((mean / (1 - std::pow(0.999, t))).sqrt() + 1e-8);
    }
    EXPECT_TRUE(at::allclose(p.detach().to(at::kDouble), want, 1e-4, 1e-5)) << reference;
  }
}

}  // namespace
