// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "samples.hpp"

using namespace agmohd;

INSTANTIATE_TYPED_TEST_SUITE_P(Cosine, ScheduleContract, schedule::Cosine);
