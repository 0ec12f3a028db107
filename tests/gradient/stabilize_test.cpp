// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/transform.hpp"

using namespace agmohd;

/// Its formula is of each tensor by itself, so it joins no suite; see StabilizeRecipe.
template <>
struct contract::Sample<gradient::Stabilize> {
  static std::vector<gradient::Stabilize::Options> options() { return {{}, {{0.5, 0.6}, 0.5}}; }
};

namespace {

TEST(StabilizeRecipe, BackendsAgreeAndItResumes) {
  using Recipe = agmohd::Recipe<rule::AdamW, hindrance::AdaGC,
                                gradient::Chain<gradient::AdaptiveClip, gradient::Stabilize>>;
  using O = contract::Trained<Recipe>::Options;
  contract::expect_bounds<gradient::Stabilize>();
  const O calm(0.01), eager = O(0.01)
                                  .set<"adagc_warmup">(2)
                                  .max_norm(1e30)
                                  .set<"stabilize_norm">({0.5, 0.6})
                                  .set<"stabilize_max">(0.5);
  for (const O& o : {calm, eager}) {
    contract::expect_backends_agree<Recipe>(o);
    for (const at::ScalarType dtype : contract::kDtypes) contract::expect_resumes<Recipe>(o, dtype);
  }
}

}  // namespace
