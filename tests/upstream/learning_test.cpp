// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What its tests train: XOR, and a network whose values are those of Python.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <sstream>
#include <type_traits>
#include <vector>

#include "twins.hpp"

namespace {

using namespace testing_upstream;

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

}  // namespace
