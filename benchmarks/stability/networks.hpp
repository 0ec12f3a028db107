// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dense.hpp"
#include "tasks.hpp"

// The networks that classify: a transformer and an MLP.
namespace stability {

using torch::Tensor;
using torch::nn::Linear;

inline torch::nn::LayerNorm layer_norm(std::int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}));
}

/// A network whose weights come from a seed: GPT-2's initialisation for the transformers, He's for
/// the rest.
struct NetImpl : torch::nn::Module {
  virtual Tensor forward(const Tensor& x) = 0;

  /// Elements are zero with probability `dropout`, from a generator of one's own.
  Tensor drop(const Tensor& x) {
    if (dropout == 0) return x;
    return x * torch::empty(x.sizes()).bernoulli_(1 - dropout, noise).to(x.device()) /
           (1 - dropout);
  }

  void initialise(std::int64_t seed, std::int64_t layers) {
    const torch::NoGradGuard no_grad;
    at::Generator random = generator(seed);
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

  double dropout = 0;
  at::Generator noise;
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

  template <class Drop>
  Tensor forward(Tensor x, const Drop& drop) {
    const auto parts = qkv(norm1(x)).chunk(3, -1);
    const auto split = [&](const Tensor& t) {
      return t.unflatten(-1, {heads, -1}).transpose(1, 2);
    };
    const Tensor mixed = torch::scaled_dot_product_attention(split(parts[0]), split(parts[1]),
                                                             split(parts[2]), {}, 0.0, causal);
    x = x + drop(out(mixed.transpose(1, 2).flatten(2)));
    return x + drop(down(torch::gelu(up(norm2(x)), "tanh")));
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
    Tensor x =
        (text ? bytes(input) : patches(input)) + positions->weight.slice(0, 0, input.size(1));
    for (Block& block : blocks) {
      x = block->forward(x, [this](const Tensor& t) { return drop(t); });
    }
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
    for (Linear& layer : layers) x = drop(torch::relu(layer(x)));
    return head(x);
  }
  std::vector<Linear> layers;
  Linear head{nullptr};
};

class Trained : public Model {
 public:
  Trained(std::unique_ptr<NetImpl> net, double smoothing, std::int64_t part, std::int64_t seed)
      : net_(std::move(net)) {
    knobs.smoothing = smoothing;
    knobs.part = part;
    net_->noise = generator(seed);
  }
  Tensor loss(const Batch& batch) override {
    const Tensor logits = this->logits(batch).flatten(0, -2), answers = batch.y.flatten();
    const bool weighted = knobs.part_weight != 1;
    const Tensor all = at::cross_entropy_loss(logits, answers, {},
                                              weighted ? at::Reduction::None : at::Reduction::Mean,
                                              -100, knobs.smoothing);
    if (!weighted) return all;
    return (all * torch::where(answers == knobs.part, knobs.part_weight, 1.0)).mean();
  }
  Tensor logits(const Batch& batch) override {
    net_->dropout = torch::GradMode::is_enabled() ? knobs.dropout : 0;
    return net_->forward(batch.x);
  }
  /// Of the answer whose weight was changed.
  Tensor rare_loss(const Batch& sample) override {
    if (knobs.part_weight == 1) return {};
    net_->dropout = 0;
    const Tensor logits = net_->forward(sample.x).flatten(0, -2), answers = sample.y.flatten();
    const Tensor chosen = answers == knobs.part;
    return at::cross_entropy_loss(logits.index({chosen}), answers.index({chosen}), {},
                                  at::Reduction::Mean, -100, knobs.smoothing);
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
};

}  // namespace stability
