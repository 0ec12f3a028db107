// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "copy.hpp"

namespace bench {
namespace {

constexpr unsigned kThreads = 256;

/// One block a chunk; a thread has kAccesses accesses of 16 bytes in flight.
template <int kAccesses, bool kStreaming>
__global__ void __launch_bounds__(kThreads) copy(int4* to, const int4* from) {
  const std::size_t first = std::size_t{blockIdx.x} * (kThreads * kAccesses) + threadIdx.x;
  int4 values[kAccesses];
#pragma unroll
  for (int i = 0; i < kAccesses; ++i) {
    const int4* const at = from + first + i * kThreads;
    values[i] = kStreaming ? __ldcs(at) : *at;
  }
#pragma unroll
  for (int i = 0; i < kAccesses; ++i) {
    int4* const at = to + first + i * kThreads;
    if (kStreaming) {
      __stcs(at, values[i]);
    } else {
      *at = values[i];
    }
  }
}

template <int kAccesses, bool kStreaming>
cudaError_t launch(void* to, const void* from, std::size_t bytes, cudaStream_t stream) {
  constexpr std::size_t kChunk = std::size_t{16} * kThreads * kAccesses;
  static_assert(kCopyUnit % kChunk == 0);
  copy<kAccesses, kStreaming><<<static_cast<unsigned>(bytes / kChunk), kThreads, 0, stream>>>(
      static_cast<int4*>(to), static_cast<const int4*>(from));
  return cudaGetLastError();
}

}  // namespace

cudaError_t copy_kernel(int way, void* to, const void* from, std::size_t bytes,
                        cudaStream_t stream) {
  if (bytes % kCopyUnit != 0) return cudaErrorInvalidValue;
  switch (way) {
    case 0:
      return launch<4, false>(to, from, bytes, stream);
    case 1:
      return launch<4, true>(to, from, bytes, stream);
    case 2:
      return launch<8, false>(to, from, bytes, stream);
    case 3:
      return launch<8, true>(to, from, bytes, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace bench
