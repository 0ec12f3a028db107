// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/FunctionRef.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

// Which tensors share memory: exactly, also for interleaved views. What sorts is a template without
// a real parameter: a unit that includes this, but has no optimizer, need not compile it.
namespace agmohd {

/// The memory of a strided tensor: runs of `bytes` without a gap, at begin + i1 * stride1 + ... for
/// all i below the sizes. A dense tensor is one run.
struct Extent {
  struct Dim {
    std::uintptr_t size, stride;  // bytes
  };
  std::uintptr_t begin = 0, end = 0, bytes = 0;
  std::vector<Dim> dims;  // of the runs, ascending strides
  std::int32_t owner = 0, part = 0;

  Extent() = default;
  template <std::same_as<at::Tensor> Tensor>
  Extent(const Tensor& x, const void* data, std::int32_t of, std::int32_t which)
      : begin(reinterpret_cast<std::uintptr_t>(data)),
        bytes(std::uintptr_t(x.element_size())),
        owner(of),
        part(which) {
    if (x.is_non_overlapping_and_dense() || x.numel() == 0) {
      bytes = x.nbytes();
      end = begin + bytes;
      return;
    }
    for (std::int64_t d = 0; d < x.dim(); ++d) {
      if (x.size(d) != 1) {
        dims.push_back({std::uintptr_t(x.size(d)), std::uintptr_t(x.stride(d)) * bytes});
      }
    }
    std::sort(dims.begin(), dims.end(), [](Dim a, Dim b) { return a.stride < b.stride; });
    std::size_t dense = 0;
    while (dense < dims.size() && dims[dense].stride == bytes) bytes *= dims[dense++].size;
    dims.erase(dims.begin(), dims.begin() + std::ptrdiff_t(dense));
    end = begin + bytes;
    for (const Dim& dim : dims) end += (dim.size - 1) * dim.stride;
  }

  /// f(first byte) for each run.
  template <class F>
  void for_each_run(const F& f) const {
    std::vector<std::uintptr_t> at(dims.size(), 0);
    std::uintptr_t run = begin;
    for (;;) {
      f(run);
      std::size_t d = 0;
      for (; d < dims.size(); ++d) {
        run += dims[d].stride;
        if (++at[d] < dims[d].size) break;
        run -= dims[d].size * dims[d].stride;
        at[d] = 0;
      }
      if (d == dims.size()) return;
    }
  }
};

/// What is called with two extents that share memory.
using OverlapFound = c10::function_ref<void(const Extent&, const Extent&)>;

namespace detail {

/// Bytes of one owner's part, or of a class of bytes, from `begin` to `end`.
struct Bytes {
  std::uintptr_t begin, end;
  const Extent* of;
};

/// found(a, b) for all pairs of `all` that overlap, which are sorted for it.
template <class = void>
void for_each_pair(std::vector<Bytes>& all, OverlapFound found) {
  std::sort(all.begin(), all.end(),
            [](const Bytes& a, const Bytes& b) { return a.begin < b.begin; });
  std::vector<const Bytes*> open;  // those that may reach the next
  for (const Bytes& next : all) {
    std::erase_if(open, [&](const Bytes* b) { return b->end <= next.begin; });
    for (const Bytes* const b : open) found(*b->of, *next.of);
    open.push_back(&next);
  }
}

/// Whether no two of them overlap because their runs lie in different places of a common period, as
/// those of x[::2] and x[1::2], or of columns of a matrix, do.
template <class = void>
bool interleave(std::span<const Extent* const> cluster) {
  std::uintptr_t period = 0;
  for (const Extent* const e : cluster) {
    for (const Extent::Dim& dim : e->dims) period = std::gcd(period, dim.stride);
  }
  if (period == 0) return false;
  std::vector<Bytes> places;
  for (const Extent* const e : cluster) {
    if (e->bytes > period) return false;
    const std::uintptr_t first = e->begin % period, last = first + e->bytes;
    places.push_back({first, std::min(last, period), e});
    if (last > period) places.push_back({0, last - period, e});
  }
  bool apart = true;
  for_each_pair(places, [&](const Extent&, const Extent&) { apart = false; });
  return apart;
}

template <class = void>
void for_each_run_pair(std::span<const Extent* const> cluster, OverlapFound found) {
  std::vector<Bytes> runs;
  for (const Extent* const e : cluster) {
    e->for_each_run([&](std::uintptr_t run) { runs.push_back({run, run + e->bytes, e}); });
  }
  for_each_pair(runs, found);
}

}  // namespace detail

/// Whether several elements of one tensor share memory.
template <class = void>
bool overlaps_itself(const Extent& e) {
  std::uintptr_t reach = e.bytes;
  bool nested = true;  // a stride leads beyond all that the smaller ones reach
  for (const Extent::Dim& dim : e.dims) {
    nested = nested && dim.stride >= reach;
    reach += (dim.size - 1) * dim.stride;
  }
  if (nested) return false;
  bool found = false;
  const Extent* const one = &e;
  detail::for_each_run_pair({&one, 1}, [&](const Extent&, const Extent&) { found = true; });
  return found;
}

/// found(a, b) at least once for all pairs that share memory; those of no element do not. Takes
/// time where ranges overlap; else it sorts.
template <class = void>
void for_each_overlap(const std::vector<Extent>& all, OverlapFound found) {
  std::vector<const Extent*> sorted;
  sorted.reserve(all.size());
  for (const Extent& e : all) {
    if (e.begin < e.end) sorted.push_back(&e);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Extent* a, const Extent* b) { return a->begin < b->begin; });
  std::size_t first = 0;
  std::uintptr_t reach = 0;
  const auto close = [&](std::size_t end) {
    const std::span<const Extent* const> cluster(sorted.data() + first, end - first);
    if (cluster.size() > 1 && !detail::interleave(cluster)) {
      detail::for_each_run_pair(cluster, found);
    }
    first = end;
  };
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i]->begin >= reach) close(i);
    reach = std::max(reach, sorted[i]->end);
  }
  close(sorted.size());
}

}  // namespace agmohd
