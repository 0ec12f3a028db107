// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "tasks.hpp"

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "networks.hpp"

namespace stability {
namespace {

std::vector<std::uint8_t> read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file || bytes.empty()) throw std::runtime_error(std::string("cannot read ") + path);
  return {bytes.begin(), bytes.end()};
}

Tensor to_tensor(const std::vector<std::uint8_t>& bytes) {
  return torch::tensor(at::ArrayRef<std::uint8_t>(bytes.data(), bytes.size()), torch::kUInt8);
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
    lr = kRates[4];
    threshold = 0.1;
  }
  std::unique_ptr<Model> model(std::int64_t seed) const override {
    auto net = std::make_unique<Transformer>(size_, true, 256);
    net->initialise(seed, size_.layers);
    net->to(device_);
    return std::make_unique<Trained>(std::move(net), 0.0, ' ', seed);
  }
  Tensor order(std::int64_t count, std::int64_t seed) const override {
    return draw(count, size_.batch, seed, train_ - size_.context).to(device_);
  }
  Batch batch(const Tensor& starts, bool /*rare*/) const override {
    const Tensor windows = bytes_.index({starts.unsqueeze(1) + offsets_}).to(torch::kInt64);
    Batch out;
    out.x = windows.slice(1, 0, -1), out.y = windows.slice(1, 1);
    return out;
  }
  /// Text read backwards, or in a cipher.
  Batch other_domain(Batch batch, int form) const override {
    if (form == 1) {
      const Tensor x = batch.x;
      batch.x = batch.y.flip({1}), batch.y = x.flip({1});
    } else {
      batch.x = (batch.x + 1) % 256, batch.y = (batch.y + 1) % 256;
    }
    return batch;
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
    return batch((train_ + torch::arange(count) * (room / count)).to(device_), false);
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
    const Batch all = digits();
    x_ = shape(all.x).to(device);
    y_ = all.y.to(device);
    plateaus[0] = plateaus[1] = 0.9 * std::log(10.0);
    lr = patches ? kRates[4] : kRates[3];
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
    return std::make_unique<Trained>(std::move(net), 0.1, 3, seed);
  }
  Tensor order(std::int64_t count, std::int64_t seed) const override {
    return draw(count, images(), seed, kTrain).to(device_);
  }
  Batch batch(const Tensor& numbers, bool /*rare*/) const override {
    Batch out;
    out.x = x_.index({numbers}), out.y = y_.index({numbers});
    return out;
  }
  /// Images turned by half a turn, or their negatives.
  Batch other_domain(Batch batch, int form) const override {
    batch.x = form == 1 ? batch.x.flatten(1).flip({1}).view_as(batch.x) : -batch.x;
    return batch;
  }
  Batch noise(std::mt19937_64& random) const override {
    const Tensor x = random_integers(random, {images(), 64}, 17).to(torch::kFloat32) / 8 - 1;
    Batch out;
    out.x = shape(x).to(device_), out.y = random_integers(random, {images()}, 10).to(device_);
    return out;
  }
  Batch held_out() const override {
    Batch out;
    out.x = x_.slice(0, kTrain), out.y = y_.slice(0, kTrain);
    return out;
  }

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

Tensor draw(std::int64_t count, std::int64_t batch, std::int64_t seed, std::int64_t choices) {
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count * batch));
  for (auto& n : numbers) n = std::int64_t(random() % std::uint64_t(choices));
  return torch::tensor(numbers).view({count, batch});
}

Batch digits() {
  const Tensor all = to_tensor(read(STABILITY_DIGITS)).view({-1, 65});
  Batch out;
  out.x = all.slice(1, 0, 64).to(torch::kFloat32) / 8 - 1;
  out.y = all.select(1, 64).to(torch::kInt64);
  return out;
}

std::unique_ptr<Task> make_task(const std::string& name, const Size& size, c10::Device device) {
  std::unique_ptr<Task> task;
  if (name == "gpt") task = std::make_unique<Text>(size, device);
  if (name == "mlp") task = std::make_unique<Digits>(size, false, device);
  if (name == "vit") task = std::make_unique<Digits>(size, true, device);
  if (!task) task = make_rare_task(name, device);
  if (!task) task = make_noise_free_task(name, device);
  if (!task) throw std::runtime_error("there is no task '" + name + "'");
  task->name = name;
  return task;
}

}  // namespace stability
