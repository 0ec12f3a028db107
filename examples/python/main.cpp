// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// python_files RULE FOLDER ...: goes on with trainings of check.py, which goes on with what this
// program leaves.
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/python.hpp>
#include <cstdio>
#include <string>
#include <vector>

constexpr int kSteps = 20;

template <class Optimizer>
void go_on(const std::string& folder) {
  // What Python wrote with torch.save({"x": x, "y": y}, ...).
  const auto data = agmohd::python::read(folder + "/data.pt").toGenericDict();
  const torch::Tensor x = data.at("x").toTensor(), y = data.at("y").toTensor();

  // The same model, and the same parameters in the same groups, as in Python.
  torch::nn::Sequential model(torch::nn::Linear(3, 8), torch::nn::Tanh(), torch::nn::Linear(8, 2));
  model->to(x.scalar_type());
  std::vector<torch::Tensor> weights, biases;
  for (const auto& item : model->named_parameters()) {
    (item.key().ends_with("weight") ? weights : biases).push_back(item.value());
  }
  std::vector<torch::optim::OptimizerParamGroup> groups{{weights}, {biases}};
  Optimizer optimizer(groups);

  // What Python wrote with torch.save(model.state_dict(), ...), and of the optimizer.
  agmohd::load_python(model, folder + "/model.pt");
  agmohd::load_python(optimizer, folder + "/optimizer.pt");

  for (int step = 0; step < kSteps; ++step) {
    optimizer.zero_grad();
    torch::mse_loss(model->forward(x), y).backward();
    optimizer.step();
  }

  // What Python reads with torch.load(..., weights_only=True).
  agmohd::save_python(model, folder + "/model_of_cpp.pt");
  agmohd::save_python(optimizer, folder + "/optimizer_of_cpp.pt");
}

bool go_on_with(const std::string& rule, const std::string& folder) {
  if (rule == "SGD") return go_on<agmohd::SGD>(folder), true;
  if (rule == "Adam") return go_on<agmohd::Adam>(folder), true;
  if (rule == "AdamW") return go_on<agmohd::AdamW>(folder), true;
  if (rule == "RMSprop") return go_on<agmohd::RMSprop>(folder), true;
  if (rule == "Adagrad") return go_on<agmohd::Adagrad>(folder), true;
  if (rule == "Adafactor") return go_on<agmohd::Adafactor>(folder), true;
  return false;
}

int main(int argc, char** argv) try {
  bool known = argc >= 3 && argc % 2 == 1;
  for (int i = 1; known && i < argc; i += 2) known = go_on_with(argv[i], argv[i + 1]);
  if (known) return 0;
  std::fputs("usage: python_files SGD|Adam|AdamW|RMSprop|Adagrad|Adafactor FOLDER ...\n", stderr);
  return 2;
} catch (const c10::Error& error) {
  std::fprintf(stderr, "%s\n", error.what_without_backtrace());
  return 1;
}
