// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "samples.hpp"

using namespace agmohd;

template <>
struct contract::Sample<gradient::AdaptiveClip> : contract::Sample<gradient::ClipByNorm> {};

INSTANTIATE_TYPED_TEST_SUITE_P(AdaptiveClip, TransformContract, gradient::AdaptiveClip);
