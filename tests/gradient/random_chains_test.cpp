// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "random_chains.hpp"

#include <cstddef>
#include <type_traits>
#include <vector>

#include "rows.hpp"

namespace random_chains {

template <class Index>
class RandomChain : public testing::Test {};
template <std::size_t I>
using Number = std::integral_constant<std::size_t, I>;
using Numbers =
    testing::Types<Number<0>, Number<1>, Number<2>, Number<3>, Number<4>, Number<5>, Number<6>>;
TYPED_TEST_SUITE(RandomChain, Numbers);

TYPED_TEST(RandomChain, IsTheSameOnTheReference) {
  constexpr std::size_t kChain = TypeParam::value;
  using Trained = contract::Trained<Drawn<kChain>>;
  SCOPED_TRACE(names<kChain>());
  const auto options = acting_options<kChain, typename Trained::Options>();
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
