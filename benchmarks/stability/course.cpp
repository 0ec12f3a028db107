// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "course.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>
#include <random>
#include <string>

namespace stability {

Course::Course(const Run& run, Model& model) : run_(run), event_(run.event), model_(model) {
  std::int64_t count = run.steps;
  if (event_ != nullptr) {
    begin_ = std::int64_t(event_->at * double(run.steps));
    count = 0;
    for (std::int64_t t = 0; t < run.steps; ++t) {
      count += rows(t, Change::batch_size) * rows(t, Change::accumulation);
    }
  }
  order_ = run.task->order(count, run.seed);
  if (is(Change::unfreeze)) {
    late_ = model.hidden();
    late_.resize((late_.size() + 1) / 2);
    for (at::Tensor& p : late_) p.requires_grad_(false);
  }
  if (is(Change::rare_random)) {  // the same for every method
    const std::string what = std::string(event_->name) + "/" + std::to_string(run.seed);
    std::seed_seq seed(what.begin(), what.end());
    std::mt19937_64 random(seed);
    for (std::int64_t t = 0; t < run.steps; ++t) {
      rare_.push_back(random() % std::uint64_t(event_->every) == 0);
    }
  } else if (is(Change::rare_part)) {
    for (std::int64_t t = 1; t <= run.steps; ++t) rare_.push_back(t % event_->every == 0);
  }
  if (is(Change::smoothing)) model.knobs.smoothing = 0.1;
}

std::int64_t Course::rows(std::int64_t t, Change kind) const {
  if (!is(kind)) return 1;
  const bool more = after(t) == (event_->severity > 1);
  if (kind == Change::accumulation) {
    return more ? std::llround(std::max(event_->severity, 1 / event_->severity)) : 1;
  }
  return more ? std::llround(std::max(event_->severity, 1.0)) : 1;
}

void Course::begin(std::int64_t t, Method& method) {
  model_.begin(t);
  if (event_ == nullptr || t != begin_) return;
  for (at::Tensor& p : late_) p.requires_grad_(true);
  if (is(Change::part_weight)) model_.knobs.part_weight = event_->severity;
  if (is(Change::smoothing)) model_.knobs.smoothing = event_->severity;
  if (is(Change::dropout)) model_.knobs.dropout = event_->severity;
  if (is(Change::weight_decay)) {
    method.set_weight_decay(run_.task->weight_decay * event_->severity);
  }
}

std::vector<Batch> Course::batches(std::int64_t t) {
  const std::int64_t joined = rows(t, Change::batch_size);
  std::vector<Batch> all;
  for (std::int64_t i = 0; i < rows(t, Change::accumulation); ++i, next_ += joined) {
    at::Tensor numbers = order_.slice(0, next_, next_ + joined).flatten();
    std::int64_t count = numbers.size(0);
    if (is(Change::batch_size) && event_->severity < 1 && after(t)) {
      count = std::max<std::int64_t>(1, std::llround(double(count) * event_->severity));
    }
    if (is(Change::short_batch) && (t + 1) % event_->every == 0) count = 1;
    Batch batch = run_.task->batch(numbers.slice(0, 0, count), rare(t));
    if (event_ != nullptr) batch.weight = event_->severity;
    if (is(Change::new_data) && after(t)) {
      batch = run_.task->other_domain(batch, int(event_->severity));
    }
    if (is(Change::context) && after(t) == (event_->severity < 1)) {
      const double ratio = std::min(event_->severity, 1 / event_->severity);
      const std::int64_t length = std::llround(double(batch.x.size(1)) * ratio);
      batch.x = batch.x.slice(1, 0, length), batch.y = batch.y.slice(1, 0, length);
    }
    all.push_back(std::move(batch));
  }
  return all;
}

double Course::weight(std::int64_t t, const Batch& batch, bool told) const {
  if (event_ == nullptr) return 1;
  double factor = event_->scale;
  if (is(Change::rare_weight) && (t + 1) % event_->every == 0 && (event_->weighed || !told)) {
    factor *= event_->severity;
  }
  if (is(Change::reduction) && after(t) == (event_->severity > 0)) {
    factor *= double(batch.y.numel());
  }
  return factor;
}

/// Linear warm-up over a tenth of the run, then a cosine down to a tenth, unless the task or the
/// method has it otherwise.
double Course::rate(std::int64_t t) const {
  if (run_.task->constant_rate || run_.method->rates == Rates::none) return run_.lr;
  const double warm = 0.1 * double(run_.steps), x = double(t), all = double(run_.steps);
  const double rise = x < warm ? (x + 1) / (warm + 1) : 1;
  if (is(Change::restarts)) {
    const double place = std::fmod(x * event_->severity / all, 1.0);
    return run_.lr * rise * (0.5 + 0.5 * std::cos(std::numbers::pi * place));
  }
  const double less = is(Change::learning_rate) && !after(t) ? event_->severity : 1;
  if (x < warm) return run_.lr * (x + 1) / (warm + 1) / less;
  if (run_.method->rates == Rates::constant) return run_.lr / less;
  const double done = (x - warm) / (all - warm);
  return run_.lr * (0.55 + 0.45 * std::cos(std::numbers::pi * done)) / less;
}

double Course::late_rate(std::int64_t t) const {
  return is(Change::unfreeze) ? rate(t) * event_->severity : rate(t);
}

Batch Course::sample() const {
  Batch batch = run_.task->batch(run_.task->order(32, 77).flatten(), false);
  if (is(Change::new_data)) batch = run_.task->other_domain(batch, int(event_->severity));
  return batch;
}

}  // namespace stability
