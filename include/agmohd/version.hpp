// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one place of the version; CMake reads it from here.
#define AGMOHD_VERSION_MAJOR 0
#define AGMOHD_VERSION_MINOR 1
#define AGMOHD_VERSION_PATCH 0
