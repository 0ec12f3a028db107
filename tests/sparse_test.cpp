// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Gradients that are sparse in their rows, as those of embeddings.

#include <gtest/gtest.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/optimizers.hpp>
#include <agmohd/rule/cautious.hpp>
#include <cmath>
#include <cstdint>
#include <sstream>
#include <vector>

namespace {

using at::Tensor;

/// A gradient of [rows, width] with `per_step` of its rows, some of them several times, in no
/// order; `step` is its seed.
Tensor sparse_gradient(std::int64_t rows, std::int64_t width, std::int64_t per_step, int step,
                       at::ScalarType dtype) {
  at::manual_seed(1000 + step);
  const Tensor numbers = at::randint(rows, {1, per_step}, at::kLong);
  const Tensor values = at::randn({per_step, width}, at::kDouble).to(dtype);
  return at::sparse_coo_tensor(numbers, values, {rows, width});
}
Tensor start(std::int64_t rows, std::int64_t width, at::ScalarType dtype) {
  at::manual_seed(7);
  return at::randn({rows, width}, at::kDouble).to(dtype).requires_grad_();
}
const std::vector<at::ScalarType> kDtypes{at::kFloat, at::kDouble, at::kBFloat16};

/// Steps with sparse gradients are steps with the same gradients made dense, bit for bit.
template <class Optimizer>
void expect_as_dense(const typename Optimizer::Options& options, bool reference) {
  for (const at::ScalarType dtype : kDtypes) {
    Tensor a = start(50, 7, dtype), b = a.detach().clone().requires_grad_();
    Tensor beside_a = start(3, 3, dtype), beside_b = beside_a.detach().clone().requires_grad_();
    Optimizer sparse({a, beside_a}, options), dense({b, beside_b}, options);
    if (reference) sparse.use_tensor_backend(), dense.use_tensor_backend();
    for (int step = 0; step < 6; ++step) {
      a.mutable_grad() = sparse_gradient(50, 7, 20, step, dtype);
      b.mutable_grad() = a.grad().coalesce().to_dense();
      beside_a.mutable_grad() = at::full_like(beside_a, 0.1 * step);
      beside_b.mutable_grad() = beside_a.grad().clone();
      sparse.step(), dense.step();
    }
    EXPECT_TRUE(at::equal(a, b)) << dtype;
    EXPECT_TRUE(at::equal(beside_a, beside_b)) << dtype;
  }
}

TEST(Sparse, SGDAndAdagradDoWhatTheyDoWithDenseGradients) {
  for (const bool reference : {false, true}) {
    expect_as_dense<agmohd::SGD>(agmohd::SGDOptions(0.1), reference);
    expect_as_dense<agmohd::Adagrad>(agmohd::AdagradOptions(0.1).initial_accumulator_value(0.5),
                                     reference);
  }
}

/// The rows of torch.optim.SparseAdam, in double: moments and parameters of the rows that occur,
/// with the bias corrections of all steps. eps is added to the corrected root, as Adam's.
TEST(Sparse, AdamIsLazy) {
  for (const bool reference : {false, true}) {
    Tensor p = start(40, 5, at::kDouble);
    Tensor want = p.detach().clone(), m = at::zeros_like(want), v = at::zeros_like(want);
    agmohd::Adam optimizer({p}, agmohd::AdamOptions(0.05).betas({0.8, 0.95}).eps(1e-4));
    if (reference) optimizer.use_tensor_backend();
    for (int step = 1; step <= 8; ++step) {
      p.mutable_grad() = sparse_gradient(40, 5, 12, step, at::kDouble);
      const Tensor once = p.grad().coalesce(), rows = once.indices()[0], g = once.values();
      m.index_copy_(0, rows, 0.8 * m.index_select(0, rows) + 0.2 * g);
      v.index_copy_(0, rows, 0.95 * v.index_select(0, rows) + 0.05 * g.square());
      const double c1 = 1 - std::pow(0.8, step), c2 = 1 - std::pow(0.95, step);
      const Tensor u = (m / c1 / ((v / c2).sqrt() + 1e-4)).index_select(0, rows);
      want.index_add_(0, rows, u, -0.05);
      optimizer.step();
    }
    EXPECT_LT((p.detach() - want).abs().max().item<double>(), 1e-13);
    auto& state =
        static_cast<agmohd::AdamParamState&>(*optimizer.state().at(p.unsafeGetTensorImpl()));
    EXPECT_EQ(state.step(), 8);
    EXPECT_LT((state.exp_avg() - m).abs().max().item<double>(), 1e-14);
  }
}

TEST(Sparse, OtherRowsRest) {
  Tensor p = start(30, 4, at::kFloat);
  agmohd::AdamW optimizer({p}, agmohd::AdamWOptions(0.1).weight_decay(0.5));
  p.mutable_grad() = sparse_gradient(30, 4, 25, 0, at::kFloat);
  optimizer.step();
  const Tensor before = p.detach().clone();
  p.mutable_grad() =
      at::sparse_coo_tensor(at::tensor({2, 9}, at::kLong).view({1, 2}), at::ones({2, 4}), {30, 4});
  optimizer.step();
  const Tensor moved = (p.detach() != before).any(1);
  EXPECT_EQ(moved.sum().item<std::int64_t>(), 2);
  EXPECT_TRUE(moved[2].item<bool>() && moved[9].item<bool>());
}

TEST(Sparse, DenseAndSparseGradientsTakeTurnsAndNoRowsAreFine) {
  Tensor a = start(20, 3, at::kFloat), b = a.detach().clone().requires_grad_();
  const auto options = agmohd::SGDOptions(0.1);
  agmohd::SGD optimizer({a}, options), dense({b}, options);
  for (int step = 0; step < 6; ++step) {
    const Tensor g = sparse_gradient(20, 3, step == 2 ? 0 : 8, step, at::kFloat);
    a.mutable_grad() = step % 3 == 1 ? g.to_dense() : g;
    b.mutable_grad() = g.coalesce().to_dense();
    optimizer.step(), dense.step();
  }
  EXPECT_TRUE(at::equal(a, b));
  EXPECT_EQ(optimizer.updates(), 6);
}

TEST(Sparse, EmbeddingsTrainAndResume) {
  torch::manual_seed(3);
  torch::nn::Embedding words(torch::nn::EmbeddingOptions(100, 8).sparse(true));
  torch::nn::Linear head(8, 1);
  std::vector<Tensor> params = words->parameters();
  for (const Tensor& p : head->parameters()) params.push_back(p);
  agmohd::Adam optimizer(params, agmohd::AdamOptions(0.02));
  const auto train = [&](agmohd::Adam& with, int begin, int end) {
    double loss = 0;
    for (int step = begin; step < end; ++step) {
      at::manual_seed(step);
      const Tensor x = at::randint(100, {16}, at::kLong);
      with.zero_grad();
      const Tensor error = head(words(x)).squeeze(1) - x.remainder(2).to(at::kFloat);
      const Tensor mean = error.square().mean();
      mean.backward();
      EXPECT_TRUE(words->weight.grad().is_sparse());
      with.step();
      loss = mean.item<double>();
    }
    return loss;
  };
  train(optimizer, 0, 200);
  std::stringstream file;
  torch::save(optimizer, file);
  std::vector<Tensor> saved;
  for (const Tensor& p : params) saved.push_back(p.detach().clone());
  EXPECT_LT(train(optimizer, 200, 300), 0.05);
  std::vector<Tensor> whole;
  for (const Tensor& p : params) whole.push_back(p.detach().clone());
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < params.size(); ++i) params[i].copy_(saved[i]);
  agmohd::Adam resumed(params, agmohd::AdamOptions(0.02));
  torch::load(resumed, file);
  {
    const at::AutoGradMode grad(true);
    train(resumed, 200, 300);
  }
  for (std::size_t i = 0; i < params.size(); ++i) EXPECT_TRUE(at::equal(params[i], whole[i]));
}

TEST(Sparse, SharedMemoryIsAnError) {
  const Tensor memory = at::ones({6, 2});
  Tensor a = memory.detach().requires_grad_(), b = memory.detach().requires_grad_();
  agmohd::SGD optimizer({a, b}, agmohd::SGDOptions(0.1));
  a.mutable_grad() = sparse_gradient(6, 2, 3, 0, at::kFloat);
  b.mutable_grad() = at::ones({6, 2});
  EXPECT_THROW(optimizer.step(), c10::Error);
  EXPECT_TRUE(at::equal(memory, at::ones({6, 2})));
  a.mutable_grad() = at::ones({6, 2});
  optimizer.step();
}

/// A rule around another says for itself whether rows may rest.
static_assert(agmohd::has::lazy<agmohd::rule::AdamC>);
static_assert(!agmohd::has::lazy<agmohd::rule::Cautious<agmohd::rule::AdamW>> &&
              !agmohd::has::lazy<agmohd::rule::Cautious<agmohd::rule::SGD>>);

TEST(Sparse, RulesThatMoveAllRowsSayWhatToUse) {
  Tensor p = start(10, 2, at::kFloat);
  const Tensor before = p.detach().clone();
  agmohd::Lion optimizer({p});
  p.mutable_grad() = sparse_gradient(10, 2, 4, 0, at::kFloat);
  try {
    optimizer.step();
    ADD_FAILURE() << "no error";
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    EXPECT_EQ(text,
              "agmohd: the gradient of parameter 0 of group 0 has layout Sparse, but it must be "
              "strided: Lion moves all rows in every step. Use SGD, Adagrad, Adam, AdamW or AdamC, "
              "or build the embedding with sparse(false)");
  }
  EXPECT_TRUE(at::equal(p, before));
}

}  // namespace
