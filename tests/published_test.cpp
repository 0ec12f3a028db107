// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// Published stabilisers follow their authors' formulas, as golden/make_published.py wrote them
// down, defects included; and `repaired` they do not have the defects. No LibTorch needed.

#include <gtest/gtest.h>

#include <agmohd/recipes.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace {

using namespace agmohd;
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

using Rows = std::vector<std::vector<double>>;

/// A section of published.txt.
const Rows& golden(const char* name) {
  static const std::map<std::string, Rows> sections = [] {
    const auto path = std::filesystem::path(AGMOHD_TESTS) / "golden" / "published.txt";
    std::ifstream file(path);
    std::map<std::string, Rows> read;
    std::string section, number;
    std::size_t rows = 0, columns = 0;
    while (file >> section >> rows >> columns) {
      Rows& to = read[section];
      to.assign(rows, std::vector<double>(columns));
      for (auto& row : to) {
        for (double& x : row) {
          file >> number;
          x = std::strtod(number.c_str(), nullptr);  // takes nan and inf
        }
      }
    }
    return read;
  }();
  return sections.at(name);
}

void expect_close(double got, double want, std::size_t t) {
  if (std::isfinite(want)) {
    ASSERT_NEAR(got, want, 1e-9 * std::fabs(want)) << "at " << t;
  } else {
    ASSERT_TRUE(std::isnan(want) ? std::isnan(got) : got == want) << got << " at " << t;
  }
}

Signals measured(double norm, double loss = kNaN) {
  Signals s;
  s.norm2 = norm * norm;
  s.nonfinite = std::isfinite(norm) ? 0 : 1;
  s.loss = loss;
  s.has_loss = !std::isnan(loss);
  return s;
}
TensorSignals of_tensor(double norm) { return {norm * norm, norm, std::isfinite(norm) ? 0 : 1, 1}; }

template <class T>
bool same_bytes(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

/// A recipe that is driven by signals alone, of some tensors.
template <class R>
struct Driven {
  typename R::Shared shared{};
  typename R::Group group{1e-3, {}};
  typename R::Memory memory{};
  std::vector<typename R::PerTensor> tensors;
  std::vector<typename R::template Coefficients<double>> k;

  explicit Driven(std::size_t count) : tensors(count), k(count) {}

  Verdict step(const std::vector<TensorSignals>& ts, double loss = kNaN) {
    Signals s = measured(0, loss);
    for (const auto& t : ts) {
      s.norm2 += t.norm2;
      s.max_abs = std::fmax(s.max_abs, t.max_abs);
      s.nonfinite += t.nonfinite;
    }
    const Verdict v = R::judge(shared, group, s, memory);
    for (std::size_t i = 0; !v.skip && i < ts.size(); ++i) {
      k[i] = R::template decide<double>(shared, group, s, v, memory, tensors[i], 0, ts[i]);
    }
    if (!v.skip) memory.updates += 1;
    return v;
  }
  Verdict step_norms(const std::vector<double>& norms) {
    std::vector<TensorSignals> ts;
    for (const double norm : norms) ts.push_back(of_tensor(norm));
    return step(ts);
  }
};

template <class Hindrance, class Gradient>
using Stabilised = Recipe<rule::AdamW, Hindrance, Gradient>;

// ---- SkipStep

using hindrance::SkipStep;

TEST(SkipStep, SkipsWhatOlmoSkips) {
  for (const bool repaired : {false, true}) {
    for (const char* name : {"skip_step", "skip_step_jump"}) {
      SkipStep::Memory m;
      std::size_t t = 0;
      for (const auto& row : golden(name)) {
        const Verdict v = SkipStep::judge({.repaired = repaired}, measured(row[1], row[0]), m);
        ASSERT_EQ(v.skip, row[2] != 0) << name << " " << t++;
        ASSERT_EQ(v.skip, v.level > 0);
      }
    }
  }
}

TEST(SkipStep, OneNanSkipsAnIntervalAsPublishedAndOneStepRepaired) {
  for (const char* name : {"skip_step_nan", "skip_step_early_nan"}) {
    SkipStep::Memory published, repaired;
    int skips = 0, skips_repaired = 0;
    std::size_t t = 0;
    for (const auto& row : golden(name)) {
      Signals s = measured(row[1], row[0]);
      s.has_loss = true;
      ASSERT_EQ(SkipStep::judge({.repaired = false}, s, published).skip, row[2] != 0)
          << name << " " << t;
      const Verdict v = SkipStep::judge({}, s, repaired);
      const bool finite = std::isfinite(row[0]) && std::isfinite(row[1]);
      ASSERT_EQ(v.skip, !finite) << name << " " << t++;
      ASSERT_EQ(v.flags, finite ? 0U : unsigned(Flag::nonfinite));
      skips += row[2] != 0 ? 1 : 0;
      skips_repaired += v.skip ? 1 : 0;
    }
    EXPECT_GT(skips, 100);
    EXPECT_EQ(skips_repaired, 1);
  }
}

TEST(SkipStep, RepairedANonfiniteStepLeavesTheWindows) {
  SkipStep::Memory m;
  for (int t = 0; t < 200; ++t) SkipStep::judge({}, measured(1 + 0.01 * (t % 7), 2), m);
  for (const Signals& s : {measured(kNaN, 2), measured(kInf, 2), measured(1, kInf)}) {
    const SkipStep::Memory before = m;
    EXPECT_TRUE(SkipStep::judge({}, s, m).skip);
    EXPECT_TRUE(same_bytes(m.losses, before.losses));
    EXPECT_TRUE(same_bytes(m.norms, before.norms));
  }
}

TEST(SkipStep, EqualValuesAreSkippedAsPublishedAlone) {
  for (const bool repaired : {false, true}) {
    SkipStep::Memory m;
    for (int t = 0; t < 150; ++t) {
      ASSERT_EQ(SkipStep::judge({.repaired = repaired}, measured(0.1), m).skip,
                !repaired && t >= 63)
          << t;
    }
  }
}

TEST(SkipStep, NeedsNoLossAndTakesShorterIntervals) {
  SkipStep::Memory m;
  const SkipStep::Options o{.rolling_interval = 20};
  for (int t = 0; t < 100; ++t) {
    EXPECT_FALSE(SkipStep::judge(o, measured(1 + 0.01 * (t % 7)), m).skip);
  }
  EXPECT_TRUE(SkipStep::judge(o, measured(1.2), m).skip);
  EXPECT_EQ(m.losses.count, 0);
  EXPECT_EQ(m.norms.count, 101);
}

// ---- ZClip

using hindrance::ZClip;

TEST(ZClip, BoundsTheNormAsItsAuthorsDo) {
  for (const bool repaired : {false, true}) {
    for (const char* name : {"zclip", "zclip_jump"}) {
      ZClip::Memory m;
      std::size_t t = 0;
      for (const auto& row : golden(name)) {
        const Verdict v = ZClip::judge({.repaired = repaired}, measured(row[0]), m);
        expect_close(v.norm_bound, row[1], t++);
        ASSERT_FALSE(v.skip);
      }
    }
  }
}

TEST(ZClip, ANanDisablesItAsPublishedAndIsSkippedRepaired) {
  ZClip::Memory published, repaired, without;
  std::size_t t = 0;
  int clipped = 0;
  for (const auto& row : golden("zclip_nan")) {
    const Signals s = measured(row[0]);
    const Verdict v = ZClip::judge({.repaired = false}, s, published);
    expect_close(v.norm_bound, row[1], t);
    ASSERT_FALSE(v.skip);
    const Verdict w = ZClip::judge({}, s, repaired);
    ASSERT_EQ(w.skip, std::isnan(row[0]));
    if (!w.skip) {
      ASSERT_EQ(w.norm_bound, ZClip::judge({}, s, without).norm_bound);
      repaired.nonfinite = {};  // applied steps pay for skipped ones little by little
      ASSERT_TRUE(same_bytes(repaired, without));
    }
    clipped += t++ > 180 && w.norm_bound < kInf ? 1 : 0;
  }
  EXPECT_TRUE(std::isnan(published.mean));
  EXPECT_GT(clipped, 0);
}

TEST(ZClip, AWarmUpOfZerosStopsItForEverAsPublishedAlone) {
  for (const bool repaired : {false, true}) {
    ZClip::Memory m;
    for (int t = 0; t < 25; ++t) ZClip::judge({.repaired = repaired}, measured(0), m);
    EXPECT_EQ(ZClip::judge({.repaired = repaired}, measured(1), m).norm_bound, repaired ? kInf : 0);
  }
}

TEST(ZClip, ClipsThroughTheGradientPolicies) {
  Driven<Stabilised<ZClip, gradient::ClipByNorm>> run(1);
  Driven<Stabilised<ZClip, gradient::AdaptiveClip>> adaptive(1);
  for (auto* o : {&run.shared.gradient, &adaptive.shared.gradient}) o->max_norm = 2;
  std::size_t t = 0;
  for (const auto& row : golden("zclip")) {
    run.step_norms({row[0]});
    adaptive.step_norms({row[0]});
    const double bound = std::fmin(row[1], 2), want = row[0] > bound ? bound / row[0] : 1;
    expect_close(run.k[0].gradient.factor, want, t);
    expect_close(adaptive.k[0].gradient.factor, want, t++);
  }
}

// ---- AdaGC

using hindrance::AdaGC;
using AdaGCRun = Driven<Stabilised<AdaGC, gradient::AdaptiveClip>>;

TEST(AdaGC, ClipsTensorsAsItsAuthorsDo) {
  for (const bool repaired : {false, true}) {
    AdaGCRun run(3);
    run.shared.hindrance.repaired = repaired;
    run.shared.gradient.max_norm = 1e30;
    std::size_t t = 0;
    for (const auto& row : golden("adagc")) {
      ASSERT_FALSE(run.step_norms({row[0], row[1], row[2]}).skip);
      for (std::size_t i = 0; i < 3; ++i) expect_close(run.k[i].gradient.factor, row[3 + i], t);
      ++t;
    }
  }
}

TEST(AdaGC, ANanDisablesATensorsClipAsPublishedAndIsSkippedRepaired) {
  AdaGCRun published(3), repaired(3), without(3);
  published.shared.hindrance.repaired = false;
  for (auto* run : {&published, &repaired, &without}) run->shared.gradient.max_norm = 1e30;
  std::size_t t = 0;
  for (const auto& row : golden("adagc_nan")) {
    const std::vector<double> norms{row[0], row[1], row[2]};
    ASSERT_FALSE(published.step_norms(norms).skip);
    for (std::size_t i = 0; i < 3 && !std::isnan(row[1]); ++i) {
      expect_close(published.k[i].gradient.factor, row[3 + i], t);
    }
    ASSERT_EQ(repaired.step_norms(norms).skip, std::isnan(row[1]));
    if (!std::isnan(row[1])) {
      without.step_norms(norms);
      for (std::size_t i = 0; i < 3; ++i) {
        ASSERT_EQ(repaired.k[i].gradient.factor, without.k[i].gradient.factor) << t;
      }
    }
    if (t == 250) {
      EXPECT_EQ(published.k[1].gradient.factor, 1);  // of a norm of 50 times its mean
      EXPECT_LT(repaired.k[1].gradient.factor, 0.05);
    }
    ++t;
  }
  EXPECT_TRUE(std::isnan(published.tensors[1].hindrance.memory.mean));
}

TEST(AdaGC, ATensorWithoutAGradientAtFirstIsFrozenForEverAsPublishedAlone) {
  for (const bool repaired : {false, true}) {
    AdaGCRun run(3);
    run.shared.hindrance.repaired = repaired;
    run.shared.gradient.max_norm = 1e30;
    std::size_t t = 0;
    for (const auto& row : golden("adagc_zero")) {
      run.step_norms({row[0], row[1], row[2]});
      if (!repaired) {
        for (std::size_t i = 0; i < 3; ++i) expect_close(run.k[i].gradient.factor, row[3 + i], t);
      } else if (t >= 100) {
        ASSERT_GT(run.k[1].gradient.factor, 0.01);
      }
      ++t;
    }
    EXPECT_EQ(run.k[1].gradient.factor > 0.01, repaired);
  }
}

TEST(AdaGC, BeginsATensorThatJoinsLaterWithItsOwnNorm) {
  AdaGCRun run(2);
  run.shared.gradient.max_norm = 1e30;
  for (int t = 0; t < 150; ++t) run.step_norms({0.5});
  run.step_norms({0.5, 7});
  EXPECT_EQ(run.k[1].gradient.factor, 1);
  run.step_norms({0.5, 14});
  EXPECT_NEAR(run.k[1].gradient.factor, 0.525, 1e-12);
}

// ---- Stabilize

using gradient::Stabilize;

std::vector<double> first_half(const std::vector<double>& row) {
  return {row.begin(), row.begin() + std::ptrdiff_t(row.size() / 2)};
}
TensorSignals of_gradient(const std::vector<double>& g) {
  TensorSignals ts;
  for (const double x : g) {
    ts.norm2 += x * x;
    ts.max_abs = std::fabs(x) > ts.max_abs || x != x ? std::fabs(x) : ts.max_abs;
    ts.nonfinite += std::isfinite(x) ? 0 : 1;
  }
  ts.numel = std::int64_t(g.size());
  return ts;
}
template <class Transform, class K>
std::vector<double> applied(const std::vector<double>& g, const K& k) {
  std::vector<double> out;
  for (const double x : g) out.push_back(Transform::apply(x, k));
  return out;
}
double norm_of(const std::vector<double>& g) { return std::sqrt(of_gradient(g).norm2); }

using Stable = Stabilised<hindrance::None, Stabilize>;

TEST(Stabilize, ClipsAndNormalisesAsItsAuthorsDoWhereOneElementIsBeyond) {
  for (const bool repaired : {false, true}) {
    Driven<Stable> run(1);
    run.shared.gradient.stabilize_repaired = repaired;
    std::size_t t = 0, clipped = 0;
    for (const auto& row : golden("stabilize")) {
      const std::vector<double> g = first_half(row);
      run.step({of_gradient(g)});
      clipped += run.k[0].gradient.limit < kInf ? 1 : 0;
      const auto got = applied<Stabilize>(g, run.k[0].gradient);
      for (std::size_t i = 0; i < g.size(); ++i) {
        ASSERT_NEAR(got[i], row[g.size() + i], 1e-7 * std::fabs(row[g.size() + i])) << t;
      }
      ++t;
    }
    EXPECT_GT(clipped, 20U);
  }
}

TEST(Stabilize, ABurstEndsUpBelowTheAuthorsAndIsSoonForgotten) {
  Driven<Stable> run(1);
  std::size_t t = 0;
  for (const auto& row : golden("stabilize_burst")) {
    const std::vector<double> g = first_half(row);
    run.step({of_gradient(g)});
    const double got = norm_of(applied<Stabilize>(g, run.k[0].gradient));
    const double want = norm_of({row.begin() + std::ptrdiff_t(g.size()), row.end()});
    if (t < 50) {
      ASSERT_NEAR(got, want, 0.1 * want) << t;
    } else if (t == 50) {
      EXPECT_LT(got, want);
      EXPECT_GT(got, 0.2 * want);
    } else {
      ASSERT_NEAR(got, want, (t < 80 ? 0.35 : 0.1) * want) << t;
    }
    ++t;
  }
}

TEST(Stabilize, ANanPoisonsAllLaterGradientsAsPublishedAlone) {
  Driven<Stable> published(1), repaired(1), without(1);
  published.shared.gradient.stabilize_repaired = false;
  std::size_t t = 0;
  for (const auto& row : golden("stabilize_nan")) {
    const std::vector<double> g = first_half(row);
    for (auto* run : {&published, &repaired}) run->step({of_gradient(g)});
    EXPECT_EQ(std::isnan(published.k[0].gradient.factor), t >= 20);
    EXPECT_EQ(std::isnan(row.back()), t >= 20);
    if (t == 20) {
      EXPECT_EQ(repaired.k[0].gradient.factor, 1);
      EXPECT_TRUE(std::isnan(applied<Stabilize>(g, repaired.k[0].gradient)[0]));
    } else {
      without.step({of_gradient(g)});
      EXPECT_EQ(repaired.k[0].gradient.factor, without.k[0].gradient.factor);
    }
    ++t;
  }
  EXPECT_TRUE(same_bytes(repaired.tensors[0].gradient, without.tensors[0].gradient));
}

TEST(Stabilize, ComposesInChainsAndWithTheDetector) {
  using Guarded = gradient::Chain<gradient::AdaptiveClip, Stabilize>;
  using Both = gradient::Chain<gradient::ClipByValue, Stabilize, Stabilize>;
  static_assert(sizeof(Guarded::TensorMemory) == sizeof(Stabilize::TensorMemory));
  static_assert(sizeof(Both::TensorMemory) == 2 * sizeof(Stabilize::TensorMemory));
  static_assert(std::is_empty_v<gradient::Chain<gradient::AdaptiveClip>::TensorMemory>);
  Driven<Recipe<rule::AdamW, hindrance::Detector, momentum::Choice, Guarded>> guarded(2);
  Driven<Stable> alone(2);
  guarded.shared.gradient.head.max_norm = 1e-3;
  std::size_t t = 0;
  for (const auto& row : golden("stabilize")) {
    const std::vector<double> g = first_half(row), h(5, row[0]);
    if (t++ == 40) break;
    const std::vector<TensorSignals> ts{of_gradient(g), of_gradient(h)};
    const double norm = std::sqrt(ts[0].norm2 + ts[1].norm2);
    ASSERT_FALSE(guarded.step(ts).skip);
    auto clipped = ts;
    for (auto& x : clipped) {
      x.norm2 *= 1e-6 / (norm * norm);
      x.max_abs *= 1e-3 / norm;
    }
    alone.step(clipped);
    for (std::size_t i = 0; i < 2; ++i) {
      const double want = alone.k[i].gradient.factor;
      ASSERT_NEAR(guarded.k[i].gradient.rest.head.factor, want, 1e-9 * want) << t;
    }
  }
}

// ---- SPAM

std::vector<double> spam_run(const rule::SPAM::Options& o, const Rows& rows, bool compare) {
  using Spam = Recipe<rule::SPAM>;
  Driven<Spam> run(1);
  run.group = {0.01, o};
  const std::size_t size = rows[0].size() / 2;
  std::vector<double> p(size, 0.5);
  std::vector<Spam::Slots<double>> slots(size);
  std::size_t t = 0;
  for (const auto& row : rows) {
    run.step({TensorSignals{}});
    for (std::size_t i = 0; i < size; ++i) {
      slots[i].max_exp_avg_sq = 0;  // a slot that is not used
      p[i] = Spam::sweep(p[i], row[i], slots[i], run.k[0], {});
      if (compare) {
        EXPECT_NEAR(p[i], row[size + i], 1e-10) << i << " at " << t;
      }
    }
    ++t;
  }
  return p;
}

TEST(SPAM, StepsAsItsAuthorsDo) {
  rule::SPAM::Options o{
      .spike_threshold = 20, .reset_interval = 40, .reset_warmup = 10, .spike_repaired = false};
  const Rows& rows = golden("spam");
  const std::vector<double> published = spam_run(o, rows, true);
  o.spike_repaired = true;
  const std::vector<double> repaired = spam_run(o, rows, false);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(published[std::size_t(i)], repaired[std::size_t(i)]);
  EXPECT_NE(published[3], repaired[3]);
  o.spike_threshold = 0;
  EXPECT_NE(spam_run(o, rows, false)[0], repaired[0]);
}

TEST(SPAM, ResetsAsStableSpamDoes) {
  spam_run(
      {.spike_threshold = 0, .reset_interval = 50, .reset_warmup = 0, .reset_correction = true},
      golden("spam_stable"), true);
}

TEST(SPAM, AnElementWithoutAGradientAtFirstIsFrozenAsPublishedAlone) {
  Rows rows(100, {0, 0});
  for (std::size_t t = 20; t < rows.size(); ++t) rows[t][0] = 1;
  EXPECT_EQ(spam_run({.spike_repaired = false}, rows, false)[0], 0.5);
  EXPECT_LT(spam_run({}, rows, false)[0], 0);
}

// ---- StableAdamW

void stable_adamw_run(const rule::StableAdamW::Options& o, const Rows& rows, std::size_t until,
                      std::vector<double>& p) {
  using R = Recipe<rule::StableAdamW>;
  static_assert(R::wants == (kSums | kTensors) && !R::recorded);
  Driven<R> run(1);
  run.group = {0.01, o};
  const std::size_t size = (rows[0].size() - 1) / 2;
  p.assign(size, 0.5);
  std::vector<R::Slots<double>> slots(size);
  for (std::size_t t = 0; t < rows.size(); ++t) {
    const auto& row = rows[t];
    const auto k = rule::StableAdamW::summing<double>(o, run.tensors[0].rule);
    TensorSignals ts;
    ts.numel = std::int64_t(size);
    for (std::size_t i = 0; i < size; ++i) {
      slots[i].max_exp_avg_sq = 0;  // a slot that is not used
      ts.summed += rule::StableAdamW::summed(row[i], slots[i], k);
    }
    run.step({ts});
    for (std::size_t i = 0; i < size; ++i) {
      p[i] = R::sweep(p[i], row[i], slots[i], run.k[0], {});
      if (t >= until) continue;
      if (std::isnan(row[size + 1 + i])) {
        ASSERT_TRUE(std::isnan(p[i])) << i << " at " << t;
      } else {
        ASSERT_NEAR(p[i], row[size + 1 + i], 1e-9) << i << " at " << t;
      }
    }
    if (t < until) expect_close(std::sqrt(ts.summed / double(size)), row[size], t);
  }
}

TEST(StableAdamW, StepsAsItsAuthorsDo) {
  std::vector<double> p;
  for (const bool repaired : {false, true}) {
    stable_adamw_run({.weight_decay = 0.1, .rms_repaired = repaired}, golden("stable_adamw"), 1000,
                     p);
  }
}

TEST(StableAdamW, ANanPoisonsTheTensorAsPublishedAndItsElementRepaired) {
  const Rows& rows = golden("stable_adamw_nan");
  std::vector<double> p;
  stable_adamw_run({.weight_decay = 0.1, .rms_repaired = false}, rows, 1000, p);
  stable_adamw_run({.weight_decay = 0.1}, rows, 60, p);
  EXPECT_TRUE(std::isnan(p[0]));
  for (std::size_t i = 1; i < p.size(); ++i) EXPECT_TRUE(std::isfinite(p[i])) << i;
}

}  // namespace
