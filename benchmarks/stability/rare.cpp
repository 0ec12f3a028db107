// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// Tasks with a part that only rare steps teach: what is lost if their gradients are.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>

#include "dense.hpp"
#include "tasks.hpp"

namespace stability {
namespace {

using at::Tensor;

constexpr std::int64_t kRows = 4096, kBatch = 32;

/// Rows of x and y, drawn with replacement; the last eighth is held out.
class Rows : public Task {
 public:
  Rows(Tensor x, Tensor y, c10::Device device)
      : device_(device), x_(std::move(x)), y_(std::move(y)) {
    x_ = x_.to(device), y_ = y_.to(device);
    threshold = 0.1;
    plateaus[0] = plateaus[1] = 1e30;
  }
  Tensor order(std::int64_t count, std::int64_t seed) const override {
    return draw(count, kBatch, seed, x_.size(0) * 7 / 8).to(device_);
  }
  Batch batch(const Tensor& numbers, bool rare) const override {
    Batch out;
    out.x = x_.index_select(0, numbers), out.y = y_.index_select(0, numbers), out.rare = rare;
    return out;
  }
  Batch held_out() const override {
    const std::int64_t begin = x_.size(0) * 7 / 8;
    Batch out;
    out.x = x_.slice(0, begin), out.y = y_.slice(0, begin);
    return out;
  }

 protected:
  c10::Device device_;
  Tensor x_, y_;
};

/// A GAN's discriminator with the penalty R1 in rare steps only (Mescheder et al. 2018; lazy:
/// Karras et al. 2020): loss += weight * gamma / 2 * E |dD(x)/dx|^2 over real x.
class Discriminator : public Model {
 public:
  Discriminator(std::int64_t seed, c10::Device device)
      : net_(
            {2, 32, 32, 1}, [](const Tensor& x) { return at::softplus(x); }, generator(seed),
            device) {}
  Tensor loss(const Batch& batch) override {
    const Tensor real = net_(batch.x), fake = net_(batch.y);
    const Tensor plain = at::softplus(-real).mean() + at::softplus(fake).mean();
    if (!batch.rare) return plain;
    return plain + batch.weight * 0.5 * kGamma * penalty(batch.x, true);
  }
  std::vector<Tensor> parameters() const override { return net_.parameters(); }
  Tensor rare_loss(const Batch& sample) override {
    const at::AutoGradMode grad(true);
    return penalty(sample.x, false).detach();
  }

 private:
  static constexpr double kGamma = 1;

  Tensor penalty(const Tensor& real, bool graph) const {
    const Tensor x = real.detach().requires_grad_();
    const Tensor slope = torch::autograd::grad({net_(x).sum()}, {x}, {}, graph, graph)[0];
    return slope.square().sum(1).mean();
  }
  Dense net_;
};

class DiscriminatorTask : public Rows {
 public:
  /// Real points near a circle, the others near a smaller one.
  explicit DiscriminatorTask(c10::Device device) : Rows(circle(1, 11), circle(0.5, 12), device) {
    lr = kRates[3];
    weight_decay = 0;
  }
  std::unique_ptr<Model> model(std::int64_t seed) const override {
    return std::make_unique<Discriminator>(seed, device_);
  }

 private:
  static Tensor circle(double radius, std::int64_t seed) {
    const Tensor angle = at::arange(kRows) * 0.61803398875 * 6.28318530718;
    return radius * at::stack({at::cos(angle), at::sin(angle)}, 1) +
           0.05 * normal({kRows, 2}, seed);
  }
};

/// Linear regression; the last feature is zero but in batches of a rare domain.
class Regression : public Model {
 public:
  Regression(std::int64_t seed, c10::Device device)
      : weight_((0.1 * normal({1, kFeatures}, seed)).to(device).requires_grad_()) {
    const at::NoGradGuard no_grad;
    weight_.select(1, kFeatures - 1).zero_();
  }
  Tensor loss(const Batch& batch) override {
    rare_seen_ = rare_seen_ || batch.rare;
    return at::mse_loss(at::linear(batch.x, weight_), batch.y);
  }
  std::vector<Tensor> parameters() const override { return {weight_}; }
  /// (1 - w)^2: the loss of the rare feature alone.
  Tensor rare_loss(const Batch& /*sample*/) override {
    if (!rare_seen_) return {};
    return (1 - weight_.select(1, kFeatures - 1)).square().sum();
  }
  static constexpr std::int64_t kFeatures = 65;

 private:
  Tensor weight_;
  bool rare_seen_ = false;
};

class RareDomain : public Rows {
 public:
  explicit RareDomain(c10::Device device)
      : Rows(normal({kRows, Regression::kFeatures}, 21), 0.1 * normal({kRows, 1}, 22), device) {
    y_ += x_.slice(1, 0, -1).sum(1, true) * 0.125;
    lr = 0.016;
    weight_decay = 0;
  }
  std::unique_ptr<Model> model(std::int64_t seed) const override {
    return std::make_unique<Regression>(seed, device_);
  }
  Batch batch(const Tensor& numbers, bool rare) const override {
    Batch out = Rows::batch(numbers, rare);
    const Tensor feature = out.x.select(1, Regression::kFeatures - 1).unsqueeze(1);
    if (rare) {
      out.y = out.y + feature;
    } else {
      feature.zero_();
    }
    return out;
  }
  Batch held_out() const override {
    Batch out = Rows::held_out();
    out.y = out.y + out.x.select(1, Regression::kFeatures - 1).unsqueeze(1);
    return out;
  }
};

/// Digits are classified; a second head that names their row sums learns in rare steps only.
class TwoHeads : public Model {
 public:
  TwoHeads(std::int64_t seed, c10::Device device)
      : trunk_(
            {64, 96, 48}, [](const Tensor& x) { return at::relu(x); }, generator(seed), device),
        main_({48, 10}, nullptr, generator(seed + 1), device),
        rare_({48, 8}, nullptr, generator(seed + 2), device) {}
  Tensor loss(const Batch& batch) override {
    const Tensor features = at::relu(trunk_(batch.x));
    const Tensor plain =
        at::cross_entropy_loss(main_(features), batch.y, {}, at::Reduction::Mean, -100, 0.1);
    if (!batch.rare) return plain;
    return plain + batch.weight * at::mse_loss(rare_(features), sums(batch.x));
  }
  std::vector<Tensor> parameters() const override {
    std::vector<Tensor> all;
    for (const Dense* part : {&trunk_, &main_, &rare_}) {
      for (const Tensor& p : part->parameters()) all.push_back(p);
    }
    return all;
  }
  Tensor rare_loss(const Batch& sample) override {
    return at::mse_loss(rare_(at::relu(trunk_(sample.x))), sums(sample.x));
  }

 private:
  static Tensor sums(const Tensor& x) { return x.view({-1, 8, 8}).mean(2) * 2; }
  Dense trunk_, main_, rare_;
};

class RareHead : public Rows {
 public:
  explicit RareHead(c10::Device device) : Rows(digits().x, digits().y, device) {
    lr = kRates[3];
    threshold = 0.2;
  }
  std::unique_ptr<Model> model(std::int64_t seed) const override {
    return std::make_unique<TwoHeads>(seed, device_);
  }
};

}  // namespace

const std::vector<std::string>& rare_task_names() {
  static const std::vector<std::string> names{"discriminator", "regression", "two-heads"};
  return names;
}

std::unique_ptr<Task> make_rare_task(const std::string& name, c10::Device device) {
  if (name == "discriminator") return std::make_unique<DiscriminatorTask>(device);
  if (name == "regression") return std::make_unique<RareDomain>(device);
  if (name == "two-heads") return std::make_unique<RareHead>(device);
  return nullptr;
}

}  // namespace stability
