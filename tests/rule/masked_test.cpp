// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include <torch/optim/adamw.h>

#include <agmohd/rule/adan.hpp>
#include <agmohd/rule/lion.hpp>
#include <agmohd/rule/masked.hpp>
#include <agmohd/rule/rprop.hpp>
#include <agmohd/wrap/mask.hpp>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "../contract/rule.hpp"
#include "first_step.hpp"

using namespace agmohd;

/// With the mask that it begins with, it is the rule inside.
template <>
struct contract::Sample<rule::Masked<rule::AdamW>> {
  static std::vector<rule::AdamW::Options> options() {
    return {{},
            {.betas = {0.8, 0.99}, .eps = 1e-3, .weight_decay = 0.1},
            {.betas = {0.0, 0.9}, .amsgrad = true, .maximize = true}};
  }
  static double first(const rule::AdamW::Options& o, double lr, double p, double g) {
    return p * (1 - lr * o.weight_decay) - lr * adam_direction(o.maximize ? -g : g, o.eps);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(MaskedAdamW, RuleContract, rule::Masked<rule::AdamW>);

namespace masked {

using MaskedAdamW = Optimizer<Recipe<rule::Masked<rule::AdamW>>>;

/// About half of the elements of a parameter.
at::Tensor some(const at::Tensor& param, std::int64_t seed) {
  return contract::random(param.sizes(), 50 + seed) > 0;
}

/// torch.optim's AdamW on the elements that move; the others keep every bit, of their state, too.
TEST(Masked, IsTheRuleOnTheElementsThatMove) {
  for (const bool reference : {false, true}) {
    SCOPED_TRACE(reference ? "reference" : "sweep");
    std::vector<at::Tensor> params = contract::parameters(at::kDouble), parts, masks, begun;
    for (std::size_t i = 0; i < params.size(); ++i) {
      masks.push_back(some(params[i], std::int64_t(i)));
      begun.push_back(params[i].detach().clone());
      parts.push_back(params[i].detach().masked_select(masks[i]).requires_grad_());
    }
    MaskedAdamW mine(params, MaskedAdamW::Options(0.01).weight_decay(0.1));
    torch::optim::AdamW peer(parts, torch::optim::AdamWOptions(0.01).weight_decay(0.1));
    if (reference) mine.use_tensor_backend();
    for (std::size_t i = 0; i < params.size(); ++i) wrap::set_mask(mine, params[i], masks[i]);
    for (std::int64_t step = 0; step < 8; ++step) {
      contract::set_gradients(params, step);
      for (std::size_t i = 0; i < params.size(); ++i) {
        const at::Tensor& grad = params[i].grad();
        parts[i].mutable_grad() = grad.defined() ? grad.masked_select(masks[i]) : at::Tensor();
      }
      mine.step();
      peer.step();
    }
    for (std::size_t i = 0; i < params.size(); ++i) {
      const at::Tensor now = params[i].detach(), frozen = masks[i].logical_not();
      EXPECT_TRUE(at::allclose(now.masked_select(masks[i]), parts[i].detach(), 1e-12, 1e-14)) << i;
      EXPECT_TRUE(contract::same_bits(now.masked_select(frozen), begun[i].masked_select(frozen)));
      const auto& state = static_cast<const ParamState<MaskedAdamW::Recipe>&>(
          *mine.state().at(params[i].unsafeGetTensorImpl()));
      EXPECT_FALSE(state.get<"exp_avg">().masked_select(frozen).any().item<bool>());
      EXPECT_FALSE(state.get<"exp_avg_sq">().masked_select(frozen).any().item<bool>());
      EXPECT_TRUE(at::equal(state.get<"mask">(), masks[i].to(at::kDouble)));
    }
  }
}

/// A rule that writes by itself, one whose state begins with another value, one of four slots.
template <class Rule>
void expect_frozen(const typename Rule::Options& options, at::ScalarType dtype) {
  using Mine = contract::Trained<Recipe<rule::Masked<Rule>>>;
  using Plain = contract::Trained<Recipe<Rule>>;
  SCOPED_TRACE(Rule::name() + std::string(", ") + c10::toString(dtype));
  for (const bool reference : {false, true}) {
    Mine mine(typename Mine::Options(0.01).template set<Rule>(options), dtype, reference);
    Plain plain(typename Plain::Options(0.01).template set<Rule>(options), dtype, reference);
    mine.run(0, 3), plain.run(0, 3);
    std::vector<at::Tensor> before;
    for (std::size_t i = 0; i < mine.params.size(); ++i) {
      EXPECT_TRUE(contract::same_bits(mine.params[i], plain.params[i]));
      before.push_back(mine.params[i].detach().clone());
      wrap::set_mask(mine.optimizer, mine.params[i], some(mine.params[i], std::int64_t(i)));
    }
    const auto frozen_state = [&] {
      std::vector<at::Tensor> out;
      for (const auto& [name, tensor] : mine.now().tensors) {
        if (!tensor.defined()) continue;
        for (std::size_t i = 0; i < mine.params.size(); ++i) {
          if (tensor.sizes() != mine.params[i].sizes()) continue;
          out.push_back(tensor.masked_select(some(tensor, std::int64_t(i)).logical_not()));
          break;
        }
      }
      return out;
    };
    const std::vector<at::Tensor> begun = frozen_state();
    mine.run(3, 7), plain.run(3, 7);
    const std::vector<at::Tensor> ended = frozen_state();
    ASSERT_EQ(begun.size(), ended.size());
    for (std::size_t i = 0; i < begun.size(); ++i) {
      EXPECT_TRUE(contract::same_bits(begun[i], ended[i])) << i;
    }
    for (std::size_t i = 0; i < mine.params.size(); ++i) {
      const at::Tensor moves = some(before[i], std::int64_t(i));
      EXPECT_TRUE(contract::same_bits(mine.params[i],
                                      at::where(moves, plain.params[i].detach(), before[i])))
          << i;
    }
  }
}
TEST(Masked, OtherRulesToo) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    expect_frozen<rule::SGD>({.momentum = 0.9}, dtype);
    expect_frozen<rule::SGD>({}, dtype);
    expect_frozen<rule::Lion>({}, dtype);
    expect_frozen<rule::Rprop>({}, dtype);
    expect_frozen<rule::Adan>({}, dtype);
  }
}

/// NaN that the gradient of a frozen element brings stays out of everything.
TEST(Masked, FrozenElementsTakeNoNaN) {
  const at::Tensor p = at::ones({4}).requires_grad_();
  MaskedAdamW mine({p}, 0.5);
  wrap::set_mask(mine, p, at::tensor({1, 0, 0, 2}));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  p.mutable_grad() = at::tensor({1.0F, nan, -1.0F, 1.0F});
  mine.step();
  const std::vector<float> now = contract::values<float>(p);
  EXPECT_LT(now[0], 1);
  EXPECT_EQ(now[1], 1);
  EXPECT_EQ(now[2], 1);
  EXPECT_EQ(now[3], now[0]);
}

TEST(Masked, DetectionCountsWhatMovesAndTheMaskIsSaved) {
  using Mine = contract::Trained<
      Recipe<rule::Masked<rule::AdamW>, hindrance::Detector, gradient::ClipByNorm>>;
  const auto freeze = [](Mine& of) {
    for (std::size_t i = 0; i < of.params.size(); ++i) {
      wrap::set_mask(of.optimizer, of.params[i], some(of.params[i], std::int64_t(i)));
    }
  };
  Mine whole(Mine::Options(0.01)), first(Mine::Options(0.01));
  freeze(whole), freeze(first);
  whole.run(0, 7), first.run(0, 4);
  std::stringstream file;
  torch::save(first.optimizer, file);
  std::vector<at::Tensor> copies;
  for (const at::Tensor& param : first.params) {
    copies.push_back(param.detach().clone().requires_grad_());
  }
  Mine second(Mine::Options(0.01), at::kFloat, false, copies);
  torch::load(second.optimizer, file);
  contract::expect_same(second.run(4, 7).now(), whole.now());
}

TEST(Masked, StateInBFloat16KeepsTheMask) {
  using Mine = contract::Trained<Recipe<rule::Masked<rule::AdamW>, storage::BFloat16>>;
  Mine mine(Mine::Options(0.01).stochastic_rounding(true));
  std::vector<at::Tensor> before;
  for (std::size_t i = 0; i < mine.params.size(); ++i) {
    before.push_back(mine.params[i].detach().clone());
    wrap::set_mask(mine.optimizer, mine.params[i], some(mine.params[i], std::int64_t(i)));
  }
  mine.run(0, 9);
  for (std::size_t i = 0; i < mine.params.size(); ++i) {
    const at::Tensor stayed = mine.params[i].detach() == before[i];
    EXPECT_TRUE(at::equal(stayed, some(before[i], std::int64_t(i)).logical_not())) << i;
  }
}

TEST(Masked, SparseRowsKeepFrozenElements) {
  const at::Tensor p = at::ones({5, 2}).requires_grad_();
  MaskedAdamW mine({p}, 0.5);
  wrap::set_mask(mine, p, at::tensor({1, 0}));
  p.mutable_grad() =
      at::sparse_coo_tensor(at::tensor({3, 1}, at::kLong).view({1, 2}), at::ones({2, 2}), {5, 2});
  mine.step();
  const at::Tensor moved = p.detach() != 1, want = at::zeros({5, 2}, at::kBool);
  want[1][0] = want[3][0] = true;
  EXPECT_TRUE(at::equal(moved, want)) << moved;
}

TEST(Masked, ComplexElementsMoveWhole) {
  for (const bool reference : {false, true}) {
    const at::Tensor z = at::zeros({2, 3}, at::kComplexFloat).requires_grad_();
    MaskedAdamW mine({z}, 0.5);
    if (reference) mine.use_tensor_backend();
    wrap::set_mask(mine, z, at::tensor({1, 0, 2}));
    const at::Tensor ones = at::ones({2, 3});
    z.mutable_grad() = at::complex(ones, ones);
    mine.step();
    const at::Tensor moved = at::view_as_real(z.detach()) != 0;
    EXPECT_TRUE(at::equal(moved, at::tensor({1, 0, 1}).ne(0).view({3, 1}).expand({2, 3, 2})))
        << moved;
  }
}

TEST(Masked, SetMaskSaysWhatIsWrong) {
  const at::Tensor p = at::ones({2, 3}).requires_grad_(), other = at::ones({2, 3});
  MaskedAdamW mine({p}, 0.1);
  const auto complaint = [&](const at::Tensor& param, const at::Tensor& mask) -> std::string {
    try {
      wrap::set_mask(mine, param, mask);
    } catch (const c10::Error& error) {
      return error.what_without_backtrace();
    }
    return "none";
  };
  EXPECT_EQ(complaint(p, at::zeros({3})), "none");
  EXPECT_EQ(complaint(p, at::zeros({2})),
            "agmohd: set_mask: the mask is of shape [2], but the parameter is of [2, 3]");
  MaskedAdamW fresh({p, other}, 0.1);
  const at::Tensor stranger = at::ones({2, 3});
  EXPECT_EQ(complaint(stranger, at::zeros({3})),
            "agmohd: set_mask: the parameter is not of this optimizer");
  try {
    wrap::set_mask(fresh, stranger, at::zeros({3}));
    ADD_FAILURE() << "no error";
  } catch (const c10::Error&) {
    EXPECT_TRUE(fresh.state().empty());
  }
  mine.add_param_group(OptimizerParamGroup({other}));
  EXPECT_EQ(complaint(other, at::zeros({3})),
            "agmohd: set_mask: the parameter has no state in this optimizer: it neither requires "
            "nor has a gradient");
}

TEST(Masked, IsNamedAfterItsRule) { EXPECT_EQ(rule::Masked<rule::AdamW>::name(), "Masked<AdamW>"); }

}  // namespace masked
