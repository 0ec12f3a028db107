// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "concepts.hpp"
#include "cpu_elements.hpp"
#include "elements.hpp"
#include "reduction.hpp"
#include "vec.hpp"
#include "vec_avx2.hpp"

// The CPU's inner loops over one page: measure and sweep, vectorised with a scalar tail of the same
// arithmetic.
namespace agmohd::cpu {

/// Everything about a page that the loops need.
template <class Recipe, class E>
struct Page {
  using Slot = Stored<typename Recipe::Storage, E>;
  static constexpr int kRoom = Recipe::slot_count > 0 ? Recipe::slot_count : 1;
  E* param;
  const E* grad;
  Slot* slots[kRoom];  // null: not used
  std::int64_t count;
  std::int64_t first;  // element of the tensor
  E* kept_param;       // of a snapshot that is to be written, or swapped; null: none
  Slot* kept_slots[kRoom];
  /// Whether it has the slots that most rules use by default, the first two, and no snapshot.
  bool usual() {
    if (kept_param != nullptr) return false;
    for (int j = 0; j < Recipe::slot_count; ++j) {
      if ((slots[j] != nullptr) != (j < 2)) return false;
    }
    kept_param = nullptr;
    for (int j = 2; j < Recipe::slot_count; ++j) slots[j] = nullptr;
    return true;
  }
  const Page* next;  // this thread's page after this one; null: unknown

  /// Asks the memory for the next page while this one is worked on: hardware looks ahead within a
  /// long stream alone, and all at once would be more than it takes. Inlined early: GCC takes a
  /// function that only prefetches for one without effects, and drops the call.
  __attribute__((always_inline)) void ask_grad(std::int64_t i) const {
    if (next != nullptr && i < next->count) __builtin_prefetch(next->grad + i);
  }
  __attribute__((always_inline)) void ask(std::int64_t i) const {
    if (next == nullptr || i >= next->count) return;
    __builtin_prefetch(next->grad + i);
    __builtin_prefetch(next->param + i);
    for (int j = 0; j < Recipe::slot_count; ++j) {
      if (next->slots[j] != nullptr) __builtin_prefetch(next->slots[j] + i);
    }
  }
};

/// `watched`: nothing, or a Recipe::Guarded<V> or Recipe::Watched<V>.
template <class Recipe, class V, class E, class K, class... Watched>
void sweep_at(const Page<Recipe, E>& page, std::int64_t i, const K& k, Watched&... watched) {
  typename Recipe::template Slots<V> s{};
  for_each_slot<Recipe::slot_count>(s, [&](int j, V& slot) {
    if (page.slots[j] != nullptr) slot = load<V>(page.slots[j] + i);
  });
  const V p = Recipe::sweep(load<V>(page.param + i), load<V>(page.grad + i), s, k, watched...);
  store(page.param + i, p);
  for_each_slot<Recipe::slot_count>(s, [&](int j, V& slot) {
    if (page.slots[j] == nullptr) return;
    slot = rounded<typename Recipe::Storage>(slot, k.storage, page.first + i, j);
    store(page.slots[j] + i, slot);
  });
  if constexpr (Recipe::heals) {
    if (page.kept_param == nullptr) return;
    store(page.kept_param + i, p);
    for_each_slot<Recipe::slot_count>(s, [&](int j, V& slot) {
      if (page.slots[j] != nullptr) store(page.kept_slots[j] + i, slot);
    });
  }
}

/// Writes the page to its snapshot.
template <class Recipe, class E>
void keep_page(const Page<Recipe, E>& page) {
  std::copy_n(page.param, page.count, page.kept_param);
  for (int j = 0; j < Recipe::slot_count; ++j) {
    if (page.slots[j] != nullptr) std::copy_n(page.slots[j], page.count, page.kept_slots[j]);
  }
}

/// Exchanges the page with its snapshot.
template <class Recipe, class E>
void swap_page(const Page<Recipe, E>& page) {
  std::swap_ranges(page.param, page.param + page.count, page.kept_param);
  for (int j = 0; j < Recipe::slot_count; ++j) {
    if (page.slots[j] == nullptr) continue;
    std::swap_ranges(page.slots[j], page.slots[j] + page.count, page.kept_slots[j]);
  }
}

/// How many elements of a page's part of a snapshot are not finite.
template <class Recipe, class E>
std::int64_t spoiled(const Page<Recipe, E>& page) {
  std::int64_t count = 0;
  const auto add = [&](const auto* kept) {
    for (std::int64_t i = 0; i < page.count; ++i) {
      const auto x = load<Compute<E>>(kept + i);
      if (!(x - x == 0)) ++count;
    }
  };
  add(page.kept_param);
  for (int j = 0; j < Recipe::slot_count; ++j) {
    if (page.slots[j] != nullptr) add(page.kept_slots[j]);
  }
  return count;
}

/// How many elements of a vector the rule's guard changed.
template <class W>
std::int64_t changed(const W& watched) {
  if (!watched.doubted) [[likely]]
    return 0;
  if constexpr (requires { watched.guarded.lo; }) {
    constexpr int size = sizeof watched.guarded.lo / sizeof watched.guarded.lo[0];
    std::int64_t sum = 0;
    for (int j = 0; j < size; ++j) sum -= watched.guarded.lo[j] + watched.guarded.hi[j];
    return sum;
  } else {
    return watched.guarded ? 1 : 0;
  }
}

/// Calls f(page, k), where page and coefficients are as they mostly are, with what they then have
/// in common as constants, so that the compiler leaves out what is not needed. By value: what is
/// stored to memory could be a part of what a reference names.
template <class Recipe, class E, class K, class F>
std::int64_t with_usual(Page<Recipe, E> page, K k, const F& f) {
  if constexpr (std::is_same_v<E, float> && has::usual<typename Recipe::Rule>) {
    if (page.usual() && Recipe::Rule::usual(k.rule)) return f(page, k);
  }
  return f(page, k);
}

/// By vectors V, or scalars, and a scalar tail. Returns how many elements the rule's guard changed.
template <class V, class Recipe, class E, class K>
std::int64_t sweep_page(const Page<Recipe, E>& some, const K& coefficients) {
  return with_usual(some, coefficients, [](const Page<Recipe, E> page, const K k) {
    std::int64_t guarded = 0;
    const auto sweep = [&]<class T>(std::int64_t i, T) {
      if constexpr (Recipe::guards) {
        typename Recipe::template Guarded<T> w;
        if constexpr (std::is_floating_point_v<T>) w.guarded = false;  // for GCC's warning
        sweep_at<Recipe, T>(page, i, k, w);
        guarded += changed(w);
      } else {
        sweep_at<Recipe, T>(page, i, k);
      }
    };
    std::int64_t i = 0;
    if constexpr (!std::is_floating_point_v<V>) {
      for (; i + V::size <= page.count; i += V::size) {
        page.ask(i);
        sweep(i, V{});
      }
    }
    for (; i < page.count; ++i) sweep(i, Compute<E>{});
    return guarded;
  });
}

/// The sums of bundles in memory, as many as V has elements.
template <class V, int bundle, class R>
V bundles(const R* x) {
  if constexpr (!std::is_same_v<V, R>) {
    return V::template bundles<bundle>(x);
  } else if constexpr (bundle == 8) {
    return bundles<V, 4>(x) + bundles<V, 4>(x + 4);
  } else {
    return (x[0] + x[1]) + (x[2] + x[3]);
  }
}

/// `count` of them, kStep apart, added as reduction::fold() does.
template <class V, int bundle, int count, int kStep = 1, class R>
V folded_bundles(const R* x) {
  if constexpr (count == 1) {
    return bundles<V, bundle>(x);
  } else {
    constexpr int kNext = bundle * kStep * int(sizeof(V) / sizeof(R));
    return folded_bundles<V, bundle, count / 2, 2 * kStep>(x) +
           folded_bundles<V, bundle, count / 2, 2 * kStep>(x + kNext);
  }
}

/// The sum of a piece.
template <class V, int bundle, class R>
R piece_sum(const R* x) {
  if constexpr (std::is_same_v<V, R>) {
    return folded_bundles<V, bundle, reduction::kWarp>(x);
  } else {
    return folded_bundles<V, bundle, reduction::kWarp / V::size>(x).folded();
  }
}

/// sweep_page() of a sampled page: with the sums of core/reduction.hpp.
template <class V, class Recipe, class E, class K>
std::int64_t measured_sweep_page(const Page<Recipe, E>& some, const K& coefficients,
                                 reduction::SweptPartial& out) {
  return with_usual(some, coefficients, [&out](const Page<Recipe, E> page, const K k) {
    using namespace reduction;
    using R = Compute<E>;
    constexpr int kBundle = bundle_size<Recipe, E>, kPiece = kWarp * kBundle;
    alignas(64) R seen[kWatched][kPiece];
    double pieces[kWatched][kPieces];
    std::int64_t guarded = 0;
    int done = 0;
    for (std::int64_t first = 0; first < page.count; first += kPiece, ++done) {
      const auto sweep = [&]<class T>(int i, T) {
        typename Recipe::template Watched<T> w;
        if constexpr (std::is_floating_point_v<T>) w.guarded = false;  // for GCC's warning
        sweep_at<Recipe, T>(page, first + i, k, w);
        store(seen[0] + i, T(w.update * w.update));
        store(seen[1] + i, w.along_previous);
        store(seen[2] + i, w.along);
        guarded += changed(w);
      };
      const int count = int(std::min<std::int64_t>(kPiece, page.count - first));
      int i = 0;
      if constexpr (!std::is_floating_point_v<V>) {
        for (; i + V::size <= count; i += V::size) {
          page.ask(first + i);
          sweep(i, V{});
        }
      }
      for (; i < count; ++i) sweep(i, R{});
      for (int w = 0; w < kWatched; ++w) {
        if (count < kPiece) std::fill(seen[w] + count, seen[w] + kPiece, R(0));
        pieces[w][done] = double(piece_sum<V, kBundle>(seen[w]));
      }
    }
    for (int w = 0; w < kWatched; ++w) out.sums[w] = fold(pieces[w], done);
    return guarded;
  });
}

/// The gradient as it is measured; beyond the page zeros.
template <class Recipe, class V, class E>
V measured_at(const Page<Recipe, E>& page, std::int64_t i, const typename Recipe::Shared& o) {
  if (i + V::size <= page.count) return Recipe::measured(load<V>(page.grad + i), o);
  Compute<E> x[V::size] = {};
  for (std::int64_t j = i; j < page.count; ++j) {
    x[j - i] = Recipe::measured(load<Compute<E>>(page.grad + j), o);
  }
  return load<V>(x);
}

/// Adds what a lane owns once more, in double, and counts what is not finite. For float64 only the
/// count is new.
template <class Recipe, class E>
__attribute__((noinline)) void rescue(const Page<Recipe, E>& page, int lane,
                                      const typename Recipe::Shared& o, double& sum,
                                      std::int64_t& nonfinite) {
  double rescued = 0;
  for (std::int64_t row = 4 * lane; row < page.count; row += reduction::kRow) {
    for (std::int64_t i = row; i < std::min<std::int64_t>(row + 4, page.count); ++i) {
      const double g = double(Recipe::measured(load<Compute<E>>(page.grad + i), o));
      rescued += g * g;
      if (!(g - g == 0)) ++nonfinite;
    }
  }
  if constexpr (sizeof(Compute<E>) == 4) sum = rescued;
}

/// The elements from `i` on of a slot; beyond the page, or where the slot is not used, zeros.
template <class Recipe, class V, class E>
V slot_at(const Page<Recipe, E>& page, int slot, std::int64_t i) {
  const auto* const from = page.slots[slot];
  if (from == nullptr) return V{};
  if (i + V::size <= page.count) return load<V>(from + i);
  Compute<E> x[V::size] = {};
  for (std::int64_t j = i; j < page.count; ++j) x[j - i] = load<Compute<E>>(from + j);
  return load<V>(x);
}

/// The first elements of a vector, and zeros.
template <class V>
V first(const V& x, std::int64_t count) {
  alignas(64) Real<V> elements[V::size];
  store(elements, x);
  std::fill(elements + count, elements + V::size, Real<V>(0));
  return load<V>(static_cast<const Real<V>*>(elements));
}

/// What a page contributes to the sums of its recipe's rule.
template <class V, class Recipe, class E, class K>
double sum_page(const Page<Recipe, E> page, const typename Recipe::Shared o, const K k) {
  using namespace reduction;
  constexpr int kGroup = 4 * V::size;  // columns
  alignas(64) Compute<E> sums[kGroup];
  double lanes[kLanes];
  const int columns = int(std::min<std::int64_t>(page.count, kRow));
  for (int c = 0; c < columns; c += kGroup) {
    for (int j = 0; j < kGroup; j += V::size) {
      V sum{};
      for (std::int64_t i = c + j; i < page.count; i += kRow) {
        typename Recipe::template Slots<V> s{};
        for_each_slot<Recipe::slot_count>(
            s, [&](int n, V& slot) { slot = slot_at<Recipe, V>(page, n, i); });
        const V x = Recipe::Rule::summed(measured_at<Recipe, V>(page, i, o), s, k);
        sum = sum + (i + V::size <= page.count ? x : first<V>(x, page.count - i));
      }
      store(sums + j, sum);
    }
    V::template bundles<4>(sums).widen(lanes + c / 4);
  }
  return butterfly(lanes, (columns + 3) / 4);
}

template <class V, class Recipe, class E>
reduction::Partial measure_page(const Page<Recipe, E> page, const typename Recipe::Shared o) {
  using namespace reduction;
  using R = Compute<E>;
  using B = std::make_unsigned_t<typename V::bits>;
  constexpr int kGroup = 4 * V::size;  // columns
  alignas(64) R sums[kGroup];
  alignas(64) B peaks[kGroup];
  double lanes[kLanes];
  Partial out{0, 0, 0};
  typename V::magnitudes most{};
  const int columns = int(std::min<std::int64_t>(page.count, kRow));
  for (int c = 0; c < columns; c += kGroup) {
    bool strange = false;
    for (int j = 0; j < kGroup; j += V::size) {
      page.ask_grad(c + j);
      V sum{};
      typename V::magnitudes peak{};
      for (std::int64_t i = c + j; i < page.count; i += kRow) {
        const V g = measured_at<Recipe, V>(page, i, o);
        sum = sum + g * g;
        peak.take(g);
      }
      store(sums + j, sum);
      std::memcpy(peaks + j, &peak, sizeof peak);
      most.take(peak);
      strange = strange || peak.beyond(sizeof(R) == 4 ? B(kTiny) : 0,
                                       sizeof(R) == 4 ? B(kHuge) : B(kInfinite));
    }
    V::template bundles<4>(sums).widen(lanes + c / 4);
    if (!strange) [[likely]]
      continue;
    for (int l = 0; l < V::size; ++l) {
      const B* const of = peaks + 4 * l;
      if (!extreme(std::max({of[0], of[1], of[2], of[3]}))) continue;
      rescue(page, c / 4 + l, o, lanes[c / 4 + l], out.nonfinite);
    }
  }
  out.norm2 = butterfly(lanes, (columns + 3) / 4);
  B all[V::size];
  std::memcpy(all, &most, sizeof most);
  out.max_abs = double(std::bit_cast<R>(*std::max_element(all, all + V::size)));
  return out;
}

}  // namespace agmohd::cpu
