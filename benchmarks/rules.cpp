// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Tables of all rules on a GPU, and of all transforms around AdamW: the time of a step, and which
// share of a copy's bandwidth that is at the bytes that it must move.
//
//   agmohd_rules_bench [gpt2_124m|gpt2_xl] [bfloat16]     (default: gpt2_xl, float32)

#include "rules.hpp"

#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "cuda_platform.hpp"
#include "shapes.hpp"

namespace {

constexpr int kRounds = 5;

struct Model {
  std::vector<at::Tensor> params;
  std::int64_t elements = 0;
};

Model model(const bench::Shapes& shapes, at::ScalarType dtype) {
  Model out;
  out.elements = bench::elements_of(shapes);
  for (const auto& shape : shapes) {
    at::Tensor p = at::empty(shape, at::TensorOptions(at::kCUDA).dtype(dtype)).normal_(0, 0.02);
    p.requires_grad_();
    p.mutable_grad() = at::empty_like(p, at::TensorOptions()).detach().normal_(0, 1e-4);
    out.params.push_back(p);
  }
  return out;
}

/// Bytes a second, read and written: the best of several ways to copy.
double copy_rate(const bench::Cuda& platform) {
  constexpr std::int64_t kBytes = std::int64_t{1} << 30, kCopies = 5;
  const at::Tensor from = at::zeros({kBytes / 4}, at::kCUDA);
  at::Tensor to = at::zeros_like(from);
  double best = 0;
  for (int way = 0; platform.stream_copy(way, to, from); ++way) {
    const auto copy = [&, way] { platform.stream_copy(way, to, from); };
    best = std::max(best, 2.0 * double(kCopies * kBytes) / platform.time(kCopies, copy).whole);
  }
  return best;
}

/// Bytes an element that the reduce pass reads for what a rule sums, beyond the gradient.
template <class Rule>
double summed_bytes(double element, double states) {
  using namespace agmohd::rule;
  if (!agmohd::has::summed<Rule> || std::is_same_v<Rule, EVA>) return 0;
  if (std::is_same_v<Rule, LARS>) return element;
  if (std::is_same_v<Rule, MARS>) return states / 3;  // the gradient before
  if (std::is_same_v<Rule, MARSLion>) return states / 2;
  if (std::is_same_v<Rule, StableAdamW>) return states / 2;  // exp_avg_sq
  return states;
}

/// Bytes an element that are read in front: of rows, or for medians.
template <class Recipe>
double bytes_in_front(double element) {
  using Gradient = typename Recipe::Gradient;
  if (Recipe::filters) return (element == 8 ? 12 : 6) * element;
  if (Recipe::shifts_rows) return element;
  if (agmohd::has::row_factor<Gradient>) return 2 * element;
  return Recipe::projects ? (Recipe::measures_gradients ? 3 : 2) * element : 0;
}

template <class Recipe>
void row(const bench::Cuda& platform, const Model& model, const char* name) {
  using Rule = typename Recipe::Rule;
  using Optimizer = agmohd::Optimizer<Recipe>;
  typename Optimizer::Options options(1e-6);
  if constexpr (Optimizer::Options::has("max_norm")) {
    options.template set<"max_norm">(1e9);  // gradients stay as they are
  }
  if constexpr (Optimizer::Options::has("momentum")) {
    options.template set<"momentum">(0.9);
  }
  Optimizer optimizer(model.params, options);
  const auto step = [&] { optimizer.step(); };
  platform.time(3, step);
  std::int64_t stored = 0;  // bytes of state
  for (const auto& [key, state] : optimizer.state()) {
    static_cast<agmohd::ParamState<Recipe>&>(*state).for_each_slot(
        [&](std::size_t, const at::Tensor& slot) {
          if (slot.defined()) stored += std::int64_t(slot.nbytes());
        });
  }
  const double n = double(model.elements), states = double(stored) / n;
  const double element = double(model.params[0].element_size());
  // The gradient in the reduce pass; parameter and gradient in, states in and out, parameter out.
  double bytes = (Recipe::measures_gradients ? 4 : 3) * element + 2 * states;
  bytes += bytes_in_front<Recipe>(element);
  bytes += summed_bytes<Rule>(element, states);
  // Averages over rows, or rows and columns, of the gradient: one more pass over it. Those of a
  // residual: one for its norm, and one over the gradient and the first moment.
  if (Recipe::factored) bytes += element;
  if (Recipe::residual) bytes += 2 * element + states;
  // Norms, and what writes; the first sweep stores the parameter as it was. Without a slot that
  // matrices store there is none.
  if (Recipe::two_sweeps) bytes += (2 * element + states) + (3 * element + states);
  if (Recipe::two_sweeps && Recipe::factored && Recipe::slot_count == 1) bytes -= 3 * element;
  std::vector<double> shares, times;
  for (int round = 0; round < kRounds; ++round) {
    const double copy = copy_rate(platform);
    const int steps = std::max(3, int(0.05 / platform.time(1, step).whole));
    const double seconds = platform.time(steps, step).whole / steps;
    times.push_back(seconds * 1e3);
    shares.push_back(bytes * n / seconds / copy);
  }
  std::sort(times.begin(), times.end());
  std::sort(shares.begin(), shares.end());
  const auto launches = platform.launches(step);
  std::printf("| %s | %.1f | %.1f | %.3f (%.3f to %.3f) | %.2f (%.2f to %.2f) | %.0f |\n", name,
              states, bytes, times[kRounds / 2], times.front(), times.back(), shares[kRounds / 2],
              shares.front(), shares.back(), launches ? launches->kernels : 0.0);
  std::fflush(stdout);
}

/// What detection costs: a rule with ClipByNorm, and within AGMOHD, in turn.
template <class Rule>
void detection_row(const bench::Cuda& platform, const Model& model, const char* name) {
  using Clipped = agmohd::Optimizer<bench::clipped::Of<Rule>>;
  using Hindered = agmohd::Optimizer<agmohd::recipe::Hindered<Rule>>;
  Clipped clipped(model.params, typename Clipped::Options(1e-6).template set<"max_norm">(1e9));
  Hindered hindered(model.params, typename Hindered::Options(1e-6).max_norm(1e9));
  const auto milliseconds = [&](auto& optimizer) {
    const auto step = [&] { optimizer.step(); };
    platform.time(3, step);
    const int steps = std::max(10, int(0.1 / platform.time(1, step).whole));
    return 1e3 * platform.time(steps, step).whole / steps;
  };
  std::vector<double> plain, ratios;
  for (int round = 0; round < 2 * kRounds; ++round) {
    plain.push_back(milliseconds(clipped));
    ratios.push_back(milliseconds(hindered) / plain.back());
  }
  std::sort(plain.begin(), plain.end());
  std::sort(ratios.begin(), ratios.end());
  std::printf("| %s | %.3f | %.3f (%.3f to %.3f) |\n", name, plain[kRounds], ratios[kRounds],
              ratios.front(), ratios.back());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> given(argv + 1, argv + argc);
  const auto has = [&](const char* word) {
    return std::find(given.begin(), given.end(), word) != given.end();
  };
  const auto known = std::size_t(has("gpt2_124m")) + has("gpt2_xl") + has("bfloat16");
  if (known != given.size() || !torch::cuda::is_available()) {
    std::fprintf(stderr, "%s\n",
                 torch::cuda::is_available() ? "agmohd_rules_bench [gpt2_124m|gpt2_xl] [bfloat16]"
                                             : "agmohd_rules_bench: no CUDA device");
    return 2;
  }
  const at::NoGradGuard no_grad;
  const bench::Cuda platform;
  const bool small = has("gpt2_124m");
  const Model tensors = model(small ? bench::gpt2(12, 768) : bench::gpt2(48, 1600),
                              has("bfloat16") ? at::kBFloat16 : at::kFloat);
  cudaDeviceProp device{};
  C10_CUDA_CHECK(cudaGetDeviceProperties(&device, 0));
  std::printf("%s, LibTorch %s; %zu tensors, %lld parameters, %s; median (least to most) of %d\n\n",
              device.name, TORCH_VERSION, tensors.params.size(),
              static_cast<long long>(tensors.elements), has("bfloat16") ? "bfloat16" : "float32",
              kRounds);
  std::printf(
      "| rule, with ClipByNorm | state, bytes a parameter | moved, bytes a parameter | ms a "
      "step | share of copy | launches |\n|---|---|---|---|---|---|\n");
#define BENCH_ROW(name) row<bench::clipped::name>(platform, tensors, #name);
  BENCH_RULES(BENCH_ROW)
#undef BENCH_ROW
  std::printf(
      "\n| transform, around AdamW | state, bytes a parameter | moved, bytes a parameter | ms a "
      "step | share of copy | launches |\n|---|---|---|---|---|---|\n");
#define BENCH_ROW(name) row<bench::transformed::name>(platform, tensors, #name);
  BENCH_TRANSFORMS(BENCH_ROW)
#undef BENCH_ROW
  std::printf(
      "\n| rule, with ClipByNorm | ms a step | within AGMOHD, times as long |\n|---|---|---|\n");
  detection_row<agmohd::rule::SGD>(platform, tensors, "SGD");
  detection_row<agmohd::rule::AdamW>(platform, tensors, "AdamW");
  detection_row<agmohd::rule::Lion>(platform, tensors, "Lion");
  detection_row<agmohd::rule::LAMB>(platform, tensors, "LAMB");
  return 0;
}
