// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "recipes.hpp"
#include "shapes.hpp"

namespace bench {

/// The device's time of a step, clip + AdamW, within a training loop: autograd makes every gradient
/// anew after zero_grad(). Beside it the same step in the same loop with gradients that stay.
class TrainingLoop {
 public:
  struct Times {
    double fresh, kept;  ///< seconds, medians
    double moved;        ///< share of gradients that lay elsewhere than in the step before
  };

  static Times run(const Shapes& shapes, int steps) {
    std::vector<at::Tensor> params, factors;
    const auto options = at::TensorOptions().device(at::kCUDA);
    at::manual_seed(1);
    for (const auto& shape : shapes) {
      params.push_back((at::randn(shape, options) * 0.02).set_requires_grad(true));
      factors.push_back(at::randn(shape, options));
    }
    const at::Tensor square = at::randn({8192, 8192}, options);
    agmohd::Optimizer<ClipAdamW> optimizer(params, agmohd::Options<ClipAdamW>(1e-4));
    std::vector<Timer> fresh, kept;
    std::size_t moved = 0;
    std::vector<const void*> before(params.size());
    for (int t = 0; t < steps; ++t) {
      optimizer.zero_grad();
      // What is allocated in between differs from step to step, as activations of ragged batches
      // do.
      const at::Tensor ragged = at::empty({1024 * (1 + t % 7)}, options);
      at::Tensor loss = at::zeros({}, options);
      for (std::size_t i = 0; i < params.size(); ++i) {
        loss = loss + (params[i] * factors[i]).square().sum();
      }
      loss.backward();
      for (std::size_t i = 0; i < params.size(); ++i) {
        const void* const at = params[i].grad().const_data_ptr();
        if (t >= kWarm) moved += at != before[i] ? 1 : 0;
        before[i] = at;
      }
      for (std::vector<Timer>* timers : {&fresh, &kept}) {  // the second with the same gradients
        at::mm(square, square);  // the host runs ahead, as it does in real training
        Timer timer;
        timer.start();
        optimizer.step();
        timer.stop();
        if (t >= kWarm) timers->push_back(std::move(timer));
      }
    }
    C10_CUDA_CHECK(cudaDeviceSynchronize());
    return {median(fresh), median(kept),
            double(moved) / double(params.size() * std::size_t(steps - kWarm))};
  }

 private:
  static constexpr int kWarm = 5;

  /// Between two points of the stream.
  class Timer {
   public:
    Timer() {
      C10_CUDA_CHECK(cudaEventCreate(&from_));
      C10_CUDA_CHECK(cudaEventCreate(&to_));
    }
    Timer(Timer&& other) noexcept
        : from_(std::exchange(other.from_, nullptr)), to_(std::exchange(other.to_, nullptr)) {}
    Timer& operator=(Timer&& other) noexcept {
      std::swap(from_, other.from_), std::swap(to_, other.to_);
      return *this;
    }
    ~Timer() {
      if (from_ != nullptr) cudaEventDestroy(from_);
      if (to_ != nullptr) cudaEventDestroy(to_);
    }
    void start() { C10_CUDA_CHECK(cudaEventRecord(from_, c10::cuda::getCurrentCUDAStream())); }
    void stop() { C10_CUDA_CHECK(cudaEventRecord(to_, c10::cuda::getCurrentCUDAStream())); }
    double seconds() const {
      float milliseconds = 0;
      C10_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, from_, to_));
      return milliseconds / 1e3;
    }

   private:
    cudaEvent_t from_ = nullptr, to_ = nullptr;
  };

  static double median(const std::vector<Timer>& timers) {
    std::vector<double> x;
    for (const Timer& timer : timers) x.push_back(timer.seconds());
    std::nth_element(x.begin(), x.begin() + std::ptrdiff_t(x.size() / 2), x.end());
    return x[x.size() / 2];
  }
};

}  // namespace bench
