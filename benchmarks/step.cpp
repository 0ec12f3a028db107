// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// What a step costs: agmohd beside stock LibTorch and ATen's fused operators, on the same tensors,
// in one run.

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lineup.hpp"
#include "memory.hpp"
#include "peers.hpp"
#include "platform.hpp"
#ifdef AGMOHD_BENCH_CUDA
#include "cuda_platform.hpp"
#endif

namespace bench {
namespace {

/// agmohd keeps its state in float32, the others in the parameters' dtype.
std::vector<Contestant> contestants(at::ScalarType dtype, bool cuda) {
  const auto e = double(c10::elementSize(dtype));
  const double ours = 3 * e + 16, theirs = 7 * e;  // p in and out, g; m and v in and out
  const std::string state =
      dtype == at::kFloat ? "" : std::string(", state in ") + c10::toString(dtype);
  const std::string clipped = "torch_clip_adamw", plain = "torch_adamw";
  const auto clip_fused = [](Peers& p) { p.clip_grad_norm(), p.fused_adamw(); };
  const auto foreach_fused = [](Peers& p) { p.foreach_clip(), p.fused_adamw(); };
  const auto fused = [](Peers& p) { p.fused_adamw(); };
  const auto clip_agmohd = [](Peers& p) { p.agmohd_clip_adamw().step(); };
  const auto agmohd = [](Peers& p) { p.agmohd_adamw().step(); };
  std::vector<Contestant> all{
      {clipped, "clip_grad_norm_ + torch::optim::AdamW" + state, clipped, theirs + e,
       [](Peers& p) { p.clip_grad_norm(), p.torch_adamw(); }},
      {"agmohd_clip_adamw", "agmohd, AdamW + ClipByNorm", clipped, ours + e, clip_agmohd},
      {"clip_fused_adamw", "clip_grad_norm_ + at::_fused_adamw_" + state, clipped, theirs + e,
       clip_fused},
      {plain, "torch::optim::AdamW" + state, plain, theirs, [](Peers& p) { p.torch_adamw(); }},
      {"agmohd_adamw", "agmohd, AdamW", plain, ours, agmohd},
      {"fused_adamw", "at::_fused_adamw_" + state, plain, theirs, fused},
  };
  if (!cuda) return all;
  const std::vector<Contestant> more{
      {"foreach_clip_fused_adamw",
       "at::_foreach_norm, at::_foreach_mul_ + at::_fused_adamw_" + state, clipped, theirs + e,
       foreach_fused},
      {"agmohd_clip_adamw_graph", "the same as a CUDA graph", clipped, ours + e, clip_agmohd, true,
       [](Peers& p) { p.agmohd_clip_adamw().prepare(); }},
      {"foreach_clip_fused_adamw_graph", "the same as a CUDA graph", clipped, theirs + e,
       foreach_fused, true},
      {"agmohd_adamw_graph", "the same as a CUDA graph", plain, ours, agmohd, true,
       [](Peers& p) { p.agmohd_adamw().prepare(); }},
      {"fused_adamw_graph", "the same as a CUDA graph", plain, theirs, fused, true},
  };
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// Only the lineup that is being measured holds memory.
void enter(const std::shared_ptr<Lineup>& lineup) {
  static std::shared_ptr<Lineup> current;
  if (current && current != lineup) current->release();
  current = lineup;
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
    count(state, "times_torch", sample.baseline / sample.seconds.whole);
    count(state, "host_ms", sample.seconds.host * 1e3);
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
      Peers({{8}}, lineup->platform().device(), at::kFloat).agmohd_clip_adamw().step();
    }  // threads, modules
    Memory memory{};
    for (auto _ : state) {
      memory = measure_memory(
          lineup->platform(), [&]() -> auto& { return peers.agmohd_clip_adamw(); });
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

void add(const std::string& name, const Platform& platform, const Shapes& shapes,
         at::ScalarType dtype = at::kFloat) {
  const auto lineup = std::make_shared<Lineup>(name, platform, shapes, dtype,
                                               contestants(dtype, platform.device().is_cuda()));
  if (lineup->bytes() > platform.available()) {
    std::fprintf(stderr, "%s is left out: it needs %.1f GB of memory\n", name.c_str(),
                 double(lineup->bytes()) / 1e9);
    return;
  }
  for (std::size_t i = 0; i < lineup->contestants().size(); ++i) add_step(lineup, i);
  add_memory(lineup);
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
      "  SHAPES  gpt2_124m, gpt2_xl (1.56 G parameters), 2000x1000, 10000x64 (tensors x elements); "
      "_bf16: parameters\n"
      "          and gradients in bfloat16\n"
      "  WHAT    torch_clip_adamw, torch_adamw      torch::optim::AdamW with and without "
      "clip_grad_norm_\n"
      "          clip_fused_adamw, fused_adamw      at::_fused_adamw_ with and without "
      "clip_grad_norm_\n"
      "          foreach_clip_fused_adamw           at::_foreach_norm, _foreach_mul_ and "
      "_fused_adamw_\n"
      "          agmohd_clip_adamw, agmohd_adamw    agmohd with and without ClipByNorm\n"
      "          ..._graph                          replays of a captured CUDA graph\n"
      "          memory                             what agmohd holds beyond the rule's state\n"
      "\n"
      "Whatever rows are chosen, all of a lineup DEVICE/SHAPES are timed in turn, so that ratios "
      "are of neighbours in\n"
      "time. A repetition is one such round (default: 7); its time is that of one step, on CUDA by "
      "events. Counters:\n"
      "  bytes_a_parameter  what the step must move at least (clipping reads the gradients twice)\n"
      "  GB/s               those bytes over the time\n"
      "  share_of_copy      GB/s over the bandwidth of a large copy in the same round, read and "
      "written\n"
      "  times_torch        how many times as fast as the torch_ row that does the same\n"
      "  host_ms            until the calls of a step have returned\n"
      "  steps              timed in a round\n"
      "\n"
      "benchmarks/table.py makes tables of what --benchmark_out=FILE writes. Options of Google "
      "Benchmark:\n");
  benchmark::PrintDefaultHelp();
}

void run(std::vector<char*> arguments) {
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
  add("cpu/gpt2_124m", cpu, gpt2(12, 768));
  add("cpu/2000x1000", cpu, equal(2000, 1000));
#ifdef AGMOHD_BENCH_CUDA
  std::unique_ptr<Cuda> cuda;
  if (torch::cuda::is_available()) {
    cuda = std::make_unique<Cuda>();
    cudaDeviceProp properties{};
    C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
    benchmark::AddCustomContext("gpu", properties.name);
    benchmark::AddCustomContext("cuda", std::to_string(CUDART_VERSION / 1000) + "." +
                                            std::to_string(CUDART_VERSION % 1000 / 10));
    add("cuda/gpt2_124m", *cuda, gpt2(12, 768));
    add("cuda/gpt2_124m_bf16", *cuda, gpt2(12, 768), at::kBFloat16);
    add("cuda/gpt2_xl", *cuda, gpt2(48, 1600));
    add("cuda/gpt2_xl_bf16", *cuda, gpt2(48, 1600), at::kBFloat16);
    add("cuda/2000x1000", *cuda, equal(2000, 1000));
    add("cuda/10000x64", *cuda, equal(10000, 64));
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
