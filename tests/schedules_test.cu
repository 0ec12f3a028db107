// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// That the factors of schedules have the same bits on the GPU that is here as on the host.

#include <agmohd/recipes.hpp>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace {

using namespace agmohd;

constexpr int kSteps = 1 << 16;

/// Every step at first, then further and further apart.
AGMOHD_HD std::int64_t step(int i) {
  return i < kSteps / 2 ? i : std::int64_t(i) * (i - kSteps / 2 + 1) * 37;
}

template <class S>
__global__ void factors(typename S::Options o, double* to) {
  const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < kSteps) to[i] = S::factor(o, step(i));
}

template <class S>
int wrong(const char* name, const typename S::Options& o) {
  double* device = nullptr;
  std::vector<double> found(kSteps);
  if (cudaMalloc(&device, kSteps * sizeof(double)) != cudaSuccess) return 1;
  factors<S><<<kSteps / 256, 256>>>(o, device);
  const cudaError_t error =
      cudaMemcpy(found.data(), device, kSteps * sizeof(double), cudaMemcpyDeviceToHost);
  cudaFree(device);
  int count = error == cudaSuccess ? 0 : kSteps;
  for (int i = 0; count < kSteps && i < kSteps; ++i) {
    const double host = S::factor(o, step(i));
    if (std::bit_cast<std::uint64_t>(host) == std::bit_cast<std::uint64_t>(found[std::size_t(i)])) {
      continue;
    }
    if (count++ == 0)
      std::printf("  step %lld: %.17g, not %.17g\n", (long long)step(i), found[std::size_t(i)],
                  host);
  }
  std::printf("%-24s %d of %d differ%s\n", name, count, kSteps, count == 0 ? "" : "  FAILED");
  return count;
}

}  // namespace

int main() {
  using namespace schedule;
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("there is no GPU");
    return 77;
  }
  int all = 0;
  all += wrong<Linear>("Linear", {.total_steps = 20'000, .start_factor = 0.3, .end_factor = 0.07});
  all += wrong<Polynomial>("Polynomial", {.total_steps = 30'001, .power = 2.3, .min_factor = 0.07});
  all += wrong<Exponential>("Exponential", {.gamma = 0.9997, .decay_steps = 3});
  all += wrong<InverseSqrt>("InverseSqrt", {.timescale = 777});
  all += wrong<Noam>("Noam", {.noam_steps = 4001, .model_dim = 513});
  all += wrong<Step>("Step", {.step_size = 77, .gamma = 0.93});
  all += wrong<MultiStep>("MultiStep", {.milestones = {100, 2000, 30'000}, .gamma = 0.3});
  all += wrong<Piecewise>("Piecewise", {.points = {{0, 0.1}, {333, 1}, {30'011, 0.37}, {1e9, 0}}});
  all += wrong<Cosine>("Cosine", {.total_steps = 30'011, .min_factor = 0.07});
  all += wrong<CosineRestarts>("CosineRestarts", {.restart_steps = 333, .restart_mult = 2});
  for (const auto mode : {CycleMode::triangular, CycleMode::triangular2, CycleMode::exp_range}) {
    all += wrong<Cyclical>("Cyclical",
                           {.cycle_steps = 1001, .cycle_mode = mode, .cycle_gamma = 0.9999});
  }
  for (const bool three : {false, true}) {
    all += wrong<OneCycle>("OneCycle", {.total_steps = 30'011, .three_phase = three});
  }
  for (const auto curve :
       {Curve::linear, Curve::cosine, Curve::exponential, Curve::one_minus_sqrt}) {
    all += wrong<WarmupStableDecay>("WarmupStableDecay", {.warmup_steps = 999,
                                                          .warmup_curve = curve,
                                                          .warmup_start = 0.01,
                                                          .after = {.total_steps = 31'001,
                                                                    .decay_steps = 10'007,
                                                                    .decay_curve = curve,
                                                                    .min_factor = 0.03}});
  }
  all += wrong<Restart<Cosine>>("Restart", {.restart_steps = 333,
                                            .restart_mult = 3,
                                            .restart_decay = 0.7,
                                            .schedule = {.total_steps = 333}});
  all += wrong<Scale<Sequence<Warmup<>, Cosine, Exponential>>>(
      "Sequence",
      {.scale = 0.3,
       .schedule = {.milestones = {100, 20'000},
                    .schedules = {{.warmup_steps = 100}, {{.total_steps = 19'900}, {{}}}}}});
  all += wrong<Product<Step, Linear>>(
      "Product", {.schedules = {{.step_size = 1000, .gamma = 0.9}, {{.total_steps = 30'000}}}});
  return all == 0 ? 0 : 1;
}
