// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
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

namespace testing_published {

using namespace agmohd;
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

using Rows = std::vector<std::vector<double>>;

/// A section of published.txt.
inline const Rows& golden(const char* name) {
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

inline void expect_close(double got, double want, std::size_t t) {
  if (std::isfinite(want)) {
    ASSERT_NEAR(got, want, 1e-9 * std::fabs(want)) << "at " << t;
  } else {
    ASSERT_TRUE(std::isnan(want) ? std::isnan(got) : got == want) << got << " at " << t;
  }
}

inline Signals measured(double norm, double loss = kNaN) {
  Signals s;
  s.norm2 = norm * norm;
  s.nonfinite = std::isfinite(norm) ? 0 : 1;
  s.loss = loss;
  s.has_loss = !std::isnan(loss);
  return s;
}
inline TensorSignals of_tensor(double norm) {
  return {norm * norm, norm, std::isfinite(norm) ? 0 : 1, 1};
}

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

}  // namespace testing_published
