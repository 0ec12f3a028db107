// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <agmohd/agmohd.hpp>

extern template class agmohd::Options<agmohd::recipe::AdamW>;
extern template class agmohd::Optimizer<agmohd::recipe::AdamW>;
