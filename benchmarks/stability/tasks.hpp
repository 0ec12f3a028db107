// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace stability {

/// The learning rates of the sweep, half decades; a task's reference learning rate is among them.
inline constexpr std::array<double, 7> kRates{1e-4, 3.16e-4, 1e-3, 3.16e-3, 1e-2, 3.16e-2, 1e-1};

struct Size {
  std::int64_t width = 48, layers = 2, heads = 4, context = 32, batch = 8;
};

struct Batch {
  at::Tensor x, y;
};

/// A network to be trained, with a loss.
class Model {
 public:
  virtual ~Model() = default;
  virtual at::Tensor loss(const Batch& batch) = 0;
  virtual std::vector<at::Tensor> parameters() const = 0;
  /// The hidden layers' matrices: what faults that do not hit everything hit. (A row of an
  /// embedding may never be used.)
  virtual std::vector<at::Tensor> hidden() const = 0;
};

/// Data and a network. Several threads may use one task: nothing here changes, and no global random
/// numbers are used.
class Task {
 public:
  virtual ~Task() = default;
  /// Initialised from the seed alone.
  virtual std::unique_ptr<Model> model(std::int64_t seed) const = 0;
  /// The batches of a run, [steps, batch]: as numbers, from the seed alone.
  virtual at::Tensor order(std::int64_t steps, std::int64_t seed) const = 0;
  virtual Batch batch(const at::Tensor& numbers) const = 0;
  /// Random inputs with random answers.
  virtual Batch noise(std::mt19937_64& random) const = 0;
  /// Data that is never trained on.
  virtual Batch held_out() const = 0;

  std::string name;
  double lr = 0;         ///< reference learning rate
  double threshold = 0;  ///< AGMOHD's hindrance_threshold, as the library advises for such tasks
  /// A loss that is reached without learning much; see kProtocol.
  double plateau(std::int64_t steps) const { return steps < 600 ? plateaus[0] : plateaus[1]; }
  double plateaus[2] = {};  ///< of short runs, of long ones
};

inline const std::vector<std::string>& task_names() {
  static const std::vector<std::string> names{"mlp", "gpt", "vit"};
  return names;
}

std::unique_ptr<Task> make_task(const std::string& name, const Size& size, c10::Device device);

}  // namespace stability
