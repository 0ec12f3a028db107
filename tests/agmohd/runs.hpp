// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// What AGMOHD promises, on the CPU and, in the suites named Cuda, on a GPU: parameters, gradients
// and losses that are the same on every device.

#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/serialize.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

namespace testing_agmohd {

using agmohd::AGMOHD;
using agmohd::AGMOHDOptions;
using agmohd::AGMOHDSGD;
using agmohd::AGMOHDSGDOptions;
using agmohd::Flag;
using agmohd::Optimizer;
using agmohd::Record;
using agmohd::Tally;
using torch::Tensor;
using Tensors = std::vector<Tensor>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

/// Odd shapes, one of several chunks, one off alignment; the same values on every device.
inline Tensors parameters(at::Device device, at::ScalarType dtype = at::kFloat) {
  torch::manual_seed(7);
  Tensors out;
  for (const std::vector<std::int64_t>& shape :
       std::vector<std::vector<std::int64_t>>{{7, 5}, {1}, {0}, {16384 + 3}, {40000}, {33, 65}}) {
    out.push_back((torch::randn(shape) * 0.1).to(device, dtype));
  }
  out.push_back((torch::randn({1030}) * 0.1).to(device, dtype).slice(0, 1));
  for (Tensor& t : out) t = t.detach().requires_grad_();
  return out;
}

/// Gradients of step t, with a norm of about `norm`.
inline void set_gradients(const Tensors& params, std::uint64_t t, double norm = 0.5) {
  torch::manual_seed(1000 + t);
  std::int64_t n = 0;
  for (const Tensor& p : params) n += p.numel();
  const double scale = norm / std::sqrt(double(n));
  for (const Tensor& p : params) {
    p.mutable_grad() = (torch::randn(p.sizes()) * scale).to(p.device(), p.scalar_type());
  }
}

inline Tensor loss_of(std::uint64_t t, at::Device device) {
  return torch::tensor(3.0 / (1.0 + 0.01 * double(t)), torch::dtype(torch::kFloat)).to(device);
}

/// A loss that is not finite if a weight is not.
inline Tensor loss_of(std::uint64_t t, const Tensors& params) {
  Tensor loss = loss_of(t, params[0].device());
  for (const Tensor& p : params) loss = loss + 0 * p.detach().sum().to(torch::kFloat);
  return loss;
}

inline Tensors copies(const Tensors& from) {
  Tensors out;
  for (const Tensor& t : from) out.push_back(t.detach().cpu().clone());
  return out;
}

inline void expect_same_bits(const Tensors& a, const Tensors& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Tensor x = a[i].detach().cpu(), y = b[i].detach().cpu();
    ASSERT_TRUE(torch::equal(x, y))
        << what << ", tensor " << i << ": " << (x != y).sum().item<std::int64_t>() << " of "
        << x.numel() << " elements differ";
  }
}

template <class O>
std::string saved(const O& optimizer) {
  std::ostringstream out;
  torch::save(optimizer, out);
  return out.str();
}

template <class O>
Tensors states(O& optimizer, const Tensors& params) {
  Tensors out;
  for (const Tensor& p : params) {
    const auto found = optimizer.state().find(p.unsafeGetTensorImpl());
    if (found == optimizer.state().end()) continue;
    auto& state = static_cast<typename O::ParamState&>(*found->second);
    out.push_back(torch::tensor(state.step()));
    if constexpr (requires { state.exp_avg(); }) {
      out.push_back(state.exp_avg().clone());
      out.push_back(state.exp_avg_sq().clone());
    } else if (state.momentum_buffer().defined()) {
      out.push_back(state.momentum_buffer().clone());
    }
  }
  return out;
}

/// A run with incidents of many kinds; returns where it ended.
template <class Step>
void incidents(const Tensors& params, const Step& step, std::uint64_t from, std::uint64_t to) {
  for (std::uint64_t t = from; t < to; ++t) {
    double norm = 0.5;
    if (t == 70 || (t >= 90 && t < 93)) norm = 500;  // spikes: clipped
    if (t == 80) norm = 0.5 * 1.3;
    if (t >= 110) norm = 4;  // a new regime
    set_gradients(params, t, norm);
    if (t == 75) params[4].mutable_grad().view(-1)[123] = kNan;
    step(t);
  }
}

inline AGMOHDOptions with_snapshots(bool on_host = false) {
  return AGMOHDOptions(1e-3).weight_decay(0.1).snapshots(true).snapshot_every(10).snapshots_on_host(
      on_host);
}

class AgmohdCuda : public testing::Test {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device here";
    if (agmohd::cuda::find_kernels<agmohd::recipe::AGMOHD>() == nullptr) {
      GTEST_SKIP() << "built without CUDA kernels";
    }
  }
};

}  // namespace testing_agmohd
