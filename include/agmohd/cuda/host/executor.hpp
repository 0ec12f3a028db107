// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <span>

#include "../registry.hpp"
#include "../tuning.hpp"
#include "device_state.hpp"
#include "tables.hpp"

namespace agmohd::cuda {

/// Steps of the tensors on one CUDA device, on the current stream: a reduce and a sweep for each
/// run (dtype and wave), or where nothing is measured a sweep alone; before them two for rows (13
/// or 25 for medians), between them up to three for factors, then of residuals two for each run and
/// up to three more, and up to three for snapshots, behind them three for a second sweep. Only what
/// reads a value back waits.
template <class Recipe>
class CudaExecutor final : public DeviceState<Recipe> {
  using State = DeviceState<Recipe>;
  using State::capturing_, State::groups_, State::gpu_, State::launches_, State::memories_,
      State::order_, State::uploader_;
  using State::core, State::flush, State::forget_ahead, State::mark, State::ordered_stream,
      State::ring, State::settle;

 public:
  CudaExecutor(int device, const Kernels<Recipe>& kernels)
      : CudaExecutor(Gpu{device, kernels.runtime}, kernels, describe({device, kernels.runtime})) {}

  CudaExecutor(const CudaExecutor&) = delete;
  CudaExecutor& operator=(const CudaExecutor&) = delete;
  /// Waits: kernels write to pinned memory, other devices read, and graphs use the tables.
  ~CudaExecutor() override {
    try {
      const OnDevice guard(gpu_.device);
      const RelaxedCapture relaxed(gpu_);
      order_.settle();
      if (unfinished_ || captured()) gpu_.check(gpu_->synchronize_device());
    } catch (const std::exception&) {  // the device is broken, or the program has ended
    }
  }

  bool captured() const override { return tables_.captured(); }
  void bind(std::span<const TensorRef<Recipe>> tensors, const Handles*) override {
    tables_.bind(tensors);
    if constexpr (Recipe::keeps_averages) {
      keeps_averages_ = std::any_of(tensors.begin(), tensors.end(), [](const auto& tensor) {
        return tensor.factors.used() && tensor.snapshots.room(tensor.numel);
      });
    }
  }
  void rebind(std::span<const TensorRef<Recipe>> tensors) override { tables_.rebind(tensors); }

  void reserve(std::span<const TensorRef<Recipe>> tensors) override {
    const OnDevice guard(gpu_.device);
    const Stream stream = ordered_stream();
    TORCH_CHECK(!capturing_,
                "agmohd: prepare() was called while a CUDA graph is captured; call it before");
    flush(stream);
    tables_.reserve(tensors, groups_, memories_, uploader_, stream);
    mark(stream);
  }

  void measure(const LossRef& loss, bool alone) override {
    const OnDevice guard(gpu_.device);
    const Stream stream = ordered_stream();
    flush(stream);
    if (unfinished_) forget_unfinished(stream);
    find_table(stream);
    const StepTable<Recipe>& table = tables_.active();
    view_ = table.view(core(), groups_.at(0), ring(), on_device(loss, stream));
    unfinished_ = true;
    if constexpr (Recipe::rows) launches_.rows(view_, table.runs(), stream);
    if constexpr (Recipe::wants == 0) {
      if (view_.chunk_count == 0) launches_.decide(view_, table, true, stream);
    } else {
      TORCH_CHECK(alone || !capturing_,
                  "agmohd: a step over several devices cannot be captured in a CUDA graph");
      // No elements, no gradient on this device, or nothing to measure of gradients.
      if (view_.chunk_count == 0 || !Recipe::measures_gradients) {
        launches_.decide(view_, table, alone, stream);
      } else {
        launches_.reduce(view_, table.runs(), alone, stream);
      }
      if (alone) return;
      if (!measured_) measured_.emplace(gpu_);
      measured_->record(stream);
    }
  }

  void judge(std::span<const std::shared_ptr<Executor<Recipe>>> all) override {
    if (Recipe::wants == 0 || all.size() == 1) return;  // then reduce or the last sweep decided
    const OnDevice guard(gpu_.device);
    const Stream stream = gpu_.current_stream();
    gather(all, stream);
    launches_.decide(view_, tables_.active(), true, stream);
    if (!judged_) judged_.emplace(gpu_);
    judged_->record(stream);
  }

  void finish(Executor<Recipe>& judge) override {
    const OnDevice guard(gpu_.device);
    const Stream stream = gpu_.current_stream();
    if (Recipe::wants != 0 && &judge != this) {
      take(judge, stream);
      launches_.decide(view_, tables_.active(), true, stream);
    }
    if constexpr (Recipe::keeps_snapshots) launches_.rest(view_, tables_.active(), stream);
    if constexpr (Recipe::factored) launches_.factors(view_, tables_.active().runs(), stream);
    if constexpr (Recipe::keeps_averages) {
      if (keeps_averages_) launches_.averages(view_, tables_.active(), stream);
    }
    launches_.sweep(view_, tables_.active().runs(), stream);
    unfinished_ = false;
    mark(stream);
  }

 private:
  static Device describe(const Gpu& gpu) {
    Device found{};
    gpu.check(gpu->device(gpu.device, &found));
    return found;
  }
  CudaExecutor(const Gpu& gpu, const Kernels<Recipe>& kernels, const Device& found)
      : State(gpu, kernels, found), tables_(gpu, tuning_for(found.name), found.multiprocessors) {}

  void hold_for(const c10::Stream& stream) override {
    board_.hold_for(stream);
    tables_.hold_for(stream);
  }

  /// Where kernels read the loss.
  LossRef on_device(const LossRef& loss, Stream stream) {
    if (!loss.on_host) return loss;
    TORCH_CHECK(!capturing_,
                "agmohd: the loss of a step that is captured in a CUDA graph is on the host, where "
                "replays cannot see it change; hand over a tensor on the device");
    double* const to = &core()->loss;
    uploader_.upload(to, loss.at, sizeof *to, stream);
    return {to, Dtype::f64, false};
  }

  /// After a step of which only a part was launched: blocks were counted that nobody waits for.
  void forget_unfinished(Stream stream) {
    TORCH_CHECK(
        !capturing_,
        "agmohd: the step before failed; make one outside of a capture before the next graph");
    gpu_.check(gpu_->synchronize_device());
    Counters& count = core()->count;
    gpu_.check(gpu_->zero(&count, sizeof count, stream));
    forget_ahead(stream);
    unfinished_ = false;
  }

  /// Sees to it that tables_.active() is the table of this step.
  void find_table(Stream stream) {
    if (capturing_) {
      const RelaxedCapture relaxed(gpu_);
      const auto* const table = tables_.write_captured(*capturing_, groups_, memories_, order_);
      if (table == nullptr) return;
      launches_.load(table->runs());
      tables_.use_captured(*capturing_, memories_);
    } else if (tables_.eager_is_stale()) {
      settle();
      launches_.load(tables_.write_eager(groups_, memories_, uploader_, stream).runs());
      forget_ahead(stream);
      tables_.use_eager();
    } else {
      tables_.write_grads(uploader_, stream);
    }
  }

  /// Collects what all executors measured, all of them on CUDA devices: else the host judges.
  void gather(std::span<const std::shared_ptr<Executor<Recipe>>> all, Stream stream) {
    using Signals = typename Recipe::AllSignals;
    if (board_.bytes() < all.size() * sizeof(Signals))
      board_ = DeviceBuffer(gpu_, all.size() * sizeof(Signals));
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto& other = dynamic_cast<CudaExecutor&>(*all[i]);
      read_from(other, &Core<Recipe>::signals, *other.measured_,
                board_.template at<Signals>(i * sizeof(Signals)), stream);
    }
    view_.board = board_.template at<Signals>(0);
    view_.board_size = int(all.size());
  }
  /// Gets the judgement of another executor.
  void take(Executor<Recipe>& judge, Stream stream) {
    typename Recipe::Judgement* const to = &view_.core->judgement;
    if (const auto* const on_host = judge.judgement()) {
      uploader_.upload(to, on_host, sizeof *to, stream);
    } else {
      auto& other = dynamic_cast<CudaExecutor&>(judge);
      read_from(other, &Core<Recipe>::judgement, *other.judged_, to, stream);
    }
    view_.board_size = -1;
  }
  /// Copies what another executor, or this one, has in its Core since `ready`. It enqueues nothing
  /// more before that is read.
  template <class T>
  void read_from(CudaExecutor& other, T Core<Recipe>::*from, const Event& ready, T* to,
                 Stream stream) {
    ready.block(stream);
    gpu_.check(gpu_->copy_peer(to, gpu_.device, &(other.view_.core->*from), other.gpu_.device,
                               sizeof(T), stream));
    if (&other == this) return;
    if (!read_) read_ = std::make_shared<Event>(gpu_);
    read_->record(stream);
    other.order_.add_reader(read_);
  }

  Tables<Recipe> tables_;
  DeviceBuffer board_;  // Signals of all devices
  View<Recipe> view_{};
  bool keeps_averages_ = false;
  bool unfinished_ = false;  // the last step's launches are not complete
  std::optional<Event> measured_, judged_;
  std::shared_ptr<Event> read_;  // what others have
};

}  // namespace agmohd::cuda
