// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "run.hpp"

#include <ATen/ATen.h>

#include <agmohd/monitor/records.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <string_view>

#include "course.hpp"
#include "inject.hpp"
#include "json.hpp"

namespace stability {
namespace {

double mean(const std::vector<double>& x, std::size_t begin, std::size_t end) {
  double sum = 0;
  for (std::size_t i = begin; i < end; ++i) sum += x[i];
  return sum / double(end - begin);
}

std::string describe(const agmohd::monitor::LrEvidence& e) {
  json::Object out;
  out.add("steps", e.steps);
  out.add("rate", e.rate);
  out.add("fall", e.fall);
  out.add("noise", e.noise);
  out.add("growth", e.growth);
  out.add("clipped", e.clipped);
  out.add("update_rms", e.update_rms);
  out.add("moved", e.moved);
  out.add("relative", e.relative);
  out.add("alignment", e.alignment);
  return out.text();
}

std::string describe(const agmohd::Tally& tally, std::int64_t tensor_clips) {
  json::Object out;
  for (int i = 0; i < agmohd::Tally::kinds; ++i) {
    if (tally.count[i] > 0) out.add(agmohd::monitor::kind_names[i], tally.count[i]);
  }
  if (tensor_clips > 0) out.add("tensor clipped", tensor_clips);
  return out.text();
}

}  // namespace

std::string Run::key() const {
  std::ostringstream out;
  out << task->name << '|' << method->name << '|' << size << '|' << steps << '|' << lr << '|'
      << seed << '|' << device << '|';
  if (fault != nullptr) out << list << ':' << fault->name;
  if (event != nullptr) out << list << ":event:" << event->name;
  if (noise_free) out << list << ":noise-free";
  return out.str();
}

std::string execute(const Run& run) {
  const auto start = std::chrono::steady_clock::now();
  const auto model = run.task->model(run.seed);
  Course course(run, *model);
  const auto method = run.method->make(
      model->parameters(), {run.lr, run.task->threshold, run.task->beta2, run.task->weight_decay,
                            run.task->lr, run.steps, course.late()});
  at::Tensor losses =
      at::full({run.steps}, kNan, model->parameters().front().options().dtype(at::kFloat));
  Injector injector(run, *model, *method);
  std::string gave_up;
  for (std::int64_t t = 0; t < run.steps; ++t) {
    course.begin(t, *method);
    std::vector<Batch> batches = course.batches(t);
    if (injector.active(t, Kind::random_batch)) batches[0] = run.task->noise(injector.random());
    if (injector.active(t, Kind::wrong_answers)) batches[0].y = batches[0].y.roll(1, 0);
    injector.before_step(t);
    method->zero_grad();
    at::Tensor told, sum;
    for (const Batch& batch : batches) {
      const at::Tensor plain = model->loss(batch);
      const double factor = injector.factor(t, Kind::loss_scale);
      (plain * (factor * course.weight(t, batch, false))).backward();
      const at::NoGradGuard no_grad;
      const at::Tensor known = plain.detach() * (factor * course.weight(t, batch, true));
      told = told.defined() ? told + known : known;
      sum = sum.defined() ? sum + plain.detach() : plain.detach();
    }
    {
      const at::NoGradGuard no_grad;
      losses[t].copy_(batches.size() > 1 ? sum / double(batches.size()) : sum);
    }
    injector.after_backward(t);
    const double factor = injector.factor(t, Kind::learning_rate);
    method->set_lr(course.rate(t) * factor, course.late_rate(t) * factor);
    try {
      method->step(told);
    } catch (const c10::Error& error) {
      gave_up = error.what_without_backtrace();
      break;
    }
  }

  const at::Tensor host = losses.to(at::kCPU, at::kDouble);
  const std::vector<double> all(host.const_data_ptr<double>(),
                                host.const_data_ptr<double>() + host.numel());
  const std::size_t steps = all.size(), last = std::max<std::size_t>(10, steps / 20);
  std::vector<double> end;  // without rare steps
  for (std::size_t i = steps - std::min(steps, last); i < steps; ++i) {
    if (!course.rare(std::int64_t(i))) end.push_back(all[i]);
  }
  const auto evidence = method->lr_evidence();
  double held_out = kNan;
  if (gave_up.empty()) {
    const at::NoGradGuard no_grad;
    method->evaluate();
    held_out = model->loss(run.task->held_out()).item<double>();
  }
  std::vector<double> curve;
  const std::size_t block = std::max<std::size_t>(1, steps / 100);
  for (std::size_t i = 0; i < steps; i += block) {
    curve.push_back(mean(all, i, std::min(steps, i + block)));
  }
  const auto took = std::chrono::steady_clock::now() - start;

  json::Object out;
  out.add("key", run.key());
  out.add("task", run.task->name);
  out.add("method", run.method->name);
  out.add("size", run.size);
  out.add("device", run.device);
  out.add("steps", run.steps);
  out.add("seed", run.seed);
  out.add("lr", run.lr);
  out.add("reference_lr", run.task->lr);
  if (run.fault != nullptr) {
    out.add("list", run.list);
    out.add("group", run.fault->group);
    out.add("fault", run.fault->name);
    out.add("fault_number", run.fault - faults(run.list == std::string("final")).data());
    out.add("fault_at", std::int64_t(run.fault->at * double(run.steps)));
    out.add("fault_steps", run.fault->kind == Kind::loss_scale ? 1 : run.fault->steps);
  }
  if (run.event != nullptr) {
    out.add("list", run.list);
    out.add("group", run.event->group);
    out.add("event", run.event->name);
    out.add("event_number", run.event - events(run.list == std::string("final")).data());
    if (const at::Tensor rare = model->rare_loss(course.sample()); rare.defined()) {
      out.add("rare", gave_up.empty() ? rare.item<double>() : kNan);
    }
  }
  if (run.noise_free) {
    out.add("list", run.list);
    const std::size_t begin = std::min<std::size_t>(300, steps / 2);
    double largest = 0;
    for (std::size_t i = begin; i < steps; ++i) {
      largest = std::isnan(all[i]) ? kInf : std::max(largest, all[i]);
    }
    out.add("largest_after_300", largest);
    out.add("last_100", mean(all, steps - std::min<std::size_t>(100, steps / 4), steps));
  }
  out.add("final", mean(end, 0, end.size()));
  out.add("held_out", held_out);
  out.add("plateau", run.task->plateau(run.steps));
  if (!gave_up.empty()) out.add("gave_up", gave_up);
  if (const auto tally = method->tally()) {
    out.add_raw("tally", describe(*tally, method->tensor_clips()));
  }
  if (evidence) {
    using agmohd::monitor::LrLooks;
    const auto [looks, text] = agmohd::monitor::lr_advice(*evidence);
    const bool unclear = looks == LrLooks::unclear;
    out.add("lr_advice", unclear ? "" : looks == LrLooks::too_small ? "too small" : "too large");
    if (!unclear) out.add("lr_advice_text", std::string_view(text).substr(0, text.size() - 1));
    out.add_raw("lr_evidence", describe(*evidence));
  }
  out.add("block", std::int64_t(block));
  out.add("curve", curve);
  out.add("seconds", std::chrono::duration<double>(took).count());
  return out.text();
}

}  // namespace stability
