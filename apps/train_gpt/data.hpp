// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace demo {

/// A file's bytes on the device: the last tenth is held out, the rest is for training.
class Text {
 public:
  Text(const std::string& path, std::int64_t context, torch::Device device) : context_(context) {
    if (std::filesystem::is_directory(path)) {
      throw std::runtime_error("--data: '" + path + "' is a folder; give a file");
    }
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    if (!file) throw std::runtime_error("--data: cannot read '" + path + "'");
    size_ = static_cast<std::int64_t>(bytes.size());
    if (size_ / 10 <= context) {
      throw std::runtime_error("--data: '" + path + "' has " + std::to_string(size_) +
                               " bytes; give more than ten times --context " +
                               std::to_string(context));
    }
    held_out_ = size_ - size_ / 10;
    bytes_ = torch::tensor(at::ArrayRef<std::uint8_t>(
                               reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()),
                           torch::kUInt8)
                 .to(device);
    offsets_ = torch::arange(context + 1, torch::TensorOptions(torch::kInt64).device(device));
  }

  std::int64_t size() const { return size_; }

  /// Where every window of every step of a run begins, [steps, batch]: drawn once, from the seed
  /// alone, so that a resumed run needs no state but its step, and nothing has to be sent to the
  /// device during the run.
  torch::Tensor plan(std::int64_t steps, std::int64_t batch, std::int64_t seed) const {
    std::mt19937_64 random(static_cast<std::uint64_t>(seed));
    const auto choices = static_cast<std::uint64_t>(held_out_ - context_);
    std::vector<std::int64_t> starts(static_cast<std::size_t>(steps * batch));
    for (auto& start : starts) start = static_cast<std::int64_t>(random() % choices);
    return torch::tensor(starts).view({steps, batch}).to(bytes_.device());
  }

  /// Windows [n, context + 1] of bytes as int64 that begin at starts [n].
  torch::Tensor windows(const torch::Tensor& starts) const {
    return bytes_.index({starts.unsqueeze(1) + offsets_}).to(torch::kInt64);
  }

  /// Where at most `most` windows of the held-out text begin, evenly spread.
  torch::Tensor held_out(std::int64_t most) const {
    const std::int64_t room = size_ - held_out_ - context_,
                       count = std::clamp<std::int64_t>(room / context_, 1, most);
    return held_out_ + torch::arange(count, offsets_.options()) * (room / count);
  }

 private:
  std::int64_t context_, size_ = 0, held_out_ = 0;
  torch::Tensor bytes_, offsets_;
};

}  // namespace demo
