// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "../contract/hindrance.hpp"

using namespace agmohd;

template <>
struct contract::Sample<hindrance::ZClip> {
  static std::vector<hindrance::ZClip::Options> options() {
    return {{}, {.zclip_warmup = 3}, {.zclip_threshold = 0.5, .zclip_warmup = 2}};
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(ZClip, HindranceContract, hindrance::ZClip);
