// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// What a step costs: agmohd beside stock LibTorch and ATen's fused operators, on the same tensors,
// in one run.

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "lineup.hpp"
#include "memory.hpp"
#include "peers.hpp"
#include "platform.hpp"
#ifdef AGMOHD_BENCH_CUDA
#include "cuda_platform.hpp"
#include "training.hpp"
#include "tune.hpp"
#endif

namespace bench {
namespace {

using Contestants = std::vector<Contestant> (*)(at::ScalarType dtype, bool cuda);

/// What a step moves at least, in bytes a parameter: the parameter in and out, the gradient once or
/// (clipped) twice, the states in and out. agmohd keeps states in float32 (float64 for float64),
/// the others in the parameters' dtype.
struct Bytes {
  explicit Bytes(at::ScalarType dtype) : element(double(c10::elementSize(dtype))) {}
  double ours(int gradients, int states) const {
    return (2 + gradients) * element + 2 * states * std::max(4.0, element);
  }
  double theirs(int gradients, int states) const { return (2 + gradients + 2 * states) * element; }
  double element;
};

std::string state_of(at::ScalarType dtype) {
  return dtype == at::kFloat ? "" : std::string(", state in ") + c10::toString(dtype);
}

template <class Recipe>
void step_ours(Peers& p) {
  p.ours<Recipe>().step();
}
template <class Recipe>
void prepare_ours(Peers& p) {
  p.ours<Recipe>().prepare();
}

std::vector<Contestant> adamw(at::ScalarType dtype, bool cuda) {
  const Bytes bytes(dtype);
  const double ours = bytes.ours(1, 2), clip_ours = bytes.ours(2, 2);
  const double theirs = bytes.theirs(1, 2), clip_theirs = bytes.theirs(2, 2);
  const std::string state = state_of(dtype), clipped = "torch_clip_adamw", plain = "torch_adamw";
  const auto clip_agmohd = step_ours<ClipAdamW>;
  const auto foreach_fused = [](Peers& p) { p.foreach_clip(), p.fused_adamw(); };
  const auto fused = [](Peers& p) { p.fused_adamw(); };
  std::vector<Contestant> all{
      {clipped, "clip_grad_norm_ + torch::optim::AdamW" + state, clipped, clip_theirs,
       [](Peers& p) { p.clip_grad_norm(), p.torch_adamw(); }},
      {"agmohd_clip_adamw", "agmohd, AdamW + ClipByNorm", clipped, clip_ours, clip_agmohd},
      {"agmohd_clip_adamw_same", "the same, every .grad() assigned before", clipped, clip_ours,
       [](Peers& p) { p.assign_gradients(false), step_ours<ClipAdamW>(p); }},
      {"agmohd_clip_adamw_fresh", "the same, every gradient at a new address", clipped, clip_ours,
       [](Peers& p) { p.assign_gradients(true), step_ours<ClipAdamW>(p); }},
      {"clip_fused_adamw", "clip_grad_norm_ + at::_fused_adamw_" + state, clipped, clip_theirs,
       [](Peers& p) { p.clip_grad_norm(), p.fused_adamw(); }},
      {plain, "torch::optim::AdamW" + state, plain, theirs, [](Peers& p) { p.torch_adamw(); }},
      {"agmohd_adamw", "agmohd, AdamW", plain, ours, step_ours<AdamW>},
      {"fused_adamw", "at::_fused_adamw_" + state, plain, theirs, fused},
  };
  if (!cuda) return all;
  const std::vector<Contestant> more{
      {"foreach_clip_fused_adamw",
       "at::_foreach_norm, at::_foreach_mul_ + at::_fused_adamw_" + state, clipped, clip_theirs,
       foreach_fused},
      {"agmohd_clip_adamw_graph", "the same as a CUDA graph", clipped, clip_ours, clip_agmohd, true,
       prepare_ours<ClipAdamW>},
      {"foreach_clip_fused_adamw_graph", "the same as a CUDA graph", clipped, clip_theirs,
       foreach_fused, true},
      {"agmohd_adamw_graph", "the same as a CUDA graph", plain, ours, step_ours<AdamW>, true,
       prepare_ours<AdamW>},
      {"fused_adamw_graph", "the same as a CUDA graph", plain, theirs, fused, true},
  };
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// The other rules, clipped.
std::vector<Contestant> rules(at::ScalarType dtype, bool cuda) {
  const Bytes bytes(dtype);
  const std::string state = state_of(dtype), sgd = "torch_clip_sgd", adam = "torch_clip_adam";
  std::vector<Contestant> all{
      {sgd, "clip_grad_norm_ + torch::optim::SGD, momentum" + state, sgd, bytes.theirs(2, 1),
       [](Peers& p) { p.clip_grad_norm(), p.torch_sgd(); }},
      {"agmohd_clip_sgd", "agmohd, SGD, momentum + ClipByNorm", sgd, bytes.ours(2, 1),
       step_ours<ClipSGD>},
      {adam, "clip_grad_norm_ + torch::optim::Adam" + state, adam, bytes.theirs(2, 2),
       [](Peers& p) { p.clip_grad_norm(), p.torch_adam(); }},
      {"agmohd_clip_adam", "agmohd, Adam + ClipByNorm", adam, bytes.ours(2, 2),
       step_ours<ClipAdam>},
      {"agmohd_clip_one_state", "agmohd, a rule with one state + ClipByNorm", "", bytes.ours(2, 1),
       step_ours<ClipOneState>},
  };
  if (!cuda) return all;
  const std::vector<Contestant> more{
      {"foreach_clip_fused_sgd", "at::_foreach_norm, at::_foreach_mul_ + at::_fused_sgd_" + state,
       sgd, bytes.theirs(2, 1), [](Peers& p) { p.foreach_clip(), p.fused_sgd(); }},
      {"foreach_clip_fused_adam", "at::_foreach_norm, at::_foreach_mul_ + at::_fused_adam_" + state,
       adam, bytes.theirs(2, 2), [](Peers& p) { p.foreach_clip(), p.fused_adam(); }},
      {"agmohd_clip_sgd_graph", "the same as a CUDA graph", sgd, bytes.ours(2, 1),
       step_ours<ClipSGD>, true, prepare_ours<ClipSGD>},
      {"agmohd_clip_adam_graph", "the same as a CUDA graph", adam, bytes.ours(2, 2),
       step_ours<ClipAdam>, true, prepare_ours<ClipAdam>},
      {"agmohd_clip_one_state_graph", "the same as a CUDA graph", "", bytes.ours(2, 1),
       step_ours<ClipOneState>, true, prepare_ours<ClipOneState>},
  };
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// AdamW with its states in bfloat16.
std::vector<Contestant> half_state(at::ScalarType dtype, bool cuda) {
  const Bytes bytes(dtype);
  const double half = 4 * bytes.element + 2 * 2 * 2;
  const std::string state = state_of(dtype), clipped = "torch_clip_adamw";
  std::vector<Contestant> all{
      {clipped, "clip_grad_norm_ + torch::optim::AdamW" + state, clipped, bytes.theirs(2, 2),
       [](Peers& p) { p.clip_grad_norm(), p.torch_adamw(); }},
      {"agmohd_clip_adamw", "agmohd, AdamW + ClipByNorm, state in float32", clipped,
       bytes.ours(2, 2), step_ours<ClipAdamW>},
      {"agmohd_clip_adamw_half", "agmohd, state in bfloat16", clipped, half,
       step_ours<ClipHalfAdamW>},
      {"agmohd_clip_adamw_stochastic", "agmohd, state in bfloat16, rounded stochastically", clipped,
       half, step_ours<ClipStochasticAdamW>},
  };
  if (!cuda) return all;
  const std::vector<Contestant> more{
      {"foreach_clip_fused_adamw",
       "at::_foreach_norm, at::_foreach_mul_ + at::_fused_adamw_" + state, clipped,
       bytes.theirs(2, 2), [](Peers& p) { p.foreach_clip(), p.fused_adamw(); }},
      {"agmohd_clip_adamw_half_graph", "agmohd, state in bfloat16, as a CUDA graph", clipped, half,
       step_ours<ClipHalfAdamW>, true, prepare_ours<ClipHalfAdamW>},
      {"agmohd_clip_adamw_stochastic_graph", "the same, rounded stochastically", clipped, half,
       step_ours<ClipStochasticAdamW>, true, prepare_ours<ClipStochasticAdamW>},
  };
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// AGMOHD beside its base and beside a detector on the host.
std::vector<Contestant> hindrance(at::ScalarType dtype, bool cuda) {
  const Bytes bytes(dtype);
  const double ours = bytes.ours(2, 2);
  const std::string detector = "torch_detector";
  const auto agmohd = [](Peers& p) { p.step_agmohd(); };
  std::vector<Contestant> all{
      {detector, "norm().item(), if, clip + torch::optim::AdamW" + state_of(dtype), detector,
       bytes.theirs(2, 2), [](Peers& p) { p.torch_detector(); }},
      {"agmohd_clip_adamw", "agmohd, AdamW + ClipByNorm", detector, ours, step_ours<ClipAdamW>},
      {"agmohd", "AGMOHD, everything on, with a loss", detector, ours, agmohd},
  };
  if (!cuda) return all;
  const std::vector<Contestant> more{
      {"agmohd_clip_adamw_graph", "agmohd, AdamW + ClipByNorm, as a CUDA graph", detector, ours,
       step_ours<ClipAdamW>, true, prepare_ours<ClipAdamW>},
      {"agmohd_graph", "AGMOHD as a CUDA graph", detector, ours, agmohd, true,
       prepare_ours<Agmohd>},
  };
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// AGMOHD and AdamW beside stock ones, on models whose step is latency alone.
std::vector<Contestant> small_models(at::ScalarType dtype, bool cuda) {
  const Bytes bytes(dtype);
  const std::string plain = "torch_adamw";
  const auto agmohd = [](Peers& p) { p.step_agmohd(); };
  std::vector<Contestant> all{
      {plain, "torch::optim::AdamW", plain, bytes.theirs(1, 2), [](Peers& p) { p.torch_adamw(); }},
      {"fused_adamw", "at::_fused_adamw_", plain, bytes.theirs(1, 2),
       [](Peers& p) { p.fused_adamw(); }},
      {"agmohd_adamw", "agmohd, AdamW", plain, bytes.ours(1, 2), step_ours<AdamW>},
      {"agmohd", "AGMOHD, everything on, with a loss", plain, bytes.ours(2, 2), agmohd},
  };
  if (!cuda) return all;
  const std::vector<Contestant> more{
      {"agmohd_adamw_graph", "agmohd, AdamW, as a CUDA graph", plain, bytes.ours(1, 2),
       step_ours<AdamW>, true, prepare_ours<AdamW>},
      {"agmohd_graph", "AGMOHD as a CUDA graph", plain, bytes.ours(2, 2), agmohd, true,
       prepare_ours<Agmohd>},
  };
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// The same with snapshots, for which a large model may not leave enough memory.
std::vector<Contestant> hindrance_and_snapshots(at::ScalarType dtype, bool cuda) {
  std::vector<Contestant> all = hindrance(dtype, cuda);
  const auto add = [&](const char* name, const char* what, bool on_host) {
    all.push_back({.name = name,
                   .what = what,
                   .baseline = "torch_detector",
                   .bytes_a_parameter = Bytes(dtype).ours(2, 2),
                   .step = [on_host](Peers& p) { p.step_snapshots(on_host); },
                   .multiple = 50});
  };
  add("agmohd_snapshots", "AGMOHD, a snapshot every 50 steps", false);
  if (cuda) add("agmohd_host_snapshots", "the same, in the host's memory", true);
  return all;
}

/// A lineup on each of the devices; a variant that measures another optimizer is one more line.
struct Row {
  const char* name;
  Tensors tensors;
  bool cpu, cuda;
  bool launches = false;  ///< counts them too
  Contestants contestants = adamw;
  int threads = 0;  ///< of the CPU; 0: all
};
const std::vector<Row>& lineups() {
  static const Shapes small = gpt2(12, 768), large = gpt2(48, 1600);
  static const std::vector<Row> rows{
      {"gpt2_124m", {small}, true, true, true},
      {"gpt2_124m_bf16", {small, at::kBFloat16}, true, true},
      {"gpt2_4x512_f64", {gpt2(4, 512), at::kDouble}, true, false},
      {"gpt2_124m_rules", {small}, true, true, true, rules},
      {"gpt2_124m_state", {small}, true, true, false, half_state},
      {"gpt2_124m_bf16_state", {small, at::kBFloat16}, false, true, false, half_state},
      {"gpt2_xl_rules", {large}, false, true, false, rules},
      {"gpt2_xl_state", {large}, false, true, false, half_state},
      {"gpt2_xl_bf16_state", {large, at::kBFloat16}, false, true, false, half_state},
      {"gpt2_124m_agmohd", {small}, true, true, true, hindrance_and_snapshots},
      {"gpt2_xl_agmohd", {large}, false, true, false, hindrance},
      {"2000x1000_agmohd", {equal(2000, 1000)}, true, true, false, hindrance},
      {"10000x64_agmohd", {equal(10000, 64)}, false, true, false, hindrance},
      {"gpt2_124m_misaligned", {small, at::kFloat, 1, 1}, false, true},
      {"gpt2_124m_grads_misaligned", {small, at::kFloat, 2, 1}, false, true},
      {"gpt2_xl", {large}, false, true},
      {"gpt2_xl_bf16", {large, at::kBFloat16}, false, true},
      {"2000x1000", {equal(2000, 1000)}, true, true, true},
      {"2000x1000_rules", {equal(2000, 1000)}, true, true, false, rules},
      {"10000x64", {equal(10000, 64)}, false, true, true},
      {"small_mlp64", {mlp({8, 64, 64, 2})}, true, true, false, small_models, 1},
      {"small_mlp256", {mlp({24, 256, 256, 6})}, true, true, false, small_models, 1},
      {"small_cnn", {cnn()}, true, true, false, small_models, 1},
  };
  return rows;
}

/// Only the lineup that is being measured holds memory, and it has its number of threads.
void enter(const std::shared_ptr<Lineup>& lineup) {
  static const int all = at::get_num_threads();
  static std::shared_ptr<Lineup> current;
  if (current == lineup) return;
  if (current) current->release();
  current = lineup;
  at::set_num_threads(lineup && lineup->threads() > 0 ? lineup->threads() : all);
}

void count(benchmark::State& state, const char* name, double value) {
  state.counters[name] = benchmark::Counter(value);
}

void add_step(const std::shared_ptr<Lineup>& lineup, std::size_t index) {
  const Contestant& contestant = lineup->contestants()[index];
  const auto run = [lineup, index, &contestant,
                    round = std::size_t{0}](benchmark::State& state) mutable {
    enter(lineup);
    const Lineup::Sample sample = lineup->sample(index, round++);
    for (auto _ : state) state.SetIterationTime(sample.seconds.whole);
    const double bytes = contestant.bytes_a_parameter * double(lineup->elements());
    const double rate = bytes / sample.seconds.whole;
    count(state, "bytes_a_parameter", contestant.bytes_a_parameter);
    count(state, "GB/s", rate / 1e9);
    count(state, "share_of_copy", rate / sample.copy);
    count(state, "copy_GB/s", sample.copy / 1e9);
    if (sample.baseline > 0) {
      count(state, "times_torch", sample.baseline / sample.seconds.whole);
    }
    count(state, "wall_ms", sample.seconds.wall * 1e3);
    count(state, "host_ms", sample.seconds.host * 1e3);
    count(state, "host_us_a_tensor", sample.seconds.host * 1e6 / double(lineup->tensors()));
    count(state, "steps", double(sample.steps));
    count(state, "parameters", double(lineup->elements()));
    count(state, "tensors", double(lineup->tensors()));
    state.SetLabel(contestant.what);
  };
  benchmark::RegisterBenchmark((lineup->name() + "/" + contestant.name).c_str(), run)
      ->Iterations(1)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond)
      ->ReportAggregatesOnly()
      ->ComputeStatistics(
          "min", [](const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); })
      ->ComputeStatistics("max", [](const std::vector<double>& v) {
        return *std::max_element(v.begin(), v.end());
      });
}

void add_memory(const std::shared_ptr<Lineup>& lineup) {
  const auto run = [lineup](benchmark::State& state) {
    enter(lineup);
    lineup->release();
    Peers& peers = lineup->peers();
    {
      step_ours<ClipAdamW>(*std::make_unique<Peers>(Tensors{{{8}}}, lineup->platform().device()));
    }  // threads, modules
    Memory memory{};
    for (auto _ : state) {
      memory = measure_memory(
          lineup->platform(), [&]() -> auto& { return peers.ours<ClipAdamW>(); });
    }
    const auto n = double(lineup->elements());
    count(state, "state_bytes_a_parameter", double(memory.state) / n);
    count(state, "beyond_bytes", double(memory.held));
    count(state, "beyond_bytes_a_tensor", double(memory.held) / double(lineup->tensors()));
    count(state, "beyond_share_of_state", double(memory.held) / double(memory.state));
    count(state, "peak_beyond_bytes", double(memory.peak));
    state.SetLabel(
        "agmohd, AdamW + ClipByNorm: memory beyond parameters, gradients and the rule's state");
  };
  benchmark::RegisterBenchmark((lineup->name() + "/memory").c_str(), run)
      ->Iterations(1)
      ->Repetitions(1)
      ->Unit(benchmark::kMillisecond);
}

void add_launches(const std::shared_ptr<Lineup>& lineup) {
  for (std::size_t i = 0; i < lineup->contestants().size(); ++i) {
    const Contestant& contestant = lineup->contestants()[i];
    if (contestant.captured) continue;
    const auto run = [lineup, i, &contestant](benchmark::State& state) {
      enter(lineup);
      std::optional<Launches> found;
      for (auto _ : state) found = lineup->launches(i);
      if (!found) return state.SkipWithError("nothing counts launches here");
      count(state, "kernels", found->kernels);
      count(state, "copies", found->copies);
      count(state, "memsets", found->memsets);
      count(state, "synchronisations", found->synchronisations);
      count(state, "allocations", found->allocations);
      state.SetLabel(contestant.what);
    };
    benchmark::RegisterBenchmark((lineup->name() + "/launches/" + contestant.name).c_str(), run)
        ->Iterations(1)
        ->Repetitions(1)
        ->Unit(benchmark::kMillisecond);
  }
}

#ifdef AGMOHD_BENCH_CUDA
void add_training_loop() {
  const auto run = [](benchmark::State& state) {
    enter(nullptr);
    TrainingLoop::Times times{};
    for (auto _ : state) {
      times = TrainingLoop::run(gpt2(12, 768), 60);
      state.SetIterationTime(times.fresh);
    }
    count(state, "kept_ms", times.kept * 1e3);
    count(state, "fresh_over_kept", times.fresh / times.kept);
    count(state, "gradients_moved", times.moved);
    state.SetLabel("a clip + AdamW step in a training loop whose gradients are made anew");
  };
  benchmark::RegisterBenchmark("cuda/gpt2_124m/training_loop", run)
      ->Iterations(1)
      ->Repetitions(1)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}
#endif

/// The launches come last: nothing is timed after a profiler was loaded.
void add(const Platform& platform) {
  const bool cuda = platform.device().is_cuda();
  std::vector<std::shared_ptr<Lineup>> counted;
  for (const Row& row : lineups()) {
    if (!(cuda ? row.cuda : row.cpu)) continue;
    const std::string name = std::string(cuda ? "cuda/" : "cpu/") + row.name;
    const auto lineup = std::make_shared<Lineup>(
        name, platform, row.tensors, row.contestants(row.tensors.dtype, cuda), row.threads);
    if (lineup->bytes() > platform.available()) {
      std::fprintf(stderr, "%s is left out: it needs %.1f GB of memory\n", name.c_str(),
                   double(lineup->bytes()) / 1e9);
      continue;
    }
    for (std::size_t i = 0; i < lineup->contestants().size(); ++i) add_step(lineup, i);
    if (row.contestants == adamw) add_memory(lineup);
    if (cuda && row.launches) counted.push_back(lineup);
  }
  for (const auto& lineup : counted) add_launches(lineup);
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

void help() {
  std::puts(
      "agmohd_bench: what an optimizer step costs, beside stock LibTorch and ATen's fused "
      "operators.\n"
      "\n"
      "Rows are named DEVICE/SHAPES/WHAT, e.g. cpu/gpt2_124m/agmohd_clip_adamw:\n"
      "  DEVICE  cpu; cuda where there is a GPU and kernels were compiled\n"
      "  SHAPES  gpt2_124m, gpt2_xl (1.56 G parameters), gpt2_4x512 (4 blocks of width 512),\n"
      "          2000x1000, 10000x64 (tensors x elements), small_mlp64, small_mlp256, small_cnn\n"
      "          (models whose step is latency; the CPU's rows on one thread), with a variant:\n"
      "          _bf16, _f64        parameters and gradients in that dtype\n"
      "          _rules             the other rules\n"
      "          _state             states in bfloat16: _half to nearest, _stochastic\n"
      "          _agmohd            AGMOHD beside its base and a detector written on the host\n"
      "          _misaligned        every parameter and gradient begins one element off alignment\n"
      "          _grads_misaligned  gradients begin one element off, parameters two\n"
      "  WHAT    torch_clip_X, torch_X    clip_grad_norm_ + torch::optim; without clipping\n"
      "          clip_fused_X, fused_X    at::_fused_X_ with and without clip_grad_norm_\n"
      "          foreach_clip_fused_X     at::_foreach_norm, _foreach_mul_ and _fused_X_\n"
      "          agmohd_clip_X, agmohd_X  agmohd with and without ClipByNorm\n"
      "          ..._same, ..._fresh      every .grad() assigned before the step: the same "
      "tensors,\n"
      "                                   or tensors at other addresses than the step before\n"
      "          ..._graph                replays of a captured CUDA graph: the device's time\n"
      "          training_loop            a step within a loop where autograd makes every gradient "
      "anew,\n"
      "                                   beside one whose gradients stay (CUDA)\n"
      "          memory                   what agmohd holds beyond the rule's state\n"
      "          launches/WHAT            kernels, copies, memsets, synchronisations and\n"
      "                                   allocations of a warm step (CUDA)\n"
      "          X is adamw, or in _rules sgd (momentum), adam, one_state (of the form of Lion)\n"
      "\n"
      "agmohd_bench tune prints the launch geometry that is best on the GPU that is here, as a row "
      "of\n"
      "agmohd/cuda/tuning.hpp.\n"
      "\n"
      "Whatever rows are chosen, all of a lineup DEVICE/SHAPES are timed in turn, so that ratios\n"
      "are of neighbours in time. A repetition is one such round (default: 7); its time is that "
      "of\n"
      "one step, on CUDA by events. Counters:\n"
      "  bytes_a_parameter  what the step must move at least (clipping reads the gradients twice)\n"
      "  GB/s               those bytes over the time\n"
      "  share_of_copy      GB/s over copy_GB/s; above 1 where the caches hold the tensors\n"
      "  copy_GB/s          of a copy of 1 GiB in the same round, read and written: the best of\n"
      "                     copy_ and of loads and stores of our own (non-temporal on the CPU;\n"
      "                     four kernels on CUDA)\n"
      "  times_torch        how many times as fast as the torch_ row that does the same\n"
      "  wall_ms            a step on the host's clock, until the device is done\n"
      "  host_ms            until the calls of a step have returned; host_us_a_tensor: its share\n"
      "  steps              timed in a round\n"
      "\n"
      "benchmarks/table.py and chart.py show what --benchmark_out=FILE writes; peers.py times "
      "PyTorch.\n"
      "agmohd_stability measures what optimizers make of faults and learning rates; it has a "
      "--help.\n"
      "Options of Google Benchmark:\n");
  benchmark::PrintDefaultHelp();
}

#ifdef AGMOHD_BENCH_CUDA
std::string cuda_version() {
  return std::to_string(CUDART_VERSION / 1000) + "." + std::to_string(CUDART_VERSION % 1000 / 10);
}
cudaDeviceProp gpu() {
  cudaDeviceProp properties{};
  C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
  return properties;
}
void tune() {
  if (!torch::cuda::is_available()) throw std::runtime_error("agmohd_bench tune: there is no GPU");
  char date[16];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
  Tuner(Cuda()).run(gpu().name,
                    std::string(date) + ", LibTorch " TORCH_VERSION ", CUDA " + cuda_version());
}
#else
void tune() { throw std::runtime_error("agmohd_bench tune: no CUDA kernels were compiled"); }
#endif

void run(std::vector<char*> arguments) {
  if (arguments.size() == 2 && std::string_view(arguments[1]) == "tune") return tune();
  std::string repetitions = "--benchmark_repetitions=7";
  arguments.insert(arguments.begin() + 1,
                   repetitions.data());  // in front: the user's own comes later
  int count = int(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data(), help);
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) std::exit(2);

  benchmark::AddCustomContext("processor", processor());
  benchmark::AddCustomContext("threads", std::to_string(at::get_num_threads()));
  benchmark::AddCustomContext("libtorch", TORCH_VERSION);
  const Cpu cpu;
  add(cpu);
#ifdef AGMOHD_BENCH_CUDA
  std::unique_ptr<Cuda> cuda;
  if (torch::cuda::is_available()) {
    cuda = std::make_unique<Cuda>();
    benchmark::AddCustomContext("gpu", gpu().name);
    benchmark::AddCustomContext("cuda", cuda_version());
    add_training_loop();
    add(*cuda);
  }
#endif
  if (benchmark::RunSpecifiedBenchmarks() == 0) std::exit(1);
  enter(nullptr);
  benchmark::Shutdown();
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  try {
    bench::run({argv, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
