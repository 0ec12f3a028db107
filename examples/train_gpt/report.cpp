// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace demo {
namespace {

template <class... Numbers>
std::string format(const char* pattern, Numbers... numbers) {
  char buffer[256];
  std::snprintf(buffer, sizeof buffer, pattern, numbers...);
  return buffer;
}

void write(const std::string& path, const std::string& contents) {
  std::ofstream out(path, std::ios::binary);
  out << contents;
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

std::string escape(const std::string& text) {
  std::string result;
  for (const char c : text) {
    result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  }
  return result;
}

/// 1, 2 or 5 times a power of ten, such that about `count` ticks cover `range`.
double tick_distance(double range, int count) {
  const double raw = range / count, power = std::pow(10.0, std::floor(std::log10(raw)));
  const double digit = raw / power;
  return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

/// Where a step and a loss lie in the picture.
struct Axes {
  double x_max, y_min, y_max;
  static constexpr double left = 64, top = 44, width = 620, height = 320;

  double x(double step) const { return left + width * step / x_max; }
  double y(double loss) const { return top + height * (y_max - loss) / (y_max - y_min); }

  std::string line(const std::vector<double>& losses, const char* style) const {
    std::string points;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      if (!std::isfinite(losses[i])) continue;
      points += format("%.1f,%.1f ", x(static_cast<double>(i + 1)), y(losses[i]));
    }
    return "<polyline fill='none' " + std::string(style) + " points='" + points + "'/>\n";
  }
};

/// The mean over a window around each step, a fiftieth of the run wide and narrower towards the
/// ends.
std::vector<double> smooth(const std::vector<double>& losses) {
  const std::size_t n = losses.size();
  std::vector<double> result;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t reach = std::min({n / 100, i, n - 1 - i});
    double sum = 0;
    for (std::size_t k = i - reach; k <= i + reach; ++k) sum += losses[k];
    result.push_back(sum / static_cast<double>(2 * reach + 1));
  }
  return result;
}

}  // namespace

void write_csv(const std::string& path, const std::vector<Row>& rows) {
  std::string out = "step,loss,lr,grad_norm,tokens_per_second\n";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    out += std::to_string(i + 1);
    for (const double number : {row.loss, row.lr, row.grad_norm, row.tokens_per_second}) {
      out += std::isnan(number) ? "," : format(",%.9g", number);
    }
    out += '\n';
  }
  write(path, out);
}

void write_svg(const std::string& path, const std::vector<Row>& rows, double validation_loss,
               const std::string& title) {
  std::vector<double> losses, finite;
  for (const Row& row : rows) losses.push_back(row.loss);
  for (const double loss : losses) {
    if (std::isfinite(loss)) finite.push_back(loss);
  }
  const bool validated = std::isfinite(validation_loss);
  if (validated) finite.push_back(validation_loss);
  if (finite.empty()) finite = {0, 1};
  const auto [low, high] = std::minmax_element(finite.begin(), finite.end());
  const double dy = tick_distance(std::max(*high - *low, 1e-3), 6);
  const double steps = std::max(1.0, static_cast<double>(rows.size()));
  const double dx = std::max(1.0, tick_distance(steps, 8));
  const Axes axes{steps, dy * std::floor(*low / dy), dy * std::ceil(*high / dy + 1e-9)};
  const double right = Axes::left + Axes::width, bottom = Axes::top + Axes::height;

  std::string out =
      "<svg xmlns='http://www.w3.org/2000/svg' width='780' height='420' viewBox='0 0 780 420' "
      "font-family='sans-serif' font-size='12' fill='#333'>\n<rect width='780' height='420' "
      "fill='#fff'/>\n";
  out += format("<text x='%.0f' y='24' font-size='15'>", Axes::left) + escape(title) + "</text>\n";
  for (int i = 0; axes.y_min + i * dy <= axes.y_max + dy / 2; ++i) {
    const double value = axes.y_min + i * dy, y = axes.y(value);
    out += format("<path d='M%.0f %.1fH%.0f' stroke='#e4e4e4'/>", Axes::left, y, right);
    out += format("<text x='%.0f' y='%.1f' text-anchor='end'>%g</text>\n", Axes::left - 8, y + 4,
                  value);
  }
  for (int i = 0; i * dx <= steps * (1 + 1e-9); ++i) {
    const double x = axes.x(i * dx);
    out += format("<path d='M%.1f %.0fv5' stroke='#333'/>", x, bottom);
    out +=
        format("<text x='%.1f' y='%.0f' text-anchor='middle'>%g</text>\n", x, bottom + 19, i * dx);
  }
  out += format("<path d='M%.0f %.0fV%.0fH%.0f' fill='none' stroke='#333'/>\n", Axes::left,
                Axes::top, bottom, right);
  out += format("<text x='%.0f' y='%.0f' text-anchor='middle'>step</text>\n",
                Axes::left + Axes::width / 2, bottom + 40);
  out += format(
      "<text transform='translate(18 %.0f) rotate(-90)' text-anchor='middle'>"
      "loss, nats a byte</text>\n",
      Axes::top + Axes::height / 2);
  out += axes.line(losses, "stroke='#9cc3e6'");
  out += axes.line(smooth(losses), "stroke='#1f5f9f' stroke-width='2'");
  if (validated) {
    const double y = axes.y(validation_loss);
    out += format("<circle cx='%.1f' cy='%.1f' r='4.5' fill='#c8501e'/>", right, y);
    out += format("<text x='%.0f' y='%.1f' fill='#c8501e'>validation</text>", right + 10, y - 3);
    out += format("<text x='%.0f' y='%.1f' fill='#c8501e'>%.3f</text>\n", right + 10, y + 12,
                  validation_loss);
  }
  out += format("<path d='M%.0f 62h26' stroke='#9cc3e6'/><text x='%.0f' y='66'>each step</text>\n",
                right - 150, right - 116);
  out += format(
      "<path d='M%.0f 82h26' stroke='#1f5f9f' stroke-width='2'/><text x='%.0f' y='86'>"
      "running mean</text>\n",
      right - 150, right - 116);
  write(path, out + "</svg>\n");
}

}  // namespace demo
