// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <vector>

namespace demo {

/// What one training step left behind. Numbers that were not measured are NaN.
struct Row {
  double loss, lr, grad_norm, tokens_per_second;
};

/// step,loss,lr,grad_norm,tokens_per_second; a number that was not measured is an empty cell.
void write_csv(const std::string& path, const std::vector<Row>& rows);

/// The loss curve: every step, its running mean, and the validation loss at the end.
void write_svg(const std::string& path, const std::vector<Row>& rows, double validation_loss,
               const std::string& title);

}  // namespace demo
