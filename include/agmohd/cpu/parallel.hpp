// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace agmohd {

/// Calls work(begin, end) on ranges that cover [0, count), on threads of LibTorch's own intra-op
/// pool, one for each `least` of `count` at most. at::parallel_for would run on one thread in a
/// program that is built without OpenMP, since its loop is in the header; any other pool would
/// compete with LibTorch's threads, which spin for a while after each operation. TensorIterator's
/// loop is compiled into LibTorch: here it runs over one token a thread, and each thread takes
/// ranges until none is left. `work` must not throw.
template <class Work>
void parallel_ranges(std::int64_t count, const Work& work, std::int64_t least = 1) {
  const std::int64_t threads =
      at::in_parallel_region()
          ? 1
          : std::min<std::int64_t>(at::get_num_threads(), count / std::max<std::int64_t>(least, 1));
  if (threads <= 1) {
    if (count > 0) work(std::int64_t{0}, count);
    return;
  }
  const std::int64_t grain = std::clamp<std::int64_t>(count / (threads * 16), 1, 64);
  std::atomic<std::int64_t> next{0};
  const auto drain = [&](char**, const std::int64_t*, std::int64_t, std::int64_t) {
    for (std::int64_t i = next.fetch_add(grain); i < count; i = next.fetch_add(grain)) {
      work(i, std::min(i + grain, count));
    }
  };
  const at::Tensor tokens = at::empty({std::min(threads, (count + grain - 1) / grain)}, at::kByte);
  at::TensorIteratorConfig()
      .set_check_mem_overlap(false)
      .add_output(tokens)
      .add_const_input(tokens)
      .build()
      .for_each(drain, /*grain_size=*/1);
}

/// How many of `count` pieces of work with so many elements together are worth a thread more. To
/// wake one takes as long as a few thousand elements, and many times that where other processes
/// have the cores.
inline std::int64_t worth_a_thread(std::int64_t count, std::int64_t elements) {
  constexpr std::int64_t kElements = 32768;
  elements = std::max<std::int64_t>(elements, 1);
  return (count * kElements + elements - 1) / elements;
}

}  // namespace agmohd
