// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Memory that runs out.

#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "states.hpp"

namespace {

using namespace testing_memory;

/// LibTorch's allocator until it has given `left` strips of 1000 bytes or more; then none.
class Scarce final : public c10::Allocator {
 public:
  explicit Scarce(int left) : all_(c10::GetCPUAllocator()), left_(left) {
    c10::SetCPUAllocator(this, kPriority);
  }
  ~Scarce() override { c10::SetCPUAllocator(all_, kPriority); }
  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes >= 1000 && left_-- <= 0) TORCH_CHECK(false, "no memory left");
    return all_->allocate(bytes);
  }
  c10::DeleterFnPtr raw_deleter() const override { return all_->raw_deleter(); }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }

 private:
  static constexpr std::uint8_t kPriority = 200;
  c10::Allocator* all_;
  int left_;
};

TEST(OutOfMemory, LeavesNoHalfMadeState) {
  const auto make = [](const Tensors& params) {
    return agmohd::SGD(params, agmohd::SGDOptions(0.1).momentum(0.9).dampening(0.5));
  };
  const auto parameters = [] {
    Tensors out;
    for (int i = 0; i < 4; ++i) out.push_back(torch::ones({1000}).requires_grad_());
    for (const Tensor& p : out) p.mutable_grad() = torch::ones({1000});
    return out;
  };
  const Tensors expected = parameters();
  auto untouched = make(expected);
  for (int t = 0; t < 2; ++t) untouched.step();
  for (const bool by_prepare : {false, true}) {
    for (int left = 0; left < 4; ++left) {
      const Tensors params = parameters();
      auto optimizer = make(params);
      {
        const Scarce scarce(left);
        const std::string error =
            error_of([&] { by_prepare ? optimizer.prepare() : void(optimizer.step()); });
        EXPECT_HAS(error, "no memory left");
      }
      EXPECT_TRUE(std::as_const(optimizer).state().empty()) << left;
      EXPECT_EQ(optimizer.updates(), 0);
      EXPECT_TRUE(torch::equal(params[0], torch::ones({1000})));
      for (int t = 0; t < 2; ++t) optimizer.step();
      for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(torch::equal(params[i], expected[i])) << left;
    }
  }
}

TEST(OutOfMemory, LeavesConvertedStatesAsTheyWere) {
  for (int left = 0; left < 4; ++left) {
    Tensors params;
    for (int i = 0; i < 2; ++i) params.push_back(torch::ones({1000}).requires_grad_());
    for (const Tensor& p : params) p.mutable_grad() = torch::ones({1000});
    agmohd::AdamW optimizer(params, 0.1);
    optimizer.step();
    for (const Tensor& p : params) {
      auto& state = state_of<agmohd::AdamWParamState>(optimizer, p);
      state.exp_avg(state.exp_avg().to(torch::kDouble));
      state.exp_avg_sq(state.exp_avg_sq().to(torch::kDouble));
    }
    {
      const Scarce scarce(left);
      EXPECT_HAS(error_of([&] { optimizer.step(); }), "no memory left");
    }
    for (const Tensor& p : params) {
      const auto& state = state_of<agmohd::AdamWParamState>(optimizer, p);
      EXPECT_EQ(state.exp_avg().scalar_type(), torch::kDouble);
      EXPECT_EQ(state.exp_avg_sq().scalar_type(), torch::kDouble);
      EXPECT_EQ(state.step(), 1);
    }
  }
}

}  // namespace
