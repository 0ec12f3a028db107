// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "../../step/executor.hpp"
#include "../registry.hpp"
#include "launches.hpp"
#include "memory.hpp"
#include "per_tensor_memories.hpp"
#include "stream_order.hpp"

namespace agmohd::cuda {

/// What an optimizer has on one CUDA device, but for the tables of its steps: options, memories,
/// records; and the order of streams. What is changed on the host is uploaded by flush().
template <class Recipe>
class DeviceState : public Executor<Recipe> {
 public:
  using typename Executor<Recipe>::Memory;
  using typename Executor<Recipe>::PerTensor;

  bool capturing() const override {
    const OnDevice guard(gpu_.device);
    return gpu_.capture_of(gpu_.current_stream()).has_value();
  }

  void begin() override {
    const OnDevice guard(gpu_.device);
    ordered_stream();
  }
  void end() override {
    const OnDevice guard(gpu_.device);
    mark(gpu_.current_stream());
  }

  bool several_streams() const override { return order_.keeper().has_value(); }
  void hold(const c10::DataPtr& memory) override {
    libtorch().recordDataPtrOnStream(memory, *order_.keeper());
  }

  void configure(const Settings<Recipe>& settings) override {
    settings_ = settings;
    settings_fresh_ = true;
  }

  void forget_records() override {
    if (!ring_) return;
    wait();
    new (ring_->data()) RecordRing{};
  }
  const RecordRing* records() const override {
    return ring_ ? static_cast<const RecordRing*>(ring_->data()) : nullptr;
  }
  typename Recipe::AllSignals signals() override {
    if (core_.data() == nullptr) return {};
    auto own = read(&core()->signals);
    const auto decided = read(&core()->decided);  // has the loss
    own.loss = decided.loss;
    own.has_loss = decided.has_loss;
    return own;
  }
  const Signals* measured() const override {
    return core_.data() == nullptr ? nullptr : &core()->signals;
  }

  void wait() override {
    const OnDevice guard(gpu_.device);
    gpu_.check(gpu_->synchronize(ordered_stream()));
  }
  std::int32_t add_per_tensor(const PerTensor& value) override { return memories_.add(value); }
  void drop_per_tensor(std::int32_t number) noexcept override { memories_.drop(number); }
  PerTensor read_per_tensor(std::int32_t number) override {
    const PerTensor* const on_host = memories_.on_host(number);
    return on_host != nullptr ? *on_host : read<PerTensor>(memories_.at(std::size_t(number)));
  }
  void write_per_tensor(std::int32_t number, const PerTensor& value) override {
    if (PerTensor* const on_host = memories_.on_host(number)) {
      *on_host = value;
    } else {
      write(memories_.at(std::size_t(number)), value);
    }
  }
  Memory read_memory() override {
    if (core_.data() == nullptr) return initial_memory_;
    settle();
    Memory memory = read<Memory>(&core()->memory);
    if constexpr (Recipe::counts_zeroed) memory.zeroed += std::int64_t(read(&core()->zeroed));
    return memory;
  }
  void write_memory(const Memory& memory) override {
    initial_memory_ = memory;
    if (core_.data() == nullptr) return;
    settle();
    write(&core()->memory, memory);
    if constexpr (Recipe::counts_zeroed) write(&core()->zeroed, 0ULL);
  }

 protected:
  DeviceState(const Gpu& gpu, const Kernels<Recipe>& kernels, const Device& device)
      : gpu_(gpu), launches_(gpu, kernels, device) {}

  /// From now on several streams use what this holds: none of it is given out again before
  /// `stream` is done with it.
  virtual void hold_for(const c10::Stream& stream) = 0;

  Core<Recipe>* core() const { return core_.template at<Core<Recipe>>(0); }

  /// What the last sweep measured goes from its table to the memory.
  void settle() {
    if constexpr (Recipe::settles) {
      const OnDevice guard(gpu_.device);
      const Stream stream = ordered_stream();
      TORCH_CHECK(!capturing_,
                  "agmohd: a value cannot be read back while a CUDA graph is captured");
      launches_.settle(core(), stream);
      mark(stream);
    }
  }
  RecordRing* ring() const { return ring_ ? static_cast<RecordRing*>(ring_->data()) : nullptr; }

  /// The current stream, after all that this executor enqueued on another before.
  Stream ordered_stream() {
    const Stream stream = gpu_.current_stream();
    capturing_ = gpu_.capture_of(stream);
    if (capturing_ || !order_.enter(stream)) return stream;
    hold_for(*order_.keeper());
    return stream;
  }
  /// To be called after enqueuing work on ordered_stream(): what another stream will wait for.
  void mark(Stream stream) {
    if (!capturing_) order_.leave(stream);
  }

  /// Uploads what the host changed: options, and the memories of tensors that are new.
  void flush(Stream stream) {
    if (!settings_fresh_ && memories_.flushed()) return;
    TORCH_CHECK(!capturing_,
                "agmohd: options or parameters changed after prepare(), and a CUDA graph is being "
                "captured; call "
                "prepare() again before the capture");
    if (core_.data() == nullptr) {
      if constexpr (Recipe::recorded) {
        if (!ring_) ring_.emplace(gpu_, sizeof(RecordRing));
        new (ring_->data()) RecordRing{};
      }
      DeviceBuffer made(gpu_, sizeof(Core<Recipe>));
      Core<Recipe> core{};
      core.memory = initial_memory_;
      uploader_.upload(made.data(), &core, sizeof core, stream);
      core_ = std::move(made);
    }
    if (settings_fresh_) {
      groups_.reserve(gpu_, settings_.groups.size());
      groups_.upload(uploader_, 0, settings_.groups.data(), settings_.groups.size(), stream);
      uploader_.upload(&core()->shared, &settings_.shared, sizeof settings_.shared, stream);
      forget_ahead(stream);
      settings_fresh_ = false;
    }
    memories_.flush(uploader_, stream);
  }

  /// What the last step left for the next one no longer holds.
  void forget_ahead(Stream stream) {
    if (Recipe::wants != 0) return;
    const void* const none = nullptr;
    uploader_.upload(&core()->ahead, &none, sizeof none, stream);
  }

  /// Waits for the device: a person asked for the value.
  template <class T>
  T read(const T* from) {
    const OnDevice guard(gpu_.device);
    const Stream stream = ordered_stream();
    TORCH_CHECK(!capturing_, "agmohd: a value cannot be read back while a CUDA graph is captured");
    T value;
    gpu_.check(gpu_->download(&value, from, sizeof value, stream));
    gpu_.check(gpu_->synchronize(stream));
    mark(stream);
    return value;
  }

  template <class T>
  void write(T* to, const T& value) {
    const OnDevice guard(gpu_.device);
    const Stream stream = ordered_stream();
    TORCH_CHECK(!capturing_,
                "agmohd: the state was changed while a CUDA graph is captured; change it before");
    uploader_.upload(to, &value, sizeof value, stream);
    forget_ahead(stream);
    mark(stream);
  }

  Gpu gpu_;
  Launches<Recipe> launches_;
  Uploader uploader_{gpu_};
  StableArray<typename Recipe::Group> groups_;
  PerTensorMemories<PerTensor> memories_{gpu_};
  StreamOrder order_{gpu_};
  std::optional<unsigned long long> capturing_;  // the capture that the stream is in

 private:
  Settings<Recipe> settings_;
  bool settings_fresh_ = false;
  Memory initial_memory_{};
  DeviceBuffer core_;  // Core<Recipe>
  std::optional<PinnedBuffer> ring_;
};

}  // namespace agmohd::cuda
