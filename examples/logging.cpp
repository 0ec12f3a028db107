// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// Every step's record in a CSV file and for TensorBoard, and interventions in the program's log.
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/monitor/log.hpp>
#include <agmohd/monitor/tensorboard.hpp>
#include <agmohd/monitor/watcher.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>

int main() {
  torch::manual_seed(1);
  torch::nn::Linear model(4, 1);
  agmohd::AGMOHD optimizer(model->parameters(), agmohd::AGMOHDOptions(1e-2));
  optimizer.name_parameters(model->named_parameters());
  int skipped = 0;
  agmohd::monitor::Watcher watcher(
      agmohd::monitor::CsvFile("records.csv"), agmohd::monitor::TensorBoard("runs"),
      agmohd::monitor::Log(std::clog),
      [&](const agmohd::Record& record) { skipped += record.skipped != 0 ? 1 : 0; });

  for (int step = 1; step <= 300; ++step) {
    optimizer.zero_grad();
    const torch::Tensor x = torch::randn({8, 4});
    const torch::Tensor loss = torch::mse_loss(model->forward(x), x.sum(1, true));
    loss.backward();
    if (step == 150) model->weight.mutable_grad()[0][0] = std::nan("");
    optimizer.step(loss);
    if (step % 50 == 0) watcher.poll(optimizer);  // at the latest every 256 steps
  }

  std::ifstream csv("records.csv");
  int lines = 0;
  for (std::string line; std::getline(csv, line); ++lines) {
    if (lines == 0 || lines >= 299) std::puts(line.c_str());
  }
  std::printf("%s\n%d records; tensorboard --logdir runs draws them\n", optimizer.summary().c_str(),
              lines - 1);
  return lines == 301 && watcher.last() == 300 && watcher.missed() == 0 && skipped == 1 ? 0 : 1;
}
