// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// The ready-made optimizers are compiled once, in ready_made.cpp, for all units that include this.
// Members that are defined within their class are inline, and compiled nevertheless: little at -O0.
#pragma once

#include <agmohd/agmohd.hpp>
#include <memory>

#ifndef AGMOHD_READY_MADE
#define AGMOHD_READY_MADE extern template
#endif

namespace agmohd {
#define AGMOHD_OPTIMIZER(R)                                                     \
  AGMOHD_READY_MADE std::shared_ptr<Executor<R>> make_executor<R>(c10::Device); \
  AGMOHD_READY_MADE std::shared_ptr<Executor<R>> make_tensor_executor<R>();     \
  AGMOHD_READY_MADE class Options<R>;                                           \
  AGMOHD_READY_MADE class ParamState<R>;                                        \
  AGMOHD_READY_MADE class Binder<R>;                                            \
  AGMOHD_READY_MADE class Optimizer<R>;
AGMOHD_OPTIMIZER(recipe::SGD)
AGMOHD_OPTIMIZER(recipe::Adam)
AGMOHD_OPTIMIZER(recipe::AdamW)
AGMOHD_OPTIMIZER(recipe::AGMOHD)
AGMOHD_OPTIMIZER(recipe::AGMOHDSGD)
#undef AGMOHD_OPTIMIZER
}  // namespace agmohd
