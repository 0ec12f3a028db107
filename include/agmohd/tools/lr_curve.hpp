// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace agmohd::tools {

/// What a range test of the learning rate saw.
struct LrCurve {
  std::vector<double> lrs;       ///< of the first group, growing
  std::vector<double> losses;    ///< at the parameters that the step with that rate started from
  std::vector<double> smoothed;  ///< their exponential mean, without bias
  bool diverged = false;         ///< it stopped for a loss that was too high or not finite

  /// Where the smoothed loss falls fastest along log(lr), and a point two thirds into its longest
  /// fall, as fastai's `steep` and `valley` have them; nothing if it never falls. Both leave out
  /// the first tenth of the planned rates and the last five points.
  std::optional<double> steepest, valley;

  /// A picture, 640 by 400: the losses, the smoothed losses, and the suggestions.
  std::string svg() const;
};

namespace detail {

/// The index i of the smallest (y[i+1] - y[i]) / log(x[i+1] / x[i]); nothing if none is below 0.
inline std::optional<std::size_t> steepest(const std::vector<double>& x,
                                           const std::vector<double>& y) {
  std::optional<std::size_t> at;
  double least = 0;
  for (std::size_t i = 0; i + 1 < y.size(); ++i) {
    const double slope = (y[i + 1] - y[i]) / std::log(x[i + 1] / x[i]);
    if (slope < least) least = slope, at = i;
  }
  return at;
}

/// With the longest falling subsequence, of length n and ending at `end` (the first of equals): the
/// index end - n + n/3 + n/6. Nothing if y never falls.
inline std::optional<std::size_t> valley(const std::vector<double>& y) {
  std::vector<std::size_t> length(y.size(), 1);
  std::size_t end = 0;
  for (std::size_t i = 1; i < y.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (y[i] < y[j]) length[i] = std::max(length[i], length[j] + 1);
    }
    if (length[i] > length[end]) end = i;
  }
  if (y.empty() || length[end] < 2) return std::nullopt;
  const auto n = static_cast<std::int64_t>(length[end]);
  // -1 where y falls all along and n < 3
  return static_cast<std::size_t>(std::max<std::int64_t>(0, std::int64_t(end) - n + n / 3 + n / 6));
}

/// Fills in the suggestions of a test that was to have `steps` rates.
inline void suggest(LrCurve& curve, std::int64_t steps) {
  const std::size_t first = std::min(std::size_t(steps / 10), curve.lrs.size());
  const std::size_t last = std::max(first, curve.lrs.size() < 5 ? 0 : curve.lrs.size() - 5);
  const auto cut = [&](const std::vector<double>& v) {
    return std::vector<double>(v.begin() + std::ptrdiff_t(first), v.begin() + std::ptrdiff_t(last));
  };
  const std::vector<double> lrs = cut(curve.lrs), losses = cut(curve.smoothed);
  if (const auto at = steepest(lrs, losses)) curve.steepest = lrs[*at];
  if (const auto at = valley(losses)) curve.valley = lrs[*at];
}

/// Whatever the locale.
inline std::string digits(double x, int significant = 5) {
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, x, std::chars_format::general, significant).ptr;
  return {buffer, end};
}

}  // namespace detail

inline std::string LrCurve::svg() const {
  const auto finite = [](double x) { return std::isfinite(x); };
  std::string out =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"400\" font-family="
      "\"sans-serif\" font-size=\"12\">\n<rect width=\"640\" height=\"400\" fill=\"white\"/>\n";
  std::vector<double> ys;
  std::copy_if(smoothed.begin(), smoothed.end(), std::back_inserter(ys), finite);
  if (ys.size() < 2) return out + "</svg>\n";
  // The first and the least loss are well within the picture, a divergence leaves it.
  const double low = *std::min_element(ys.begin(), ys.end());
  const double top = std::max(ys.front(), low), span = std::max(top - low, 1e-12);
  const double from = low - 0.2 * span, to = top + 0.5 * span;
  const double width = std::log(lrs.back() / lrs.front());
  const auto x = [&](double lr) { return 60 + 560 * std::log(lr / lrs.front()) / width; };
  const auto y = [&](double loss) {
    return 350 - 320 * std::clamp((loss - from) / (to - from), 0.0, 1.0);
  };
  const auto line = [&](const std::vector<double>& values, const char* style) {
    out += std::string("<polyline fill=\"none\" ") + style + " points=\"";
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!finite(values[i])) continue;
      out += detail::digits(x(lrs[i])) + "," + detail::digits(y(values[i])) + " ";
    }
    out += "\"/>\n";
  };
  const auto text = [&](double at, double height, const char* anchor, const std::string& what) {
    out += "<text x=\"" + detail::digits(at) + "\" y=\"" + detail::digits(height) +
           "\" text-anchor=\"" + anchor + "\">" + what + "</text>\n";
  };
  out += "<path d=\"M60,30V350H620\" fill=\"none\" stroke=\"black\"/>\n";
  line(losses, "stroke=\"#bbbbbb\"");
  line(smoothed, "stroke=\"#1f5fa8\" stroke-width=\"2\"");
  for (double power = std::ceil(std::log10(lrs.front()) - 1e-9);
       power <= std::log10(lrs.back()) + 1e-9; ++power) {
    text(x(std::pow(10.0, power)), 368, "middle", "1e" + detail::digits(power));
  }
  text(340, 392, "middle", "learning rate");
  text(56, y(top) + 4, "end", detail::digits(top, 4));
  text(56, y(low) + 4, "end", detail::digits(low, 4));
  const std::pair<const std::optional<double>&, const char*> marks[] = {{steepest, "steepest"},
                                                                        {valley, "valley"}};
  double height = 20;
  for (const auto& [lr, name] : marks) {
    if (!lr) continue;
    out += "<path d=\"M" + detail::digits(x(*lr)) +
           ",30V350\" stroke=\"#c0392b\" stroke-dasharray=\"4\"/>\n";
    text(x(*lr), height, "middle", std::string(name) + " " + detail::digits(*lr, 3));
    height += 14;
  }
  return out + "</svg>\n";
}

}  // namespace agmohd::tools
