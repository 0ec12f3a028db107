// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// Healthy training without noise: losses and norms that swing by decades, and nothing is wrong.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <numbers>
#include <utility>

#include "dense.hpp"
#include "tasks.hpp"

namespace stability {
namespace {

using at::Tensor;
constexpr double kPi = std::numbers::pi;

Tensor tanh(const Tensor& x) { return at::tanh(x); }
Tensor relu(const Tensor& x) { return at::relu(x); }
Tensor derivative(const Tensor& y, const Tensor& x) {
  return torch::autograd::grad({y.sum()}, {x}, {}, true, true)[0];
}

/// A network and what it is to be on a batch.
class Fit : public Model {
 public:
  using Loss = std::function<Tensor(const Dense&, const Batch&)>;
  Fit(Dense net, Loss loss) : net_(std::move(net)), loss_(std::move(loss)) {}
  Tensor loss(const Batch& batch) override { return loss_(net_, batch); }
  std::vector<Tensor> parameters() const override { return net_.parameters(); }

 protected:
  Dense net_;
  Loss loss_;
};

Tensor squares(const Dense& net, const Batch& batch) { return at::mse_loss(net(batch.x), batch.y); }

/// -u'' = pi^2 sin(pi x) on [-1, 1], u = 0 at both ends: u = sin(pi x).
Tensor poisson(const Dense& net, const Batch& batch) {
  const at::AutoGradMode grad(true);
  const Tensor x = batch.x.detach().requires_grad_(), u = net(x);
  const Tensor curvature = derivative(derivative(u, x), x);
  const Tensor ends = net(at::tensor({-1.F, 1.F}).to(x.device()).unsqueeze(1));
  return (curvature + kPi * kPi * at::sin(kPi * x)).square().mean() + 10 * ends.square().mean();
}

/// u'' + 0.4 u' + 9 u = 0, u(0) = 1, u'(0) = 0, on [0, 2].
Tensor oscillator(const Dense& net, const Batch& batch) {
  const at::AutoGradMode grad(true);
  const Tensor x = batch.x.detach().requires_grad_(), u = net(x);
  const Tensor speed = derivative(u, x), rest = derivative(speed, x) + 0.4 * speed + 9 * u;
  return rest.square().mean() + 10 * (u[0] - 1).square().sum() + 10 * speed[0].square().sum();
}

/// Q-learning on all transitions of a grid world at once, with a target network that is copied
/// every `interval` steps (Mnih et al. 2015). Four actions; the last field ends an episode with 1,
/// each other step costs 0.02.
class GridWorld : public Model {
 public:
  GridWorld(std::int64_t side, std::int64_t interval, std::int64_t seed, c10::Device device)
      : interval_(interval),
        net_({side * side, 64, 64, 4}, relu, generator(seed), device),
        target_(net_),
        states_(at::eye(side * side).to(device)) {
    std::vector<std::int64_t> next;
    for (std::int64_t s = 0; s < side * side; ++s) {
      const std::int64_t row = s / side, column = s % side;
      next.push_back((row > 0 ? row - 1 : row) * side + column);
      next.push_back((row + 1 < side ? row + 1 : row) * side + column);
      next.push_back(row * side + (column > 0 ? column - 1 : column));
      next.push_back(row * side + (column + 1 < side ? column + 1 : column));
    }
    next_ = at::tensor(next).to(device);
    end_ = (next_ == side * side - 1).to(at::kFloat);
  }
  void begin(std::int64_t t) override {
    if (t % interval_ != 0) return;
    for (auto* tensors : {&target_.weights, &target_.biases}) {
      for (Tensor& p : *tensors) p = p.detach();
    }
    for (std::size_t i = 0; i < net_.weights.size(); ++i) {
      target_.weights[i] = net_.weights[i].detach().clone();
      target_.biases[i] = net_.biases[i].detach().clone();
    }
  }
  Tensor loss(const Batch& /*batch*/) override {
    const Tensor best = std::get<0>(target_(states_).max(1)).index_select(0, next_);
    const Tensor wanted = end_ + (1 - end_) * (0.95 * best - 0.02);
    return at::mse_loss(net_(states_).flatten().slice(0, 0, -4), wanted.slice(0, 0, -4));
  }
  std::vector<Tensor> parameters() const override { return net_.parameters(); }

 private:
  std::int64_t interval_;
  Dense net_, target_;
  Tensor states_, next_, end_;
};

/// Data, and what is made of it.
class NoiseFree : public Task {
 public:
  using Make = std::function<std::unique_ptr<Model>(std::int64_t seed)>;
  NoiseFree(std::int64_t count, double rate, Batch data, Make make, std::int64_t batch = 0)
      : data_(std::move(data)), make_(std::move(make)), batch_(batch) {
    steps = count, lr = rate, constant_rate = true;
    beta2 = 0.999, weight_decay = 0, threshold = 0.1;
    plateaus[0] = plateaus[1] = 1e30;
  }
  std::unique_ptr<Model> model(std::int64_t seed) const override { return make_(seed); }
  Tensor order(std::int64_t count, std::int64_t seed) const override {
    if (batch_ == 0) return at::zeros({count, 1}, data_.x.options().dtype(at::kLong));
    return draw(count, batch_, seed, data_.x.size(0)).to(data_.x.device());
  }
  Batch batch(const Tensor& numbers, bool /*rare*/) const override {
    if (batch_ == 0) return data_;
    Batch out;
    out.x = data_.x.index_select(0, numbers), out.y = data_.y.index_select(0, numbers);
    return out;
  }
  Batch held_out() const override { return data_; }

 private:
  Batch data_;
  Make make_;
  std::int64_t batch_;
};

Batch on(c10::Device device, const Tensor& x, const Tensor& y) {
  Batch out;
  out.x = x.to(device), out.y = y.to(device);
  return out;
}

}  // namespace

const std::vector<std::string>& noise_free_names(bool final_list) {
  static const std::vector<std::string> tuning{
      "sine", "sine-batches", "by-heart", "by-heart-3e-3", "autoencoder", "poisson", "grid-world"};
  static const std::vector<std::string> all{
      "sine",    "sine-batches", "by-heart",   "by-heart-3e-3", "autoencoder",
      "poisson", "grid-world",   "oscillator", "grid-world-7",  "factorisation"};
  return final_list ? all : tuning;
}

std::unique_ptr<Task> make_noise_free_task(const std::string& name, c10::Device device) {
  using Widths = std::vector<std::int64_t>;
  const auto fit = [&](const Widths& widths, Dense::Activation f, const Fit::Loss& loss) {
    return [=](std::int64_t seed) {
      return std::make_unique<Fit>(Dense(widths, f, generator(seed), device), loss);
    };
  };
  const auto task = [](auto&&... arguments) {
    return std::make_unique<NoiseFree>(std::forward<decltype(arguments)>(arguments)...);
  };
  if (name.starts_with("sine")) {  // the README's first program
    const Tensor x = at::linspace(-3, 3, 256).unsqueeze(1);
    return task(2000, 1e-2, on(device, x, at::sin(x)), fit({1, 64, 1}, tanh, squares),
                name == "sine" ? 0 : 32);
  }
  if (name.starts_with("by-heart")) {
    return task(3000, name == "by-heart" ? 1e-3 : 3e-3,
                on(device, normal({64, 8}, 31), normal({64, 1}, 32)),
                fit({8, 128, 128, 1}, tanh, squares));
  }
  if (name == "autoencoder") {
    const Tensor x = digits().x.slice(0, 0, 64);
    return task(2000, 3e-3, on(device, x, x), fit({64, 48, 8, 48, 64}, tanh, squares));
  }
  if (name == "factorisation") {  // a matrix of rank 4 as the product of three
    const Tensor y = normal({32, 4}, 41).matmul(normal({4, 32}, 42)) / 2;
    return task(2000, 3e-3, on(device, at::eye(32), y),
                fit(
                    {32, 32, 32, 32}, [](const Tensor& x) { return x; }, squares));
  }
  if (name == "poisson") {
    const Tensor x = at::linspace(-1, 1, 64).unsqueeze(1);
    return task(1500, 3e-3, on(device, x, x), fit({1, 32, 32, 1}, tanh, poisson));
  }
  if (name == "oscillator") {
    const Tensor x = at::linspace(0, 2, 64).unsqueeze(1);
    return task(1500, 3e-3, on(device, x, x), fit({1, 32, 32, 1}, tanh, oscillator));
  }
  if (name == "grid-world" || name == "grid-world-7") {
    const bool small = name == "grid-world";
    return task(2000, small ? 3e-3 : 1e-3, on(device, at::zeros(1), at::zeros(1)),
                [small, device](std::int64_t seed) {
                  return std::make_unique<GridWorld>(small ? 5 : 7, small ? 100 : 40, seed, device);
                });
  }
  return nullptr;
}

}  // namespace stability
