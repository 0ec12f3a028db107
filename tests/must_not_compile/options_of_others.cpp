// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Options that no policy of the recipe has, and values of another type than the option's.
// must say: needs a recipe with schedule::Warmup or Choice
// must say: needs a recipe with gradient::ClipByValue or Choice
// must say: needs a recipe with recovery::Snapshots
// must say: no policy of this recipe has an option of that Name
// must say: this recipe has that option, but a value of this type does not convert to the option's
// must say: betas is a pair, as in torch.optim: betas({0.9, 0.95})
// at most: 60 lines

#include <agmohd/agmohd.hpp>

agmohd::AdamWOptions options() {
  agmohd::AdamWOptions out(1e-3);
#ifdef MUST_NOT_COMPILE
  out.warmup_steps(10);
  out.max_value(1.0);
  out.snapshots(true);
  out.set<"typo">(1.0);
  out.set<"eps">("small");
  out.betas(0.9, 0.95);
#else
  out.betas({0.9, 0.95}).set<"eps">(1e-6).set<"betas">({0.9, 0.95}).set<"lr">(1);
#endif
  return out;
}
