// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <torch/version.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <thread>

#include "rules_train.hpp"

namespace rules_train {
namespace {

/// Tolerances of the marks.
constexpr double kAccuracy = 0.02, kLoss = 1.02;

std::string text(const char* format, double x) {
  if (std::isinf(x)) return "diverges";
  char out[64];
  std::snprintf(out, sizeof out, format, x);
  return out;
}

struct Spread {
  double median, least, most;
};
Spread spread(const std::vector<Result>& results, double Result::*member) {
  std::vector<double> all;
  for (const Result& r : results) all.push_back(r.*member);
  std::sort(all.begin(), all.end());
  return {all[all.size() / 2], all.front(), all.back()};
}
/// Median (least to most).
std::string text(const char* format, const Spread& x) {
  const std::string median = text(format, x.median);
  if (std::isinf(x.most) && std::isinf(x.least)) return median;
  return median + " (" + text(format, x.least) + " to " + text(format, x.most) + ")";
}

bool classifies(const stability::Task& task) { return task.name != "gpt"; }

/// Whether the median is worse than that of the reference by more than the tolerance.
bool behind(const stability::Task& task, const std::vector<Result>& results,
            const std::vector<Result>& reference) {
  if (!classifies(task)) {
    return !(spread(results, &Result::loss).median <=
             kLoss * spread(reference, &Result::loss).median);
  }
  return !(spread(results, &Result::accuracy).median >=
           spread(reference, &Result::accuracy).median - kAccuracy);
}

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  char out[16];
  std::strftime(out, sizeof out, "%Y-%m-%d", std::gmtime(&now));
  return out;
}

std::string introduction(const std::vector<std::vector<Cell>>& tasks, std::int64_t steps,
                         int reach) {
  const std::string seeds = std::to_string(tasks[0][0].at_default.size());
  std::string out =
      "# What the rules reach at default options\n\nSmall networks trained for " +
      std::to_string(steps) +
      " steps by each rule by itself, with its default options and a constant learning rate:\n"
      "no clip, no schedule, no warm-up. " +
      seeds + " seeds: median (least to most) of held-out loss and accuracy.\n\n";
  for (const auto& cells : tasks) {
    const std::string& name = cells[0].task->name;
    if (name == "gpt") {
      out +=
          "- gpt: bytes of the World English Bible; 2 layers of width 48, batches of 8 x 32 bytes. "
          "`*`: the median loss is more than 2 % above AdamW's.\n";
    } else {
      out += "- " + name +
             ": 8 x 8 images of digits, 1500 for training, 297 held out; batches of 16, labels "
             "smoothed by 0.1. `*`: the median accuracy is more than 2 points below AdamW's.\n";
    }
  }
  if (reach > 0) {
    out +=
        "- *At best lr*: of the rates lr 3^k, searched upwards and downwards from the default "
        "while "
        "the median held-out loss falls, at most " +
        std::to_string(reach) +
        " times. The same data choose and judge it, which flatters all rules alike. Its `*` "
        "compares "
        "with AdamW at its best rate.\n";
  }
  out +=
      "- Schedule-free rules are evaluated at x, the average. Sophia gets a Gauss-Newton-Bartlett "
      "estimate every 10 steps.\n"
      "- *ms a step*: batch, forward, backward and update, on one thread beside the other runs.";
#ifndef __OPTIMIZE__
  out += " The rules were compiled without optimisation: their times are not those of the library.";
#endif
  out += "\n- " + processor() + ", " + std::to_string(std::thread::hardware_concurrency()) +
         " threads, LibTorch " TORCH_VERSION ", " + today() + ".\n\n";
  return out +
         "A rule that is behind here is not a bad rule: defaults are made for longer runs, larger "
         "networks or full batches.\n\n";
}

}  // namespace

std::string page(const std::vector<std::vector<Cell>>& tasks, std::int64_t steps, int reach) {
  std::string out = introduction(tasks, steps, reach), rule = "|---|---:|";
  out += "| rule | default lr |";
  for (const auto& cells : tasks) {
    const std::string& name = cells[0].task->name;
    const auto column = [&](const std::string& title) {
      out += " " + name + ": " + title + " |";
      rule += "---:|";
    };
    column("loss");
    if (classifies(*cells[0].task)) column("accuracy");
    column("ms a step");
    if (reach > 0)
      column(classifies(*cells[0].task) ? "at best lr: loss, accuracy, lr"
                                        : "at best lr: loss, lr");
  }
  out += " state, bytes a parameter |\n" + rule + "---:|\n";
  for (std::size_t i = 0; i < tasks[0].size(); ++i) {
    const Entry& entry = *tasks[0][i].entry;
    out += "| " + entry.name + " | " + text("%g", entry.lr) + " |";
    for (const auto& cells : tasks) {
      const Cell& cell = cells[i];
      const stability::Task& task = *cell.task;
      const auto mark = [&](std::vector<Result> Cell::*part) {
        return behind(task, cell.*part, cells[0].*part) ? " \\*" : "";
      };
      const std::string here = mark(&Cell::at_default);
      out += " " + text("%.3f", spread(cell.at_default, &Result::loss));
      if (classifies(task)) {
        out += " | " + text("%.3f", spread(cell.at_default, &Result::accuracy));
      }
      out += here + " | " + text("%.3f", 1e3 * spread(cell.at_default, &Result::seconds).median) +
             " |";
      if (reach == 0) continue;
      out += " " + text("%.3f", spread(cell.at_best, &Result::loss).median);
      if (classifies(task)) {
        out += ", " + text("%.3f", spread(cell.at_best, &Result::accuracy).median);
      }
      out += ", " + text("%.2g", cell.best_lr) + mark(&Cell::at_best) + " |";
    }
    out += " " + text("%.1f", tasks[0][i].at_default[0].state_bytes) + " |\n";
  }
  return out +
         "\nThis page is the output of `agmohd_rules_train`; docs/performance.md has the "
         "command.\n";
}

}  // namespace rules_train
