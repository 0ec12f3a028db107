// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#define AGMOHD_READY_MADE template
#include "ready_made.hpp"
