// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/checkpoint/digest.hpp>
#include <agmohd/monitor/watcher.hpp>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data.hpp"
#include "faults.hpp"
#include "interventions.hpp"
#include "model.hpp"
#include "optimizers.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "report.hpp"

namespace demo {

/// The signal that interrupted the run, which ends after the step it is in.
inline volatile std::sig_atomic_t interrupted = 0;

/// What of a checkpoint has to be known before its run can be built again.
struct Saved {
  std::int64_t steps, warmup;
};

/// Opens a checkpoint of this program. Throws std::runtime_error that names the file.
inline void open(torch::serialize::InputArchive& archive, const std::string& path,
                 torch::Device device) try {
  agmohd::load(archive, path, device);
  torch::IValue program;
  if (!archive.try_read("train_gpt", program)) {
    throw std::runtime_error("'" + path + "' is no checkpoint of train_gpt");
  }
} catch (const c10::Error& error) {
  throw std::runtime_error(error.what_without_backtrace());
}

inline Saved read_saved(const std::string& path) {
  torch::serialize::InputArchive archive;
  open(archive, path, torch::kCPU);
  torch::IValue steps, warmup;
  archive.read("steps", steps);
  archive.read("warmup", warmup);
  return {steps.toInt(), warmup.toInt()};
}

/// A model, its optimizer and the record of their run.
class Trainer {
 public:
  /// `saved`: of the checkpoint that load() will read.
  Trainer(const Options& options, const Text& text, torch::Device device,
          std::optional<Saved> saved = {})
      : options_(options),
        faults_(options),
        text_(text),
        device_(device),
        model_(seeded_model(options)),
        update_((model_->to(device),
                 make_update(of_steps(options, saved ? saved->steps : options.steps), *model_))),
        factor_(options.schedule_factor()),
        plan_(text.plan(options.steps * options.accumulate, options.batch, options.seed)) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    losses_ =
        torch::full({options.steps}, nan, torch::TensorOptions(torch::kFloat32).device(device));
    norms_ = losses_.clone();
    rates_ = torch::full({options.steps}, nan, torch::kFloat64);
    watcher_.add([this](const agmohd::Record& record) { interventions_(record); });
  }
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Every record of the optimizer will be handed to `sink`, where it has records.
  template <class Sink>
  void watch(Sink sink) {
    watcher_.add(std::move(sink));
  }
  bool has_records() const { return bool(update_.records); }
  /// What the optimizer did against hindrances; nothing where it does not look.
  std::string summary() const {
    return update_.summary ? update_.summary(model_->named_parameters()) : "";
  }
  /// Why the optimizer ended the run, or nothing.
  const std::string& gave_up() const { return gave_up_; }

  /// Trains up to step `end`, or until the interrupt, or until the optimizer gives up. `show`:
  /// print progress, write the checkpoints.
  void run(std::int64_t end, bool show) {
    const std::int64_t tokens = options_.tokens();
    std::int64_t first = step_;  // of those since the last line
    Progress progress(step_, options_.steps);
    while (step_ < end && !interrupted && gave_up_.empty()) {
      const std::int64_t t = step_++;
      const bool print = show && progress.due(step_);
      faults_.corrupt(step_, parameters(), update_);
      torch::Tensor sum;
      for (std::int64_t batch = 0; batch < options_.accumulate; ++batch) {
        const torch::Tensor windows = text_.windows(plan_[t * options_.accumulate + batch]);
        const torch::Tensor loss = backward(faults_.batch(step_, windows));
        faults_.spoil_gradients(step_, parameters());
        sum = batch == 0 ? loss : sum + loss;
        if (batch + 1 == options_.accumulate) {
          losses_[t].copy_(sum / options_.accumulate);
          if (print || t % kNormEvery == 0) norms_[t].copy_(grad_norm());
        }
        update(t, loss);
      }
      if (print || step_ % kRecordsEvery == 0) poll(show ? &progress : nullptr);
      if (print) {  // the one place that waits for the device
        const torch::Tensor shown = torch::stack({losses_[t], norms_[t]}).cpu();
        const double rate =
            progress.print(step_, shown[0].item<double>(), lr(t), shown[1].item<double>(), tokens,
                           interventions_.counts());
        rates_.slice(0, first, step_).fill_(rate * static_cast<double>(tokens));
        first = step_;
      }
      if (show && options_.checkpoint_every > 0 && step_ % options_.checkpoint_every == 0) {
        try {
          save(options_.checkpoint);
        } catch (const c10::Error& error) {  // the one before is still there
          std::fprintf(stderr, "train_gpt: --checkpoint: %s\n", error.what_without_backtrace());
        }
      }
    }
    if (device_.is_cuda()) torch::cuda::synchronize();
    poll(show ? &progress : nullptr);
  }

  /// The range test of the learning rate, with `rates` rates. Throws where it is interrupted.
  agmohd::tools::LrCurve find_lr(std::int64_t rates) {
    std::int64_t batch = 0;
    const auto closure = [&] {
      if (interrupted) throw std::runtime_error("interrupted");
      return backward(text_.windows(plan_[batch++]));
    };
    return update_.find_lr(closure, {.steps = rates});
  }

  /// Another model with the same parameters and gradients.
  Gpt copy() const {
    Gpt model = seeded_model(options_);
    model->to(device_);
    const torch::NoGradGuard no_grad;
    const std::vector<torch::Tensor> from = parameters(), to = model->parameters();
    for (std::size_t i = 0; i < from.size(); ++i) {
      to[i].copy_(from[i]);
      to[i].mutable_grad() = from[i].grad().clone();
    }
    return model;
  }

  /// Mean loss over at most `most` windows of the held-out text.
  double validate(std::int64_t most) {
    const torch::NoGradGuard no_grad;
    torch::Tensor sum = torch::zeros({}, torch::TensorOptions(torch::kFloat64).device(device_));
    const torch::Tensor starts = text_.held_out(most);
    for (const torch::Tensor& part : starts.split(32)) {
      sum += model_->loss(text_.windows(part)).to(torch::kFloat64) * part.size(0);
    }
    return sum.item<double>() / static_cast<double>(starts.size(0));
  }

  /// Bytes that the model writes after a line break, at temperature 0.8.
  std::string sample(std::int64_t count) {
    const torch::NoGradGuard no_grad;
    torch::manual_seed(options_.seed);
    torch::Tensor bytes =
        torch::full({1, 1}, 10, torch::TensorOptions(torch::kInt64).device(device_));
    for (std::int64_t i = 0; i < count; ++i) {
      const torch::Tensor seen =
          bytes.slice(1, std::max<std::int64_t>(0, bytes.size(1) - options_.context));
      const torch::Tensor logits = model_->forward(seen).select(1, -1) / 0.8;
      bytes = torch::cat({bytes, torch::multinomial(torch::softmax(logits, -1), 1)}, 1);
    }
    bytes = bytes.to(torch::kCPU, torch::kUInt8).contiguous();
    return {reinterpret_cast<const char*>(bytes.const_data_ptr<std::uint8_t>()) + 1,
            static_cast<std::size_t>(count)};
  }

  /// Replaces the file at once, so that there is a whole checkpoint at every time. Throws
  /// c10::Error.
  void save(const std::string& path) {
    torch::serialize::OutputArchive archive, model, optimizer;
    model_->save(model);
    update_.optimizer->save(optimizer);
    archive.write("train_gpt", torch::IValue(std::int64_t{1}));
    archive.write("model", model);
    archive.write("weights", torch::IValue(weights_digest()));
    archive.write("optimizer", optimizer);
    archive.write("step", torch::IValue(step_));
    archive.write("steps", torch::IValue(options_.steps));
    archive.write("warmup", torch::IValue(options_.warmup_steps()));
    archive.write("seen", torch::IValue(watcher_.last()));
    for (const auto& [name, value] : identity())
      archive.write("option " + name, torch::IValue(value));
    archive.write("losses", losses_.cpu());
    archive.write("norms", norms_.cpu());
    archive.write("rates", rates_);
    agmohd::save(archive, path);
  }

  /// Throws std::runtime_error that names the file if it does not fit this run; the trainer is then
  /// of no use. Returns the last record of the optimizer that its run had seen.
  std::int64_t load(const std::string& path) try {
    torch::serialize::InputArchive archive, model, optimizer;
    open(archive, path, device_);
    for (const auto& [name, value] : identity()) {
      torch::IValue saved;
      archive.read("option " + name, saved);
      if (saved.toStringRef() != value) {
        throw std::runtime_error("it was written with --" + name + " " + saved.toStringRef() +
                                 ", not " + value);
      }
    }
    torch::IValue step, weights, seen;
    archive.read("step", step);
    if (step.toInt() > options_.steps) {
      throw std::runtime_error("it was written after step " + std::to_string(step.toInt()) +
                               ", beyond --steps " + std::to_string(options_.steps));
    }
    archive.read("model", model);
    archive.read("weights", weights);
    archive.read("optimizer", optimizer);
    archive.read("seen", seen);
    model_->load(model);
    if (weights_digest() != weights.toInt()) throw std::runtime_error("its weights are damaged");
    update_.optimizer->load(optimizer);
    update_.set_steps(options_);
    step_ = step.toInt();
    for (const auto& [name, rows] : {std::pair("losses", &losses_), std::pair("norms", &norms_),
                                     std::pair("rates", &rates_)}) {
      torch::Tensor saved;
      archive.read(name, saved);
      rows->slice(0, 0, step_).copy_(saved.slice(0, 0, step_));
    }
    return seen.toInt();
  } catch (const c10::Error& error) {
    throw std::runtime_error("--resume: '" + path + "': " + error.what_without_backtrace());
  } catch (const std::runtime_error& error) {
    throw std::runtime_error("--resume: '" + path + "': " + error.what());
  }

  /// A row for every step so far.
  std::vector<Row> rows() const {
    const torch::Tensor losses = losses_.to(torch::kCPU, torch::kFloat64),
                        norms = norms_.to(torch::kCPU, torch::kFloat64);
    std::vector<Row> result;
    for (std::int64_t t = 0; t < step_; ++t) {
      const auto at = [t](const torch::Tensor& x) { return x.const_data_ptr<double>()[t]; };
      result.push_back({at(losses), lr(t), at(norms), at(rates_)});
    }
    return result;
  }

  std::int64_t step() const { return step_; }
  std::vector<torch::Tensor> parameters() const { return model_->parameters(); }
  const std::string& optimizer_name() const { return update_.name; }

 private:
  static constexpr std::int64_t kNormEvery = 10, kRecordsEvery = 50;

  /// The gradients of one batch; its loss.
  torch::Tensor backward(const torch::Tensor& windows) {
    update_.optimizer->zero_grad();
    const torch::Tensor loss = model_->loss(windows);
    loss.backward();
    return loss.detach();
  }

  void update(std::int64_t t, const torch::Tensor& loss) try {
    update_.step(t, loss, faults_.lr_factor(t + 1));
  } catch (const c10::Error& error) {
    poll(nullptr);
    if (!interventions_.gave_up()) throw;
    gave_up_ = error.what_without_backtrace();
  }

  void poll(const Progress* progress) {
    if (!update_.records) return;
    watcher_.take(update_.records());
    if (progress == nullptr) return;
    for (const std::string& line : interventions_.news()) progress->say(line);
  }

  static Options of_steps(Options options, std::int64_t steps) {
    options.warmup = options.warmup_steps();
    options.steps = steps;
    return options;
  }

  std::int64_t weights_digest() const {
    agmohd::checkpoint::Digest digest;
    for (const auto& item : model_->named_parameters()) {
      digest.add(std::string_view(item.key()));
      digest.add(item.value());
    }
    return digest.value();
  }

  static Gpt seeded_model(const Options& o) {
    torch::manual_seed(o.seed);
    return Gpt(GptSize{o.layers, o.width, o.heads, o.context});
  }

  double lr(std::int64_t t) const {
    return faults_.lr_factor(t + 1) * options_.learning_rate() * factor_(t);
  }

  torch::Tensor grad_norm() const {
    std::vector<torch::Tensor> norms;
    for (const torch::Tensor& p : model_->parameters()) norms.push_back(p.grad().norm());
    return torch::stack(norms).norm();
  }

  std::vector<std::pair<std::string, std::string>> identity() const {
    auto result = options_.identity();
    result.emplace_back("data", std::to_string(text_.size()) + " bytes");
    return result;
  }

  Options options_;
  Faults faults_;
  agmohd::monitor::Watcher watcher_;
  Interventions interventions_;
  std::string gave_up_;
  const Text& text_;
  torch::Device device_;
  Gpt model_;
  Update update_;
  agmohd::schedule::Function factor_;
  torch::Tensor plan_, losses_, norms_, rates_;
  std::int64_t step_ = 0;
};

}  // namespace demo
