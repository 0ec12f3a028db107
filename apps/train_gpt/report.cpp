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

  /// Interrupted where a loss is not finite.
  std::string line(const std::vector<double>& losses, const std::string& style) const {
    std::string path;
    bool pen_down = false;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      if (std::isfinite(losses[i])) {
        path += format("%s%.1f,%.1f ", pen_down ? "" : "M", x(static_cast<double>(i + 1)),
                       y(std::min(losses[i], 2 * y_max)));
      }
      pen_down = std::isfinite(losses[i]);
    }
    return "<path fill='none' clip-path='url(#frame)' " + style + " d='" + path + "'/>\n";
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

void write_file(const std::string& path, const std::string& contents) {
  std::ofstream out(path, std::ios::binary);
  out << contents;
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

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
  write_file(path, out);
}

void write_losses(const std::string& path, const std::vector<Curve>& curves) {
  std::string out = "step";
  std::size_t steps = 0;
  for (const Curve& curve : curves) {
    out += "," + curve.name;
    steps = std::max(steps, curve.rows.size());
  }
  out += '\n';
  for (std::size_t i = 0; i < steps; ++i) {
    out += std::to_string(i + 1);
    for (const Curve& curve : curves) {
      const bool there = i < curve.rows.size();
      out += there ? format(",%.9g", curve.rows[i].loss) : ",";
    }
    out += '\n';
  }
  write_file(path, out);
}

void write_svg(const std::string& path, const std::vector<Curve>& curves,
               const std::vector<Mark>& marks, const std::string& title) {
  std::vector<double> finite;
  double steps = 1, first = 0;
  for (const Curve& curve : curves) {
    steps = std::max(steps, static_cast<double>(curve.rows.size()));
    for (const Row& row : curve.rows) {
      if (std::isfinite(row.loss)) finite.push_back(row.loss);
    }
    if (std::isfinite(curve.validation_loss)) finite.push_back(curve.validation_loss);
    if (!curve.rows.empty()) first = std::max(first, curve.rows[0].loss);
  }
  if (finite.empty()) finite = {0, 1};
  const auto [least, most] = std::minmax_element(finite.begin(), finite.end());
  const double low = *least, high = first > low ? std::min(*most, 1.2 * first) : *most;
  const double dy = tick_distance(std::max(high - low, 1e-3), 6);
  const double dx = std::max(1.0, tick_distance(steps, 8));
  const Axes axes{steps, dy * std::floor(low / dy), dy * std::ceil(high / dy + 1e-9)};
  const double right = Axes::left + Axes::width, bottom = Axes::top + Axes::height;

  std::string out =
      "<svg xmlns='http://www.w3.org/2000/svg' width='780' height='420' viewBox='0 0 780 420' "
      "font-family='sans-serif' font-size='12' fill='#333'>\n<rect width='780' height='420' "
      "fill='#fff'/>\n";
  out += format(
      "<clipPath id='frame'><rect x='%.0f' y='%.0f' width='%.0f' height='%.0f'/></clipPath>\n",
      Axes::left, Axes::top, Axes::width, Axes::height);
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
  for (std::size_t i = 0; i < marks.size(); ++i) {
    const double x = axes.x(static_cast<double>(marks[i].step));
    out += format("<path d='M%.1f %.0fV%.0f' stroke='#888' stroke-dasharray='4 3'/>", x, Axes::top,
                  bottom);
    out += format("<text x='%.1f' y='%.0f' fill='#666'>", x + 4, bottom - 8 - 14 * double(i % 4)) +
           escape(marks[i].text) + "</text>\n";
  }
  constexpr const char* kFaint[] = {"#9cc3e6", "#f0b9a0"};
  constexpr const char* kStrong[] = {"#1f5f9f", "#c8501e"};
  double above = -1e9, legend = 66;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    std::vector<double> losses;
    for (const Row& row : curves[i].rows) losses.push_back(row.loss);
    out += axes.line(losses, format("stroke='%s'", kFaint[i % 2]));
    out += axes.line(smooth(losses), format("stroke='%s' stroke-width='2'", kStrong[i % 2]));
    out += format("<path d='M%.0f %.0fh26' stroke='%s' stroke-width='2'/><text x='%.0f' y='%.0f'>",
                  right - 190, legend - 4, kStrong[i % 2], right - 156, legend);
    out += escape(curves[i].name) + "</text>\n";
    legend += 20;
    const double loss = curves[i].validation_loss;
    if (!std::isfinite(loss)) continue;
    const double y = std::max(axes.y(loss), Axes::top);
    // Beside the curve; where two of them would overlap, the second goes lower.
    const double label = std::abs(y - above) < 30 ? above + 30 : y;
    above = label;
    out += format("<circle cx='%.1f' cy='%.1f' r='4.5' fill='%s'/>", right, y, kStrong[i % 2]);
    out += format("<text x='%.0f' y='%.1f' fill='%s'>validation</text>", right + 10, label - 3,
                  kStrong[i % 2]);
    out += format("<text x='%.0f' y='%.1f' fill='%s'>%.3f</text>\n", right + 10, label + 12,
                  kStrong[i % 2], loss);
  }
  out +=
      format("<text x='%.0f' y='%.0f' fill='#666'>faint: each step; strong: running mean</text>\n",
             right - 190, legend);
  write_file(path, out + "</svg>\n");
}

}  // namespace demo
