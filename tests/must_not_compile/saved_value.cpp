// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// A value that cannot be saved to a path, or loaded.
// must say: save(value, path) takes an optimizer, a module, a tensor, a vector of tensors
// must say: load(value, path) takes an optimizer, a module, a tensor, a vector of tensors
// at most: 20 lines

#include <agmohd/agmohd.hpp>
#include <agmohd/wrap/ema.hpp>

struct Settings {
  int seed = 0;
};

void pass(agmohd::wrap::EMA& ema, Settings& settings) {
  agmohd::save(ema, "ema.pt");
  agmohd::load(ema, "ema.pt");
#ifdef MUST_NOT_COMPILE
  agmohd::save(settings, "settings.pt");
  agmohd::load(settings, "settings.pt");
#else
  settings.seed += 1;
#endif
}
