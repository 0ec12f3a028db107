// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// A run that is lost, and resumed from its checkpoint, ends as one that was not, bit for bit.
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cstdio>
#include <filesystem>

double train(std::int64_t steps, const std::filesystem::path& path) {
  torch::manual_seed(1);
  torch::nn::Sequential net(torch::nn::Linear(1, 32), torch::nn::Tanh(), torch::nn::Linear(32, 1));
  agmohd::AGMOHD optimizer(net->parameters(), agmohd::AGMOHDOptions(1e-2));
  torch::Tensor random, loss;
  if (std::filesystem::exists(path)) {
    torch::serialize::InputArchive archive, part;
    agmohd::load(archive, path);
    archive.read("model", part);
    net->load(part);
    archive.read("optimizer", part);
    optimizer.load(part);
    archive.read("random", random);
    at::Generator(at::detail::getDefaultCPUGenerator()).set_state(random);
  }
  for (std::int64_t step = optimizer.tally().steps + 1; step <= steps; ++step) {
    const torch::Tensor x = torch::randn({64, 1});
    optimizer.zero_grad();
    loss = torch::mse_loss(net->forward(x), torch::sin(2 * x));
    loss.backward();
    optimizer.step(loss);
    if (step % 10 != 0) continue;
    torch::serialize::OutputArchive archive, of_net, of_optimizer;
    net->save(of_net);
    optimizer.save(of_optimizer);
    archive.write("model", of_net);
    archive.write("optimizer", of_optimizer);
    archive.write("random", at::detail::getDefaultCPUGenerator().get_state());
    agmohd::save(archive, path);  // the whole old or the whole new file, whatever happens
  }
  return loss.item<double>();
}

int main() {
  for (const char* path : {"whole.pt", "parts.pt"}) std::filesystem::remove(path);
  const double whole = train(300, "whole.pt"), lost = train(157, "parts.pt"),
               resumed = train(300, "parts.pt");
  std::printf("loss %.9g; lost at %.3g, resumed from step 150: %.9g\n", whole, lost, resumed);
  return whole == resumed && whole < 0.05 ? 0 : 1;
}
