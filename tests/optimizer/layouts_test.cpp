// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Tensors of any layout, and of any kind that LibTorch marks.

#include <gtest/gtest.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <vector>

#include "everything.hpp"

namespace {

using namespace testing_optimizer;

/// Runs 10 steps on `p` with the given gradients and returns its values, contiguous.
template <class Gradient>
Tensor run(const Tensor& p, Gradient gradient) {
  Everything optimizer(Tensors{p}, everything());
  for (int t = 0; t < 10; ++t) {
    torch::manual_seed(std::uint64_t(t));
    p.mutable_grad() = gradient(torch::randn(p.sizes()));
    optimizer.step();
  }
  return p.detach().contiguous();
}
const auto plain = [](const Tensor& g) { return g; };

TEST(Layouts, DoNotChangeTheElementWiseResult) {
  torch::manual_seed(1);
  const Tensor value = torch::randn({6, 4, 5, 3});
  Everything::Options unclipped = everything();
  const Tensor expected = run(leaf(value.clone()), plain);
  const auto close = [&](const Tensor& x, const char* what) {
    // The norm is added in memory order, so a layout may change its last bit.
    EXPECT_TRUE(torch::allclose(x, expected, 1e-6, 1e-7)) << what;
  };
  const Tensor channels_last = value.contiguous(at::MemoryFormat::ChannelsLast);
  close(run(leaf(channels_last.clone()),
            [](const Tensor& g) { return g.contiguous(at::MemoryFormat::ChannelsLast); }),
        "channels last");
  close(run(leaf(channels_last.clone()), plain), "channels last, gradient contiguous");
  close(run(leaf(value.clone()),
            [](const Tensor& g) { return g.contiguous(at::MemoryFormat::ChannelsLast); }),
        "gradient channels last");
  close(run(leaf(value.transpose(0, 3).contiguous().transpose(0, 3)), plain), "transposed");
  const Tensor wide = torch::zeros({6, 4, 5, 6});
  const Tensor strided = wide.slice(3, 0, 6, 2);
  strided.copy_(value);
  close(run(leaf(strided), plain), "every second column of a larger tensor");
  EXPECT_TRUE(torch::allclose(wide.slice(3, 0, 6, 2), expected, 1e-6, 1e-7)) << "written in place";
  EXPECT_EQ(wide.slice(3, 1, 6, 2).abs().sum().item<double>(), 0)
      << "the columns between are untouched";
  close(
      run(leaf(torch::cat({torch::zeros({1}), value.flatten()}).slice(0, 1).view_as(value)), plain),
      "misaligned");
}

TEST(Layouts, OfConvolutionGradientsNeedNoCopy) {
  // conv2d returns gradients of 1x1 and depthwise weights whose strides differ where a size is 1.
  const Tensor w = torch::randn({64, 32, 1, 1});
  const Tensor g = torch::randn({64, 32}).as_strided({64, 32, 1, 1}, {32, 1, 32, 32});
  EXPECT_TRUE(agmohd::same_order(w, g));
  EXPECT_FALSE(agmohd::same_order(torch::randn({2, 3}), torch::randn({3, 2}).t()));
  const Tensor p = leaf(w.clone()), q = leaf(w.clone());
  agmohd::AdamW first(Tensors{p}, 0.1), second(Tensors{q}, 0.1);
  p.mutable_grad() = g;
  q.mutable_grad() = g.contiguous();
  first.step();
  second.step();
  EXPECT_TRUE(torch::equal(p, q));
}

/// Makes a tensor of the same elements that LibTorch marks as something else.
struct Marked {
  const char* name;
  Tensor (*make)(const Tensor&);
};
const Marked kMarked[] = {
    {"plain", [](const Tensor& x) { return x.clone(); }},
    {"negative bit", [](const Tensor& x) { return at::_neg_view(x.neg()); }},
    {"negative bit, not dense",
     [](const Tensor& x) {
       if (x.dim() < 2) return x.clone();
       return at::_neg_view(x.neg().repeat({1, 2})).slice(1, 0, x.size(1));
     }},
    {"copied at the first write", [](const Tensor& x) { return at::_lazy_clone(x); }},
    {"inference tensor",
     [](const Tensor& x) {
       const c10::InferenceMode guard;
       return x.clone();
     }},
    {"wrapped number",
     [](const Tensor& x) {
       const Tensor out = x.clone();
       if (out.dim() == 0) out.unsafeGetTensorImpl()->set_wrapped_number(true);
       return out;
     }},
    {"imaginary part of a conjugate",
     [](const Tensor& x) { return at::imag(at::conj(at::complex(x, x.neg()))); }},
};

/// Four steps on parameters and gradients that are marked so; of the tensor backend too.
Tensor marked_run(const Marked& param, const Marked& grad, at::IntArrayRef sizes, bool reference) {
  torch::manual_seed(3);
  const torch::NoGradGuard no_grad;
  const Tensor p = param.make(torch::randn(sizes));
  Everything optimizer(Tensors{p}, everything());
  if (reference) optimizer.use_tensor_backend();
  for (int t = 0; t < 4; ++t) {
    p.mutable_grad() = grad.make(torch::randn(sizes));
    optimizer.step();
  }
  return p.clone();
}

TEST(Flags, DoNotChangeTheResult) {
  for (const bool reference : {false, true}) {
    for (const auto& sizes : {std::vector<std::int64_t>{6, 5}, std::vector<std::int64_t>{}}) {
      const Tensor expected = marked_run(kMarked[0], kMarked[0], sizes, reference);
      for (const Marked& mark : kMarked) {
        EXPECT_TRUE(torch::allclose(marked_run(mark, kMarked[0], sizes, reference), expected, 1e-6))
            << "parameter: " << mark.name;
        EXPECT_TRUE(torch::allclose(marked_run(kMarked[0], mark, sizes, reference), expected, 1e-6))
            << "gradient: " << mark.name;
      }
    }
  }
}

TEST(Flags, AZeroTensorIsAGradientOfZeros) {
  const auto run = [](auto& optimizer, const Tensor& p, bool lazy) {
    for (int t = 0; t < 6; ++t) {
      torch::manual_seed(std::uint64_t(t));
      p.mutable_grad() = torch::randn(p.sizes());
      if (t % 3 != 0)
        p.mutable_grad() =
            lazy ? at::_efficientzerotensor(p.sizes(), at::kFloat) : torch::zeros(p.sizes());
      optimizer.step();
    }
    return p.detach();
  };
  for (const bool reference : {false, true}) {
    Tensor results[2];
    for (const bool lazy : {false, true}) {
      const Tensor p = torch::ones({50, 3}).requires_grad_();
      Everything optimizer(Tensors{p}, everything());
      if (reference) optimizer.use_tensor_backend();
      results[lazy] = run(optimizer, p, lazy);
    }
    EXPECT_TRUE(torch::equal(results[0], results[1]));
  }
  // As autograd makes them.
  const Tensor p = torch::ones({3}).requires_grad_();
  agmohd::SGD optimizer(Tensors{p}, agmohd::SGDOptions(0.5).weight_decay(1));
  (p.sgn().sum()).backward();
  ASSERT_TRUE(p.grad().defined());
  optimizer.step();
  EXPECT_EQ(p[0].item<float>(), 0.5F);
}

TEST(Flags, OfAStateAreResolved) {
  for (const bool zero : {false, true}) {
    const Tensor p = torch::zeros({3}).requires_grad_();
    p.mutable_grad() = torch::ones({3});
    agmohd::SGD optimizer(Tensors{p}, agmohd::SGDOptions(1).momentum(0.5));
    optimizer.step();
    static_cast<agmohd::SGDParamState&>(*optimizer.state().at(p.unsafeGetTensorImpl()))
        .momentum_buffer(zero ? at::_efficientzerotensor({3}, at::kFloat)
                              : at::_neg_view(torch::full({3}, -8.0F)));
    optimizer.step();
    EXPECT_EQ(p[0].item<float>(), zero ? -2 : -6);
  }
}

}  // namespace
