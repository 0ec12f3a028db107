// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What LibTorch's own tests ask of its optimizers (test/cpp/api/optim.cpp and serialize.cpp there),
// asked of the twins, and of AGMOHD where it can be. Built against LibTorch 2.11 and 2.15.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/fwd.hpp>

// As a program's own header may: nothing of agmohd is defined yet.
namespace forward {
torch::optim::Optimizer& base(agmohd::AdamW& optimizer);
std::size_t groups(const agmohd::AGMOHD* optimizer);
bool equal(const agmohd::SGDOptions& a, const agmohd::SGDOptions& b);
}  // namespace forward

#include <agmohd/agmohd.hpp>
#include <memory>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

namespace forward {
torch::optim::Optimizer& base(agmohd::AdamW& optimizer) { return optimizer; }
std::size_t groups(const agmohd::AGMOHD* optimizer) { return optimizer->param_groups().size(); }
bool equal(const agmohd::SGDOptions& a, const agmohd::SGDOptions& b) { return a == b; }
}  // namespace forward

namespace {

using torch::Tensor;
using Tensors = std::vector<Tensor>;
using Group = torch::optim::OptimizerParamGroup;

template <class O, class S, class T>
struct Twin {
  using Optimizer = O;
  using Options = typename O::Options;
  using State = typename O::ParamState;
  using StockOptions = S;
  using Stock = T;
};
template <class T>
class Upstream : public testing::Test {
 public:
  using Optimizer = typename T::Optimizer;
  using Options = typename T::Options;
  using State = typename T::State;
  using Stock = typename T::Stock;
  using StockOptions = typename T::StockOptions;
};
using Twins =
    testing::Types<Twin<agmohd::SGD, torch::optim::SGDOptions, torch::optim::SGD>,
                   Twin<agmohd::Adam, torch::optim::AdamOptions, torch::optim::Adam>,
                   Twin<agmohd::AdamW, torch::optim::AdamWOptions, torch::optim::AdamW>,
                   Twin<agmohd::RMSprop, torch::optim::RMSpropOptions, torch::optim::RMSprop>,
                   Twin<agmohd::Adagrad, torch::optim::AdagradOptions, torch::optim::Adagrad>,
                   Twin<agmohd::AGMOHD, torch::optim::AdamWOptions, torch::optim::AdamW>,
                   Twin<agmohd::AGMOHDSGD, torch::optim::SGDOptions, torch::optim::SGD>>;
TYPED_TEST_SUITE(Upstream, Twins);

/// torch.optim's Adagrad makes its states when it is constructed.
template <class T>
inline constexpr bool at_once = std::is_same_v<typename T::Stock, torch::optim::Adagrad>;

Tensors parameters() {
  torch::manual_seed(0);
  Tensors out;
  for (int i = 2; i < 5; ++i) out.push_back(torch::randn({i, i}).requires_grad_());
  return out;
}
void give_gradients(const Tensors& parameters, int t) {
  torch::manual_seed(40 + std::uint64_t(t));
  for (const Tensor& p : parameters) p.mutable_grad() = torch::randn_like(p);
}
void expect_close(const Tensors& a, const Tensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(torch::allclose(a[i], b[i], 1e-5, 1e-6)) << "parameter " << i;
  }
}

TYPED_TEST(Upstream, Accessors) {
  using F = TestFixture;
  const Tensors params = parameters();
  const typename F::Options options(1.0);
  typename F::Optimizer optimizer(params, options);
  EXPECT_TRUE(static_cast<typename F::Options&>(optimizer.defaults()) == options);
  EXPECT_FALSE(static_cast<typename F::Options&>(optimizer.defaults()) == typename F::Options(2.0));
  EXPECT_EQ(static_cast<typename F::StockOptions&>(optimizer.defaults()).lr(), 1.0);

  auto& groups = optimizer.param_groups();
  groups.emplace_back(params);
  for (std::size_t i = 0; i < params.size(); ++i) {
    EXPECT_TRUE(torch::equal(params[i], groups[1].params()[i]));
  }
  try {
    optimizer.add_param_group(Group(params));
    FAIL() << "no error";
  } catch (const c10::Error& error) {
    EXPECT_NE(
        std::string(error.what()).find("some parameters appear in more than one parameter group"),
        std::string::npos);
  }
  groups.pop_back();

  if constexpr (at_once<F>) {
    const auto& state = static_cast<const typename F::State&>(
        *optimizer.state().at(params[0].unsafeGetTensorImpl()));
    EXPECT_EQ(state.step(), 0);
    EXPECT_TRUE(torch::equal(state.sum(), torch::zeros({2, 2})));
  }
  give_gradients(params, 0);
  optimizer.step();
  auto& state =
      static_cast<typename F::State&>(*optimizer.state()[params[0].unsafeGetTensorImpl()]);
  const std::int64_t steps = state.step();
  state.step(state.step() + 1);
  EXPECT_EQ(state.step(), steps + 1);
  state.step() = 7;
  state.step() += 2;
  EXPECT_EQ(static_cast<const typename F::State&>(state).step(), 9);
  optimizer.step();
  EXPECT_EQ(state.step(), 10);

  const typename F::Optimizer constant(parameters(), options);
  EXPECT_EQ(constant.param_groups().size(), 1U);
  EXPECT_EQ(constant.state().size(), at_once<F> ? 3U : 0U);
  EXPECT_EQ(constant.defaults().get_lr(), 1.0);
}

TYPED_TEST(Upstream, StatesAreEqualByStepAndTensors) {
  using F = TestFixture;
  const Tensors params = parameters();
  typename F::Optimizer optimizer(params, typename F::Options(0.1));
  give_gradients(params, 0);
  optimizer.step();
  auto& state =
      static_cast<typename F::State&>(*optimizer.state()[params[0].unsafeGetTensorImpl()]);
  typename F::State copy(state);
  EXPECT_TRUE(copy == state);
  copy.step() += 1;
  // torch.optim's state of SGD has no step to compare.
  EXPECT_EQ(copy == state, (std::is_same_v<typename F::Stock, torch::optim::SGD>));
  copy.step() -= 1;
  EXPECT_TRUE(copy == state);
  copy.for_each_slot([](std::size_t, Tensor& slot) {
    if (slot.defined()) slot.add_(1);
  });
  typename F::State empty;
  EXPECT_TRUE(empty == typename F::State());
  if (!std::is_same_v<typename F::Stock, torch::optim::SGD>) {
    EXPECT_FALSE(copy == state);
    copy.for_each_slot([](std::size_t, Tensor& slot) { slot = Tensor(); });
    EXPECT_FALSE(copy == state);
  }
}

TYPED_TEST(Upstream, BeginsEmptyAndGetsParametersLater) {
  using F = TestFixture;
  {
    typename F::Optimizer optimizer(Tensors{}, typename F::Options(0.1));
    EXPECT_EQ(optimizer.size(), 0U);
    optimizer.step();
    optimizer.zero_grad();
    EXPECT_EQ(optimizer.updates(), 0);
    const Tensors params = parameters();
    torch::optim::Optimizer& base = optimizer;
    base.add_parameters(params);
    EXPECT_EQ(optimizer.size(), 3U);
    expect_close(optimizer.parameters(), params);
    give_gradients(params, 0);
    const Tensor before = params[2].detach().clone();
    optimizer.step();
    EXPECT_FALSE(torch::equal(params[2], before));
    EXPECT_EQ(optimizer.updates(), 1);
  }
  {
    typename F::Optimizer optimizer(std::vector<Group>{}, typename F::Options(0.1));
    optimizer.step();
    optimizer.prepare();
    std::stringstream file;
    torch::save(optimizer, file);
    torch::load(optimizer, file);
    const Tensors params = parameters();
    optimizer.add_param_group(Group(params));
    give_gradients(params, 0);
    const Tensor before = params[0].detach().clone();
    optimizer.step();
    EXPECT_FALSE(torch::equal(params[0], before));
  }
}

// add_parameters() called again by a training loop, tied weights in parameters().
TYPED_TEST(Upstream, UpdatesATensorThatIsListedTwiceOnce) {
  using F = TestFixture;
  const Tensors once = parameters(), twice = parameters();
  typename F::Optimizer a(once, typename F::Options(0.1));
  typename F::Optimizer b(Tensors{twice[0], twice[1], twice[0], twice[2]},
                          typename F::Options(0.1));
  static_cast<torch::optim::Optimizer&>(b).add_parameters({twice[1]});
  EXPECT_EQ(b.size(), 5U);
  const auto train = [&](typename F::Optimizer& with, int from, int to) {
    for (int t = from; t < to; ++t) {
      give_gradients(once, t);
      give_gradients(twice, t);
      a.step();
      with.step();
    }
    for (std::size_t i = 0; i < once.size(); ++i) EXPECT_TRUE(torch::equal(once[i], twice[i])) << i;
  };
  train(b, 0, 5);
  EXPECT_EQ(b.state().size(), 3U);
  std::stringstream file;
  torch::save(b, file);
  typename F::Optimizer c(b.parameters(), typename F::Options(0.5));
  torch::load(c, file);
  train(c, 5, 10);
  // The second place gets a tensor of its own: it is seen.
  Tensor fresh = torch::ones({2, 2}).requires_grad_();
  c.param_groups()[0].params()[2] = fresh;
  fresh.mutable_grad() = torch::ones({2, 2});
  c.step();
  EXPECT_FALSE(torch::equal(fresh, torch::ones({2, 2})));
}

TYPED_TEST(Upstream, LeavesAnExternalVectorOfParametersInPlace) {
  using F = TestFixture;
  Tensors params = parameters();
  Tensors before;
  for (const Tensor& p : params) before.push_back(p.detach().clone());
  typename F::Optimizer optimizer(params, typename F::Options(1.0).weight_decay(0));
  for (const Tensor& p : params) p.mutable_grad() = torch::ones_like(p) * 1e-3;
  optimizer.step();
  const double moved = std::is_same_v<typename F::Stock, torch::optim::SGD>       ? 1e-3
                       : std::is_same_v<typename F::Stock, torch::optim::RMSprop> ? 9.999
                                                                                  : 1;
  for (std::size_t i = 0; i < params.size(); ++i) {
    EXPECT_TRUE(torch::allclose(params[i], before[i] - moved, 1e-4)) << i;
  }
  optimizer.zero_grad();
  for (const Tensor& p : params) EXPECT_FALSE(p.grad().defined());
  for (const Tensor& p : params) p.mutable_grad() = torch::ones_like(p);
  optimizer.zero_grad(/*set_to_none=*/false);
  for (const Tensor& p : params) EXPECT_EQ(p.grad().abs().sum().template item<double>(), 0);
}

/// Steps of training until the network knows XOR, or 3000.
template <class Optimizer, class Options>
int steps_to_learn_xor(const Options& options, bool closure) {
  torch::manual_seed(0);
  torch::nn::Sequential model(torch::nn::Linear(2, 8), torch::nn::Sigmoid(),
                              torch::nn::Linear(8, 1), torch::nn::Sigmoid());
  Optimizer optimizer(model->parameters(), options);
  double running = 1;
  for (int t = 1; t < 3000; ++t) {
    const Tensor inputs = torch::randint(0, 2, {200, 2}, torch::kFloat);
    const Tensor labels = (inputs.sum(1) == 1).to(torch::kFloat);
    const auto gradients = [&]() {
      optimizer.zero_grad();
      Tensor loss = torch::binary_cross_entropy(model->forward(inputs).squeeze(1), labels);
      loss.backward();
      return loss;
    };
    Tensor loss;
    if (closure) {
      loss = optimizer.step(gradients);
    } else {
      loss = gradients();
      static_cast<torch::optim::Optimizer&>(optimizer).step();
    }
    running = 0.99 * running + 0.01 * loss.template item<double>();
    if (running < 0.1) return t;
  }
  return 3000;
}
TYPED_TEST(Upstream, LearnsXorAsStockDoes) {
  using F = TestFixture;
  const auto options = []<class O>(O o) {
    if constexpr (requires { o.nesterov(true); }) {
      return o.lr(0.1).momentum(0.9).nesterov(true).weight_decay(1e-6);
    } else if constexpr (requires { o.lr_decay(0.1); }) {
      return o.lr(1.0).lr_decay(1e-3).weight_decay(1e-6);
    } else if constexpr (requires { o.alpha(0.9); }) {
      return o.lr(0.1).momentum(0.9).weight_decay(1e-6);
    } else {
      return o.lr(0.05).amsgrad(true).weight_decay(1e-6);
    }
  };
  const int stock =
      steps_to_learn_xor<typename F::Stock>(options(typename F::StockOptions(1)), true);
  ASSERT_LT(stock, 3000);
  // AGMOHD clips, so that it is no copy of its base.
  const bool same = std::is_empty_v<typename F::Optimizer::Recipe::Hindrance::Memory>;
  for (const bool closure : {false, true}) {
    const int ours =
        steps_to_learn_xor<typename F::Optimizer>(options(typename F::Options(1)), closure);
    if (same) {
      EXPECT_NEAR(ours, stock, 3);
    }
    EXPECT_LT(ours, 3000);
  }
}

TEST(XOR, IsLearntByCentredRMSprop) {
  const int stock = steps_to_learn_xor<torch::optim::RMSprop>(
      torch::optim::RMSpropOptions(0.1).centered(true), true);
  EXPECT_NEAR(steps_to_learn_xor<agmohd::RMSprop>(agmohd::RMSpropOptions(0.1).centered(true), true),
              stock, 3);
  EXPECT_LT(stock, 3000);
}

// LBFGS is LibTorch's own: it is there, under its name, and works.
static_assert(std::is_same_v<agmohd::LBFGS, torch::optim::LBFGS>);
TEST(LBFGS, LearnsXor) {
  for (const bool search : {false, true}) {
    agmohd::LBFGSOptions options(1);
    if (search) options.line_search_fn("strong_wolfe");
    EXPECT_LT(steps_to_learn_xor<agmohd::LBFGS>(options, true), 3000) << search;
  }
}
TEST(LBFGS, GetsParametersLater) {
  agmohd::LBFGS optimizer(Tensors{}, agmohd::LBFGSOptions(1));
  const Tensors params = parameters();
  optimizer.add_parameters(params);
  give_gradients(params, 0);
  const Tensor before = params[0].detach().clone();
  optimizer.step([] { return torch::tensor(1.0); });
  EXPECT_FALSE(torch::equal(params[0], before));
  std::stringstream file;
  torch::save(optimizer, file);
  agmohd::LBFGS loaded(params, agmohd::LBFGSOptions(0.5));
  torch::load(loaded, file);
  EXPECT_EQ(static_cast<agmohd::LBFGSOptions&>(loaded.param_groups()[0].options()).lr(), 1);
  const auto& state = static_cast<const agmohd::LBFGSParamState&>(*loaded.state().begin()->second);
  EXPECT_EQ(state.n_iter(), 1);
}

/// The parameters of a network of 13 after 1001 steps that make its output small.
template <class Optimizer, class Options>
Tensor after_1001_steps(const Options& options) {
  const auto given = [](const std::vector<double>& values, at::IntArrayRef shape) {
    return torch::tensor(values, torch::kDouble).view(shape).clone().requires_grad_();
  };
  const Tensors params{given({-0.2109, -0.4976, -0.1413, -0.3420, -0.2524, 0.6976}, {3, 2}),
                       given({-0.1085, -0.2979, 0.6892}, {3}),
                       given({-0.0508, -0.3941, -0.2843}, {1, 3}), given({-0.0711}, {1})};
  const Tensor x = torch::tensor({0.1, 0.2, 0.3, 0.4, 0.5, 0.6}, torch::kDouble).view({3, 2});
  Optimizer optimizer(params, options);
  for (int t = 0; t < 1001; ++t) {
    optimizer.zero_grad();
    const Tensor hidden = torch::sigmoid(torch::linear(x, params[0], params[1]));
    torch::sigmoid(torch::linear(hidden, params[2], params[3])).sum().backward();
    optimizer.step();
  }
  Tensors flat;
  for (const Tensor& p : params) flat.push_back(p.detach().flatten());
  return torch::cat(flat);
}
// Computed with Python's torch.optim 2.11; LibTorch's own test has the same network, options and,
// within its tolerance, values (optim_baseline.h there).
TEST(Values, AreThoseOfPython) {
  const auto expect = [](const char* what, const Tensor& found, const std::vector<double>& python) {
    EXPECT_TRUE(torch::allclose(found, torch::tensor(python, torch::kDouble), 1e-5, 1e-6))
        << what << "\n"
        << found;
  };
  const auto adagrad = [] { return agmohd::AdagradOptions(1.0); };
  const auto rmsprop = [] { return agmohd::RMSpropOptions(0.1); };
  expect("adagrad()", after_1001_steps<agmohd::Adagrad>(adagrad()),
         {2.7098672, 2.5833354, 1.9842065, 1.8723924, 1.4228319, 2.4422316, 3.4097258, 2.1782144,
          2.6376582, -2.9509963, -3.2994125, -2.3899541, -1.8922463});
  expect("adagrad().weight_decay(1e-2)",
         after_1001_steps<agmohd::Adagrad>(adagrad().weight_decay(1e-2)),
         {0.17963666, 0.24250883, 0.17963666, 0.24250883, 0.17963668, 0.24250885, 0.62872165,
          0.62872165, 0.6287217, -1.4123468, -1.4123468, -1.4123469, -2.0633688});
  expect("adagrad().weight_decay(1e-6).lr_decay(1e-3)",
         after_1001_steps<agmohd::Adagrad>(adagrad().weight_decay(1e-6).lr_decay(1e-3)),
         {2.2459204, 2.2524876, 1.8886075, 1.7909358, 1.3307177, 2.323734, 3.2300756, 2.1066103,
          2.5643019, -2.8315375, -3.1751493, -2.3219561, -1.8434645});
  expect("rmsprop()", after_1001_steps<agmohd::RMSprop>(rmsprop()),
         {3.0175437, 2.9451797, 2.2914741, 2.2217643, 1.6544951, 2.70554, 3.9190395, 2.6513848,
          2.9938209, -4.0531449, -4.4507356, -3.0271837, -2.353938});
  expect("rmsprop().weight_decay(1e-2)",
         after_1001_steps<agmohd::RMSprop>(rmsprop().weight_decay(1e-2)),
         {0.23061701, 0.29368398, 0.23061748, 0.29368468, 0.23060856, 0.29367195, 0.68067147,
          0.68067309, 0.68064347, -1.4635009, -1.4635053, -1.4634208, -2.1262433});
  expect("rmsprop().weight_decay(1e-6).centered(true)",
         after_1001_steps<agmohd::RMSprop>(rmsprop().weight_decay(1e-6).centered(true)),
         {0.48755173, 0.68788134, 0.77875391, 1.0462398, 0.44163308, 0.81226051, 2.1078936,
          2.1703673, 2.0666332, -3.978306, -4.3520416, -3.0377812, -2.4034858});
  expect(
      "rmsprop().weight_decay(1e-6).centered(true).momentum(0.9)",
      after_1001_steps<agmohd::RMSprop>(rmsprop().weight_decay(1e-6).centered(true).momentum(0.9)),
      {0.10392704, 0.13980536, 0.08313426, 0.10182835, 0.13947975, 0.1782071, 0.34035311,
       0.24857209, 0.31911329, -4.174423, -4.0377611, -6.2972711, -7.1821411});
}

/// What a program does in a helper that knows torch.optim's types alone.
template <class StockOptions>
void helper(torch::optim::Optimizer& optimizer, double lr) {
  for (auto& group : optimizer.param_groups()) {
    auto& options = static_cast<StockOptions&>(group.options());
    ASSERT_NE(dynamic_cast<StockOptions*>(&group.options()), nullptr);
    options.lr(lr).weight_decay(0.25);
    if constexpr (requires { options.lr_decay(); }) {
      options.lr_decay(0.1).eps(1e-3);
    } else if constexpr (requires { options.alpha(); }) {
      options.alpha(0.8).eps() = 1e-3;
    } else if constexpr (requires { options.betas(); }) {
      options.eps() = 1e-3;
    } else {
      options.momentum(0.5).dampening(0.125);
    }
  }
}
TYPED_TEST(Upstream, OptionsCastToTorchsOwnAreTheSame) {
  using F = TestFixture;
  const Tensors a = parameters(), b = parameters();
  typename F::Stock stock(a, typename F::StockOptions(0.1));
  typename F::Optimizer ours(b, typename F::Options(0.1));
  if constexpr (requires { ours.options().max_norm(1); }) {
    ours.options().gradient_clipping(agmohd::gradient::Clipping::none);
  }
  for (int t = 0; t < 8; ++t) {
    if (t == 3)
      helper<typename F::StockOptions>(stock, 0.02), helper<typename F::StockOptions>(ours, 0.02);
    give_gradients(a, t);
    give_gradients(b, t);
    stock.step();
    ours.step();
  }
  expect_close(a, b);
  const auto& seen = static_cast<const typename F::Options&>(ours.param_groups()[0].options());
  EXPECT_EQ(seen.lr(), 0.02);
  EXPECT_EQ(seen.weight_decay(), 0.25);
  EXPECT_EQ(seen.get_lr(), 0.02);
  if constexpr (requires { seen.betas(); }) {
    auto& options = static_cast<typename F::StockOptions&>(ours.param_groups()[0].options());
    std::get<0>(options.betas()) = 0.5;
    EXPECT_EQ(std::get<0>(seen.betas()), 0.5);
  }
  std::stringstream file;
  torch::save(ours, file);
  typename F::Optimizer loaded(parameters(), typename F::Options(0.5));
  torch::load(loaded, file);
  EXPECT_TRUE(static_cast<const typename F::Options&>(loaded.param_groups()[0].options()) == seen);
  // Bad values that come that way are found by the step.
  static_cast<typename F::StockOptions&>(ours.param_groups()[0].options()).lr(-1);
  EXPECT_THROW(ours.step(), c10::Error);
}
TYPED_TEST(Upstream, TakesTorchsOwnOptions) {
  using F = TestFixture;
  const Tensors params = parameters();
  typename F::StockOptions own(0.03);
  own.weight_decay(0.4);
  std::vector<Group> groups;
  groups.emplace_back(Tensors{params[0]});
  groups.emplace_back(Tensors{params[1]}, std::make_unique<typename F::StockOptions>(own));
  typename F::Optimizer optimizer(groups, typename F::StockOptions(0.2).weight_decay(0.1));
  static_cast<torch::optim::Optimizer&>(optimizer).add_param_group(
      Group({params[2]}, std::make_unique<typename F::StockOptions>(own)));
  EXPECT_EQ(optimizer.current_lr(2), 0.03);  // before a step looked at them
  std::stringstream file;
  torch::save(optimizer, file);
  give_gradients(params, 0);
  optimizer.step();
  const auto options = [&](std::size_t g) -> const typename F::Options& {
    return dynamic_cast<const typename F::Options&>(optimizer.param_groups()[g].options());
  };
  EXPECT_EQ(options(0).lr(), 0.2);
  EXPECT_EQ(options(0).weight_decay(), 0.1);
  for (const std::size_t g : {1, 2}) {
    EXPECT_EQ(options(g).lr(), 0.03) << g;
    EXPECT_EQ(options(g).weight_decay(), 0.4) << g;
  }
}
TYPED_TEST(Upstream, OptionsGivenThroughTheBaseClassHold) {
  using F = TestFixture;
  const Tensors params = parameters();
  typename F::Optimizer optimizer(Tensors{params[0]}, typename F::Options(0.2).weight_decay(0.1));
  static_cast<torch::optim::Optimizer&>(optimizer).add_param_group(
      Group({params[1]},
            std::make_unique<typename F::Options>(typename F::Options(0.03).weight_decay(0.4))));
  static_cast<torch::optim::Optimizer&>(optimizer).add_param_group(Group({params[2]}));
  give_gradients(params, 0);
  optimizer.step();
  EXPECT_EQ(optimizer.param_groups()[1].options().get_lr(), 0.03);
  EXPECT_EQ(static_cast<typename F::Options&>(optimizer.param_groups()[1].options()).weight_decay(),
            0.4);
  EXPECT_EQ(optimizer.param_groups()[2].options().get_lr(), 0.2);
}

/// The base class gives a group without options a copy of the optimizer's.
TYPED_TEST(Upstream, WhatBelongsToTheOptimizerMayChangeAfterAGroupWasAdded) {
  using F = TestFixture;
  const Tensors params = parameters();
  typename F::Options options(0.2);
  if constexpr (requires { options.max_norm(2); }) options.max_norm(2);
  typename F::Optimizer optimizer(Tensors{params[0]}, options);
  static_cast<torch::optim::Optimizer&>(optimizer).add_param_group(Group({params[1]}));
  if constexpr (requires { options.max_norm(2); }) {
    optimizer.options().max_norm(0.5);
    give_gradients(params, 0);
    optimizer.step();
    optimizer.options().max_norm(0.25);
    // A group's own is refused as before.
    static_cast<torch::optim::Optimizer&>(optimizer).add_param_group(Group(
        {params[2]}, std::make_unique<typename F::Options>(typename F::Options().max_norm(7))));
    const auto& own = static_cast<typename F::Options&>(optimizer.param_groups()[2].options());
    if (own.max_norm() == 7) {  // LibTorch 2.15 leaves it out
      EXPECT_THROW(optimizer.step(), c10::Error);
    }
  } else {
    give_gradients(params, 0);
    optimizer.step();
  }
  EXPECT_EQ(optimizer.updates(), 1);
}

/// What LibTorch before 1.5 wrote: lists in the order of the parameters, no options.
std::string archive_before_1_5(const std::map<std::string, Tensors>& lists) {
  torch::serialize::OutputArchive archive;
  for (const auto& [name, list] : lists) {
    archive.write(name + "/size", torch::tensor(std::int64_t(list.size())));
    for (std::size_t i = 0; i < list.size(); ++i) {
      archive.write(name + "/" + std::to_string(i), list[i], /*is_buffer=*/true);
    }
  }
  std::stringstream file;
  archive.save_to(file);
  return file.str();
}
template <class Optimizer>
void load_from(Optimizer& optimizer, const std::string& bytes) {
  std::stringstream file(bytes);
  torch::serialize::InputArchive archive;
  archive.load_from(file);
  optimizer.load(archive);
}
TYPED_TEST(Upstream, LoadsArchivesFromBefore15) {
  using F = TestFixture;
  const Tensors a = parameters(), b = parameters();
  std::map<std::string, Tensors> lists;
  torch::manual_seed(9);
  for (const Tensor& p : a) {
    lists["momentum_buffers"].push_back(torch::randn_like(p));
    lists["step_buffers"].push_back(torch::tensor(std::int64_t{6}));
    lists["exp_average_buffers"].push_back(torch::randn_like(p));
    lists["exp_average_sq_buffers"].push_back(torch::rand_like(p) + 0.5);
    lists["max_exp_average_sq_buffers"].push_back(torch::rand_like(p) + 1);
    lists["square_average_buffers"].push_back(torch::rand_like(p) + 1);
    lists["grad_average_buffers"].push_back(torch::rand_like(p) / 4);
    lists["sum_buffers"].push_back(torch::rand_like(p) + 1);
  }
  const auto options = []<class O>(O o) {
    if constexpr (requires { o.centered(true); }) {
      return o.momentum(0.9).centered(true);
    } else if constexpr (requires { o.momentum(0.9); }) {
      return o.momentum(0.9);
    } else if constexpr (requires { o.lr_decay(0.1); }) {
      return o.lr_decay(0.1);
    } else {
      return o.amsgrad(true);
    }
  };
  typename F::Stock stock(a, options(typename F::StockOptions(0.1)));
  typename F::Optimizer ours(b, options(typename F::Options(0.1)));
  if constexpr (requires { ours.options().max_norm(1); }) {
    ours.options().gradient_clipping(agmohd::gradient::Clipping::none);
  }
  load_from(stock, archive_before_1_5(lists));
  load_from(ours, archive_before_1_5(lists));
  for (int t = 0; t < 20; ++t) {
    give_gradients(a, t);
    give_gradients(b, t);
    stock.step();
    ours.step();
  }
  expect_close(a, b);

  lists["momentum_buffers"].push_back(torch::ones({2}));
  lists["exp_average_buffers"].push_back(torch::ones({2}));
  lists["sum_buffers"].push_back(torch::ones({2}));
  const Tensor before = b[0].detach().clone();
  EXPECT_THROW(load_from(ours, archive_before_1_5(lists)), c10::Error);
  EXPECT_THROW(load_from(ours, archive_before_1_5({{"unknown", Tensors{}}})), c10::Error);
  EXPECT_TRUE(torch::equal(before, b[0]));
}

TEST(Forward, DeclaredNamesAreTheOptimizers) {
  const Tensors params = parameters();
  agmohd::AdamW adamw(params, 0.1);
  agmohd::AGMOHD agmohd(params, 0.1);
  EXPECT_EQ(&forward::base(adamw), &adamw);
  EXPECT_EQ(forward::groups(&agmohd), 1U);
  EXPECT_TRUE(forward::equal(agmohd::SGDOptions(0.1), agmohd::SGDOptions(0.1)));
}

}  // namespace
