// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <malloc.h>

#include <agmohd/cpu/parallel.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace bench {

using Step = std::function<void()>;

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Seconds {
  double whole;  ///< on the device, from before the first call to the end of its work
  double host;   ///< until the calls have returned
  double wall;   ///< on the host's clock, until the device is done
};

/// What one warm step asks of the device.
struct Launches {
  double kernels = 0, copies = 0, memsets = 0, synchronisations = 0, allocations = 0;
};

/// Where steps run: how to time them, copy, capture and count memory there.
class Platform {
 public:
  virtual ~Platform() = default;
  virtual at::Device device() const = 0;
  /// Of `count` steps.
  virtual Seconds time(std::int64_t count, const Step& step) const = 0;
  /// What replays `step`; it has run before.
  virtual Step captured(const Step& step) const = 0;
  /// Copies with loads and stores of our own, in one of several ways; false if there is no such
  /// way.
  virtual bool stream_copy(int way, at::Tensor& to, const at::Tensor& from) const = 0;
  /// Of one step; empty where nothing counts them. Later timings may suffer from the profiler.
  virtual std::optional<Launches> launches(const Step& step) const = 0;
  /// Bytes that the program holds, and bytes that it could still get.
  virtual std::int64_t held() const = 0;
  virtual std::int64_t available() const = 0;
  /// Gives the caches of allocators back.
  virtual void trim() const = 0;
};

class Cpu final : public Platform {
 public:
  at::Device device() const override { return at::kCPU; }
  Seconds time(std::int64_t count, const Step& step) const override {
    const double start = now();
    for (std::int64_t i = 0; i < count; ++i) step();
    const double seconds = now() - start;
    return {seconds, seconds, seconds};
  }
  Step captured(const Step& step) const override { return step; }

  /// Non-temporal stores, in all threads.
  bool stream_copy(int way, at::Tensor& to, const at::Tensor& from) const override {
    if (way != 0) return false;
#if defined(__SSE2__)
    constexpr std::int64_t kBlock = 1 << 18;
    auto* const out = static_cast<char*>(to.mutable_data_ptr());
    const auto* const in = static_cast<const char*>(from.const_data_ptr());
    const auto blocks = static_cast<std::int64_t>(from.nbytes()) / kBlock;
    agmohd::parallel_ranges(blocks, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin * kBlock; i < end * kBlock; i += 16) {
        _mm_stream_si128(reinterpret_cast<__m128i*>(out + i),
                         _mm_load_si128(reinterpret_cast<const __m128i*>(in + i)));
      }
      _mm_sfence();
    });
    return true;
#else
    static_cast<void>(to), static_cast<void>(from);
    return false;
#endif
  }
  std::optional<Launches> launches(const Step&) const override { return {}; }

  std::int64_t held() const override {
    const struct mallinfo2 info = mallinfo2();
    return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
  }
  std::int64_t available() const override {
    std::FILE* const file = std::fopen("/proc/meminfo", "r");
    if (file == nullptr) return INT64_MAX;
    char line[128];
    long long kilobytes = 0;
    while (std::fgets(line, sizeof line, file) != nullptr) {
      if (std::sscanf(line, "MemAvailable: %lld", &kilobytes) == 1) break;
    }
    std::fclose(file);
    return kilobytes * 1024;
  }
  void trim() const override { malloc_trim(0); }
};

}  // namespace bench
