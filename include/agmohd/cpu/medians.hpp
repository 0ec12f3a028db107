// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <type_traits>
#include <vector>

#include "../step/executor.hpp"
#include "../step/medians.hpp"
#include "load_store.hpp"
#include "parallel.hpp"
#include "rows.hpp"

// The outliers of tensors, for recipes with gradient::MedianFilter.
namespace agmohd::cpu {

template <class R>
reduction::Bits<R> magnitude_bits(R x) {
  return std::bit_cast<reduction::Bits<R>>(x) & (~reduction::Bits<R>{} >> 1);
}

/// The median of key(i), i < count; of more than a piece, the threads count together.
template <class R, class Key>
R median(std::int64_t count, const Key& key) {
  using namespace reduction;
  std::int64_t rank = median_rank(count);
  if (count <= kPiece) {
    Bits<R> all[kPiece];
    for (std::int64_t i = 0; i < count; ++i) all[i] = key(i);
    std::nth_element(all, all + rank, all + count);
    return std::bit_cast<R>(all[rank]);
  }
  Bits<R> found = 0;
  std::vector<std::int64_t> counts;
  std::mutex mutex;
  for (int number = 0; number < digits_of<R>; ++number) {
    const Digit digit = Digit::of<R>(number);
    counts.assign(kDigits, 0);
    const auto count_digits = [&](std::int64_t begin, std::int64_t end) {
      std::int64_t own[kDigits] = {};
      const std::int64_t last = std::min(end * kPiece, count);
      for (std::int64_t i = begin * kPiece; i < last; ++i) {
        const Bits<R> bits = key(i);
        if (digit.continues(bits, found)) ++own[digit.value(bits)];
      }
      const std::lock_guard lock(mutex);
      for (int d = 0; d < kDigits; ++d) counts[std::size_t(d)] += own[d];
    };
    parallel_ranges(pieces(count), count_digits, worth_a_thread(pieces(count), count));
    int d = 0;
    for (; rank >= counts[std::size_t(d)]; ++d) rank -= counts[std::size_t(d)];
    found |= Bits<R>(d) << digit.shift;
  }
  return std::bit_cast<R>(found);
}

/// The outliers of one tensor.
template <class Recipe, class E>
gradient::Outliers outliers(const typename Recipe::Shared& shared, const E* grad,
                            std::int64_t numel) {
  using R = Compute<E>;
  const auto magnitude = [grad](std::int64_t i) { return magnitude_bits(load<R>(grad + i)); };
  const R middle = median<R>(numel, magnitude);
  const R deviation = median<R>(numel, [&](std::int64_t i) {
    return magnitude_bits(std::bit_cast<R>(magnitude(i)) - middle);
  });
  return Recipe::outliers(shared, double(middle), double(deviation), numel);
}

/// Those of all tensors of a step.
template <class Recipe>
class MedianPass {
 public:
  void bind(const std::vector<TensorRef<Recipe>>& tensors) { outliers_.resize(tensors.size()); }

  void measure(const std::vector<TensorRef<Recipe>>& tensors,
               const typename Recipe::Shared& shared) {
    const auto find = [&](std::size_t t) {
      outliers_[t] = with_element(tensors[t].dtype, [&]<class E>(E) {
        return outliers<Recipe>(shared, static_cast<const E*>(tensors[t].grad), tensors[t].numel);
      });
    };
    std::int64_t elements = 0;
    small_.clear();
    for (std::size_t t = 0; t < tensors.size(); ++t) {
      if (tensors[t].resting() || tensors[t].numel == 0) continue;
      if (tensors[t].numel > reduction::kPiece) {
        find(t);
      } else {
        small_.push_back(t);
        elements += tensors[t].numel;
      }
    }
    const auto count = std::int64_t(small_.size());
    parallel_ranges(
        count,
        [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) find(small_[std::size_t(i)]);
        },
        worth_a_thread(count, elements));
  }

  Filtered of(std::size_t tensor, const TensorRef<Recipe>&) const {
    return {outliers_.data() + tensor};
  }

 private:
  std::vector<gradient::Outliers> outliers_;  // of tensors
  std::vector<std::size_t> small_;            // tensors of a piece or less
};

/// What measures before all else.
template <class Recipe>
using PassOfRows =
    std::conditional_t<Recipe::filters, MedianPass<Recipe>,
                       std::conditional_t<Recipe::rows, RowPass<Recipe>, detail::NoMemory>>;

}  // namespace agmohd::cpu
