// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#include <agmohd/agmohd.hpp>

template class agmohd::Options<agmohd::recipe::AdamW>;
template class agmohd::Optimizer<agmohd::recipe::AdamW>;
