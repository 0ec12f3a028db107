// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// That quick_quotient() and quick_root() round correctly on the GPU that is here wherever they call
// an operand ordinary. With --all it is a proof for quotients too: every pair of significands, half
// a minute on an H200.

#include <agmohd/cuda/kernel/pack.cuh>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace {

using agmohd::cuda::quick_quotient;
using agmohd::cuda::quick_root;

constexpr std::uint32_t kSignificands = 1U << 23, kOne = 0x3f800000U;

struct Found {
  unsigned long long ordinary, wrong;
  std::uint32_t a, b;  // of one that is wrong
};

__device__ void add(Found* found, unsigned ordinary) {
  ordinary = __reduce_add_sync(0xffffffffU, ordinary);
  if (threadIdx.x % 32 == 0) atomicAdd(&found->ordinary, ordinary);
}
__device__ void fail(Found* found, float a, float b) {
  atomicAdd(&found->wrong, 1ULL);
  found->a = __float_as_uint(a), found->b = __float_as_uint(b);
}

__device__ bool same(float x, float y) {
  return __float_as_uint(x) == __float_as_uint(y) || (x != x && y != y);
}

/// Every float.
__global__ void roots(Found* found) {
  const std::uint32_t first = (blockIdx.x * blockDim.x + threadIdx.x) << 8;
  unsigned count = 0;
  for (std::uint32_t i = 0; i < 256; ++i) {
    const float x = __uint_as_float(first + i);
    bool ordinary = true;
    const float root = quick_root(x, ordinary);
    count += ordinary;
    if (ordinary && !same(root, __fsqrt_rn(x))) fail(found, x, 0);
  }
  add(found, count);
}

__device__ float reciprocal(float b) {
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(b));
  return r;
}

/// The approximate reciprocal of a significand is the same at every exponent: so the exponents of
/// operands do not matter where nothing underflows or overflows.
__global__ void reciprocals(Found* found) {
  const std::uint32_t significand = blockIdx.x * blockDim.x + threadIdx.x;
  const float at_one = reciprocal(__uint_as_float(kOne | significand));
  for (std::uint32_t exponent = 1; exponent < 253; ++exponent) {
    const float b = __uint_as_float(exponent << 23 | significand);
    const std::uint32_t wanted = __float_as_uint(at_one) + ((127U - exponent) << 23);
    if (__float_as_uint(reciprocal(b)) != wanted) fail(found, b, 0);
  }
  add(found, 252);
}

/// The divisor 1.significand and every `step`th dividend in [1, 2). A quotient q of floats is never
/// half way between two, so it is correctly rounded if and only if |a - b q| < b ulp(q) / 2; that
/// remainder is exact.
__global__ void quotients(Found* found, std::uint32_t first, std::uint32_t step) {
  const std::uint32_t significand = first + blockIdx.x * blockDim.x + threadIdx.x;
  const float b = __uint_as_float(kOne | significand);
  bool right = true, ordinary = true;
  const auto range = [&](std::uint32_t from, std::uint32_t to, float bound) {
#pragma unroll 8
    for (std::uint32_t i = from; i < to; i += step) {
      const float a = __uint_as_float(kOne | i);
      const float q = quick_quotient(a, b, ordinary);
      right &= fabsf(__fmaf_rn(-b, q, a)) < bound;
    }
  };
  const std::uint32_t above = (significand + step - 1) / step * step;  // from there on q >= 1
  range(0, above, b * 0x1p-25F);
  range(above, kSignificands, b * 0x1p-24F);
  if (!right || !ordinary) fail(found, 0, b);
  add(found, kSignificands / step);
}

__device__ std::uint32_t mix(std::uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352dU;
  x = (x ^ (x >> 15)) * 0x846ca68bU;
  return x ^ (x >> 16);
}

/// Random bits, and random significands with exponents where something begins to underflow or
/// overflow, against the division that asks.
__global__ void extremes(Found* found) {
  const std::uint32_t thread = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned count = 0;
  for (std::uint32_t i = 0; i < 512; ++i) {
    const std::uint32_t x = mix(thread * 1024 + 2 * i + 1), y = mix(x ^ 0x9e3779b9U);
    std::uint32_t a = x, b = y;
    if (i % 2 == 1) {
      const auto near = [](std::uint32_t bits, int exponent) {
        const int e = exponent + int(bits >> 24 & 7U) - 4 + 127;
        return (bits & 0x807fffffU) | std::uint32_t(e < 0 ? 0 : e > 255 ? 255 : e) << 23;
      };
      const int exponents[] = {-126, -102, 126, 0, -24, 24, -140, 128};
      const int of_a = exponents[x >> 27 & 7U];
      a = near(x, of_a);
      b = near(y, i % 4 == 1 ? exponents[y >> 27 & 7U] : of_a + (y >> 27 & 1U ? 126 : -127));
      if (i % 64 == 3) a &= 0x80000000U;
    }
    const float fa = __uint_as_float(a), fb = __uint_as_float(b);
    bool ordinary = true;
    const float q = quick_quotient(fa, fb, ordinary);
    count += ordinary;
    if (ordinary && !same(q, __fdiv_rn(fa, fb))) fail(found, fa, fb);
  }
  add(found, count);
}

/// The same through packs, whatever is ordinary.
__global__ void packs(Found* found) {
  using Four = agmohd::cuda::pack<float, 4>;
  const std::uint32_t thread = blockIdx.x * blockDim.x + threadIdx.x;
  const Four a = Four::make([&](int j) {
    const std::uint32_t x = mix(4 * thread + j);
    return __uint_as_float(x % 16 == 0 ? x & 0x80000000U : x % 16 == 1 ? x | 0x7f800000U : x);
  });
  const Four b = Four::make([&](int j) {
    const std::uint32_t x = mix(~(4 * thread + j));
    return __uint_as_float(x % 16 == 0   ? x & 0x80000000U
                           : x % 16 == 1 ? x & 0x807fffffU
                                         : (x & 0xbfffffffU) + 0x10000000U);
  });
  const Four q = a / b, r = agmohd::math::sqrt(a);
  for (int j = 0; j < 4; ++j) {
    const bool right = same(q.v[j], __fdiv_rn(a.v[j], b.v[j])) && same(r.v[j], __fsqrt_rn(a.v[j]));
    if (!right) fail(found, a.v[j], b.v[j]);
  }
  add(found, 4);
}

/// Runs a check from a clean slate. `least`: how many operands have to be ordinary.
template <class Check>
bool passes(const char* what, Found* device, unsigned long long least, const Check& check) {
  Found found{};
  cudaMemset(device, 0, sizeof found);
  check(device);
  const cudaError_t error = cudaMemcpy(&found, device, sizeof found, cudaMemcpyDeviceToHost);
  const bool right = error == cudaSuccess && found.wrong == 0 && found.ordinary >= least;
  std::printf("%-12s %llu ordinary, %llu wrong", what, found.ordinary, found.wrong);
  if (found.wrong != 0) std::printf(", such as %08x and %08x", found.a, found.b);
  std::printf("%s%s\n", right ? "" : " FAILED ",
              error == cudaSuccess ? "" : cudaGetErrorString(error));
  return right;
}

}  // namespace

int main(int argc, char** argv) {
  const bool all = argc > 1 && std::strcmp(argv[1], "--all") == 0;
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("there is no GPU");
    return 77;
  }
  Found* found = nullptr;
  if (cudaMalloc(&found, sizeof *found) != cudaSuccess) return 1;
  bool right =
      passes("roots", found, 227ULL << 23, [](Found* to) { roots<<<1U << 16, 256>>>(to); });
  right &= passes("reciprocals", found, 252ULL << 23,
                  [](Found* to) { reciprocals<<<kSignificands / 256, 256>>>(to); });
  right &= passes("quotients", found, 0, [&](Found* to) {
    const std::uint32_t step = all ? 1 : 4099, part = 1U << 20;
    for (std::uint32_t first = 0; first < kSignificands; first += part) {
      quotients<<<part / 256, 256>>>(to, first, step);
    }
  });
  right &=
      passes("extremes", found, 1ULL << 29, [](Found* to) { extremes<<<1U << 15, 256>>>(to); });
  right &= passes("packs", found, 0, [](Found* to) { packs<<<1U << 17, 256>>>(to); });
  return right ? 0 : 1;
}
