// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "run.hpp"

namespace stability {

/// A run's data, loss and learning rates, step by step: as its event has them.
class Course {
 public:
  Course(const Run& run, Model& model);

  /// Parameters that have groups of their own.
  const std::vector<at::Tensor>& late() const { return late_; }
  /// What the user changes before step t.
  void begin(std::int64_t t, Method& method);
  /// The batches whose gradients step t adds up.
  std::vector<Batch> batches(std::int64_t t);
  /// Of the loss of a batch in step t; `told`: of the loss that the optimizer is told.
  double weight(std::int64_t t, const Batch& batch, bool told) const;
  bool rare(std::int64_t t) const { return !rare_.empty() && rare_[static_cast<std::size_t>(t)]; }
  double rate(std::int64_t t) const;
  double late_rate(std::int64_t t) const;
  /// The same batches for every method, to measure what rare steps taught.
  Batch sample() const;

 private:
  bool is(Change kind) const { return event_ != nullptr && event_->kind == kind; }
  bool after(std::int64_t t) const { return t >= begin_; }
  /// Rows of the order in step t: batches to join, or to add up.
  std::int64_t rows(std::int64_t t, Change kind) const;

  const Run& run_;
  const Event* event_;
  Model& model_;
  std::int64_t begin_ = 0, next_ = 0;  // the step of the event; the next row
  std::vector<at::Tensor> late_;
  std::vector<bool> rare_;
  at::Tensor order_;
};

}  // namespace stability
