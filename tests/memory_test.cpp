// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Whose memory is whose: parameters and states that share it, copies, states that a program moves,
// memory that runs out, records of parameters that are gone.

#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <torch/optim.h>
#include <torch/serialize.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

using torch::Tensor;
using Tensors = std::vector<Tensor>;

Tensor leaf(const Tensor& x) { return x.detach().requires_grad_(); }

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

// ---- Parameters that share memory

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

// ---- States

struct Pair {
  Tensors params{torch::zeros({4}).requires_grad_(), torch::zeros({4}).requires_grad_()};
  agmohd::SGD optimizer{params, agmohd::SGDOptions(1).momentum(0.5)};

  Pair() {
    params[0].mutable_grad() = torch::ones({4});
    params[1].mutable_grad() = torch::full({4}, 10.0F);
    optimizer.step();
    optimizer.step();  // momenta 1.5 and 15
  }
  /// What the next step subtracts from each.
  std::vector<float> next_step() {
    const float before[] = {params[0][0].item<float>(), params[1][0].item<float>()};
    optimizer.step();
    return {before[0] - params[0][0].item<float>(), before[1] - params[1][0].item<float>()};
  }
};

TEST(States, SwappedWithoutAWordAreNoticed) {
  using Map = agmohd::StateMap;
  const auto swapped = [](Map& states, const Tensors& params) {
    std::swap(state_in(states, params[0]), state_in(states, params[1]));
  };
  {
    Pair pair;
    torch::optim::Optimizer& base = pair.optimizer;
    swapped(base.state(), pair.params);
    EXPECT_EQ(pair.next_step(), (std::vector<float>{0.5F * 15 + 1, 0.5F * 1.5F + 10}));
  }
  {
    Pair pair;
    Map& states = pair.optimizer.state();  // held over a step
    pair.optimizer.step();                 // momenta 1.75 and 17.5
    swapped(states, pair.params);
    EXPECT_EQ(pair.next_step(), (std::vector<float>{0.5F * 17.5F + 1, 0.5F * 1.75F + 10}));
  }
  {  // another map with the same states, exchanged
    Pair pair;
    Map& states = static_cast<torch::optim::Optimizer&>(pair.optimizer).state();
    Map other;
    other[pair.params[0].unsafeGetTensorImpl()] = std::move(state_in(states, pair.params[1]));
    other[pair.params[1].unsafeGetTensorImpl()] = std::move(state_in(states, pair.params[0]));
    std::swap(states, other);
    EXPECT_EQ(pair.next_step(), (std::vector<float>{0.5F * 15 + 1, 0.5F * 1.5F + 10}));
  }
  {  // one that is kept elsewhere: its parameter begins anew
    Pair pair;
    Map& states = static_cast<torch::optim::Optimizer&>(pair.optimizer).state();
    const auto kept = std::move(state_in(states, pair.params[0]));
    EXPECT_EQ(pair.next_step(), (std::vector<float>{1, 0.5F * 15 + 10}));
    EXPECT_EQ(static_cast<agmohd::SGDParamState&>(*kept).momentum_buffer()[0].item<float>(), 1.5F);
    std::ostringstream saved;
    torch::save(pair.optimizer, saved);
  }
  {  // many come and go: entries move within the map
    Pair pair;
    Map& states = static_cast<torch::optim::Optimizer&>(pair.optimizer).state();
    std::vector<char> keys(300);
    for (char& key : keys) states[&key] = std::make_unique<agmohd::SGDParamState>();
    EXPECT_EQ(pair.next_step(), (std::vector<float>{1.75F, 17.5F}));
    for (char& key : keys) states.erase(&key);
    EXPECT_EQ(pair.next_step(), (std::vector<float>{1.875F, 18.75F}));
  }
}

TEST(States, CopiesHaveTensorsOfTheirOwn) {
  Pair pair;
  auto& state = state_of<agmohd::SGDParamState>(pair.optimizer, pair.params[0]);
  const agmohd::SGDParamState copy(state);
  const auto clone = static_cast<const torch::optim::OptimizerParamState&>(state).clone();
  agmohd::SGDParamState assigned;
  assigned = state;
  pair.optimizer.step();
  for (const auto* const one : {&copy, static_cast<const agmohd::SGDParamState*>(clone.get()),
                                static_cast<const agmohd::SGDParamState*>(&assigned)}) {
    EXPECT_EQ(one->momentum_buffer()[0].item<float>(), 1.5F);
    EXPECT_EQ(one->step(), 2);
  }
  // A copy for another parameter is that one's alone.
  pair.optimizer.state()[pair.params[1].unsafeGetTensorImpl()] =
      std::make_unique<agmohd::SGDParamState>(copy);
  pair.optimizer.step();
  EXPECT_EQ(copy.momentum_buffer()[0].item<float>(), 1.5F);
}

// ---- Snapshots

// ---- Memory that runs out

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

// ---- The table

TEST(Waves, FollowTheMemory) {
  using Recipe = agmohd::AdamW::Recipe;
  Tensors params;
  for (int i = 0; i < 3; ++i) params.push_back(torch::ones({8}).requires_grad_());
  const std::vector<torch::optim::OptimizerParamGroup> groups{
      torch::optim::OptimizerParamGroup(params)};
  agmohd::Settings<Recipe> settings;
  settings.groups.resize(1);
  agmohd::Binder<Recipe> binder;
  agmohd::StateMap states;
  const auto waves = [&] {
    for (const Tensor& p : params) p.mutable_grad() = torch::ones({8});
    EXPECT_TRUE(binder.bind(groups, states, settings));
    std::vector<int> out;
    for (const auto& ref : binder.devices()[0].refs) out.push_back(ref.wave);
    return out;
  };
  EXPECT_EQ(waves(), (std::vector<int>{0, 0, 0}));
  params[2].set_data(params[0].detach());
  EXPECT_EQ(waves(), (std::vector<int>{0, 0, 1}));
  EXPECT_EQ(waves(), (std::vector<int>{0, 0, 1}));
  params[1].set_data(params[0].detach());
  EXPECT_EQ(waves(), (std::vector<int>{0, 1, 2}));
  params[0].set_data(torch::zeros({8}));
  EXPECT_EQ(waves(), (std::vector<int>{0, 0, 1}));
  params[1].set_data(torch::zeros({8}));
  EXPECT_EQ(waves(), (std::vector<int>{0, 0, 0}));
}

TEST(Records, OfStatesThatAreGoneAreUsedAgain) {
  using Recipe = agmohd::AdamW::Recipe;
  Tensors params;
  for (int i = 0; i < 10; ++i) params.push_back(torch::ones({3}).requires_grad_());
  for (const Tensor& p : params) p.mutable_grad() = torch::ones({3});
  const std::vector<torch::optim::OptimizerParamGroup> groups{
      torch::optim::OptimizerParamGroup(params)};
  agmohd::Settings<Recipe> settings;
  settings.groups.resize(1);
  agmohd::Binder<Recipe> binder;
  agmohd::StateMap states;
  std::unique_ptr<torch::optim::OptimizerParamState> survivor;
  for (int load = 0; load < 60; ++load) {
    ASSERT_TRUE(binder.bind(groups, states, settings));
    std::vector<bool> used(11);
    for (const auto& ref : binder.devices()[0].refs) {
      ASSERT_LT(ref.per_tensor, 11) << load;
      EXPECT_FALSE(used[std::size_t(ref.per_tensor)]);
      used[std::size_t(ref.per_tensor)] = true;
    }
    if (load % 2 == 0) {
      states.clear();
    } else if (load % 4 == 1) {
      for (auto& [key, state] : states) static_cast<agmohd::AdamWParamState&>(*state).step(3);
    } else {
      survivor = std::move(state_in(states, params[4]));  // keeps its record
      binder.invalidate();
    }
  }
  agmohd::AdamWParamState kept;
  {
    agmohd::AdamW optimizer(params, 0.1);
    optimizer.step();
    survivor = std::move(state_in(optimizer.state(), params[0]));
  }
  EXPECT_EQ(static_cast<agmohd::AdamWParamState&>(*survivor).step(), 1) << "outlives its optimizer";
}

}  // namespace
