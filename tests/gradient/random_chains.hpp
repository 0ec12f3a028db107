// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Chains of three transforms, drawn at compile time from all of them, by a fixed seed. Torch-free:
// kernel units include it.

#include <agmohd/recipes.hpp>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

namespace random_chains {

using All =
    std::tuple<agmohd::gradient::Accumulate, agmohd::gradient::AdaptiveClip, agmohd::gradient::AGC,
               agmohd::gradient::Centralize, agmohd::gradient::Choice,
               agmohd::gradient::ClipByMaxNorm, agmohd::gradient::ClipByNorm,
               agmohd::gradient::ClipByPNorm, agmohd::gradient::ClipByValue,
               agmohd::gradient::MedianFilter, agmohd::gradient::Noise, agmohd::gradient::Normalize,
               agmohd::gradient::NormalizeTensors, agmohd::gradient::NormalizeToMedian,
               agmohd::gradient::Orthogonal, agmohd::gradient::Sign, agmohd::gradient::Stabilize,
               agmohd::gradient::ZeroNonfinite>;
constexpr std::size_t kAll = std::tuple_size_v<All>;
using Places = std::array<std::size_t, 3>;

/// What the static_asserts of agmohd::gradient::Chain look at.
struct Kind {
  bool element, rows, power;
  unsigned wants;
};
constexpr auto kKinds = []<std::size_t... I>(std::index_sequence<I...>) {
  const auto kind = []<class G>(G) {
    return Kind{G::kind == agmohd::TransformKind::element, agmohd::has::rows<G>,
                agmohd::has::power<G>, G::wants};
  };
  return std::array<Kind, kAll>{kind(std::tuple_element_t<I, All>{})...};
}
(std::make_index_sequence<kAll>{});

constexpr bool compiles(const Places& at) {
  for (std::size_t i = 0; i < at.size(); ++i) {
    const Kind& here = kKinds[at[i]];
    unsigned others = agmohd::kNothing, behind = agmohd::kNothing;
    bool element_behind = false;
    for (std::size_t j = 0; j < at.size(); ++j) {
      if (j == i) continue;
      if (at[j] == at[i]) return false;  // options by policy would be of two
      others |= kKinds[at[j]].wants;
      if (j < i) continue;
      if (kKinds[at[j]].rows) return false;
      behind |= kKinds[at[j]].wants;
      const bool median = (here.wants & agmohd::kMedian) != 0;
      constexpr unsigned kLargest = agmohd::kMaxAbs, kEach = agmohd::kTensors;
      if (median && (kKinds[at[j]].wants & (kLargest | kEach)) == kLargest) return false;
      if ((here.wants & kEach) != 0 && (kKinds[at[j]].wants & agmohd::kMedian) != 0) return false;
      element_behind = element_behind || kKinds[at[j]].element;
    }
    if (!here.element && element_behind && behind != agmohd::kNothing) return false;
    if (here.power && agmohd::detail::wants_norms(others)) return false;
  }
  return true;
}

/// Each brings transforms that none before it has, as long as there are some.
constexpr auto kDrawn = [] {
  std::array<Places, 7> out{};
  std::array<bool, kAll> seen{};
  std::uint64_t random = 20261129;
  const auto draw = [&random] {
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    return std::size_t(random >> 33) % kAll;
  };
  for (Places& chain : out) {
    for (std::size_t wanted = 3, tries = 0;; ++tries) {
      if (tries % 400 == 399 && wanted > 0) wanted -= 1;
      chain = {draw(), draw(), draw()};
      if (!compiles(chain)) continue;
      std::size_t fresh = 0;
      for (const std::size_t i : chain) fresh += seen[i] ? 0 : 1;
      if (fresh < wanted) continue;
      for (const std::size_t i : chain) seen[i] = true;
      break;
    }
  }
  for (const bool one : seen) {
    if (!one) throw "a transform is in no chain: take another seed";
  }
  return out;
}();

template <std::size_t chain, std::size_t place>
using At = std::tuple_element_t<kDrawn[chain][place], All>;

/// Options that do something to gradients of ordinary size.
template <class G>
typename G::Options acting() {
  typename G::Options o{};
  if constexpr (requires { o.max_norm; }) o.max_norm = 0.5;
  if constexpr (requires { o.max_abs; }) o.max_abs = 0.25;
  if constexpr (requires { o.max_value; }) o.max_value = 0.5;
  if constexpr (requires { o.accumulation_steps; }) o.accumulation_steps = 2;
  if constexpr (requires { o.clip_factor; }) o.clip_factor = 0.1;
  return o;
}

template <std::size_t chain>
using Drawn = agmohd::Recipe<agmohd::rule::SGD, At<chain, 0>, At<chain, 1>, At<chain, 2>>;
template <std::size_t chain, class Options>
Options acting_options() {
  Options options(0.05);
  const auto act = [&options]<class G>(G) { options.template set<G>(acting<G>()); };
  act(At<chain, 0>{}), act(At<chain, 1>{}), act(At<chain, 2>{});
  return options;
}
template <std::size_t chain>
std::string names() {
  return std::string(At<chain, 0>::name()) + ", " + At<chain, 1>::name() + ", " +
         At<chain, 2>::name();
}

/// By name, for kernel units.
using Drawn0 = Drawn<0>;
using Drawn1 = Drawn<1>;
using Drawn2 = Drawn<2>;
using Drawn3 = Drawn<3>;
using Drawn4 = Drawn<4>;
using Drawn5 = Drawn<5>;
using Drawn6 = Drawn<6>;
static_assert(kDrawn.size() == 7);

}  // namespace random_chains
