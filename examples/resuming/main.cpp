// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// resuming FOLDER [STEPS]: trains, or goes on where the last run with this folder was, and ends
// after STEPS steps as if the machine were lost.
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/monitor/watcher.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

constexpr std::int64_t kSteps = 200, kBatch = 16, kSaveEvery = 20;

struct Training {
  torch::nn::Sequential model{torch::nn::Linear(1, 32), torch::nn::Tanh(), torch::nn::Dropout(0.1),
                              torch::nn::Linear(32, 1)};
  agmohd::AGMOHD optimizer{
      model->parameters(),
      agmohd::AGMOHDOptions(1e-2).lr_schedule(agmohd::schedule::Shape::cosine).total_steps(kSteps)};
  torch::Tensor order;    // of the data in this epoch
  std::int64_t step = 0;  // with kBatch, also the position in `order`
};

void save(const Training& training, const std::string& path) {
  torch::serialize::OutputArchive archive, model, optimizer;
  training.model->save(model);
  training.optimizer.save(optimizer);
  archive.write("model", model);
  archive.write("optimizer", optimizer);
  archive.write("step", torch::IValue(training.step));
  archive.write("order", training.order);
  archive.write("random", at::detail::getDefaultCPUGenerator().get_state());
  agmohd::save(archive, path);
}

void load(Training& training, const std::string& path) {
  torch::serialize::InputArchive archive, model, optimizer;
  agmohd::load(archive, path);
  archive.read("model", model);
  archive.read("optimizer", optimizer);
  training.model->load(model);
  training.optimizer.load(optimizer);
  torch::IValue step;
  archive.read("step", step);
  training.step = step.toInt();
  archive.read("order", training.order);
  torch::Tensor random;
  archive.read("random", random);
  at::Generator(at::detail::getDefaultCPUGenerator()).set_state(random);
}

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : ".";
  const std::int64_t end = argc > 2 ? std::atoll(argv[2]) : kSteps;
  const std::string checkpoint = folder + "/training.pt", log = folder + "/records.csv";

  torch::manual_seed(1);
  const torch::Tensor x = torch::linspace(-3, 3, 256).unsqueeze(1), y = torch::sin(x);
  Training training;
  agmohd::monitor::Watcher watcher;
  if (std::filesystem::exists(checkpoint)) {
    load(training, checkpoint);
    // Behind the lines of the steps that the checkpoint has; what came after them comes again.
    watcher.add(agmohd::monitor::CsvFile(log, training.optimizer.tally().steps));
    std::printf("resumed after step %lld\n", static_cast<long long>(training.step));
  } else {
    watcher.add(agmohd::monitor::CsvFile(log));
  }

  const std::int64_t batches = x.size(0) / kBatch;
  while (training.step < end) {
    const std::int64_t position = training.step % batches;
    if (position == 0) training.order = torch::randperm(x.size(0));
    const torch::Tensor batch = training.order.slice(0, position * kBatch, (position + 1) * kBatch);
    training.optimizer.zero_grad();
    const torch::Tensor loss =
        torch::mse_loss(training.model->forward(x.index({batch})), y.index({batch}));
    loss.backward();
    training.optimizer.step(loss);
    training.step += 1;
    watcher.poll(training.optimizer);
    if (training.step % kSaveEvery == 0 && training.step < end) save(training, checkpoint);
  }
  training.model->eval();
  std::printf("loss %.9g\n", torch::mse_loss(training.model->forward(x), y).item<double>());
  return 0;
}
