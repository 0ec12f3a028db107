// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "tasks.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/torch.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace stability {
namespace {

using torch::Tensor;
using torch::nn::Linear;

torch::nn::LayerNorm layer_norm(std::int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}));
}

/// A network whose weights come from a seed: GPT-2's initialisation for the transformers, He's for
/// the rest.
struct NetImpl : torch::nn::Module {
  virtual Tensor forward(const Tensor& x) = 0;

  void initialise(std::int64_t seed, std::int64_t layers) {
    const torch::NoGradGuard no_grad;
    at::Generator random = at::make_generator<at::CPUGeneratorImpl>(std::uint64_t(seed));
    for (auto& item : named_parameters()) {
      Tensor& p = item.value();
      if (p.dim() == 1) {
        p.fill_(item.key().ends_with("bias") ? 0.0 : 1.0);
        continue;
      }
      double deviation = 0.02;
      if (layers == 0) deviation = std::sqrt(2.0 / double(p.size(1)));
      if (item.key() == "patches.weight") deviation = 0.5;  // of 4 numbers
      if (item.key().ends_with("out.weight") || item.key().ends_with("down.weight")) {
        deviation /= std::sqrt(2.0 * double(layers));
      }
      p.normal_(0.0, deviation, random);
    }
  }
};

/// x + attention(norm(x)), then x + mlp(norm(x)).
struct BlockImpl : torch::nn::Module {
  BlockImpl(const Size& size, bool is_causal)
      : causal(is_causal),
        heads(size.heads),
        norm1(register_module("norm1", layer_norm(size.width))),
        norm2(register_module("norm2", layer_norm(size.width))),
        qkv(register_module("qkv", Linear(size.width, 3 * size.width))),
        out(register_module("out", Linear(size.width, size.width))),
        up(register_module("up", Linear(size.width, 4 * size.width))),
        down(register_module("down", Linear(4 * size.width, size.width))) {}

  Tensor forward(Tensor x) {
    const auto parts = qkv(norm1(x)).chunk(3, -1);
    const auto split = [&](const Tensor& t) {
      return t.unflatten(-1, {heads, -1}).transpose(1, 2);
    };
    const Tensor mixed = torch::scaled_dot_product_attention(split(parts[0]), split(parts[1]),
                                                             split(parts[2]), {}, 0.0, causal);
    x = x + out(mixed.transpose(1, 2).flatten(2));
    return x + down(torch::gelu(up(norm2(x)), "tanh"));
  }

  bool causal;
  std::int64_t heads;
  torch::nn::LayerNorm norm1, norm2;
  Linear qkv, out, up, down;
};
TORCH_MODULE(Block);

/// Tokens, or patches of numbers, through blocks. GPT: bytes [batch, time] -> logits [batch, time,
/// 256]. ViT: patches [batch, 16, 4] -> logits [batch, 10], of the mean over patches.
struct Transformer : NetImpl {
  Transformer(const Size& size, bool is_text, std::int64_t classes)
      : text(is_text),
        positions(register_module("positions", torch::nn::Embedding(size.context, size.width))),
        norm(register_module("norm", layer_norm(size.width))),
        head(register_module("head",
                             Linear(torch::nn::LinearOptions(size.width, classes).bias(false)))) {
    if (text) {
      bytes = register_module("bytes", torch::nn::Embedding(256, size.width));
    } else {
      patches = register_module("patches", Linear(4, size.width));
    }
    for (std::int64_t i = 0; i < size.layers; ++i) {
      blocks.push_back(register_module("block" + std::to_string(i), Block(size, text)));
    }
  }

  Tensor forward(const Tensor& input) override {
    Tensor x = (text ? bytes(input) : patches(input)) + positions->weight;
    for (Block& block : blocks) x = block(x);
    x = norm(x);
    return head(text ? x : x.mean(1));
  }

  bool text;
  torch::nn::Embedding bytes{nullptr}, positions;
  Linear patches{nullptr};
  std::vector<Block> blocks;
  torch::nn::LayerNorm norm;
  Linear head;
};

/// [batch, 64] -> logits [batch, 10].
struct Mlp : NetImpl {
  explicit Mlp(const Size& size) {
    std::int64_t width = 64;
    for (std::int64_t i = 0; i < size.layers; ++i) {
      layers.push_back(register_module("layer" + std::to_string(i), Linear(width, 4 * size.width)));
      width = 4 * size.width;
    }
    head = register_module("head", Linear(width, 10));
  }
  Tensor forward(const Tensor& input) override {
    Tensor x = input;
    for (Linear& layer : layers) x = torch::relu(layer(x));
    return head(x);
  }
  std::vector<Linear> layers;
  Linear head{nullptr};
};

class Trained : public Model {
 public:
  Trained(std::unique_ptr<NetImpl> net, double smoothing)
      : net_(std::move(net)), smoothing_(smoothing) {}
  Tensor loss(const Batch& batch) override {
    const Tensor logits = net_->forward(batch.x);
    return at::cross_entropy_loss(logits.flatten(0, -2), batch.y.flatten(), {}, at::Reduction::Mean,
                                  -100, smoothing_);
  }
  std::vector<Tensor> parameters() const override { return net_->parameters(); }
  std::vector<Tensor> hidden() const override {
    std::vector<Tensor> found;
    for (const auto& item : net_->named_parameters()) {
      const bool inner = item.key().starts_with("block") || item.key().starts_with("layer");
      if (inner && item.value().dim() > 1) found.push_back(item.value());
    }
    return found;
  }

 private:
  std::unique_ptr<NetImpl> net_;
  double smoothing_;
};

std::vector<std::uint8_t> read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file || bytes.empty()) throw std::runtime_error(std::string("cannot read ") + path);
  return {bytes.begin(), bytes.end()};
}

Tensor to_tensor(const std::vector<std::uint8_t>& bytes) {
  return torch::tensor(at::ArrayRef<std::uint8_t>(bytes.data(), bytes.size()), torch::kUInt8);
}

Tensor draw(std::int64_t steps, std::int64_t batch, std::int64_t seed, std::int64_t choices) {
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(steps * batch));
  for (auto& n : numbers) n = std::int64_t(random() % std::uint64_t(choices));
  return torch::tensor(numbers).view({steps, batch});
}

Tensor random_integers(std::mt19937_64& random, at::IntArrayRef shape, std::int64_t choices) {
  Tensor out = torch::empty(shape, torch::kInt64);
  for (std::int64_t i = 0; i < out.numel(); ++i) {
    out.mutable_data_ptr<std::int64_t>()[i] = std::int64_t(random() % std::uint64_t(choices));
  }
  return out;
}

/// The entropy of a byte, in nats: by itself, or given the one before.
double entropy(const std::vector<std::uint8_t>& text, bool given_previous) {
  std::vector<double> pairs(256 * 256), firsts(256);
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    const std::size_t previous = given_previous ? text[i] : 0;
    pairs[previous * 256 + text[i + 1]] += 1;
    firsts[previous] += 1;
  }
  double sum = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (pairs[i] > 0) sum -= pairs[i] * std::log(pairs[i] / firsts[i / 256]);
  }
  return sum / double(text.size() - 1);
}

class Text : public Task {
 public:
  Text(const Size& size, c10::Device device) : size_(size), device_(device) {
    const std::vector<std::uint8_t> bytes = read(STABILITY_TEXT);
    plateaus[0] = entropy(bytes, false);
    plateaus[1] = entropy(bytes, true);
    bytes_ = to_tensor(bytes).to(device);
    train_ = bytes_.size(0) - bytes_.size(0) / 10;
    offsets_ = torch::arange(size.context + 1).to(device);
    lr = kRates[3];
    threshold = 0.1;
  }
  std::unique_ptr<Model> model(std::int64_t seed) const override {
    auto net = std::make_unique<Transformer>(size_, true, 256);
    net->initialise(seed, size_.layers);
    net->to(device_);
    return std::make_unique<Trained>(std::move(net), 0);
  }
  Tensor order(std::int64_t steps, std::int64_t seed) const override {
    return draw(steps, size_.batch, seed, train_ - size_.context).to(device_);
  }
  Batch batch(const Tensor& starts) const override {
    const Tensor windows = bytes_.index({starts.unsqueeze(1) + offsets_}).to(torch::kInt64);
    return {windows.slice(1, 0, -1), windows.slice(1, 1)};
  }
  Batch noise(std::mt19937_64& random) const override {
    const auto make = [&] {
      return random_integers(random, {size_.batch, size_.context}, 256).to(device_);
    };
    Batch out;
    out.x = make(), out.y = make();
    return out;
  }
  Batch held_out() const override {
    const std::int64_t count = 64, room = bytes_.size(0) - train_ - size_.context - 1;
    return batch((train_ + torch::arange(count) * (room / count)).to(device_));
  }

 private:
  Size size_;
  c10::Device device_;
  Tensor bytes_, offsets_;
  std::int64_t train_ = 0;
};

/// 8 x 8 images of digits; the last 297 are held out. Labels are smoothed by 0.1, so that the loss
/// has a floor of 0.5 and a tenth of it means something.
class Digits : public Task {
 public:
  Digits(Size size, bool patches, c10::Device device)
      : size_(size), patches_(patches), device_(device) {
    size_.context = 16;
    const Tensor all = to_tensor(read(STABILITY_DIGITS)).view({-1, 65});
    x_ = shape(all.slice(1, 0, 64).to(torch::kFloat32) / 8 - 1).to(device);
    y_ = all.select(1, 64).to(torch::kInt64).to(device);
    plateaus[0] = plateaus[1] = 0.9 * std::log(10.0);
    lr = patches ? kRates[3] : kRates[2];
    threshold = 0.2;
  }
  std::unique_ptr<Model> model(std::int64_t seed) const override {
    std::unique_ptr<NetImpl> net;
    if (patches_) {
      net = std::make_unique<Transformer>(size_, false, 10);
    } else {
      net = std::make_unique<Mlp>(size_);
    }
    net->initialise(seed, patches_ ? size_.layers : 0);
    net->to(device_);
    return std::make_unique<Trained>(std::move(net), 0.1);
  }
  Tensor order(std::int64_t steps, std::int64_t seed) const override {
    return draw(steps, images(), seed, kTrain).to(device_);
  }
  Batch batch(const Tensor& numbers) const override {
    return {x_.index({numbers}), y_.index({numbers})};
  }
  Batch noise(std::mt19937_64& random) const override {
    const Tensor x = random_integers(random, {images(), 64}, 17).to(torch::kFloat32) / 8 - 1;
    return {shape(x).to(device_), random_integers(random, {images()}, 10).to(device_)};
  }
  Batch held_out() const override { return {x_.slice(0, kTrain), y_.slice(0, kTrain)}; }

 private:
  static constexpr std::int64_t kTrain = 1500;

  std::int64_t images() const { return 2 * size_.batch; }
  /// Patches of 2 x 2 pixels for the transformer.
  Tensor shape(const Tensor& x) const {
    if (!patches_) return x;
    return x.view({-1, 4, 2, 4, 2}).permute({0, 1, 3, 2, 4}).reshape({-1, 16, 4});
  }

  Size size_;
  bool patches_;
  c10::Device device_;
  Tensor x_, y_;
};

}  // namespace

std::unique_ptr<Task> make_task(const std::string& name, const Size& size, c10::Device device) {
  std::unique_ptr<Task> task;
  if (name == "gpt") task = std::make_unique<Text>(size, device);
  if (name == "mlp") task = std::make_unique<Digits>(size, false, device);
  if (name == "vit") task = std::make_unique<Digits>(size, true, device);
  if (!task) throw std::runtime_error("there is no task '" + name + "'");
  task->name = name;
  return task;
}

}  // namespace stability
