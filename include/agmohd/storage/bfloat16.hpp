// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "../policy/element.hpp"
#include "../policy/field.hpp"
#include "../policy/random.hpp"
#include "storage.hpp"

namespace agmohd::storage {

/// State as bfloat16: half the memory of float. For float64 parameters state is double. A slot is
/// rounded to nearest even, or stochastically: away from zero with the probability that makes the
/// result right in the mean (Gupta et al. 2015). To nearest, a moving average with beta2 = 0.999
/// stands still, since most of its steps are below half a unit in the last place. The random bits
/// are a hash of (seed, updates, parameter, element, slot): the same on every device and after a
/// resume.
struct BFloat16 {
  struct Options {
    bool stochastic_rounding = false;  ///< round so that the mean is right, not to nearest even
    std::int64_t seed = 0;             ///< of the random bits
  };
  /// What the random bits of one tensor in one step are made of.
  struct Key {
    random::Key random;
    std::uint32_t stochastic;  ///< 0 for rounding to nearest even
  };
  using Float = Bf16;
  static constexpr auto fields = describe(
      field("stochastic_rounding", &Options::stochastic_rounding), field("seed", &Options::seed));
  static const char* name() { return "BFloat16"; }
  static const char* needs(const Options& o, std::string_view name) {
    return name == "seed" && !o.stochastic_rounding ? "stochastic_rounding = true" : nullptr;
  }

  AGMOHD_HD static Key key(const Options& o, std::int64_t updates, std::int32_t index) {
    const random::Key k = random::key(o.seed, {updates, index}, random::Purpose::rounding);
    return {k, o.stochastic_rounding ? 1U : 0U};
  }

  /// The bits x of a float, rounded to a float that bfloat16 holds exactly: its 16 low bits are
  /// zero. `low`, `high`: the two words of the element's number. What is beyond the largest
  /// bfloat16, infinite or NaN stays, for the rounding to nearest that follows.
  template <class U>
  AGMOHD_HD static U rounded_bits(U x, const Key& k, U low, std::uint32_t high, int slot) {
    U noise = random::bits(k.random, low, high);
    // 16 of the 32 bits for each slot of a pair.
    if (slot >= 2) {
      noise = random::mix(noise ^ (k.random.word + std::uint32_t(slot / 2) * random::kGolden));
    }
    noise = slot % 2 == 0 ? noise >> 16 : noise & 0xffffU;
    return (x & 0x7fffffffU) < 0x7f7f0000U ? (x + noise) & 0xffff0000U : x;
  }
  AGMOHD_HD static bool rounds(const Key& k) { return k.stochastic != 0; }
  AGMOHD_HD static float rounded(float x, const Key& k, std::int64_t element, int slot) {
    return __builtin_bit_cast(
        float, rounded_bits(__builtin_bit_cast(std::uint32_t, x), k, std::uint32_t(element),
                            std::uint32_t(std::uint64_t(element) >> 32), slot));
  }
  AGMOHD_HD static double rounded(double x, const Key&, std::int64_t, int) { return x; }
};
static_assert(Storage<BFloat16>);

}  // namespace agmohd::storage
