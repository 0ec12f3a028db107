// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <torch/torch.h>

#include <cmath>
#include <vector>

namespace demo {

struct GptSize {
  std::int64_t layers, width, heads, context;
};

/// x + attention(norm(x)), then x + mlp(norm(x)); causal. [batch, time, width] -> the same.
struct BlockImpl : torch::nn::Module {
  explicit BlockImpl(const GptSize& size)
      : heads(size.heads),
        norm1(register_module("norm1", norm(size))),
        norm2(register_module("norm2", norm(size))),
        qkv(register_module("qkv", torch::nn::Linear(size.width, 3 * size.width))),
        out(register_module("out", torch::nn::Linear(size.width, size.width))),
        up(register_module("up", torch::nn::Linear(size.width, 4 * size.width))),
        down(register_module("down", torch::nn::Linear(4 * size.width, size.width))) {}

  torch::Tensor forward(torch::Tensor x) {
    const auto parts = qkv(norm1(x)).chunk(3, -1);
    const auto split = [&](const torch::Tensor& t) {
      return t.unflatten(-1, {heads, -1}).transpose(1, 2);
    };
    const auto mixed = torch::scaled_dot_product_attention(
        split(parts[0]), split(parts[1]), split(parts[2]), {}, 0.0, /*is_causal=*/true);
    x = x + out(mixed.transpose(1, 2).flatten(2));
    return x + down(torch::gelu(up(norm2(x)), "tanh"));
  }

  std::int64_t heads;
  torch::nn::LayerNorm norm1, norm2;
  torch::nn::Linear qkv, out, up, down;

 private:
  static torch::nn::LayerNorm norm(const GptSize& size) {
    return torch::nn::LayerNorm(torch::nn::LayerNormOptions({size.width}));
  }
};
TORCH_MODULE(Block);

/// A byte-level GPT: bytes [batch, time] (int64) -> logits [batch, time, 256].
struct GptImpl : torch::nn::Module {
  explicit GptImpl(const GptSize& size)
      : bytes(register_module("bytes", torch::nn::Embedding(256, size.width))),
        positions(register_module("positions", torch::nn::Embedding(size.context, size.width))),
        norm(register_module("norm",
                             torch::nn::LayerNorm(torch::nn::LayerNormOptions({size.width})))),
        head(register_module(
            "head", torch::nn::Linear(torch::nn::LinearOptions(size.width, 256).bias(false)))) {
    for (std::int64_t i = 0; i < size.layers; ++i) {
      blocks.push_back(register_module("block" + std::to_string(i), Block(size)));
    }
    const torch::NoGradGuard no_grad;  // GPT-2's initialisation
    for (auto& item : named_parameters()) {
      if (item.value().dim() == 1) {
        if (item.key().ends_with("bias")) item.value().zero_();
        continue;
      }
      const bool residual =
          item.key().ends_with("out.weight") || item.key().ends_with("down.weight");
      item.value().normal_(
          0.0, residual ? 0.02 / std::sqrt(2.0 * static_cast<double>(size.layers)) : 0.02);
    }
  }

  torch::Tensor forward(const torch::Tensor& text) {
    torch::Tensor x = bytes(text) + positions(torch::arange(text.size(1), text.options()));
    for (Block& block : blocks) x = block(x);
    return head(norm(x));
  }

  /// Mean cross entropy, nats a byte, of predicting each next byte of windows [batch, context + 1].
  torch::Tensor loss(const torch::Tensor& windows) {
    const auto logits = forward(windows.slice(1, 0, -1));
    return torch::cross_entropy_loss(logits.flatten(0, 1), windows.slice(1, 1).flatten());
  }

  torch::nn::Embedding bytes, positions;
  std::vector<Block> blocks;
  torch::nn::LayerNorm norm;
  torch::nn::Linear head;
};
TORCH_MODULE(Gpt);

}  // namespace demo
