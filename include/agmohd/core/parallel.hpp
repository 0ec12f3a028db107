// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

namespace agmohd {

/// Calls work(begin, end) on ranges that cover [0, count), in at::get_num_threads() threads. In a
/// program that is built without OpenMP, at::parallel_for runs on one thread; this runs on
/// LibTorch's inter-op pool instead. The caller takes part and waits only for helpers that have
/// begun, so a full pool delays nothing. `work` must not throw.
template <class Work>
void parallel_ranges(std::int64_t count, Work work) {
  const std::int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
  const std::int64_t grain = std::clamp<std::int64_t>(count / (threads * 16), 1, 64);
  const std::int64_t helpers = std::min(threads, (count + grain - 1) / grain) - 1;
  if (helpers <= 0) {
    if (count > 0) work(std::int64_t{0}, count);
    return;
  }

  struct Shared {
    std::atomic<std::int64_t> next{0};
    std::mutex mutex;
    std::condition_variable idle;
    std::int64_t active = 0;  // helpers inside drain
    bool closed = false;      // no helper may begin any more
  };
  const auto shared = std::make_shared<Shared>();
  const auto drain = [count, grain, &work](Shared& s) {
    for (std::int64_t i = s.next.fetch_add(grain); i < count; i = s.next.fetch_add(grain)) {
      work(i, std::min(i + grain, count));
    }
  };
  for (std::int64_t h = 0; h < helpers; ++h) {
    at::launch([shared, drain] {  // `work` lives while `active` is counted
      {
        const std::lock_guard lock(shared->mutex);
        if (shared->closed) return;
        ++shared->active;
      }
      drain(*shared);
      const std::lock_guard lock(shared->mutex);
      if (--shared->active == 0) shared->idle.notify_one();
    });
  }
  drain(*shared);
  std::unique_lock lock(shared->mutex);
  shared->closed = true;
  shared->idle.wait(lock, [&] { return shared->active == 0; });
}

}  // namespace agmohd
