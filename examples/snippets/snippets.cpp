// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// The code of README.md and docs/, which tests/docs_check.py looks for here. Runs all of it.
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/monitor/log.hpp>
#include <agmohd/monitor/tensorboard.hpp>
#include <agmohd/monitor/watcher.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "my_recipe.hpp"
#ifdef SNIPPETS_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace {

using torch::Tensor;

#define EXPECT(condition)                                                  \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: " #condition "\n", __FILE__, __LINE__); \
      std::exit(1);                                                        \
    }                                                                      \
  } while (false)

/// A regression that every snippet can train.
struct Task {
  torch::nn::Sequential model{torch::nn::Linear(4, 16), torch::nn::Tanh(),
                              torch::nn::Linear(16, 1)};
  Tensor x = torch::randn({64, 4}), y = x.sum(1, true);

  Tensor loss() { return torch::mse_loss(model->forward(x), y); }
  template <class Optimizer>
  void train(Optimizer& optimizer, int steps) {
    for (int i = 0; i < steps; ++i) {
      optimizer.zero_grad();
      loss().backward();
      optimizer.step();
    }
  }
  Tensor all() {
    torch::NoGradGuard no_grad;
    return torch::nn::utils::parameters_to_vector(model->parameters()).clone();
  }
};

void own_recipe(Task task) {
  auto& model = task.model;
  using Mine = agmohd::Optimizer<MyRecipe>;
  Mine optimizer(model->parameters(), Mine::Options(1e-2)
                                          .betas({0.9, 0.95})
                                          .weight_decay(0.1)
                                          .max_value(0.5)
                                          .max_norm(1.0)
                                          .warmup_steps(10)
                                          .total_steps(100));

  const double before = task.loss().item<double>();
  task.train(optimizer, 100);
  EXPECT(task.loss().item<double>() < 0.5 * before);

  std::printf("%lld updates, the last gradient norm was %.3f\n",
              static_cast<long long>(optimizer.updates()), std::sqrt(optimizer.signals().norm2));
  EXPECT(optimizer.updates() == 100);
}

void whole_policies(Task task) {
  using Mine = agmohd::Optimizer<MyRecipe>;
  Mine::Options options(1e-2);
  options.rule({.betas = {0.9, 0.95}, .weight_decay = 0.1});
  options.gradient({.head = {.max_value = 0.5}, .rest = {.head = {.max_norm = 1.0}}});
  options.schedule({.warmup_steps = 10, .after = {.total_steps = 100, .min_factor = 0.1}});
  EXPECT(options.max_norm() == 1.0 && options.warmup_steps() == 10 && options.min_factor() == 0.1);
  Mine optimizer(task.model->parameters(), options);
  task.train(optimizer, 2);

  using Own = agmohd::Optimizer<Guarded>;
  Own own(task.model->parameters(), Own::Options(1e-2).set<"period">(50));
  EXPECT(own.options().get<"period">() == 50);
  task.train(own, 1);
  task.model->parameters()[0].mutable_grad()[0][0] = std::nan("");
  const Tensor before = task.all();
  own.step();
  EXPECT(torch::equal(task.all(), before) && own.updates() == 1);
}

void options_and_groups(Task task) {
  std::vector<Tensor> matrices, vectors;
  for (const Tensor& p : task.model->parameters()) (p.dim() > 1 ? matrices : vectors).push_back(p);

  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(matrices);
  groups.emplace_back(
      vectors, std::make_unique<agmohd::AdamWOptions>(agmohd::AdamWOptions().weight_decay(0.0)));
  agmohd::AdamW optimizer(groups, agmohd::AdamWOptions(3e-4).betas({0.9, 0.95}).weight_decay(0.1));

  for (auto& group : optimizer.param_groups()) {
    auto& options = static_cast<agmohd::AdamWOptions&>(group.options());
    options.lr(0.5 * options.lr());
  }
  const auto& second = static_cast<agmohd::AdamWOptions&>(optimizer.param_groups()[1].options());
  EXPECT(second.lr() == 1.5e-4 && second.weight_decay() == 0);
  EXPECT(second.betas() == std::make_tuple(0.9, 0.95));
  task.train(optimizer, 3);

  try {
    optimizer.param_groups()[1].options().set_lr(-1);
    optimizer.step();
    EXPECT(false);
  } catch (const c10::Error& error) {
    // agmohd: group 1: lr = -1, but it must be finite and at least 0
    std::puts(error.what_without_backtrace());
    EXPECT(std::string(error.what_without_backtrace()) ==
           "agmohd: group 1: lr = -1, but it must be finite and at least 0");
  }
}

void hindered(Task task) {
  auto& model = task.model;
  agmohd::AGMOHD optimizer(model->parameters(),
                           agmohd::AGMOHDOptions(1e-2).betas({0.9, 0.95}).weight_decay(0.1));
  optimizer.name_parameters(model->named_parameters());
  agmohd::monitor::Watcher watcher(agmohd::monitor::Log(std::clog));

  for (int i = 0; i < 100; ++i) {
    optimizer.zero_grad();
    const Tensor loss = task.loss();
    loss.backward();
    if (i == 60) model->parameters()[0].mutable_grad()[0][0] = std::nan("");
    optimizer.step(loss);
    if (i % 10 == 9) watcher.poll(optimizer);
  }
  std::puts(optimizer.summary().c_str());
  EXPECT(optimizer.updates() == 99);
  EXPECT(optimizer.tally().count[agmohd::Tally::skip] == 1);
}

void hindered_options(Task task) {
  auto& model = task.model;
  using agmohd::AGMOHDOptions;
  agmohd::AGMOHD optimizer(model->parameters(),
                           AGMOHDOptions(1e-3)
                               .hindrance_threshold(agmohd::threshold::fine_tuning)
                               .momentum_schedule(agmohd::momentum::Schedule::fixed)
                               .gradient_clipping(agmohd::gradient::Clipping::global_norm)
                               .max_norm(0.5)
                               .lr_schedule(agmohd::schedule::Shape::cosine)
                               .warmup_steps(50)
                               .total_steps(1000));
  task.train(optimizer, 2);
  EXPECT(optimizer.options().hindrance_threshold() == 0.05);
}

void going_back(Task task) {
  auto& model = task.model;
  using agmohd::AGMOHDOptions;
  agmohd::AGMOHD optimizer(model->parameters(), AGMOHDOptions(1e-3).snapshots(true));
  task.train(optimizer, 60);
  const Tensor weight = model->parameters()[0];
  {
    const torch::NoGradGuard no_grad;
    weight[0][0] = std::nan("");
  }
  task.train(optimizer, 9);
  EXPECT(torch::isfinite(weight).all().item<bool>());
  EXPECT(optimizer.tally().count[agmohd::Tally::rollback] == 1);
}

void sinks(Task task) {
  agmohd::AGMOHD optimizer(task.model->parameters());
  int skipped = 0;
  agmohd::monitor::Watcher watcher(
      agmohd::monitor::CsvFile("records.csv"), agmohd::monitor::TensorBoard("runs"),
      [&](const agmohd::Record& record) { skipped += record.skipped != 0 ? 1 : 0; });

  for (int i = 0; i < 200; ++i) {
    task.train(optimizer, 1);
    if (i % 100 == 99) watcher.poll(optimizer);
  }
  EXPECT(watcher.last() == 200 && watcher.missed() == 0 && skipped == 0);
  EXPECT(std::filesystem::file_size("records.csv") > 200 * 20);
  std::filesystem::remove("records.csv");
  std::filesystem::remove_all("runs");
}

double halve(torch::optim::Optimizer& optimizer) {
  for (auto& group : optimizer.param_groups())
    group.options().set_lr(0.5 * group.options().get_lr());
  optimizer.step();
  return optimizer.param_groups()[0].options().get_lr();
}

void steps(Task task) {
  agmohd::SGD optimizer(task.model->parameters(), agmohd::SGDOptions(1e-2).momentum(0.9));
  const Tensor loss = optimizer.step([&] {
    optimizer.zero_grad();
    const Tensor value = task.loss();
    value.backward();
    return value;
  });
  EXPECT(loss.defined());
  optimizer.step(loss);
  EXPECT(halve(optimizer) == 5e-3);
  EXPECT(optimizer.updates() == 3);
}

void checkpoints(Task task) {
  torch::optim::AdamW stock(task.model->parameters(), torch::optim::AdamWOptions(1e-2));
  task.train(stock, 5);
  torch::save(stock, "stock.pt");

  agmohd::AdamW optimizer(task.model->parameters());
  torch::load(optimizer, "stock.pt");
  EXPECT(optimizer.options().get_lr() == 1e-3 && optimizer.updates() == 5);
  EXPECT(optimizer.param_groups()[0].options().get_lr() == 1e-2);
  task.train(optimizer, 5);

  agmohd::save(optimizer, "ours.pt");  // as torch::save, but all or nothing
  torch::load(stock, "ours.pt");
  const Tensor first = task.model->parameters()[0];
  const auto& state =
      static_cast<torch::optim::AdamWParamState&>(*stock.state().at(first.unsafeGetTensorImpl()));
  EXPECT(state.step() == 10);
  task.train(stock, 1);
  std::filesystem::remove("stock.pt");
  std::filesystem::remove("ours.pt");
}

void grow() {
  Tensor points = torch::randn({100, 3}).requires_grad_();
  agmohd::Adam optimizer({points}, agmohd::AdamOptions(1e-3));
  points.square().sum().backward();
  optimizer.step();
  const Tensor extra = torch::randn({20, 3});

  // Appends rows to a parameter and zeros to its state.
  torch::NoGradGuard no_grad;
  const Tensor grown = torch::cat({points, extra}).requires_grad_();
  auto& states = optimizer.state();
  const auto old = states.find(points.unsafeGetTensorImpl());
  auto state = std::make_unique<agmohd::AdamParamState>(
      static_cast<const agmohd::AdamParamState&>(*old->second));
  state->exp_avg(torch::cat({state->exp_avg(), torch::zeros_like(extra)}));
  state->exp_avg_sq(torch::cat({state->exp_avg_sq(), torch::zeros_like(extra)}));
  states.erase(old);
  states[grown.unsafeGetTensorImpl()] = std::move(state);
  optimizer.param_groups()[0].params()[0] = grown;
  points = grown;

  torch::AutoGradMode enable(true);
  points.square().sum().backward();
  optimizer.step();
  const auto& now =
      static_cast<agmohd::AdamParamState&>(*optimizer.state().at(points.unsafeGetTensorImpl()));
  EXPECT(now.step() == 2 && now.exp_avg().size(0) == 120 && optimizer.updates() == 2);
}

void schedulers(Task task) {
  {
    agmohd::AdamW optimizer(task.model->parameters(), agmohd::AdamWOptions(1e-2));
    torch::optim::StepLR scheduler(optimizer, /*step_size=*/2, /*gamma=*/0.5);
    for (int i = 0; i < 3; ++i) {
      task.train(optimizer, 1);
      scheduler.step();
    }
    EXPECT(optimizer.param_groups()[0].options().get_lr() == 5e-3);
  }
  {
    torch::optim::RMSprop optimizer(task.model->parameters(), torch::optim::RMSpropOptions(1e-2));
    using Schedule = agmohd::schedule::Warmup<agmohd::schedule::Cosine>;
    agmohd::schedule::Scheduler<Schedule> scheduler(
        optimizer, {.warmup_steps = 10, .after = {.total_steps = 100}});
    EXPECT(optimizer.param_groups()[0].options().get_lr() == 1e-3);
    for (int i = 0; i < 100; ++i) {
      task.train(optimizer, 1);
      scheduler.step();
    }
    EXPECT(optimizer.param_groups()[0].options().get_lr() == 0);
    torch::save(scheduler, "schedule.pt");
    torch::load(scheduler, "schedule.pt");
    std::filesystem::remove("schedule.pt");
  }
}

void reference_lane(Task task) {
  agmohd::AdamW optimizer(task.model->parameters());
  optimizer.use_reference_lane();
  task.train(optimizer, 3);
  EXPECT(optimizer.updates() == 3);
}

#ifdef SNIPPETS_CUDA
void graph(Task task) {
  task.model->to(torch::kCUDA);
  Tensor x = task.x.to(torch::kCUDA), y = task.y.to(torch::kCUDA);
  using Mine = agmohd::Optimizer<MyRecipe>;
  Mine optimizer(task.model->parameters(), Mine::Options(1e-2).total_steps(100));

  const auto train_step = [&] {
    optimizer.zero_grad();
    torch::mse_loss(task.model->forward(x), y).backward();
    optimizer.step();
  };
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  for (int i = 0; i < 3; ++i) train_step();

  optimizer.zero_grad();
  optimizer.prepare();
  at::cuda::CUDAGraph graph;
  graph.capture_begin();
  train_step();
  graph.capture_end();

  for (int i = 3; i < 100; ++i) {
    x.copy_(torch::randn({64, 4}));
    y.copy_(x.sum(1, true));
    if (i == 50) {
      optimizer.param_groups()[0].options().set_lr(5e-3);
      optimizer.prepare();  // uploads the options that changed
    }
    graph.replay();
  }
  EXPECT(optimizer.updates() == 100);
}
#endif

}  // namespace

int main(int argc, char** argv) {
  const bool need_gpu = argc > 1 && std::string(argv[1]) == "--need-gpu";
  if (need_gpu && !torch::cuda::is_available()) return 77;  // ctest: skipped
  torch::manual_seed(1);
  own_recipe({});
  whole_policies({});
  options_and_groups({});
  hindered({});
  hindered_options({});
  going_back({});
  sinks({});
  steps({});
  checkpoints({});
  grow();
  schedulers({});
  reference_lane({});
#ifdef SNIPPETS_CUDA
  if (torch::cuda::is_available()) graph({});
#endif
  std::puts("all snippets did what their pages say");
}
