// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Chains of three transforms, drawn at compile time from all of them, by a fixed seed.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "rows.hpp"

using namespace agmohd;

namespace random_chains {

using All =
    std::tuple<gradient::Accumulate, gradient::AdaptiveClip, gradient::AGC, gradient::Centralize,
               gradient::Choice, gradient::ClipByMaxNorm, gradient::ClipByNorm,
               gradient::ClipByPNorm, gradient::ClipByValue, gradient::MedianFilter,
               gradient::Noise, gradient::Normalize, gradient::NormalizeTensors,
               gradient::NormalizeToMedian, gradient::Orthogonal, gradient::Sign,
               gradient::Stabilize, gradient::ZeroNonfinite>;
constexpr std::size_t kAll = std::tuple_size_v<All>;
using Places = std::array<std::size_t, 3>;

/// What the static_asserts of gradient::Chain look at.
struct Kind {
  bool element, rows, power;
  unsigned wants;
};
constexpr auto kKinds = []<std::size_t... I>(std::index_sequence<I...>) {
  const auto kind = []<class G>(G) {
    return Kind{G::kind == TransformKind::element, has::rows<G>, has::power<G>, G::wants};
  };
  return std::array<Kind, kAll>{kind(std::tuple_element_t<I, All>{})...};
}
(std::make_index_sequence<kAll>{});

constexpr bool compiles(const Places& at) {
  for (std::size_t i = 0; i < at.size(); ++i) {
    const Kind& here = kKinds[at[i]];
    unsigned others = kNothing, behind = kNothing;
    bool element_behind = false;
    for (std::size_t j = 0; j < at.size(); ++j) {
      if (j == i) continue;
      if (at[j] == at[i]) return false;  // options by policy would be of two
      others |= kKinds[at[j]].wants;
      if (j < i) continue;
      if (kKinds[at[j]].rows) return false;
      behind |= kKinds[at[j]].wants;
      element_behind = element_behind || kKinds[at[j]].element;
    }
    if (!here.element && element_behind && behind != kNothing) return false;
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

template <class Index>
class RandomChain : public testing::Test {};
template <std::size_t I>
using Number = std::integral_constant<std::size_t, I>;
using Numbers =
    testing::Types<Number<0>, Number<1>, Number<2>, Number<3>, Number<4>, Number<5>, Number<6>>;
TYPED_TEST_SUITE(RandomChain, Numbers);

TYPED_TEST(RandomChain, IsTheSameOnTheReference) {
  constexpr std::size_t kChain = TypeParam::value;
  using A = At<kChain, 0>;
  using B = At<kChain, 1>;
  using C = At<kChain, 2>;
  using Trained = contract::Trained<Recipe<rule::SGD, A, B, C>>;
  SCOPED_TRACE(std::string(A::name()) + ", " + B::name() + ", " + C::name());
  auto options = typename Trained::Options(0.05);
  options.template set<A>(acting<A>()).template set<B>(acting<B>()).template set<C>(acting<C>());
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    Trained cpu(options, dtype, false, contract::row_parameters(dtype));
    Trained reference(options, dtype, true, contract::row_parameters(dtype));
    std::vector<at::Tensor> before;
    for (const at::Tensor& param : cpu.params) before.push_back(param.detach().clone());
    cpu.run(0, 4);
    contract::expect_close(cpu.now(), reference.run(0, 4).now(), contract::epsilon(dtype));
    int moved = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      moved += at::equal(cpu.params[i].detach(), before[i]) ? 0 : 1;
    }
    EXPECT_GT(moved, 6);
    EXPECT_TRUE(contract::all_finite(cpu.now()));
  }
}

}  // namespace random_chains
