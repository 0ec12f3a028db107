// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The count of gradient elements that gradient::ZeroNonfinite makes 0.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/rule/adafactor.hpp>
#include <agmohd/rule/adam_mini.hpp>
#include <agmohd/rule/came.hpp>
#include <agmohd/rule/lamb.hpp>
#include <agmohd/rule/prodigy.hpp>
#include <cstdint>
#include <limits>
#include <sstream>
#include <vector>

#include "../warnings.hpp"

namespace zeroed_elements {

using namespace agmohd;
using gradient::ZeroNonfinite;
using Tensors = std::vector<at::Tensor>;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// One element, none, odd sizes, several chunks, other strides; the last gets no gradient.
Tensors parameters(at::ScalarType dtype) {
  Tensors params{torch::randn({1}),         torch::randn({0, 4}), torch::randn({7, 33}),
                 torch::randn({4096}),      torch::randn({9001}), torch::randn({37, 300}),
                 torch::randn({40, 31}).t()};
  params.push_back(torch::randn({3, 8, 5, 5}).contiguous(at::MemoryFormat::ChannelsLast));
  params.push_back(torch::randn({5}));
  for (at::Tensor& p : params) p = p.to(dtype).detach().requires_grad_();
  return params;
}

/// Gradients of which some elements are not finite. Returns how many.
std::int64_t spoil(const Tensors& params) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i + 1 < params.size(); ++i) {
    at::Tensor g = torch::randn(params[i].sizes());
    const at::Tensor draw = torch::rand_like(g);
    for (const double bad : {nan, inf, -inf}) {
      const double from = bad > 0 ? 0.1 : bad < 0 ? 0.2 : 0.3;
      g.masked_fill_((draw > from).logical_and(draw < from + 0.02), bad);
    }
    params[i].mutable_grad() = g.to(params[i].scalar_type());
    count += params[i].grad().isfinite().logical_not().sum().item<std::int64_t>();
  }
  return count;
}

template <class R>
void expect_counts(const Options<R>& options = Options<R>(1e-3)) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    for (const bool reference : {false, true}) {
      SCOPED_TRACE(R::name() + " " + at::toString(dtype) + (reference ? ", reference" : ""));
      const Warnings quiet;  // of copied gradients
      torch::manual_seed(3);
      const Tensors params = parameters(dtype);
      Optimizer<R> optimizer(params, options);
      if (reference) optimizer.use_tensor_backend();
      EXPECT_EQ(optimizer.zeroed(), 0);
      std::int64_t expected = 0;
      for (int t = 0; t < 3; ++t) {
        expected += spoil(params);
        optimizer.step();
        EXPECT_EQ(optimizer.zeroed(), expected) << t;
      }
      EXPECT_GT(expected, 1000);
      EXPECT_EQ(optimizer.updates(), 3);
    }
  }
}

TEST(Zeroed, IsWhatTorchCounts) {
  expect_counts<Recipe<rule::SGD, ZeroNonfinite>>();
  expect_counts<Recipe<rule::AdamW, ZeroNonfinite, storage::BFloat16>>();
  expect_counts<Recipe<rule::AdamW, ZeroNonfinite, gradient::ClipByNorm>>();
  expect_counts<Recipe<rule::AdamW, hindrance::Detector, ZeroNonfinite, gradient::AdaptiveClip,
                       recovery::Snapshots>>();
}
TEST(Zeroed, OfRulesWithOtherPasses) {
  expect_counts<Recipe<rule::Prodigy, ZeroNonfinite>>();
  expect_counts<Recipe<rule::Prodigy, hindrance::StepTooLarge, ZeroNonfinite>>();
  expect_counts<Recipe<rule::Adafactor, ZeroNonfinite>>();
  expect_counts<Recipe<rule::LAMB, ZeroNonfinite>>();
  expect_counts<Recipe<rule::CAME, ZeroNonfinite>>();
  expect_counts<Recipe<rule::AdamMini, ZeroNonfinite>>();
}
/// Though what ZeroNonfinite gets of a clip in front is finite.
TEST(Zeroed, IsOfWhatTheFirstTransformGets) {
  expect_counts<Recipe<rule::SGD, gradient::ClipByValue, ZeroNonfinite>>();
}

/// Minus the mean of their row, some elements overflow.
TEST(Zeroed, IsBehindTransformsOfRows) {
  using R = Recipe<rule::SGD, gradient::Centralize, ZeroNonfinite>;
  for (const bool reference : {false, true}) {
    const at::Tensor p = torch::zeros({2, 33}).requires_grad_();
    Optimizer<R> optimizer(Tensors{p}, Options<R>(1));
    if (reference) optimizer.use_tensor_backend();
    at::Tensor g = torch::full({2, 33}, 0.9 * double(std::numeric_limits<float>::max()));
    g.slice(1, 20, 23).neg_();
    p.mutable_grad() = g;
    optimizer.step();
    EXPECT_EQ(optimizer.zeroed(), 6);
    p.mutable_grad() = torch::zeros({2, 33});
    p.mutable_grad()[1][7] = nan;  // such a row passes as it is
    optimizer.step();
    EXPECT_EQ(optimizer.zeroed(), 7);
  }
}

TEST(Zeroed, OfComplexGradientsCountsParts) {
  using R = Recipe<rule::SGD, ZeroNonfinite>;
  const at::Tensor p = torch::zeros({6}, at::kComplexFloat).requires_grad_();
  at::Tensor g = torch::ones({6, 2});
  g[1][0] = nan, g[4].fill_(inf);
  p.mutable_grad() = at::view_as_complex(g);
  Optimizer<R> optimizer(Tensors{p}, Options<R>(1));
  optimizer.step();
  EXPECT_EQ(optimizer.zeroed(), 3);
}

/// Skips steps whose squared norm is above 100.
struct SkipLarge {
  struct Options {};
  struct Memory {};
  static constexpr auto fields = describe();
  static constexpr unsigned wants = kNorm;
  static const char* name() { return "SkipLarge"; }
  static Verdict judge(const Options&, const Signals& s, Memory&) {
    Verdict v;
    v.skip = s.norm2 > 100;
    return v;
  }
};

TEST(Zeroed, LeavesOutSkippedSteps) {
  using R = Recipe<rule::SGD, SkipLarge, ZeroNonfinite>;
  for (const bool reference : {false, true}) {
    const at::Tensor p = torch::zeros({5000}).requires_grad_();
    Optimizer<R> optimizer(Tensors{p}, Options<R>(1));
    if (reference) optimizer.use_tensor_backend();
    for (const double size : {1e-3, 1e3, 1e-3}) {
      p.mutable_grad() = torch::full({5000}, size);
      p.mutable_grad()[4999] = nan;
      optimizer.step();
    }
    EXPECT_EQ(optimizer.updates(), 2);
    EXPECT_EQ(optimizer.zeroed(), 2);
  }
}

/// A rollback takes steps back, but not what they counted.
TEST(Zeroed, GoesOnAfterARollback) {
  using R = Recipe<rule::AdamW, hindrance::Detector, ZeroNonfinite, gradient::AdaptiveClip,
                   recovery::Snapshots>;
  const at::Tensor p = torch::ones({50}).requires_grad_();
  Optimizer<R> optimizer(Tensors{p}, Options<R>(1e-3).snapshots(true).snapshot_every(10));
  const Warnings quiet;
  for (int t = 0; t < 40; ++t) {
    p.mutable_grad() = torch::ones({50});
    p.mutable_grad()[t] = nan;
    optimizer.step(torch::full({}, t >= 25 && t < 34 ? nan : 3 / (1 + 0.01 * t)));
  }
  EXPECT_EQ(optimizer.tally().count[Tally::rollback], 1);
  EXPECT_LT(optimizer.updates(), 40);
  EXPECT_EQ(optimizer.zeroed(), optimizer.updates());
}

/// The sum of a window is looked at: an element that was not finite twice counts once.
TEST(Zeroed, OfAccumulatedGradients) {
  using R = Recipe<rule::SGD, gradient::Accumulate, ZeroNonfinite>;
  const at::Tensor p = torch::zeros({8}).requires_grad_();
  Optimizer<R> optimizer(Tensors{p}, Options<R>(1).set<"accumulation_steps">(2));
  for (int t = 0; t < 4; ++t) {
    p.mutable_grad() = torch::ones({8});
    p.mutable_grad()[2] = nan, p.mutable_grad()[3 + t] = inf;
    optimizer.step();
    EXPECT_EQ(optimizer.zeroed(), t == 0 ? 0 : t < 3 ? 3 : 6);
  }
}

/// Of the same name, as files have it that hold no count.
struct Uncounted : ZeroNonfinite {
  static constexpr bool counts_zeroed = false;
};

TEST(Zeroed, IsInCheckpoints) {
  using R = Recipe<rule::AdamW, ZeroNonfinite>;
  using Before = Recipe<rule::AdamW, Uncounted>;
  const auto load = [](auto& optimizer, const auto& from) {
    std::stringstream file;
    torch::serialize::OutputArchive out;
    from.save(out);
    out.save_to(file);
    torch::serialize::InputArchive in;
    in.load_from(file);
    optimizer.load(in);
  };
  const Tensors params = parameters(at::kFloat);
  Optimizer<R> optimizer(params, Options<R>(1e-3)), loaded(params, Options<R>(1e-3));
  const std::int64_t first = spoil(params);
  optimizer.step();
  load(loaded, optimizer);
  EXPECT_EQ(loaded.zeroed(), first);
  const std::int64_t second = spoil(params);
  loaded.step();
  EXPECT_EQ(loaded.zeroed(), first + second);
  loaded.updates(7);
  EXPECT_EQ(loaded.zeroed(), first + second);
  loaded.reset();
  EXPECT_EQ(loaded.zeroed(), first + second);

  Optimizer<Before> before(params, Options<Before>(1e-3));
  before.step();
  const Warnings warnings;
  load(loaded, before);
  EXPECT_TRUE(warnings.texts.empty());
  EXPECT_EQ(loaded.zeroed(), 0);
  EXPECT_EQ(loaded.updates(), 1);
  loaded.step();
  EXPECT_EQ(loaded.zeroed(), second);
}

template <class O>
concept has_zeroed = requires(const O& o) {
  o.zeroed();
};
static_assert(has_zeroed<Optimizer<Recipe<rule::SGD, ZeroNonfinite>>>);
static_assert(has_zeroed<Optimizer<Recipe<rule::SGD, gradient::ClipByValue, ZeroNonfinite>>>);
static_assert(!has_zeroed<AdamW> && !has_zeroed<AGMOHD>);
static_assert(!has_zeroed<Optimizer<Recipe<rule::SGD, gradient::OnGroup<ZeroNonfinite, 0>>>>);

}  // namespace zeroed_elements
