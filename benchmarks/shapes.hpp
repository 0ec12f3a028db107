// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace bench {

using Shapes = std::vector<std::vector<std::int64_t>>;

/// The parameters of GPT-2 (Radford et al. 2019), output layer tied to the embedding.
inline Shapes gpt2(int blocks, std::int64_t width) {
  const std::int64_t w = width;
  Shapes shapes{{50257, w}, {1024, w}};
  for (int i = 0; i < blocks; ++i) {
    const Shapes block{{w}, {w}, {3 * w, w}, {3 * w}, {w, w},     {w},
                       {w}, {w}, {4 * w, w}, {4 * w}, {w, 4 * w}, {w}};
    shapes.insert(shapes.end(), block.begin(), block.end());
  }
  shapes.insert(shapes.end(), 2, {w});
  return shapes;
}

/// Layers of a perceptron with biases, from `widths[0]` inputs on.
inline Shapes mlp(const std::vector<std::int64_t>& widths) {
  Shapes shapes;
  for (std::size_t i = 1; i < widths.size(); ++i) {
    shapes.push_back({widths[i], widths[i - 1]});
    shapes.push_back({widths[i]});
  }
  return shapes;
}

/// Four convolutions with batch normalisation and two layers behind them: 0.5 M parameters in 20
/// tensors.
inline Shapes cnn() {
  const std::vector<std::int64_t> channels{3, 32, 64, 128, 128};
  Shapes shapes;
  for (std::size_t i = 1; i < channels.size(); ++i) {
    const std::int64_t c = channels[i];
    const Shapes block{{c, channels[i - 1], 3, 3}, {c}, {c}, {c}};
    shapes.insert(shapes.end(), block.begin(), block.end());
  }
  const Shapes head = mlp({2048, 128, 10});
  shapes.insert(shapes.end(), head.begin(), head.end());
  return shapes;
}

inline Shapes equal(std::size_t tensors, std::int64_t elements) {
  return Shapes(tensors, {elements});
}

inline std::int64_t elements_of(const Shapes& shapes) {
  std::int64_t sum = 0;
  for (const auto& shape : shapes) {
    std::int64_t n = 1;
    for (const std::int64_t size : shape) n *= size;
    sum += n;
  }
  return sum;
}

}  // namespace bench
