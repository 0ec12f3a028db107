// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Parameters and states that share memory.

#include <gtest/gtest.h>
#include <torch/optim.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "states.hpp"

namespace {

using namespace testing_memory;

struct Threads {
  int before = at::get_num_threads();
  Threads() { at::set_num_threads(4); }
  ~Threads() { at::set_num_threads(before); }
};

/// Makes parameters on the memory of one tensor.
struct Layout {
  const char* name;
  std::function<Tensors(const Tensor&)> make;
};
const Layout kLayouts[] = {
    {"two on one storage",
     [](const Tensor& x) {
       return Tensors{leaf(x), leaf(x)};
     }},
    {"tied by set_data",
     [](const Tensor& x) {
       Tensors out{leaf(x), torch::zeros(x.sizes()).requires_grad_()};
       out[1].set_data(out[0].detach());
       return out;
     }},
    {"five on one storage, with others between",
     [](const Tensor& x) {
       Tensors out;
       for (int i = 0; i < 5; ++i) {
         out.push_back(leaf(x));
         out.push_back(torch::ones({100}).requires_grad_());
       }
       return out;
     }},
    {"shifted by a few elements",
     [](const Tensor& x) {
       const auto n = x.numel();
       return Tensors{leaf(x.narrow(0, 0, n - 5)), leaf(x.narrow(0, 5, n - 5))};
     }},
    {"a whole and its parts",
     [](const Tensor& x) {
       const auto n = x.numel();
       return Tensors{leaf(x.narrow(0, 0, n / 2)), leaf(x), leaf(x.narrow(0, n / 2, n / 4))};
     }},
    {"other dtypes between",
     [](const Tensor& x) {
       return Tensors{leaf(x), torch::ones({3}, torch::kDouble).requires_grad_(), leaf(x)};
     }},
    {"every second element, which overlap in range only",
     [](const Tensor& x) {
       return Tensors{leaf(x.slice(0, 0, {}, 2)), leaf(x.slice(0, 1, {}, 2))};
     }},
    {"columns of a matrix",
     [](const Tensor& x) {
       const Tensor m = x.narrow(0, 0, x.numel() / 12 * 12).view({-1, 12});
       return Tensors{leaf(m.slice(1, 0, 5)), leaf(m.slice(1, 5, 6)), leaf(m.slice(1, 6, 12))};
     }},
    {"rows between columns",
     [](const Tensor& x) {
       const Tensor m = x.narrow(0, 0, 1200).view({100, 12});
       return Tensors{leaf(m.slice(0, 10, 20)), leaf(m.slice(0, 0, 10).slice(1, 0, 3)),
                      leaf(m.slice(0, 20).slice(1, 3, 7)), leaf(m.slice(0, 0, 10).slice(1, 4, 9))};
     }},
};

/// So large that several threads are at work when they reach the tensors behind it.
Tensor many_chunks() { return torch::ones({400000}).requires_grad_(); }

/// The memory that `layout` makes parameters of, after some steps of Optimizer.
template <class Optimizer, class Options>
Tensor trained(const Layout& layout, const Options& options, bool reference = false) {
  torch::manual_seed(7);
  const Tensor memory = torch::randn({16384});
  Tensors params = layout.make(memory);
  params.insert(params.begin(), many_chunks());
  Optimizer optimizer(params, options);
  if constexpr (requires { optimizer.use_tensor_backend(); }) {
    if (reference) optimizer.use_tensor_backend();
  }
  for (int t = 0; t < 4; ++t) {
    torch::manual_seed(std::uint64_t(t));
    for (const Tensor& p : params)
      p.mutable_grad() = torch::randn(p.sizes(), p.options().requires_grad(false));
    optimizer.step();
  }
  return memory;
}

TEST(SharedMemory, IsUpdatedInTurnAsInTorch) {
  const Threads four;
  for (const Layout& layout : kLayouts) {
    const auto torch_adamw = torch::optim::AdamWOptions(0.1).weight_decay(0.5);
    const auto our_adamw = agmohd::AdamWOptions(0.1).weight_decay(0.5);
    const auto torch_sgd = torch::optim::SGDOptions(0.1).momentum(0.9).weight_decay(0.5);
    const auto our_sgd = agmohd::SGDOptions(0.1).momentum(0.9).weight_decay(0.5);
    const Tensor adamw = trained<torch::optim::AdamW>(layout, torch_adamw);
    const Tensor sgd = trained<torch::optim::SGD>(layout, torch_sgd);
    for (const bool reference : {false, true}) {
      EXPECT_TRUE(
          torch::allclose(trained<agmohd::AdamW>(layout, our_adamw, reference), adamw, 1e-4, 1e-5))
          << layout.name << reference;
      EXPECT_TRUE(
          torch::allclose(trained<agmohd::SGD>(layout, our_sgd, reference), sgd, 1e-4, 1e-5))
          << layout.name << reference;
    }
  }
}

TEST(SharedMemory, IsSeenWhenAParameterMovesOntoAnotherBetweenSteps) {
  const Threads four;
  const auto run = [](auto& optimizer, const Tensors& params) {
    for (int t = 0; t < 40; ++t) {
      torch::manual_seed(std::uint64_t(t));
      for (const Tensor& p : params) p.mutable_grad() = torch::randn(p.sizes());
      const torch::NoGradGuard no_grad;
      if (t == 2) params[2].set_data(params[1].detach());
      if (t == 38) params[2].set_data(params[1].detach().clone());
      optimizer.step();
    }
    return torch::cat({params[1].detach(), params[2].detach(), params[3].detach()});
  };
  Tensors a, b;
  for (Tensors* const params : {&a, &b}) {
    params->push_back(many_chunks());
    for (int i = 1; i < 4; ++i) params->push_back(torch::full({16384}, float(i)).requires_grad_());
  }
  torch::optim::SGD stock(a, torch::optim::SGDOptions(0.1).momentum(0.9).weight_decay(0.5));
  agmohd::SGD ours(b, agmohd::SGDOptions(0.1).momentum(0.9).weight_decay(0.5));
  EXPECT_TRUE(torch::allclose(run(stock, a), run(ours, b), 1e-4, 1e-5));
}

TEST(SharedMemory, OfStatesIsUpdatedInTurnAsInTorch) {
  const Threads four;
  const auto run = [](auto& optimizer, const Tensors& params, auto* state) {
    using State = std::remove_pointer_t<decltype(state)>;
    for (int t = 0; t < 40; ++t) {
      torch::manual_seed(std::uint64_t(t));
      for (const Tensor& p : params) p.mutable_grad() = torch::randn(p.sizes());
      if (t == 2) {
        auto& from = state_of<State>(optimizer, params[1]);
        state_of<State>(optimizer, params[2]).exp_avg(from.exp_avg());
      }
      optimizer.step();
    }
    return torch::cat({params[1].detach(), params[2].detach()});
  };
  Tensors a, b;
  for (Tensors* const params : {&a, &b}) {
    params->push_back(many_chunks());
    for (int i = 1; i < 3; ++i) params->push_back(torch::full({16384}, float(i)).requires_grad_());
  }
  torch::optim::AdamW stock(a, torch::optim::AdamWOptions(0.1));
  agmohd::AdamW ours(b, agmohd::AdamWOptions(0.1));
  const Tensor expected = run(stock, a, static_cast<torch::optim::AdamWParamState*>(nullptr));
  EXPECT_TRUE(torch::allclose(run(ours, b, static_cast<agmohd::AdamWParamState*>(nullptr)),
                              expected, 1e-4, 1e-5));
}

TEST(SharedMemory, ThatCannotBeUpdatedInTurnIsRefused) {
  const auto step = [](const Tensors& params) {
    agmohd::AdamW optimizer(params, 0.1);
    for (const Tensor& p : params) p.mutable_grad() = torch::ones(p.sizes());
    optimizer.step();
  };
  const Tensor x = torch::ones({100});
  const std::string strided = error_of([&] {
    step({torch::ones({2}).requires_grad_(), leaf(x.slice(0, 0, 50, 2)), leaf(x.slice(0, 4, 80))});
  });
  EXPECT_HAS(strided, "parameter 1 of group 0");
  EXPECT_HAS(strided, "parameter 2 of group 0");
  EXPECT_HAS(strided, "share memory");
  EXPECT_TRUE(torch::equal(x, torch::ones({100}))) << "nothing was half-done";
  const std::string itself = error_of([&] { step({leaf(x.as_strided({5, 5}, {3, 1}))}); });
  EXPECT_HAS(itself, "parameter 0 of group 0");
  EXPECT_HAS(itself, "several of its elements share memory");
  const std::string coprime = error_of([&] { step({leaf(x.as_strided({4, 4}, {3, 2}))}); });
  EXPECT_HAS(coprime, "several of its elements share memory");
  // 3 i + 2 j, j < 2, i < 4: 0 2 3 5 6 8 9 11
  EXPECT_EQ(error_of([&] { step({leaf(x.as_strided({4, 2}, {3, 2}))}); }), "");
}

TEST(SharedMemory, WithinOneStateIsRefused) {
  for (const bool with_parameter : {false, true}) {
    const Tensor p = torch::ones({100}).requires_grad_();
    p.mutable_grad() = torch::ones({100});
    agmohd::AdamW optimizer(Tensors{p}, 0.1);
    optimizer.step();
    const Tensor before = p.detach().clone();
    auto& state = state_of<agmohd::AdamWParamState>(optimizer, p);
    const Tensor own = std::as_const(state).exp_avg();
    state.exp_avg(with_parameter ? p.detach() : state.exp_avg_sq());
    const std::string error = error_of([&] { optimizer.step(); });
    EXPECT_HAS(error, "exp_avg of parameter 0 of group 0");
    EXPECT_HAS(error, with_parameter ? "parameter 0 of group 0 and" : "exp_avg_sq of parameter 0");
    EXPECT_TRUE(torch::equal(p, before));
    state.exp_avg(own);
    optimizer.step();
    EXPECT_EQ(optimizer.updates(), 2);
  }
}

TEST(SharedMemory, AndSnapshotsExcludeEachOther) {
  const Tensor p = torch::ones({100}).requires_grad_();
  const Tensors params{p, leaf(p)};
  agmohd::AGMOHD optimizer(params, agmohd::AGMOHDOptions(0.1).snapshots(true));
  for (const Tensor& x : params) x.mutable_grad() = torch::ones({100});
  const std::string error = error_of([&] { optimizer.step(); });
  EXPECT_HAS(error, "snapshots = true");
  EXPECT_HAS(error, "parameter 0 of group 0 and parameter 1 of group 0");
  optimizer.options().snapshots(false);
  optimizer.step();
  EXPECT_EQ(optimizer.updates(), 1);
}

}  // namespace
