// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Complex parameters are stepped as their parts: as torch.optim steps them, and with the bits of
// the same optimizer on real tensors of shape [..., 2].

#include <gtest/gtest.h>
#include <torch/serialize.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <limits>
#include <sstream>

#include "../golden/recipes.hpp"
#include "../golden/replay.hpp"
#include "parts.hpp"

namespace complex_parameters {

TEST(Complex, FollowsTorchOptim) {
  const auto follow = []<class R>(const char* recipe, R*) {
    golden::expect_follows<R>("complex", recipe, torch::kCPU);
  };
  follow("SGD", static_cast<agmohd::recipe::SGD*>(nullptr));
  follow("Adam", static_cast<agmohd::recipe::Adam*>(nullptr));
  follow("AdamW", static_cast<agmohd::recipe::AdamW*>(nullptr));
  follow("Adagrad", static_cast<Recipe<agmohd::rule::Adagrad>*>(nullptr));
  follow("RMSprop", static_cast<Recipe<agmohd::rule::RMSprop>*>(nullptr));
  follow("ClipByNorm+AdamW", static_cast<golden::ClipByNormAdamW*>(nullptr));
}

template <class R>
void expect_bits_of_parts(const agmohd::Options<R>& options, bool spoilt = false) {
  for (const torch::Dtype dtype : {torch::kComplexFloat, torch::kComplexDouble}) {
    for (const bool reference : {false, true}) {
      torch::manual_seed(7);
      const Tensors complex = parameters(dtype), real = as_parts(complex);
      agmohd::Optimizer<R> ours(complex, options), other(real, options);
      if (reference) ours.use_tensor_backend(), other.use_tensor_backend();
      for (int t = 0; t < 20; ++t) {
        const Tensors grads = gradients(complex, t);
        if (spoilt && t == 15) {
          torch::view_as_real(grads[1])[3][1] = std::numeric_limits<float>::infinity();
        }
        for (std::size_t i = 0; i < complex.size(); ++i) {
          const bool lazy = t % 4 == 1 && i == 0;
          complex[i].mutable_grad() = t == 3 && i == 1 ? Tensor()
                                      : lazy           ? at::conj(at::conj(grads[i]).resolve_conj())
                                                       : grads[i];
          real[i].mutable_grad() = t == 3 && i == 1 ? Tensor() : parts_of(grads[i]).clone();
        }
        ours.step();
        other.step();
      }
      SCOPED_TRACE(R::name() + (reference ? ", reference" : ", sweep"));
      expect_same(content(ours), content(other));
      EXPECT_EQ(ours.signals().norm2, other.signals().norm2);
      EXPECT_EQ(ours.updates(), other.updates());
      if (spoilt) {
        EXPECT_EQ(ours.updates(), 19);
      }
    }
  }
}

TEST(Complex, HasTheBitsOfItsParts) {
  expect_bits_of_parts<agmohd::recipe::SGD>(
      agmohd::SGDOptions(0.1).momentum(0.9).nesterov(true).weight_decay(0.1));
  expect_bits_of_parts<agmohd::recipe::Adam>(agmohd::AdamOptions(0.1).amsgrad(true));
  expect_bits_of_parts<Recipe<agmohd::rule::Adagrad>>(
      agmohd::AdagradOptions(0.1).initial_accumulator_value(0.5));
  expect_bits_of_parts<Recipe<agmohd::rule::RMSprop>>(
      agmohd::RMSpropOptions(0.1).centered(true).momentum(0.5));
  expect_bits_of_parts<golden::ClipByNormAdamW>(
      agmohd::Options<golden::ClipByNormAdamW>(0.1).max_norm(2));
  expect_bits_of_parts<golden::AccumulatedAdamW>(
      agmohd::Options<golden::AccumulatedAdamW>(0.1).set<"accumulation_steps">(3));
  expect_bits_of_parts<golden::ClipByValueSGD>(
      agmohd::Options<golden::ClipByValueSGD>(0.1).max_value(0.5));
}
TEST(Complex, HindranceDetectionHasTheBitsOfItsParts) {
  expect_bits_of_parts<agmohd::recipe::AGMOHD>(
      agmohd::AGMOHDOptions(0.01).snapshots(true).snapshot_every(10), /*spoilt=*/true);
}

/// A tensor of the same elements that LibTorch marks as something else.
struct Marked {
  const char* name;
  Tensor (*make)(const Tensor&);
};
const Marked kMarked[] = {
    {"plain", [](const Tensor& x) { return x.clone(); }},
    {"conjugate", [](const Tensor& x) { return at::conj(at::conj(x).resolve_conj()); }},
    {"negative bit", [](const Tensor& x) { return at::_neg_view(x.neg()); }},
    {"both",
     [](const Tensor& x) { return at::_neg_view(at::conj(at::conj(x.neg()).resolve_conj())); }},
    {"conjugate, not dense",
     [](const Tensor& x) {
       return at::conj(at::conj(x).resolve_conj().repeat({1, 2})).slice(1, 0, 5);
     }},
    {"copied at the first write", [](const Tensor& x) { return at::_lazy_clone(x); }},
};
Tensor marked_run(const Marked& param, const Marked& grad, bool reference) {
  torch::manual_seed(3);
  const torch::NoGradGuard no_grad;
  const auto options = torch::dtype(torch::kComplexFloat);
  const Tensor p = param.make(torch::randn({6, 5}, options));
  agmohd::AdamW optimizer(Tensors{p}, agmohd::AdamWOptions(0.1));
  if (reference) optimizer.use_tensor_backend();
  for (int t = 0; t < 4; ++t) {
    p.mutable_grad() = grad.make(torch::randn({6, 5}, options));
    optimizer.step();
  }
  return parts_of(p).clone();
}
TEST(Complex, FlagsDoNotChangeTheResult) {
  for (const bool reference : {false, true}) {
    const Tensor expected = marked_run(kMarked[0], kMarked[0], reference);
    for (const Marked& mark : kMarked) {
      EXPECT_TRUE(torch::equal(marked_run(mark, kMarked[0], reference), expected)) << mark.name;
      EXPECT_TRUE(torch::equal(marked_run(kMarked[0], mark, reference), expected)) << mark.name;
    }
  }
}

TEST(Complex, StatesOfAProgramAreResolved) {
  const Tensor p = torch::zeros({2}, torch::kComplexFloat).requires_grad_();
  p.mutable_grad() = torch::zeros({2}, torch::kComplexFloat);
  agmohd::SGD optimizer(Tensors{p}, agmohd::SGDOptions(1).momentum(0.5));
  optimizer.step();
  auto& state = static_cast<agmohd::SGDParamState&>(*optimizer.state().at(p.unsafeGetTensorImpl()));
  state.momentum_buffer(at::conj(torch::complex(torch::full({2}, 4.0F), torch::full({2}, 2.0F))));
  std::stringstream file;
  torch::save(optimizer, file);  // as it is
  agmohd::SGD loaded(Tensors{p}, agmohd::SGDOptions(1).momentum(0.5));
  torch::load(loaded, file);
  optimizer.step();
  EXPECT_TRUE(torch::equal(parts_of(p)[0], torch::tensor({-2.0F, 1.0F})));
  loaded.step();
  EXPECT_TRUE(torch::equal(parts_of(p)[0], torch::tensor({-4.0F, 2.0F})));
}

TEST(Complex, RowsOfASparseGradient) {
  const auto options = torch::dtype(torch::kComplexFloat);
  const Tensor z = torch::randn({5, 3}, options).requires_grad_(),
               dense = z.detach().clone().requires_grad_();
  agmohd::Adagrad ours(Tensors{z}), other(Tensors{dense});
  for (int t = 0; t < 3; ++t) {
    const Tensor grad = torch::sparse_coo_tensor(torch::tensor({{1, 4, 1}}, torch::kLong),
                                                 torch::randn({3, 3}, options), {5, 3});
    z.mutable_grad() = grad;
    dense.mutable_grad() = grad.to_dense();
    ours.step();
    other.step();
  }
  expect_same(content(ours), content(other));
}

}  // namespace complex_parameters
