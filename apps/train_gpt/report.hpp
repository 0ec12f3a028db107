// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace demo {

/// What one training step left behind. Numbers that were not measured are NaN.
struct Row {
  double loss, lr, grad_norm, tokens_per_second;
};

/// Throws std::runtime_error that names the file.
void write_file(const std::string& path, const std::string& contents);

/// step,loss,lr,grad_norm,tokens_per_second; a number that was not measured is an empty cell.
void write_csv(const std::string& path, const std::vector<Row>& rows);

/// One run in a picture.
struct Curve {
  std::string name;
  std::vector<Row> rows;
  double validation_loss;  // NaN: none
};
/// Something that happened at a step.
struct Mark {
  std::int64_t step;
  std::string text;
};

/// step and the loss of each run, under its name; a run that ended early has empty cells.
void write_losses(const std::string& path, const std::vector<Curve>& curves);

/// The loss curves of at most two runs: every step, its running mean, the validation loss at the
/// end, and vertical lines at the marks. What lies far above the first losses is cut off.
void write_svg(const std::string& path, const std::vector<Curve>& curves,
               const std::vector<Mark>& marks, const std::string& title);

}  // namespace demo
