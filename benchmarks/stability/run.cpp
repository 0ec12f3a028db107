// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "run.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <agmohd/monitor/records.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <sstream>

#include "json.hpp"

namespace stability {
namespace {

/// One element, as a tensor without dimensions that shares its memory.
at::Tensor element(at::Tensor t, std::int64_t number) {
  while (t.dim() > 0) {
    const std::int64_t size = t.size(0);
    t = t.select(0, number % size);
    number /= size;
  }
  return t;
}

/// A fault, as it happens to a run.
class Injector {
 public:
  Injector(const Run& run, const Model& model, Method& method)
      : fault_(run.fault), model_(model), method_(method) {
    if (fault_ == nullptr) return;
    begin_ = std::int64_t(fault_->at * double(run.steps));
    end_ = fault_->kind == Kind::loss_scale ? run.steps : begin_ + fault_->steps;
    const std::string what = std::string(fault_->name) + "/" + std::to_string(run.seed);
    std::seed_seq seed(what.begin(), what.end());  // the same for every method
    random_.seed(seed);
  }

  bool active(std::int64_t t, Kind kind) const {
    return fault_ != nullptr && fault_->kind == kind && t >= begin_ && t < end_;
  }
  std::mt19937_64& random() { return random_; }
  double factor(std::int64_t t, Kind kind) const { return active(t, kind) ? fault_->severity : 1; }

  void before_step(std::int64_t t) {
    if (active(t, Kind::weight_bit) || active(t, Kind::weight_value)) {
      hit([](const at::Tensor& p) { return p.detach(); });
    } else if (active(t, Kind::first_moment) || active(t, Kind::moment_bit)) {
      hit([&](const at::Tensor& p) { return method_.state(p, "exp_avg"); });
    } else if (active(t, Kind::second_moment) || active(t, Kind::second_bit)) {
      hit([&](const at::Tensor& p) { return method_.state(p, "exp_avg_sq"); });
    }
  }
  void after_backward(std::int64_t t) {
    if (active(t, Kind::gradient_value) || active(t, Kind::gradient_scale)) {
      hit([](const at::Tensor& p) { return p.grad(); });
    }
  }

 private:
  template <class Of>
  void hit(const Of& of) {
    const at::NoGradGuard no_grad;
    if (fault_->extent == Extent::everything) {
      for (const at::Tensor& p : model_.parameters()) change(of(p));
      return;
    }
    const std::vector<at::Tensor> hidden = model_.hidden();
    const at::Tensor& p = hidden[random_() % hidden.size()];
    const std::int64_t size = p.numel();
    if (fault_->extent == Extent::one_tensor) return change(of(p));
    for (int i = 0; i < (fault_->extent == Extent::one_element ? 1 : 10); ++i) {
      const std::int64_t number = std::int64_t(random_() % std::uint64_t(size));
      if (const at::Tensor target = of(p); target.defined()) change(element(target, number));
    }
  }

  void change(at::Tensor target) const {
    if (!target.defined()) return;
    switch (fault_->kind) {
      case Kind::gradient_value:
      case Kind::weight_value:
        target.fill_(fault_->severity);
        break;
      case Kind::weight_bit:
      case Kind::moment_bit:
      case Kind::second_bit:
        target.view(at::kInt).bitwise_xor_(std::int64_t(1) << int(fault_->severity));
        break;
      default:
        target.mul_(fault_->severity);
    }
  }

  const Fault* fault_;
  const Model& model_;
  Method& method_;
  std::int64_t begin_ = 0, end_ = 0;
  std::mt19937_64 random_;
};

double mean(const std::vector<double>& x, std::size_t begin, std::size_t end) {
  double sum = 0;
  for (std::size_t i = begin; i < end; ++i) sum += x[i];
  return sum / double(end - begin);
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
  return out.str();
}

double Run::rate(std::int64_t t) const {
  const double warm = 0.1 * double(steps), x = double(t);
  if (x < warm) return lr * (x + 1) / (warm + 1);
  const double done = (x - warm) / (double(steps) - warm);
  return lr * (0.55 + 0.45 * std::cos(std::numbers::pi * done));
}

std::string execute(const Run& run) {
  const auto start = std::chrono::steady_clock::now();
  const auto model = run.task->model(run.seed);
  const auto parameters = model->parameters();
  const auto method = run.method->make(parameters, {run.lr, run.task->threshold});
  const at::Tensor order = run.task->order(run.steps, run.seed);
  at::Tensor losses = at::full({run.steps}, kNan, order.options().dtype(at::kFloat));
  Injector injector(run, *model, *method);
  std::string gave_up;
  for (std::int64_t t = 0; t < run.steps; ++t) {
    const Batch batch = injector.active(t, Kind::random_batch) ? run.task->noise(injector.random())
                                                               : run.task->batch(order[t]);
    injector.before_step(t);
    method->zero_grad();
    const at::Tensor plain = model->loss(batch);
    {
      const at::NoGradGuard no_grad;
      losses[t].copy_(plain);
    }
    const at::Tensor loss = plain * injector.factor(t, Kind::loss_scale);
    loss.backward();
    injector.after_backward(t);
    method->set_lr(run.rate(t) * injector.factor(t, Kind::learning_rate));
    try {
      method->step(loss.detach());
    } catch (const c10::Error& error) {
      gave_up = error.what_without_backtrace();
      break;
    }
  }

  const at::Tensor host = losses.to(at::kCPU, at::kDouble);
  const std::vector<double> all(host.const_data_ptr<double>(),
                                host.const_data_ptr<double>() + host.numel());
  const std::size_t steps = all.size(), last = std::max<std::size_t>(10, steps / 20);
  double held_out = kNan;
  if (gave_up.empty()) {
    const at::NoGradGuard no_grad;
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
  out.add("final", steps >= last ? mean(all, steps - last, steps) : kNan);
  out.add("held_out", held_out);
  out.add("plateau", run.task->plateau(run.steps));
  if (!gave_up.empty()) out.add("gave_up", gave_up);
  if (const auto tally = method->tally()) {
    out.add_raw("tally", describe(*tally, method->tensor_clips()));
  }
  out.add("block", std::int64_t(block));
  out.add("curve", curve);
  out.add("seconds", std::chrono::duration<double>(took).count());
  return out.text();
}

}  // namespace stability
