// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// python_files RULE FOLDER: goes on with what check.py wrote of a training in Python, and writes
// what it goes on with.
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/checkpoint/python.hpp>
#include <cstdio>
#include <string>
#include <vector>

constexpr int kSteps = 20;

template <class Optimizer>
int go_on(const std::string& folder) {
  // What Python wrote with torch.save(model.state_dict(), ...) and
  // torch.save(optimizer.state_dict(), ...).
  torch::nn::Linear model(3, 2);
  const auto weights = agmohd::python::load(folder + "/model.pt").toGenericDict();
  for (const auto& item : model->named_parameters()) {
    const torch::NoGradGuard no_grad;
    item.value().copy_(weights.at(item.key()).toTensor());
  }
  std::vector<torch::optim::OptimizerParamGroup> groups;  // as in Python
  groups.emplace_back(std::vector{model->weight});
  groups.emplace_back(std::vector{model->bias});
  Optimizer optimizer(groups);
  agmohd::load_python(optimizer, folder + "/optimizer.pt");

  const torch::Tensor x = torch::linspace(-1, 1, 12).view({4, 3}),
                      y = torch::linspace(1, 2, 8).view({4, 2});
  for (int step = 0; step < kSteps; ++step) {
    optimizer.zero_grad();
    torch::mse_loss(model->forward(x), y).backward();
    optimizer.step();
  }

  // What Python reads with torch.load(..., weights_only=True).
  auto state = agmohd::python::dict();
  for (const auto& item : model->named_parameters()) {
    state.insert(item.key(), agmohd::python::plain(item.value()));
  }
  agmohd::python::save(state, folder + "/model_of_cpp.pt");
  agmohd::save_python(optimizer, folder + "/optimizer_of_cpp.pt");
  return 0;
}

int main(int argc, char** argv) try {
  const std::string rule = argc > 2 ? argv[1] : "", folder = argc > 2 ? argv[2] : "";
  if (rule == "SGD") return go_on<agmohd::SGD>(folder);
  if (rule == "Adam") return go_on<agmohd::Adam>(folder);
  if (rule == "AdamW") return go_on<agmohd::AdamW>(folder);
  std::fputs("python_files: give SGD, Adam or AdamW, and a folder\n", stderr);
  return 2;
} catch (const c10::Error& error) {
  std::fprintf(stderr, "%s\n", error.what_without_backtrace());
  return 1;
}
