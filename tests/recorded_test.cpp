// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The bits of training: digests of the parameters of the ready-made optimizers along 240 steps,
// with faults, beside those in recorded.txt. A change of the code that is no change of an equation
// leaves them as they are; one that is writes a new file: AGMOHD_RECORD=tests/recorded.txt
// recorded_test.

#include <gtest/gtest.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr int kSteps = 240, kEvery = 40;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Numbers in [-1, 1) that are multiples of 2^-15, exact in every dtype but the half ones: Knuth's
/// linear congruential generator.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed) {}
  double next() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return (double(state_ >> 48) - 32768) / 32768;
  }
  void fill(const at::Tensor& x, double scale, double shift) {
    const at::Tensor wide = at::empty(x.sizes(), at::kDouble);
    for (std::int64_t i = 0; i < wide.numel(); ++i) {
      wide.data_ptr<double>()[i] = shift + scale * next();
    }
    x.copy_(wide);
  }

 private:
  std::uint64_t state_;
};

std::uint64_t digest(const std::vector<at::Tensor>& tensors) {  // FNV-1a
  std::uint64_t sum = 14695981039346656037ULL;
  for (const at::Tensor& x : tensors) {
    const at::Tensor flat = x.detach().contiguous();
    const auto* const bytes = static_cast<const std::uint8_t*>(flat.const_data_ptr());
    for (std::size_t i = 0; i < flat.nbytes(); ++i) sum = (sum ^ bytes[i]) * 1099511628211ULL;
  }
  return sum;
}

template <class Optimizer>
void record(std::ostream& out, const std::string& name, typename Optimizer::Options options,
            at::ScalarType dtype) {
  const std::vector<std::vector<std::int64_t>> shapes{{33, 17}, {7},          {},
                                                      {0, 3},   {2, 3, 4, 5}, {9001}};
  Numbers numbers(20261128);
  std::vector<at::Tensor> params;
  for (const auto& shape : shapes) {
    params.push_back(at::empty(shape, dtype));
    numbers.fill(params.back(), 1, 0);
    params.back().requires_grad_();
  }
  Optimizer optimizer(params, options);
  for (int step = 1; step <= kSteps; ++step) {
    double scale = 0.01;
    if (step % 50 == 0) scale = 10;             // explodes
    if (step > 120 && step < 140) scale = 0.2;  // larger for a while
    for (std::size_t i = 0; i < params.size(); ++i) {
      if (i == 1 && step % 3 == 0) {
        params[i].mutable_grad().reset();
        continue;
      }
      params[i].mutable_grad() =
          at::empty_like(params[i], at::TensorOptions().requires_grad(false));
      numbers.fill(params[i].mutable_grad(), scale, scale / 4);
    }
    if (step == 77) params[4].mutable_grad().view(-1)[3] = kNaN;
    const double loss = 1 + 0.01 * numbers.next() + (step > 170 && step < 180 ? 5 : 0);
    optimizer.step(at::scalar_tensor(loss, at::kDouble));
    if (step % kEvery != 0) continue;
    char text[32];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(digest(params)));
    out << name << ' ' << c10::toString(dtype) << ' ' << step << ' ' << text << '\n';
  }
}

template <class Optimizer>
void record(std::ostream& out, const std::string& name,
            const typename Optimizer::Options& options) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    record<Optimizer>(out, name, options, dtype);
  }
}

std::string trajectories() {
  const at::NoGradGuard no_grad;
  std::ostringstream out;
  record<agmohd::SGD>(out, "SGD", agmohd::SGDOptions(0.05).momentum(0.9).weight_decay(1e-3));
  record<agmohd::SGD>(out, "SGD-nesterov", agmohd::SGDOptions(0.05).momentum(0.9).nesterov(true));
  record<agmohd::Adam>(out, "Adam-amsgrad",
                       agmohd::AdamOptions(1e-2).amsgrad(true).weight_decay(0.1));
  record<agmohd::AdamW>(out, "AdamW", agmohd::AdamWOptions(1e-2));
  record<agmohd::AGMOHD>(out, "AGMOHD", agmohd::AGMOHDOptions(1e-2));
  record<agmohd::AGMOHD>(out, "AGMOHD-snapshots",
                         agmohd::AGMOHDOptions(1e-2).snapshots(true).snapshot_every(20));
  return out.str();
}

TEST(Recorded, TrajectoriesHaveTheirBits) {
  std::ifstream file(std::string(AGMOHD_TESTS) + "/recorded.txt");
  ASSERT_TRUE(file) << "tests/recorded.txt cannot be opened";
  const std::string recorded{std::istreambuf_iterator<char>(file), {}};
  const std::string now = trajectories();
  std::istringstream lines(now), expected(recorded);
  for (std::string a, b; std::getline(lines, a);) {
    ASSERT_TRUE(std::getline(expected, b)) << "recorded.txt ends before " << a;
    EXPECT_EQ(a, b);
  }
  EXPECT_EQ(now.size(), recorded.size());
}

/// Writes the file, if the environment names one: AGMOHD_RECORD=<file>.
TEST(Recorded, AreWrittenWhereAskedFor) {
  const char* const path = std::getenv("AGMOHD_RECORD");
  if (path == nullptr) GTEST_SKIP() << "AGMOHD_RECORD names no file";
  std::ofstream file(path);
  file << trajectories();
  ASSERT_TRUE(file.flush());
}

}  // namespace
