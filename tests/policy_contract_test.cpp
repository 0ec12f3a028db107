// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The library's policies, those of the example and some written here join the suites of
// contract.hpp.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "../examples/own_policies/own_policies.hpp"
#include "contract.hpp"

namespace {

using namespace agmohd;
using ClipBoth = gradient::Chain<gradient::ClipByValue, gradient::ClipByNorm>;
using ClipTwice = gradient::Chain<gradient::ClipByNorm, gradient::ClipByNorm>;
using WarmupCosine = schedule::Warmup<schedule::Cosine>;
using WarmupLinear = schedule::Warmup<schedule::Linear>;

/// Lowers the learning rate by half after a step whose loss is above a limit.
struct HalveAfterLoss {
  struct Options {
    double limit = 0.5;
  };
  static constexpr auto fields = describe(field("limit", &Options::limit));
  static const char* name() { return "HalveAfterLoss"; }
  static constexpr unsigned wants = kLoss;
  struct Memory {
    double factor = 1;
  };
  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    Verdict verdict;
    verdict.lr_factor = m.factor;
    if (s.loss > o.limit) m.factor *= 0.5;
    return verdict;
  }
};

/// Momentum that grows to the rule's beta1 over the first steps, with a look ahead.
struct GrowingNesterov {
  struct Options {
    std::int64_t period = 4;
    double look = 1;
  };
  static constexpr auto fields = describe(field("period", &Options::period, at_least(1)),
                                          field("look", &Options::look, between(0, 1)));
  static const char* name() { return "GrowingNesterov"; }
  static constexpr bool needs_first_moment = true;
  struct Memory {
    std::int64_t steps = 0;
  };
  AGMOHD_HD static void advance(const Options&, const Verdict&, Memory& m) { m.steps += 1; }
  AGMOHD_HD static Blend blend(const Options& o, const Memory& m, double beta1) {
    return {beta1 * double(m.steps) / double(m.steps + o.period), o.look};
  }
};

double adam_direction(double g, double eps) { return g / (std::abs(g) + eps); }  // after one update

}  // namespace

template <>
struct contract::Sample<rule::SGD> {
  static std::vector<rule::SGD::Options> options() {
    return {{},
            {.momentum = 0.9},
            {.momentum = 0.8, .dampening = 0.5, .weight_decay = 0.1},
            {.momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
            {.weight_decay = 0.1, .maximize = true}};
  }
  static double first(const rule::SGD::Options& o, double lr, double p, double g) {
    const double h = (o.maximize ? -g : g) + o.weight_decay * p;
    return p - lr * (o.nesterov ? h + o.momentum * h : h);
  }
};
template <>
struct contract::Sample<rule::Adam> {
  static std::vector<rule::Adam::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .eps = 1e-6, .weight_decay = 0.1},
            {.betas = {0.0, 0.9}, .amsgrad = true},
            {.weight_decay = 0.01, .amsgrad = true, .maximize = true}};
  }
  static double first(const rule::Adam::Options& o, double lr, double p, double g) {
    return p - lr * adam_direction((o.maximize ? -g : g) + o.weight_decay * p, o.eps);
  }
};
template <>
struct contract::Sample<rule::AdamW> {
  static std::vector<rule::AdamW::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .eps = 1e-6, .weight_decay = 0.3},
            {.betas = {0.0, 0.9}, .weight_decay = 0, .amsgrad = true},
            {.amsgrad = true, .maximize = true}};
  }
  static double first(const rule::AdamW::Options& o, double lr, double p, double g) {
    return p * (1 - lr * o.weight_decay) - lr * adam_direction(o.maximize ? -g : g, o.eps);
  }
};
template <>
struct contract::Sample<own::Signum> {
  static std::vector<own::Signum::Options> options() { return {{}, {.beta = 0}, {.beta = 0.5}}; }
  static double first(const own::Signum::Options&, double lr, double p, double g) {
    return p - lr * (g > 0 ? 1 : -1);
  }
};
template <>
struct contract::Sample<rule::SPAM> {
  static std::vector<rule::SPAM::Options> options() {
    return {{},
            {.betas = {0.8, 0.95}, .weight_decay = 0.1, .spike_threshold = 2, .reset_interval = 25},
            {.spike_threshold = 0, .reset_interval = 3, .reset_warmup = 2},
            {.reset_interval = 2, .reset_warmup = 0, .reset_correction = true},
            {.spike_threshold = 0.5, .reset_interval = 0, .spike_repaired = false}};
  }
  static double first(const rule::SPAM::Options& o, double lr, double p, double g) {
    const double root = std::sqrt(1 - o.betas.second);
    return p * (1 - lr * o.weight_decay) - lr * root * g / (root * std::fabs(g) + o.eps);
  }
};
template <>
struct contract::Sample<rule::StableAdamW> {
  static std::vector<rule::StableAdamW::Options> options() {
    return {{},
            {.betas = {0.8, 0.999}, .eps = 1e-8, .weight_decay = 0.3},
            {.betas = {0.0, 0.9}, .weight_decay = 0, .maximize = true, .rms_repaired = false}};
  }
  static double first(const rule::StableAdamW::Options& o, double lr, double p, double g) {
    return p * (1 - lr * o.weight_decay) - lr * adam_direction(o.maximize ? -g : g, o.eps);
  }
};
INSTANTIATE_TYPED_TEST_SUITE_P(SGD, RuleContract, rule::SGD);
INSTANTIATE_TYPED_TEST_SUITE_P(Adam, RuleContract, rule::Adam);
INSTANTIATE_TYPED_TEST_SUITE_P(AdamW, RuleContract, rule::AdamW);
INSTANTIATE_TYPED_TEST_SUITE_P(Signum, RuleContract, own::Signum);
INSTANTIATE_TYPED_TEST_SUITE_P(SPAM, RuleContract, rule::SPAM);
INSTANTIATE_TYPED_TEST_SUITE_P(StableAdamW, RuleContract, rule::StableAdamW);

template <>
struct contract::Sample<gradient::None> {
  static std::vector<gradient::None::Options> options() { return {{}}; }
  static gradient::None::Options inactive() { return {}; }
  static std::vector<double> expected(const gradient::None::Options&, std::vector<double> g) {
    return g;
  }
};
template <>
struct contract::Sample<gradient::ClipByNorm> {
  static std::vector<gradient::ClipByNorm::Options> options() { return {{}, {1e-3}, {40}}; }
  static gradient::ClipByNorm::Options inactive() { return {1e6}; }
  static std::vector<double> expected(const gradient::ClipByNorm::Options& o,
                                      std::vector<double> g) {
    long double sum = 0;
    for (const double x : g) sum += (long double)x * x;
    const double norm = double(std::sqrt(sum));
    for (double& x : g) x *= norm > o.max_norm ? o.max_norm / norm : 1;
    return g;
  }
};
template <>
struct contract::Sample<gradient::ClipByValue> {
  static std::vector<gradient::ClipByValue::Options> options() { return {{}, {1e-3}, {40}}; }
  static gradient::ClipByValue::Options inactive() { return {1e6}; }
  static std::vector<double> expected(const gradient::ClipByValue::Options& o,
                                      std::vector<double> g) {
    for (double& x : g) x = std::min(std::max(x, -o.max_value), o.max_value);
    return g;
  }
};
template <>
struct contract::Sample<ClipBoth> {
  static std::vector<ClipBoth::Options> options() {
    return {{}, {{0.5}, {{3}, {}}}, {{1e-3}, {{1e3}, {}}}};
  }
  static ClipBoth::Options inactive() { return {{1e6}, {{1e6}, {}}}; }
  static std::vector<double> expected(const ClipBoth::Options& o, const std::vector<double>& g) {
    return Sample<gradient::ClipByNorm>::expected(
        o.rest.head, Sample<gradient::ClipByValue>::expected(o.head, g));
  }
};
template <>
struct contract::Sample<ClipTwice> {
  static std::vector<ClipTwice::Options> options() {
    return {{{2}, {{0.5}, {}}}, {{0.5}, {{2}, {}}}};
  }
  static std::vector<double> expected(const ClipTwice::Options& o, const std::vector<double>& g) {
    return Sample<gradient::ClipByNorm>::expected(
        o.rest.head, Sample<gradient::ClipByNorm>::expected(o.head, g));
  }
};
template <>
struct contract::Sample<own::Normalize> {
  static std::vector<own::Normalize::Options> options() { return {{}}; }
  static std::vector<double> expected(const own::Normalize::Options&, std::vector<double> g) {
    long double sum = 0;
    for (const double x : g) sum += (long double)x * x;
    for (double& x : g) x = sum > 0 ? double(x / std::sqrt(sum)) : x;
    return g;
  }
};
template <>
struct contract::Sample<gradient::AdaptiveClip> : contract::Sample<gradient::ClipByNorm> {};
template <>
struct contract::Sample<gradient::Choice> {
  using Clipping = gradient::Clipping;
  static std::vector<gradient::Choice::Options> options() {
    return {{}, {Clipping::global_norm, 1e-3}, {Clipping::value, 1, 1e-3}, {Clipping::none}};
  }
  static gradient::Choice::Options inactive() { return {Clipping::adaptive, 1e6}; }
  static std::vector<double> expected(const gradient::Choice::Options& o,
                                      const std::vector<double>& g) {
    if (o.gradient_clipping == Clipping::none) return g;
    if (o.gradient_clipping == Clipping::value) {
      return Sample<gradient::ClipByValue>::expected({o.max_value}, g);
    }
    return Sample<gradient::ClipByNorm>::expected({o.max_norm}, g);
  }
};
/// Its formula is of each tensor by itself, so it joins no suite; see StabilizeRecipe.
template <>
struct contract::Sample<gradient::Stabilize> {
  static std::vector<gradient::Stabilize::Options> options() { return {{}, {{0.5, 0.6}, 0.5}}; }
};
INSTANTIATE_TYPED_TEST_SUITE_P(None, TransformContract, gradient::None);
INSTANTIATE_TYPED_TEST_SUITE_P(ClipByNorm, TransformContract, gradient::ClipByNorm);
INSTANTIATE_TYPED_TEST_SUITE_P(ClipByValue, TransformContract, gradient::ClipByValue);
INSTANTIATE_TYPED_TEST_SUITE_P(ClipBoth, TransformContract, ClipBoth);
INSTANTIATE_TYPED_TEST_SUITE_P(ClipTwice, TransformContract, ClipTwice);
INSTANTIATE_TYPED_TEST_SUITE_P(AdaptiveClip, TransformContract, gradient::AdaptiveClip);
INSTANTIATE_TYPED_TEST_SUITE_P(Choice, TransformContract, gradient::Choice);
INSTANTIATE_TYPED_TEST_SUITE_P(Normalize, TransformContract, own::Normalize);

template <>
struct contract::Sample<schedule::Constant> {
  static std::vector<schedule::Constant::Options> options() { return {{}}; }
  static long double expected(const schedule::Constant::Options&, std::int64_t) { return 1; }
  static std::int64_t peak(const schedule::Constant::Options&) { return 0; }
  static std::int64_t last(const schedule::Constant::Options&) { return 0; }
};
template <>
struct contract::Sample<schedule::Linear> {
  static std::vector<schedule::Linear::Options> options() {
    return {{.total_steps = 10},
            {.total_steps = 7, .start_factor = 0.3, .end_factor = 0.1},
            {.total_steps = 13, .start_factor = 0, .end_factor = 1},
            {.total_steps = 1}};
  }
  static long double expected(const schedule::Linear::Options& o, std::int64_t t) {
    if (t >= o.total_steps) return o.end_factor;
    const long double x = (long double)t / (long double)o.total_steps;
    return o.start_factor + ((long double)o.end_factor - o.start_factor) * x;
  }
  static std::int64_t peak(const schedule::Linear::Options& o) {
    return o.end_factor > o.start_factor ? o.total_steps : 0;
  }
  static std::int64_t last(const schedule::Linear::Options& o) { return o.total_steps; }
};
template <>
struct contract::Sample<schedule::Cosine> {
  static std::vector<schedule::Cosine::Options> options() {
    return {{.total_steps = 10},
            {.total_steps = 1000, .min_factor = 0.1},
            {.total_steps = 1, .min_factor = 1}};
  }
  static long double expected(const schedule::Cosine::Options& o, std::int64_t t) {
    if (t == 0) return 1;
    if (t >= o.total_steps) return o.min_factor;
    const long double x = (long double)t / (long double)o.total_steps;
    return o.min_factor +
           (1 - (long double)o.min_factor) * (1 + std::cos(std::acos(-1.0L) * x)) / 2;
  }
  static std::int64_t peak(const schedule::Cosine::Options&) { return 0; }
  static std::int64_t last(const schedule::Cosine::Options& o) { return o.total_steps; }
};
/// A warm-up in front of S, whose last step is found through `after`: its options without the
/// warm-up's steps.
template <class S>
struct WarmupSample {
  using Warmup = schedule::Warmup<S>;
  static typename S::Options after(const typename Warmup::Options& o) {
    typename S::Options rest = o.after;
    if constexpr (requires { rest.total_steps; }) rest.total_steps -= o.warmup_steps;
    return rest;
  }
  static long double expected(const typename Warmup::Options& o, std::int64_t t) {
    const long double begin = contract::Sample<S>::expected(after(o), 0);
    if (t < o.warmup_steps) return begin * (long double)(t + 1) / (long double)o.warmup_steps;
    return contract::Sample<S>::expected(after(o), t - o.warmup_steps);
  }
  static std::int64_t peak(const typename Warmup::Options& o) {
    return o.warmup_steps + contract::Sample<S>::peak(after(o));
  }
  static std::int64_t last(const typename Warmup::Options& o) {
    return o.warmup_steps + contract::Sample<S>::last(after(o));
  }
};
template <>
struct contract::Sample<schedule::Warmup<>> : WarmupSample<schedule::Constant> {
  static std::vector<Warmup::Options> options() {
    return {{}, {.warmup_steps = 1}, {.warmup_steps = 7}};
  }
};
template <>
struct contract::Sample<WarmupCosine> : WarmupSample<schedule::Cosine> {
  static std::vector<Warmup::Options> options() {
    return {{.warmup_steps = 3, .after = {.total_steps = 12}},
            {.warmup_steps = 0, .after = {.total_steps = 4, .min_factor = 0.2}},
            {.warmup_steps = 10, .after = {.total_steps = 11}}};
  }
};
template <>
struct contract::Sample<WarmupLinear> : WarmupSample<schedule::Linear> {
  static std::vector<Warmup::Options> options() {
    return {
        {.warmup_steps = 5, .after = {.total_steps = 15, .start_factor = 0.5, .end_factor = 0.25}}};
  }
};
template <>
struct contract::Sample<own::InverseSqrt> {
  static std::vector<own::InverseSqrt::Options> options() { return {{}, {.period = 1}}; }
  static long double expected(const own::InverseSqrt::Options& o, std::int64_t t) {
    return 1 / std::sqrt(1 + (long double)t / (long double)o.period);
  }
  static std::int64_t peak(const own::InverseSqrt::Options&) { return 0; }
};
using HeldStep = schedule::HindranceAware<schedule::Step>;
template <>
struct contract::Sample<HeldStep> {
  static std::vector<HeldStep::Options> options() {
    return {{true, {.step_size = 3, .gamma = 0.5}}, {false, {.step_size = 1, .gamma = 0.9}}};
  }
  static long double expected(const HeldStep::Options& o, std::int64_t t) {
    return std::pow((long double)o.schedule.gamma, (long double)(t / o.schedule.step_size));
  }
  static std::int64_t peak(const HeldStep::Options&) { return 0; }
};
INSTANTIATE_TYPED_TEST_SUITE_P(Constant, ScheduleContract, schedule::Constant);
INSTANTIATE_TYPED_TEST_SUITE_P(Linear, ScheduleContract, schedule::Linear);
INSTANTIATE_TYPED_TEST_SUITE_P(Cosine, ScheduleContract, schedule::Cosine);
INSTANTIATE_TYPED_TEST_SUITE_P(Warmup, ScheduleContract, schedule::Warmup<>);
INSTANTIATE_TYPED_TEST_SUITE_P(WarmupCosine, ScheduleContract, WarmupCosine);
INSTANTIATE_TYPED_TEST_SUITE_P(WarmupLinear, ScheduleContract, WarmupLinear);
INSTANTIATE_TYPED_TEST_SUITE_P(HeldStep, ScheduleContract, HeldStep);
INSTANTIATE_TYPED_TEST_SUITE_P(InverseSqrt, ScheduleContract, own::InverseSqrt);

template <>
struct contract::Sample<hindrance::None> {
  static std::vector<hindrance::None::Options> options() { return {{}}; }
};
template <>
struct contract::Sample<contract::SkipAbove> {
  static std::vector<SkipAbove::Options> options() { return {{}, {.limit = 30}}; }
};
template <>
struct contract::Sample<HalveAfterLoss> {
  static std::vector<HalveAfterLoss::Options> options() { return {{}, {.limit = -1}}; }
};
template <>
struct contract::Sample<hindrance::Detector> {
  static std::vector<hindrance::Detector::Options> options() { return {{}, {0}, {1}}; }
};
template <>
struct contract::Sample<hindrance::SkipStep> {
  static std::vector<hindrance::SkipStep::Options> options() {
    return {{}, {.sigma_factor = 2, .rolling_interval = 20}, {.repaired = false}};
  }
};
template <>
struct contract::Sample<hindrance::ZClip> {
  static std::vector<hindrance::ZClip::Options> options() {
    return {{}, {.zclip_warmup = 3}, {.zclip_threshold = 0.5, .zclip_warmup = 2}};
  }
};
template <>
struct contract::Sample<hindrance::AdaGC> {
  static std::vector<hindrance::AdaGC::Options> options() {
    return {{}, {.adagc_warmup = 3}, {.adagc_beta = 0.5, .adagc_warmup = 0, .repaired = false}};
  }
};
INSTANTIATE_TYPED_TEST_SUITE_P(None, HindranceContract, hindrance::None);
INSTANTIATE_TYPED_TEST_SUITE_P(Detector, HindranceContract, hindrance::Detector);
INSTANTIATE_TYPED_TEST_SUITE_P(SkipStep, HindranceContract, hindrance::SkipStep);
INSTANTIATE_TYPED_TEST_SUITE_P(ZClip, HindranceContract, hindrance::ZClip);
INSTANTIATE_TYPED_TEST_SUITE_P(AdaGC, HindranceContract, hindrance::AdaGC);
INSTANTIATE_TYPED_TEST_SUITE_P(SkipAbove, HindranceContract, contract::SkipAbove);
INSTANTIATE_TYPED_TEST_SUITE_P(HalveAfterLoss, HindranceContract, HalveAfterLoss);

template <>
struct contract::Sample<momentum::Fixed> {
  static std::vector<momentum::Fixed::Options> options() { return {{}}; }
};
template <>
struct contract::Sample<GrowingNesterov> {
  static std::vector<GrowingNesterov::Options> options() {
    return {{}, {.period = 1, .look = 0.5}};
  }
};
template <>
struct contract::Sample<momentum::Choice> {
  static std::vector<momentum::Choice::Options> options() {
    return {
        {}, {momentum::Mode::adaptive, {0.2}}, {momentum::Mode::fixed}, {momentum::Mode::nesterov}};
  }
};
INSTANTIATE_TYPED_TEST_SUITE_P(Fixed, MomentumContract, momentum::Fixed);
INSTANTIATE_TYPED_TEST_SUITE_P(Choice, MomentumContract, momentum::Choice);
INSTANTIATE_TYPED_TEST_SUITE_P(GrowingNesterov, MomentumContract, GrowingNesterov);

namespace {

TEST(TrivialPolicies, ConcludeNothingAndChangeNothing) {
  hindrance::None::Memory memory;
  const Verdict v = hindrance::None::judge({}, {.norm2 = std::nan(""), .nonfinite = 3}, memory);
  EXPECT_EQ(v.level, 0);
  EXPECT_EQ(v.lr_factor, 1);
  EXPECT_EQ(v.norm_bound, std::numeric_limits<double>::infinity());
  EXPECT_FALSE(v.skip);
  const Blend blend = momentum::Fixed::blend({}, {}, 0.9);
  EXPECT_EQ(blend.beta1, 0.9);
  EXPECT_EQ(blend.look, 0);
  static_assert(recipe::SGD::wants == kNothing && recipe::Adam::wants == kNothing &&
                recipe::AdamW::wants == kNothing);
}

TEST(LossSignal, ReachesTheHindrancePolicyInAnyFloatingType) {
  using Optimizer = agmohd::Optimizer<Recipe<rule::SGD, HalveAfterLoss>>;
  for (const at::ScalarType dtype : contract::kDtypes) {
    at::Tensor p = at::zeros({3}, at::kDouble);
    p.mutable_grad() = at::ones_like(p);
    Optimizer optimizer({p}, Optimizer::Options(1.0));
    double position = 0, factor = 1;
    for (const double loss : {0.25, 0.75, 0.5, 2.0, 0.0}) {
      optimizer.step(at::scalar_tensor(loss, dtype));
      position -= factor;
      if (loss > 0.5) factor /= 2;
      EXPECT_EQ(p[0].item<double>(), position) << dtype << ", loss " << loss;
    }
    optimizer.step(
        [] { return at::scalar_tensor(9.0); });  // what a closure returns is the loss, too
    optimizer.step();                            // none: nothing to judge
    optimizer.step();
    EXPECT_EQ(p[0].item<double>(), position - factor * (1 + 0.5 + 0.5));
    EXPECT_THROW(optimizer.step(at::zeros({2})), c10::Error);
  }
}

TEST(HindranceBound, LowersTheNormThatClipByNormAllows) {
  Signals s{.norm2 = 100, .max_abs = 9};
  const auto k = gradient::ClipByNorm::at<double>({.max_norm = 5}, s, {.norm_bound = 2});
  EXPECT_DOUBLE_EQ(k.factor, 0.2);
  EXPECT_DOUBLE_EQ(s.norm2, 4);
  EXPECT_DOUBLE_EQ(s.max_abs, 1.8);
}

TEST(Chains, MeasureWhatTheClampLeaves) {
  using Trained = contract::Trained<contract::Skipping<rule::SGD, ClipBoth>>;
  Trained trained(Trained::Options(0.01).max_value(0.5));
  trained.run(0, 1);
  double norm2 = 0;
  for (const at::Tensor& param : trained.params) {
    norm2 += param.grad().to(at::kDouble).clamp(-0.5, 0.5).square().sum().item<double>();
  }
  EXPECT_NEAR(trained.optimizer.signals().norm2, norm2, 1e-6 * norm2);
  EXPECT_EQ(trained.optimizer.signals().max_abs, 0.5);
}

TEST(ScheduledRecipe, FollowsAStockOptimizerWithTheSchedulerAndResumes) {
  using Recipe = agmohd::Recipe<rule::SGD, WarmupCosine>;
  using Trained = contract::Trained<Recipe>;
  for (const auto& sample : contract::Sample<WarmupCosine>::options()) {
    Trained own(Trained::Options(0.5).template set<typename Recipe::Schedule>(sample), at::kDouble);
    const std::vector<at::Tensor> params = contract::parameters(at::kDouble);
    torch::optim::SGD stock(params, torch::optim::SGDOptions(0.5));
    schedule::Scheduler<WarmupCosine> scheduler(stock, sample);
    for (std::int64_t t = 0; t < 16; ++t) {
      own.run(t, t + 1);
      contract::set_gradients(params, t);
      stock.step();
      scheduler.step();
      for (std::size_t i = 0; i < params.size(); ++i) {
        EXPECT_TRUE(at::allclose(own.params[i], params[i], 1e-13, 1e-13)) << t;
      }
    }
    EXPECT_EQ(own.optimizer.updates(), 16);
    EXPECT_EQ(own.optimizer.options().lr(), 0.5);  // the schedule leaves the options alone
    contract::expect_resumes<Recipe>(
        Trained::Options(0.5).template set<typename Recipe::Schedule>(sample), at::kFloat);
  }
}

TEST(StorageRecipe, ResumesInEveryDtype) {
  using Recipe = agmohd::Recipe<rule::Adam, gradient::ClipByNorm, storage::BFloat16>;
  using O = contract::Trained<Recipe>::Options;
  for (const auto& o : {O(0.1), O(0.1).stochastic_rounding(true).seed(-7).amsgrad(true)}) {
    for (const at::ScalarType dtype : contract::kDtypes) contract::expect_resumes<Recipe>(o, dtype);
  }
}

TEST(StabilizeRecipe, BackendsAgreeAndItResumes) {
  using Recipe = agmohd::Recipe<rule::AdamW, hindrance::AdaGC,
                                gradient::Chain<gradient::AdaptiveClip, gradient::Stabilize>>;
  using O = contract::Trained<Recipe>::Options;
  contract::expect_bounds<gradient::Stabilize>();
  const O calm(0.01), eager = O(0.01)
                                  .set<"adagc_warmup">(2)
                                  .max_norm(1e30)
                                  .set<"stabilize_norm">({0.5, 0.6})
                                  .set<"stabilize_max">(0.5);
  for (const O& o : {calm, eager}) {
    contract::expect_backends_agree<Recipe>(o);
    for (const at::ScalarType dtype : contract::kDtypes) contract::expect_resumes<Recipe>(o, dtype);
  }
}

}  // namespace
