// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <cstddef>
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
    using O = agmohd::Optimizer<ClipAdamW>;
    O optimizer(params, O::Options(1e-4));
    const auto backward = [&](int t) {
      at::Tensor loss = at::zeros({}, options);
      // What is allocated in between differs from step to step, as activations of ragged batches
      // do.
      const at::Tensor ragged = at::empty({1024 * (1 + t % 7)}, options);
      for (std::size_t i = 0; i < params.size(); ++i) {
        loss = loss + (params[i] * factors[i]).square().sum();
      }
      loss.backward();
    };
    Times out{};
    std::vector<double> fresh, kept;
    std::size_t moved = 0, all = 0;
    std::vector<const void*> before(params.size());
    for (int t = -5; t < steps; ++t) {
      optimizer.zero_grad();
      backward(t + 5);
      for (std::size_t i = 0; i < params.size(); ++i) {
        const void* const at = params[i].grad().const_data_ptr();
        if (t >= 0) moved += at != before[i] ? 1 : 0, ++all;
        before[i] = at;
      }
      const double seconds = timed(optimizer);
      if (t >= 0) fresh.push_back(seconds);
      const double again = timed(optimizer);  // the same gradients once more
      if (t >= 0) kept.push_back(again);
    }
    out.fresh = median(fresh), out.kept = median(kept);
    out.moved = double(moved) / double(all);
    return out;
  }

 private:
  template <class O>
  static double timed(O& optimizer) {
    static cudaEvent_t start = event(), stop = event();
    const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
    C10_CUDA_CHECK(cudaEventRecord(start, stream));
    optimizer.step();
    C10_CUDA_CHECK(cudaEventRecord(stop, stream));
    C10_CUDA_CHECK(cudaEventSynchronize(stop));
    float milliseconds = 0;
    C10_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start, stop));
    return milliseconds / 1e3;
  }
  static cudaEvent_t event() {
    cudaEvent_t made = nullptr;
    C10_CUDA_CHECK(cudaEventCreate(&made));
    return made;
  }
  static double median(std::vector<double> x) {
    std::nth_element(x.begin(), x.begin() + std::ptrdiff_t(x.size() / 2), x.end());
    return x[x.size() / 2];
  }
};

}  // namespace bench
