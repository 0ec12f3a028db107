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
inline constexpr std::array<double, 9> kRates{3.16e-5, 1e-4,    3.16e-4, 1e-3,   3.16e-3,
                                              1e-2,    3.16e-2, 1e-1,    3.16e-1};

struct Size {
  std::int64_t width = 48, layers = 2, heads = 4, context = 32, batch = 8;
};

struct Batch {
  at::Tensor x, y;
  bool rare = false;  ///< with what the task has only in rare steps
  double weight = 1;  ///< of the rare part
};

/// A network to be trained, with a loss.
class Model {
 public:
  virtual ~Model() = default;
  virtual at::Tensor loss(const Batch& batch) = 0;
  /// [..., classes], for answers y [...]; undefined where the loss is no cross-entropy.
  virtual at::Tensor logits(const Batch& /*batch*/) { return {}; }
  virtual std::vector<at::Tensor> parameters() const = 0;
  /// The hidden layers' matrices: what faults that do not hit everything hit, and what events
  /// unfreeze. (A row of an embedding may never be used.)
  virtual std::vector<at::Tensor> hidden() const { return {}; }
  /// Before step t.
  virtual void begin(std::int64_t /*t*/) {}
  /// The loss of the rare part, as it is without noise; undefined where there is none.
  virtual at::Tensor rare_loss(const Batch& /*sample*/) { return {}; }

  /// What a user may change in the middle of a run, where the model knows it.
  struct Knobs {
    double smoothing = 0;    ///< of labels
    double dropout = 0;      ///< probability
    double part_weight = 1;  ///< of the loss of the answer `part`
    std::int64_t part = 0;
  } knobs;
};

/// Data and a network. Several threads may use one task: nothing here changes, and no global random
/// numbers are used.
class Task {
 public:
  virtual ~Task() = default;
  /// Initialised from the seed alone.
  virtual std::unique_ptr<Model> model(std::int64_t seed) const = 0;
  /// Batches of a run, [count, batch]: as numbers, from the seed alone.
  virtual at::Tensor order(std::int64_t count, std::int64_t seed) const = 0;
  virtual Batch batch(const at::Tensor& numbers, bool rare) const = 0;
  /// Random inputs with random answers.
  virtual Batch noise(std::mt19937_64& /*random*/) const { return {}; }
  /// Data that is never trained on.
  virtual Batch held_out() const = 0;
  /// The same as data of another domain, `form` 1 or 2.
  virtual Batch other_domain(Batch batch, int /*form*/) const { return batch; }

  std::string name;
  double lr = 0;         ///< reference learning rate
  double threshold = 0;  ///< AGMOHD's hindrance_threshold, as the library advises for such tasks
  double beta2 = 0.95, weight_decay = 0.1;
  std::int64_t steps = 0;      ///< of a run; 0: as the command has it
  bool constant_rate = false;  ///< neither warm-up nor cosine
  /// A loss that is reached without learning much; see kProtocol.
  double plateau(std::int64_t count) const { return count < 600 ? plateaus[0] : plateaus[1]; }
  double plateaus[2] = {};  ///< of short runs, of long ones
};

/// Tasks of healthy runs, learning rates and faults.
inline const std::vector<std::string>& task_names() {
  static const std::vector<std::string> names{"mlp", "gpt", "vit"};
  return names;
}
/// Tasks with a part that only rare steps have.
const std::vector<std::string>& rare_task_names();
/// Tasks without noise; the final list has some more.
const std::vector<std::string>& noise_free_names(bool final_list);

std::unique_ptr<Task> make_task(const std::string& name, const Size& size, c10::Device device);
/// Null if the name is of another kind.
std::unique_ptr<Task> make_rare_task(const std::string& name, c10::Device device);
std::unique_ptr<Task> make_noise_free_task(const std::string& name, c10::Device device);

/// Random numbers below `choices`, [count, batch].
at::Tensor draw(std::int64_t count, std::int64_t batch, std::int64_t seed, std::int64_t choices);
/// Images of digits: [1797, 64] from -1 to 1, and [1797].
Batch digits();

}  // namespace stability
