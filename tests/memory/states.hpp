// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// States of parameters, and what an error says.

#include <gtest/gtest.h>
#include <torch/types.h>

#include <string>
#include <vector>

namespace testing_memory {

using torch::Tensor;
using Tensors = std::vector<Tensor>;

inline Tensor leaf(const Tensor& x) { return x.detach().requires_grad_(); }

template <class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}
#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

template <class O>
auto& state_in(O& states, const Tensor& p) {
  return states.at(p.unsafeGetTensorImpl());
}
template <class State, class O>
State& state_of(O& optimizer, const Tensor& p) {
  return static_cast<State&>(*state_in(optimizer.state(), p));
}

}  // namespace testing_memory
