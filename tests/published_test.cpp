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
const Rows& golden(const std::string& name) {
  static const std::map<std::string, Rows> sections = [] {
    const auto path = std::filesystem::path(__FILE__).parent_path() / "golden" / "published.txt";
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
    const Verdict v = R::judge(shared, s, memory);
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
using Stabilised = Recipe<rule::AdamW, Hindrance, momentum::Fixed, Gradient>;

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
  EXPECT_TRUE(std::isnan(published.tensors[1].hindrance.mean));
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
    EXPECT_EQ(run.k[1].gradient.factor > 0.5, repaired);
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

}  // namespace
