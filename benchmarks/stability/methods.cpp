// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "ours.hpp"
#include "recipes.hpp"

namespace stability {

const std::vector<Entry>& methods() {
  static const std::vector<Entry> all{
      {"adamw", "AdamW", make<AdamW>()},
      {"clip", "AdamW, global norm clipped to 1", make<Clip>()},
      {"nanskip", "the same, non-finite steps skipped", make<NanSkip>()},
      {"agmohd", "AGMOHD", make<Agmohd>()},
  };
  return all;
}

}  // namespace stability
