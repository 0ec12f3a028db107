// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstdint>
#include <memory>

#include "peers.hpp"
#include "platform.hpp"

namespace bench {

/// Sums what LibTorch's allocators report for one device in this thread.
class AllocationLog final : public c10::MemoryReportingInfoBase {
 public:
  explicit AllocationLog(c10::DeviceType device) : device_(device) {}
  bool memoryProfilingEnabled() const override { return true; }
  void reportMemoryUsage(void*, std::int64_t bytes, std::size_t, std::size_t,
                         c10::Device device) override {
    if (device.type() != device_) return;
    current += bytes;
    peak = std::max(peak, current);
  }
  std::int64_t current = 0, peak = 0;

 private:
  c10::DeviceType device_;
};

/// What an optimizer of ours took in its first two steps, in bytes.
struct Memory {
  std::int64_t state;  ///< the rule's tensors
  std::int64_t
      held;  ///< beyond state, after the steps: all of the heap on the CPU, device memory on CUDA
  std::int64_t peak;  ///< tensors and device buffers beyond state, while the steps ran
};

template <class MakeOptimizer>
Memory measure_memory(const Platform& platform, const MakeOptimizer& make) {
  const std::int64_t before = platform.held();
  const auto log = std::make_shared<AllocationLog>(platform.device().type());
  auto& optimizer = make();
  {
    const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, log);
    for (int i = 0; i < 2; ++i) optimizer.step();
  }
  Memory memory{0, platform.held() - before, log->peak};
  for (const auto& [key, state] : optimizer.state()) {
    using State = typename std::remove_reference_t<decltype(optimizer)>::ParamState;
    static_cast<State&>(*state).for_each_slot([&](std::size_t, const at::Tensor& slot) {
      if (slot.defined()) memory.state += static_cast<std::int64_t>(slot.nbytes());
    });
  }
  memory.held -= memory.state;
  memory.peak -= memory.state;
  return memory;
}

}  // namespace bench
