// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/cuda/CUDAGraphsC10Utils.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../core/executor.hpp"
#include "memory.cuh"
#include "reduce.cuh"
#include "step_table.cuh"
#include "sweep.cuh"
#include "swept.cuh"
#include "tuning.hpp"

namespace agmohd::cuda {

/// Steps of the tensors on one CUDA device, on the current stream: a reduce and a sweep for each
/// dtype, or where nothing is measured a sweep alone. Only what reads a value back waits.
template <class Recipe, class Tag>
class CudaExecutor final : public Executor<Recipe> {
 public:
  using typename Executor<Recipe>::Memory;
  using typename Executor<Recipe>::PerTensor;

  explicit CudaExecutor(int device) : CudaExecutor(device, properties(device)) {}

  bool capturing() const override {
    const c10::cuda::CUDAGuard guard(device_);
    return cuda::capturing(c10::cuda::getCurrentCUDAStream());
  }

  void begin() override {
    const c10::cuda::CUDAGuard guard(device_);
    ordered_stream();
  }
  void end() override {
    const c10::cuda::CUDAGuard guard(device_);
    mark(c10::cuda::getCurrentCUDAStream());
  }

  void bind(std::span<const TensorRef<Recipe>> tensors, const Handles*) override {
    refs_ = sorted_by_dtype(tensors);
    dirty_ = true;
  }
  void rebind(std::span<const TensorRef<Recipe>> tensors) override {
    std::size_t next = 0;
    for (const Dtype dtype : {Dtype::f32, Dtype::f64, Dtype::bf16, Dtype::f16}) {
      if (next < refs_.size() && refs_[next].dtype != dtype) continue;
      for (const auto& ref : tensors) {
        if (ref.dtype == dtype) refs_[next++].grad = ref.grad;
      }
    }
    moved_ = true;
  }

  void configure(const Settings<Recipe>& settings) override {
    settings_ = settings;
    settings_fresh_ = true;
  }

  void reserve(std::span<const TensorRef<Recipe>> tensors) override {
    const c10::cuda::CUDAGuard guard(device_);
    const cudaStream_t stream = ordered_stream();
    flush(stream);
    const std::vector<TensorRef<Recipe>> all = sorted_by_dtype(tensors);
    if (spare_ && spare_->planned_for(all)) return mark(stream);
    if (!spare_) spare_ = std::make_unique<StepTable<Recipe>>(tuning_, multiprocessors_);
    spare_->reserve(all);
    spare_->write(all, groups_, records_, uploader_, stream);
    mark(stream);
  }

  void measure(const LossRef& loss, bool alone) override {
    const c10::cuda::CUDAGuard guard(device_);
    const cudaStream_t stream = ordered_stream();
    flush(stream);
    StepTable<Recipe>& table = current_table(stream);
    parity_ = alone ? 0 : parity_ ^ 1;
    view_ = table.view(core_.template at<Core<Recipe>>(0), groups_.at(0), ring(),
                       on_device(loss, stream), parity_);
    early_ = false;
    if constexpr (Recipe::wants == 0) {
      if (view_.page_count == 0) launch_decide(stream);
    } else {
      TORCH_CHECK(alone || !capturing_,
                  "agmohd: a step over several devices cannot be captured in a CUDA graph");
      if (view_.page_count == 0) {  // no elements, or no gradient on this device
        C10_CUDA_CHECK(cudaMemsetAsync(&view_.core->signals[parity_], 0, sizeof(Signals), stream));
        if (alone) launch_decide(stream);
      }
      for (const Run& run : table.runs()) {
        const auto kernel = run.dtype == Dtype::f64 ? &reduce_kernel<Recipe, Tag, double>
                                                    : &reduce_kernel<Recipe, Tag, float>;
        const int shared = run.reduce_threads * mine_bytes<Recipe>;
        kernel<<<unsigned(run.reduce_blocks()), unsigned(run.reduce_threads), std::size_t(shared),
                 stream>>>(view_, run.dtype, run.first_page, run.pages, run.reduce_pages, run.tiny,
                           alone);
        C10_CUDA_KERNEL_LAUNCH_CHECK();
      }
      early_ = alone;
      if (alone) return;
      if (!measured_) measured_.emplace();
      measured_->record(stream);
    }
  }

  void finish(std::span<const std::shared_ptr<Executor<Recipe>>> all) override {
    const c10::cuda::CUDAGuard guard(device_);
    const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
    if (Recipe::wants != 0 && all.size() > 1) {
      gather(all, stream);
      launch_decide(stream);
    }
    for (const Run& run : active_->runs()) {
      launch(run, [&]<class E>(E) { launch_sweep<E>(run, stream); });
      early_ = false;
    }
    mark(stream);
  }

  void forget_records() override {
    if (!ring_) return;
    wait();
    new (ring_->data()) RecordRing{};
  }
  const RecordRing* records() const override {
    return ring_ ? static_cast<const RecordRing*>(ring_->data()) : nullptr;
  }
  Signals signals() override {
    if (core_.data() == nullptr) return {};
    return read<Signals>(&core_.template at<Core<Recipe>>(0)->signals[parity_]);
  }

  void wait() override {
    const c10::cuda::CUDAGuard guard(device_);
    C10_CUDA_CHECK(cudaStreamSynchronize(ordered_stream()));
  }
  std::int32_t add_record(const PerTensor& value) override {
    fresh_records_.push_back(value);
    return std::int32_t(record_count_ + fresh_records_.size() - 1);
  }
  PerTensor read_record(std::int32_t record) override {
    const auto i = std::size_t(record);
    if (i >= record_count_) return fresh_records_[i - record_count_];
    return read<PerTensor>(records_.at(i));
  }
  Memory read_memory() override {
    if (core_.data() == nullptr) return initial_memory_;
    settle();
    return read<Memory>(&core_.template at<Core<Recipe>>(0)->memory);
  }
  void write_memory(const Memory& memory) override {
    initial_memory_ = memory;
    if (core_.data() == nullptr) return;
    settle();
    const c10::cuda::CUDAGuard guard(device_);
    const cudaStream_t stream = ordered_stream();
    uploader_.upload(&core_.template at<Core<Recipe>>(0)->memory, &memory, sizeof memory, stream);
    forget_ahead(stream);
    mark(stream);
  }

 private:
  static cudaDeviceProp properties(int device) {
    cudaDeviceProp found{};
    C10_CUDA_CHECK(cudaGetDeviceProperties(&found, device));
    return found;
  }
  CudaExecutor(int device, const cudaDeviceProp& found)
      : device_(static_cast<c10::DeviceIndex>(device)),
        tuning_(tuning_for(found.name)),
        multiprocessors_(found.multiProcessorCount) {}

  /// What the last sweep measured goes from its table to the memory.
  void settle() {
    if constexpr (Recipe::watched) {
      const c10::cuda::CUDAGuard guard(device_);
      const cudaStream_t stream = ordered_stream();
      TORCH_CHECK(!capturing_,
                  "agmohd: a value cannot be read back while a CUDA graph is captured");
      settle_kernel<Recipe, Tag>
          <<<1, reduction::kLanes, 0, stream>>>(core_.template at<Core<Recipe>>(0));
      C10_CUDA_KERNEL_LAUNCH_CHECK();
      mark(stream);
    }
  }
  /// Where kernels read the loss.
  LossRef on_device(const LossRef& loss, cudaStream_t stream) {
    if (!loss.on_host) return loss;
    TORCH_CHECK(!capturing_,
                "agmohd: the loss of a step that is captured in a CUDA graph is on the host, where "
                "replays cannot see it change; hand over a tensor on the device");
    double* const to = &core_.template at<Core<Recipe>>(0)->loss;
    uploader_.upload(to, loss.at, sizeof *to, stream);
    return {to, Dtype::f64, false};
  }
  RecordRing* ring() const { return ring_ ? static_cast<RecordRing*>(ring_->data()) : nullptr; }

  /// The sweep that follows the reduce kernel of the same step is launched while that still runs,
  /// where device and code know how to wait for it (programmatic dependent launch).
  template <class E>
  void launch_sweep(const Run& run, cudaStream_t stream) {
    const auto kernel = &sweep_kernel<Recipe, Tag, E>;
    static const bool waits = [&] {
      cudaFuncAttributes attributes{};
      C10_CUDA_CHECK(cudaFuncGetAttributes(&attributes, kernel));
      return attributes.ptxVersion >= 90;
    }();
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    const int remembers = Recipe::recorded && run.first_page == 0 ? 1 : 0;
    config.gridDim = dim3(unsigned(run.sweep_blocks() + remembers));
    config.blockDim = dim3(unsigned(run.sweep_threads));
    config.stream = stream;
    config.attrs = &attribute;
    config.numAttrs = early_ && waits ? 1 : 0;
    C10_CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, view_, run.first_page, run.pages, run.tiny));
  }

  /// The current stream, after all that this executor enqueued on another before.
  cudaStream_t ordered_stream() {
    const c10::cuda::CUDAStream stream = c10::cuda::getCurrentCUDAStream();
    capturing_ = cuda::capturing(stream);
    if (capturing_) return stream;  // whoever captures orders the capture itself
    if (last_stream_ && *last_stream_ != stream) {
      done_->block(stream);
      for (const DeviceBuffer* buffer : {&core_, &board_}) buffer->record(stream);
      groups_.record(stream);
      records_.record(stream);
      eager_.record(stream);
      if (spare_) spare_->record(stream);
    }
    last_stream_ = stream;
    return stream;
  }
  /// To be called after enqueuing work on ordered_stream(): what another stream will wait for.
  void mark(cudaStream_t stream) {
    if (capturing_) return;
    if (!done_) done_.emplace();
    done_->record(stream);
  }

  /// Uploads what the host changed: options, and the records of tensors that are new.
  void flush(cudaStream_t stream) {
    if (!settings_fresh_ && fresh_records_.empty()) return;
    TORCH_CHECK(!capturing_,
                "agmohd: options or parameters changed after prepare(), and a CUDA graph is being "
                "captured; call "
                "prepare() again before the capture");
    if (core_.data() == nullptr) {
      if constexpr (Recipe::recorded) {
        if (!ring_) ring_.emplace(sizeof(RecordRing));
        new (ring_->data()) RecordRing{};
      }
      DeviceBuffer made(sizeof(Core<Recipe>));
      Core<Recipe> core{};
      core.memory = initial_memory_;
      uploader_.upload(made.data(), &core, sizeof core, stream);
      core_ = std::move(made);
    }
    if (settings_fresh_) {
      groups_.reserve(settings_.groups.size());
      groups_.upload(uploader_, 0, settings_.groups.data(), settings_.groups.size(), stream);
      uploader_.upload(&core_.template at<Core<Recipe>>(0)->shared, &settings_.shared,
                       sizeof settings_.shared, stream);
      forget_ahead(stream);
      settings_fresh_ = false;
    }
    records_.reserve(record_count_ + fresh_records_.size());
    records_.upload(uploader_, record_count_, fresh_records_.data(), fresh_records_.size(), stream);
    record_count_ += fresh_records_.size();
    fresh_records_.clear();
  }

  /// What the last step left for the next one no longer holds.
  void forget_ahead(cudaStream_t stream) {
    if (Recipe::wants != 0) return;
    const void* const none = nullptr;
    uploader_.upload(&core_.template at<Core<Recipe>>(0)->ahead, &none, sizeof none, stream);
  }

  /// The table of this step. A captured step has one of its own, which no later step touches.
  StepTable<Recipe>& current_table(cudaStream_t stream) {
    if (!capturing_) {
      if (dirty_ || active_ != &eager_) {
        settle();
        eager_.write(refs_, groups_, records_, uploader_, stream);
        forget_ahead(stream);
        active_ = &eager_;
      } else if (moved_) {
        eager_.write_grads(refs_, uploader_, stream);
      }
      dirty_ = moved_ = false;
      return eager_;
    }
    unsigned long long capture = 0;
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    C10_CUDA_CHECK(cudaStreamGetCaptureInfo(stream, &status, &capture));
    const bool same_capture = active_ != &eager_ && capture_ == capture;
    if (!same_capture || dirty_ || moved_) {
      TORCH_CHECK(spare_ != nullptr && spare_->holds(refs_),
                  "agmohd: this optimizer step is captured in a CUDA graph, but no table was "
                  "prepared for it; call "
                  "prepare() before each capture, after the last change of parameters");
      {  // relaxed for the other stream's sake
        const c10::cuda::CUDAStreamCaptureModeGuard relaxed(cudaStreamCaptureModeRelaxed);
        spare_->write_captured(refs_, groups_, records_, c10::cuda::getStreamFromPool());
      }
      captured_.push_back(std::move(spare_));
      active_ = captured_.back().get();
      capture_ = capture;
      dirty_ = moved_ = false;
    }
    return *active_;
  }

  /// Collects what all executors measured. Signals alternate between two places: a device may be a
  /// step ahead of one that still reads, but not two, since it waits for the other's next sums.
  void gather(std::span<const std::shared_ptr<Executor<Recipe>>> all, cudaStream_t stream) {
    if (board_.bytes() < all.size() * sizeof(Signals))
      board_ = DeviceBuffer(all.size() * sizeof(Signals));
    for (std::size_t i = 0; i < all.size(); ++i) {
      Signals* const to = board_.template at<Signals>(i * sizeof(Signals));
      if (const auto* other = dynamic_cast<const CudaExecutor*>(all[i].get())) {
        other->measured_->block(stream);
        C10_CUDA_CHECK(cudaMemcpyPeerAsync(to, device_, &other->view_.core->signals[other->parity_],
                                           other->device_, sizeof(Signals), stream));
      } else {
        const Signals host = all[i]->signals();
        uploader_.upload(to, &host, sizeof host, stream);
      }
    }
    view_.board = board_.template at<Signals>(0);
    view_.board_size = int(all.size());
  }

  template <class Launch>
  void launch(const Run& run, const Launch& kernel) {
    switch (run.dtype) {
      case Dtype::f32:
        kernel(float{});
        break;
      case Dtype::f64:
        kernel(double{});
        break;
      case Dtype::bf16:
        kernel(Bf16{});
        break;
      case Dtype::f16:
        kernel(F16{});
        break;
    }
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  }

  void launch_decide(cudaStream_t stream) {
    const unsigned threads = view_.tensor_count > 128 ? 512 : 128;
    decide_kernel<Recipe, Tag><<<1, threads, threads * mine_bytes<Recipe>, stream>>>(view_);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  }

  /// Waits for the device: a person asked for the value.
  template <class T>
  T read(const T* from) {
    const c10::cuda::CUDAGuard guard(device_);
    const cudaStream_t stream = ordered_stream();
    TORCH_CHECK(!cuda::capturing(stream),
                "agmohd: a value cannot be read back while a CUDA graph is captured");
    T value;
    C10_CUDA_CHECK(cudaMemcpyAsync(&value, from, sizeof value, cudaMemcpyDeviceToHost, stream));
    C10_CUDA_CHECK(cudaStreamSynchronize(stream));
    mark(stream);
    return value;
  }

  c10::DeviceIndex device_;
  Tuning tuning_;
  int multiprocessors_;
  Settings<Recipe> settings_;
  bool settings_fresh_ = false;
  Memory initial_memory_{};
  std::vector<PerTensor> fresh_records_;
  std::size_t record_count_ = 0;
  std::vector<TensorRef<Recipe>> refs_;
  bool dirty_ = true;   // refs_ are not those of a table
  bool moved_ = false;  // their gradients are not

  Uploader uploader_;
  DeviceBuffer core_;   // Core<Recipe>
  DeviceBuffer board_;  // Signals of all devices
  std::optional<PinnedBuffer> ring_;
  StableArray<typename Recipe::Group> groups_;
  StableArray<PerTensor> records_;
  StepTable<Recipe> eager_{tuning_, multiprocessors_};
  StepTable<Recipe>* active_ = &eager_;
  std::unique_ptr<StepTable<Recipe>> spare_;                  // for the next capture
  std::vector<std::unique_ptr<StepTable<Recipe>>> captured_;  // while the optimizer lives
  unsigned long long capture_ = 0;
  View<Recipe> view_{};
  int parity_ = 0;
  bool early_ = false;  // the kernel before in the stream is this step's last reduce
  std::optional<c10::cuda::CUDAStream> last_stream_;
  std::optional<Event> done_, measured_;
  bool capturing_ = false;
};

}  // namespace agmohd::cuda
