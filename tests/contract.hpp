// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// What every policy of a family must do. A policy joins its family's suite by a few samples of its
// options and one line in a test program:
//
//     template <>
//     struct contract::Sample<MyRule> {
//       static std::vector<MyRule::Options> options() { return {{}, {.beta = 0.5}}; }
//     };
//     INSTANTIATE_TYPED_TEST_SUITE_P(MyRule, RuleContract, MyRule);
//
// The head of each suite's file says what else a sample may hold. docs/policies.md has the line
// that builds such a program outside of this repository.

#include "contract/hindrance.hpp"
#include "contract/transform.hpp"
#include "contract/momentum.hpp"
#include "contract/rule.hpp"
#include "contract/schedule.hpp"
