// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// Trains a small byte-level GPT on a book, with an optimizer composed from agmohd's policies or
// with stock LibTorch.

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "trainer.hpp"

#ifndef TRAIN_GPT_DATA
#define TRAIN_GPT_DATA "examples/data/web.txt"
#endif

namespace demo {
namespace {

constexpr std::int64_t kAll = std::int64_t{1} << 40;

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
  if (options.optimizer == "torch-adamw") first.optimizer = "adamw";
  stock.optimizer = "torch-adamw";
  std::vector<Update> updates;
  std::int64_t elements = 0, tensors = 0;
  for (const Options& o : {first, stock}) {
    std::vector<torch::Tensor> copies;
    elements = 0;
    for (const torch::Tensor& p : trainer.parameters()) {
      copies.push_back(p.detach().clone().requires_grad_());
      copies.back().mutable_grad() = p.grad().clone();
      elements += p.numel();
    }
    tensors = static_cast<std::int64_t>(copies.size());
    updates.push_back(make_update(o, copies));
  }
  std::vector<std::vector<double>> times(updates.size());
  for (int i = 0; i < kWarm + kSteps; ++i) {
    for (std::size_t u = 0; u < updates.size(); ++u) {
      if (device.is_cuda()) torch::cuda::synchronize();
      const auto start = Clock::now();
      updates[u].step(i);
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

int train(const Options& options, const Text& text, torch::Device device) {
  Trainer trainer(options, text, device);
  if (!options.resume.empty()) {
    trainer.load(options.resume);
    std::printf("Resumed after step %lld.\n", static_cast<long long>(trainer.step()));
  }
  std::int64_t elements = 0;
  for (const torch::Tensor& p : trainer.parameters()) elements += p.numel();
  std::printf("%.2f million parameters on %s, %s; %lld bytes of text, a step takes %lld of them\n",
              1e-6 * static_cast<double>(elements), device.str().c_str(),
              trainer.optimizer_name().c_str(), static_cast<long long>(text.size()),
              static_cast<long long>(options.batch * options.context));
  const std::int64_t begin = trainer.step();
  trainer.run(options.steps, /*show=*/true);
  if (!options.checkpoint.empty()) {
    trainer.save(options.checkpoint);
    std::printf("\nCheckpoint after step %lld: %s\n", static_cast<long long>(trainer.step()),
                options.checkpoint.c_str());
  }
  if (interrupted) {
    std::printf("\nInterrupted.%s\n",
                options.checkpoint.empty() ? "" : " Continue with --resume and the same options.");
    return 130;
  }
  const double loss = trainer.validate(kAll);
  std::printf("\nValidation: loss %.4f nats a byte (%.3f bits), perplexity %.3f\n", loss,
              loss / std::log(2.0), std::exp(loss));
  if (options.sample > 0)
    std::printf("\nA sample:\n%s\n", printable(trainer.sample(options.sample)).c_str());
  if (trainer.step() > begin) time_updates(options, trainer, device);
  if (!options.csv.empty()) {
    write_csv(options.csv, trainer.rows());
    std::printf("\nTable of the run: %s\n", options.csv.c_str());
  }
  if (!options.svg.empty()) {
    write_svg(options.svg, trainer.rows(), loss, "train_gpt, " + trainer.optimizer_name());
    std::printf("Loss curve: %s\n", options.svg.c_str());
  }
  return 0;
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

/// Trains with stock AdamW and with ours from the same seed. 0 if both kept the promises below,
/// else 1.
int compare(Options options, const Text& text, torch::Device device) {
  constexpr std::int64_t kFirst = 20;
  constexpr double kLossPromise = 1e-5, kValidationPromise = 0.01;
  std::vector<std::vector<Row>> runs;
  std::vector<double> validation;
  for (const char* optimizer : {"torch-adamw", "adamw"}) {
    options.optimizer = optimizer;
    Trainer trainer(options, text, device);
    std::printf("%s\n", trainer.optimizer_name().c_str());
    trainer.run(options.steps, /*show=*/true);
    if (interrupted) return 130;
    runs.push_back(trainer.rows());
    validation.push_back(trainer.validate(kAll));
  }
  const auto difference = [](double a, double b) {
    const double d = std::abs(a - b);
    return std::isnan(d) ? HUGE_VAL : d;
  };
  std::printf("\n%10s  %12s  %12s  %10s\n", "step", "torch-adamw", "adamw", "difference");
  double largest = 0;
  for (std::int64_t t = 0; t < options.steps; ++t) {
    const double a = runs[0][static_cast<std::size_t>(t)].loss,
                 b = runs[1][static_cast<std::size_t>(t)].loss;
    if (t < kFirst) largest = std::max(largest, difference(a, b));
    if (t < kFirst || (t + 1) % std::max<std::int64_t>(1, options.steps / 10) == 0) {
      std::printf("%10lld  %12.6f  %12.6f  %10.2e\n", static_cast<long long>(t + 1), a, b,
                  difference(a, b));
    }
  }
  const double last = difference(validation[0], validation[1]);
  std::printf("%10s  %12.6f  %12.6f  %10.2e\n\n", "validation", validation[0], validation[1], last);
  bool kept = true;
  const auto promise = [&kept](bool holds, const std::string& what) {
    std::printf("%s: %s\n", holds ? "kept" : "BROKEN", what.c_str());
    kept = kept && holds;
  };
  promise(largest <= kLossPromise, "losses of the first 20 steps equal to 1e-5");
  promise(last <= kValidationPromise, "validation losses equal to 0.01");
  if (options.quick) {
    promise(validation[1] < runs[1][0].loss - 1, "the model learned at least 1 nat a byte");
    promise(resumes(options, text, device, runs[1]),
            "a resumed run has the losses of the whole one, bit for bit");
  }
  return kept ? 0 : 1;
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
    std::signal(SIGINT, [](int) {
      demo::interrupted = 1;
      std::signal(SIGINT, SIG_DFL);  // a second one ends the program at once
    });
    return options->compare ? demo::compare(*options, text, device)
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
