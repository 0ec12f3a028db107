// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// Trains a small byte-level GPT on a book, with an optimizer composed from agmohd's policies or
// with stock LibTorch.

#include <torch/torch.h>

#include <agmohd/monitor/tensorboard.hpp>
#include <agmohd/monitor/watcher.hpp>
#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "trainer.hpp"

#ifndef TRAIN_GPT_DATA
#define TRAIN_GPT_DATA "apps/train_gpt/data/web.txt"
#endif

namespace demo {
namespace {

constexpr std::int64_t kAll = std::int64_t{1} << 40;
constexpr std::int64_t kFirst = 20;  // losses that are compared one by one

torch::Device device_of(const Options& o) {
  const bool cuda = torch::cuda::is_available();
  if (o.device == "cuda" && !cuda) {
    throw UsageError("--device: 'cuda' is not allowed; give cpu: LibTorch finds no CUDA device");
  }
  return torch::Device(cuda && o.device != "cpu" ? torch::kCUDA : torch::kCPU);
}

/// The text with every byte that belongs to no whole UTF-8 character replaced: a sample may end, or
/// err, within one.
std::string printable(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t length = byte < 0x80         ? 1
                               : byte >> 5 == 0x6  ? 2
                               : byte >> 4 == 0xE  ? 3
                               : byte >> 3 == 0x1E ? 4
                                                   : 0;
    bool whole = length > 0 && i + length <= text.size() && (byte >= 0x20 || byte == '\n');
    for (std::size_t k = 1; whole && k < length; ++k)
      whole = (static_cast<unsigned char>(text[i + k]) & 0xC0) == 0x80;
    result += whole ? text.substr(i, length) : "?";
    i += whole ? length : 1;
  }
  return result;
}

/// Times the update of this run and the stock one, taking turns, on copies of the parameters with
/// the same gradients.
void time_updates(const Options& options, const Trainer& trainer, torch::Device device) {
  constexpr int kWarm = 10, kSteps = 100;
  Options first = options, stock = options;
  if (options.optimizer == "torch-adamw") first.optimizer = "agmohd";
  stock.optimizer = "torch-adamw";
  first.accumulate = stock.accumulate = 1;
  std::vector<Gpt> models;
  std::vector<Update> updates;
  std::int64_t elements = 0, tensors = 0;
  for (const Options& o : {first, stock}) {
    models.push_back(trainer.copy());
    const std::vector<torch::Tensor> copies = models.back()->parameters();
    elements = 0;
    for (const torch::Tensor& p : copies) elements += p.numel();
    tensors = static_cast<std::int64_t>(copies.size());
    updates.push_back(make_update(o, *models.back()));
  }
  const torch::Tensor loss = torch::ones({}, torch::TensorOptions(device));
  std::vector<std::vector<double>> times(updates.size());
  for (int i = 0; i < kWarm + kSteps; ++i) {
    for (std::size_t u = 0; u < updates.size(); ++u) {
      if (device.is_cuda()) torch::cuda::synchronize();
      const auto start = Clock::now();
      updates[u].step(i, loss, 1);
      if (device.is_cuda()) torch::cuda::synchronize();
      if (i >= kWarm) times[u].push_back(1e3 * seconds_since(start));
    }
  }
  std::printf(
      "\nTime of one optimizer step on these parameters (%.2f million in %lld tensors), %d steps "
      "each:\n",
      1e-6 * static_cast<double>(elements), static_cast<long long>(tensors), kSteps);
  std::printf("  %-32s %10s   %s\n", "", "median", "10 % to 90 %");
  for (std::size_t u = 0; u < updates.size(); ++u) {
    auto& t = times[u];
    std::sort(t.begin(), t.end());
    std::printf("  %-32s %7.3f ms   %.3f to %.3f ms\n", updates[u].name.c_str(), t[kSteps / 2],
                t[kSteps / 10], t[kSteps - kSteps / 10]);
  }
}

/// What the command line wants to be written of the optimizer's records. `after`: the last one
/// that a resumed run has written already; -1: a new run.
void write_records(const Options& options, Trainer& trainer, std::int64_t after = -1) {
  if (!trainer.has_records()) return;
  namespace monitor = agmohd::monitor;
  if (!options.records.empty()) {
    trainer.watch(after < 0 ? monitor::CsvFile(options.records)
                            : monitor::CsvFile(options.records, after));
  }
  if (!options.tensorboard.empty()) trainer.watch(monitor::TensorBoard(options.tensorboard));
}

/// How the run went for the optimizer itself.
void print_summary(const Options& options, const Trainer& trainer) {
  if (!trainer.gave_up().empty()) std::printf("\n%s\n", trainer.gave_up().c_str());
  if (!trainer.has_records()) return;
  std::printf("\nWhat the optimizer saw and did: %s", trainer.summary().c_str());
  if (!options.records.empty()) std::printf("Its records: %s\n", options.records.c_str());
}

std::vector<Mark> marks(const Options& options) {
  std::vector<Mark> result;
  for (const Fault& fault : options.faults) result.push_back({fault.step, fault.given});
  return result;
}

void write_tables(const Options& options, const Trainer& trainer, double loss) {
  if (!options.csv.empty()) {
    write_csv(options.csv, trainer.rows());
    std::printf("\nTable of the run: %s\n", options.csv.c_str());
  }
  if (!options.svg.empty()) {
    write_svg(options.svg, {{trainer.optimizer_name(), trainer.rows(), loss}}, marks(options),
              "train_gpt, " + trainer.optimizer_name());
    std::printf("Loss curve: %s\n", options.svg.c_str());
  }
}

int train(Options options, const Text& text, torch::Device device) {
  std::optional<Saved> saved;
  if (!options.resume.empty()) {
    saved = read_saved(options.resume);
    if (!options.warmup) options.warmup = saved->warmup;
  }
  Trainer trainer(options, text, device, saved);
  if (saved) {
    const std::int64_t seen = trainer.load(options.resume);
    write_records(options, trainer, seen);
    std::printf("Resumed after step %lld.\n", static_cast<long long>(trainer.step()));
  } else {
    write_records(options, trainer);
  }
  std::int64_t elements = 0;
  for (const torch::Tensor& p : trainer.parameters()) elements += p.numel();
  std::printf("%.2f million parameters on %s, %s; %lld bytes of text, a step takes %lld of them\n",
              1e-6 * static_cast<double>(elements), device.str().c_str(),
              trainer.optimizer_name().c_str(), static_cast<long long>(text.size()),
              static_cast<long long>(options.tokens()));
  const std::int64_t begin = trainer.step();
  trainer.run(options.steps, /*show=*/true);
  bool saved_all = true;
  if (!options.checkpoint.empty()) try {
      trainer.save(options.checkpoint);
      std::printf("\nCheckpoint after step %lld: %s\n", static_cast<long long>(trainer.step()),
                  options.checkpoint.c_str());
    } catch (const c10::Error& error) {
      std::fprintf(stderr, "train_gpt: --checkpoint: %s\n", error.what_without_backtrace());
      saved_all = false;
    }
  if (interrupted) {
    write_tables(options, trainer, std::nan(""));
    std::printf("\nInterrupted.%s\n", options.checkpoint.empty() || !saved_all
                                          ? ""
                                          : " Continue with --resume and the same options.");
    return 128 + interrupted;
  }
  print_summary(options, trainer);
  const double loss = trainer.validate(kAll);
  const bool sound = std::isfinite(loss);
  std::printf("\nValidation: loss %.4f nats a byte (%.3f bits), perplexity %.3f\n", loss,
              loss / std::log(2.0), std::exp(loss));
  if (options.sample > 0 && sound)
    std::printf("\nA sample:\n%s\n", printable(trainer.sample(options.sample)).c_str());
  if (trainer.step() > begin && sound && options.faults.empty())
    time_updates(options, trainer, device);
  write_tables(options, trainer, loss);
  return trainer.gave_up().empty() && sound && saved_all ? 0 : 1;
}

/// The range test of the learning rate, without a schedule.
int find_lr(Options options, const Text& text, torch::Device device) {
  if (options.optimizer == "agmohd") {
    options.optimizer = "adamw";
    std::printf("agmohd clips and skips what the test looks for: it is of its rule, AdamW.\n");
  }
  options.schedule = "constant";
  options.warmup = 0;
  options.steps = std::min<std::int64_t>(options.steps, 100);
  Trainer trainer(options, text, device);
  agmohd::tools::LrCurve curve;
  try {
    curve = trainer.find_lr(options.steps);
  } catch (const std::runtime_error&) {
    if (!interrupted) throw;
    return 128 + interrupted;
  }
  if (curve.lrs.empty()) throw std::runtime_error("--find-lr: the first loss is not finite");
  std::printf("%s, %zu learning rates from %.1e to %.1e%s\n", trainer.optimizer_name().c_str(),
              curve.lrs.size(), curve.lrs.front(), curve.lrs.back(),
              curve.diverged ? ", where the loss diverged" : "");
  const auto print = [](const char* name, const std::optional<double>& lr, const char* what) {
    if (lr) std::printf("%s: --lr %.2e, %s\n", name, *lr, what);
  };
  print("valley", curve.valley, "within the longest fall of the loss");
  print("steepest", curve.steepest, "where the loss falls fastest");
  if (!curve.valley) std::printf("No suggestion: the loss never fell.\n");
  if (!options.svg.empty()) {
    write_file(options.svg, curve.svg());
    std::printf("Losses of the test: %s\n", options.svg.c_str());
  }
  return curve.valley ? 0 : 1;
}

/// Whether a run that is saved half way, and resumed by another trainer, has the same losses as
/// `whole`, bit for bit.
bool resumes(const Options& options, const Text& text, torch::Device device,
             const std::vector<Row>& whole) {
  const auto path =
      std::filesystem::temp_directory_path() / ("train_gpt." + std::to_string(::getpid()) + ".pt");
  Trainer before(options, text, device), after(options, text, device);
  before.run(options.steps / 2, /*show=*/false);
  before.save(path);
  after.load(path);
  std::filesystem::remove(path);
  after.run(options.steps, /*show=*/false);
  const std::vector<Row> rows = after.rows();
  return std::equal(rows.begin(), rows.end(), whole.begin(), whole.end(),
                    [](const Row& a, const Row& b) { return a.loss == b.loss; });
}

/// A finished run of one optimizer.
struct Run {
  Curve curve;
  std::int64_t calm;  // steps before the first in which a hindrance was seen
};

Run run(Options options, const char* optimizer, const Text& text, torch::Device device, bool show) {
  options.optimizer = optimizer;
  Trainer trainer(options, text, device);
  std::int64_t calm = options.steps;
  trainer.watch([&calm](const agmohd::Record& record) {
    if (record.flags != 0) calm = std::min(calm, record.step - 1);
  });
  if (show) {
    write_records(options, trainer);
    std::printf("%s\n", trainer.optimizer_name().c_str());
  }
  trainer.run(options.steps, show);
  if (show) print_summary(options, trainer);
  return {{optimizer, trainer.rows(), trainer.validate(kAll)}, calm};
}

double difference(double a, double b) {
  const double d = std::abs(a - b);
  return std::isnan(d) ? HUGE_VAL : d;
}

/// The largest difference of the first losses of two runs.
double difference(const Curve& a, const Curve& b, std::int64_t steps) {
  double largest = 0;
  const std::size_t shared = std::min(a.rows.size(), b.rows.size());
  for (std::size_t t = 0; t < std::min(shared, static_cast<std::size_t>(steps)); ++t)
    largest = std::max(largest, difference(a.rows[t].loss, b.rows[t].loss));
  return largest;
}

void print_beside(const Curve& a, const Curve& b, std::int64_t steps) {
  std::printf("\n%10s  %12s  %12s  %10s\n", "step", a.name.c_str(), b.name.c_str(), "difference");
  const auto loss = [](const Curve& curve, std::int64_t t) {
    const auto i = static_cast<std::size_t>(t);
    return i < curve.rows.size() ? curve.rows[i].loss : std::nan("");
  };
  const std::int64_t every = std::max<std::int64_t>(1, steps / 10);
  for (std::int64_t t = 0; t < steps; ++t) {
    if (t >= kFirst && (t + 1) % every != 0) continue;
    std::printf("%10lld  %12.6f  %12.6f  %10.2e\n", static_cast<long long>(t + 1), loss(a, t),
                loss(b, t), difference(loss(a, t), loss(b, t)));
  }
  std::printf("%10s  %12.6f  %12.6f  %10.2e\n\n", "validation", a.validation_loss,
              b.validation_loss, difference(a.validation_loss, b.validation_loss));
}

/// Prints what was promised, and whether all of it was kept.
class Promises {
 public:
  void add(bool holds, const std::string& what) {
    std::printf("%s: %s\n", holds ? "kept" : "BROKEN", what.c_str());
    kept_ = kept_ && holds;
  }
  void same_training(const Curve& stock, const Curve& ours) {
    add(difference(stock, ours, kFirst) <= 1e-5,
        ours.name + ": losses of the first 20 steps equal to " + stock.name + "'s to 1e-5");
    add(difference(stock.validation_loss, ours.validation_loss) <= 0.01,
        ours.name + ": validation loss equal to " + stock.name + "'s to 0.01");
  }
  int exit_code() const { return kept_ ? 0 : 1; }

 private:
  bool kept_ = true;
};

/// Trains with stock AdamW and with another optimizer from the same seed and under the same faults,
/// and draws both.
int compare(const Options& options, const Text& text, torch::Device device) {
  const Run stock = run(options, "torch-adamw", text, device, /*show=*/true);
  if (interrupted) return 128 + interrupted;
  const Run ours = run(options, options.optimizer.c_str(), text, device, /*show=*/true);
  if (interrupted) return 128 + interrupted;
  print_beside(stock.curve, ours.curve, options.steps);
  if (!options.csv.empty()) {
    write_losses(options.csv, {stock.curve, ours.curve});
    std::printf("Losses of both: %s\n", options.csv.c_str());
  }
  if (!options.svg.empty()) {
    write_svg(options.svg, {stock.curve, ours.curve}, marks(options),
              "train_gpt, " + stock.curve.name + " and " + ours.curve.name);
    std::printf("Loss curves: %s\n", options.svg.c_str());
  }
  Promises promises;
  if (options.faults.empty() && (options.optimizer == "agmohd" || options.optimizer == "adamw"))
    promises.same_training(stock.curve, ours.curve);
  return promises.exit_code();
}

/// The test of this program, on tiny sizes.
int quick(Options options, const Text& text, torch::Device device) {
  const Run stock = run(options, "torch-adamw", text, device, /*show=*/true),
            plain = run(options, "adamw", text, device, /*show=*/true),
            ours = run(options, "agmohd", text, device, /*show=*/true);
  if (interrupted) return 128 + interrupted;
  print_beside(stock.curve, ours.curve, options.steps);
  Promises promises;
  promises.same_training(stock.curve, plain.curve);
  promises.same_training(stock.curve, ours.curve);
  promises.add(difference(plain.curve, ours.curve, ours.calm) == 0,
               "agmohd: losses are adamw's, bit for bit, in the " + std::to_string(ours.calm) +
                   " steps before the first hindrance");
  promises.add(ours.curve.validation_loss < ours.curve.rows[0].loss - 1,
               "the model learned at least 1 nat a byte");
  options.optimizer = "agmohd";
  promises.add(resumes(options, text, device, ours.curve.rows),
               "a resumed run has the losses of the whole one, bit for bit");
  for (const FaultKind kind : {FaultKind::nan, FaultKind::inf})
    options.faults.push_back({kind, kind == FaultKind::nan ? 20 : 40, 0, ""});
  const Run hurt = run(options, "agmohd", text, device, /*show=*/false);
  promises.add(difference(hurt.curve.validation_loss, ours.curve.validation_loss) < 0.2,
               "agmohd: a NaN and an infinity in the gradients cost less than 0.2 nats a byte");
  const Run ruined = run(options, "torch-adamw", text, device, /*show=*/false);
  promises.add(!std::isfinite(ruined.curve.validation_loss),
               "they are faults: torch-adamw does not survive them");
  return promises.exit_code();
}

}  // namespace
}  // namespace demo

int main(int argc, char** argv) {
  try {
    const auto options = demo::parse_options(argc, argv);
    if (!options) return 0;
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8",
           /*overwrite=*/0);  // what CUDA needs for equal bits from run to run
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
    at::globalContext().setDeterministicFillUninitializedMemory(false);
    if (options->threads > 0) at::set_num_threads(static_cast<int>(options->threads));
    const torch::Device device = demo::device_of(*options);
    const demo::Text text(options->data.empty() ? TRAIN_GPT_DATA : options->data, options->context,
                          device);
    for (const int number : {SIGINT, SIGTERM}) {
      std::signal(number, [](int signal) {
        demo::interrupted = signal;
        std::signal(signal, SIG_DFL);  // a second one ends the program at once
      });
    }
    return options->quick     ? demo::quick(*options, text, device)
           : options->find_lr ? demo::find_lr(*options, text, device)
           : options->compare ? demo::compare(*options, text, device)
                              : demo::train(*options, text, device);
  } catch (const demo::UsageError& error) {
    std::fprintf(stderr, "train_gpt: %s\n", error.what());
    return 2;
  } catch (const c10::Error& error) {
    std::fprintf(stderr, "train_gpt: %s\n", error.what_without_backtrace());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train_gpt: %s\n", error.what());
  }
  return 1;
}
