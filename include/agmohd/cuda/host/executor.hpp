// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "../../step/executor.hpp"
#include "../registry.hpp"
#include "../tuning.hpp"
#include "memory.hpp"
#include "stream_order.hpp"
#include "table.hpp"

namespace agmohd::cuda {

/// Steps of the tensors on one CUDA device, on the current stream: a reduce and a sweep for each
/// dtype, or where nothing is measured a sweep alone. Only what reads a value back waits.
template <class Recipe>
class CudaExecutor final : public Executor<Recipe> {
 public:
  using typename Executor<Recipe>::Memory;
  using typename Executor<Recipe>::PerTensor;

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

  bool captured() const override { return !captured_.empty(); }
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

  void bind(std::span<const TensorRef<Recipe>> tensors, const Handles*) override {
    refs_ = in_order_of_work(tensors);
    dirty_ = true;
  }
  void rebind(std::span<const TensorRef<Recipe>> tensors) override {
    for (std::size_t next = 0; next < refs_.size();) {
      const auto wave = refs_[next].wave;
      const auto dtype = refs_[next].dtype;
      for (const auto& ref : tensors) {
        if (ref.wave == wave && ref.dtype == dtype) refs_[next++].grad = ref.grad;
      }
    }
    moved_ = true;
  }

  void configure(const Settings<Recipe>& settings) override {
    settings_ = settings;
    settings_fresh_ = true;
  }

  void reserve(std::span<const TensorRef<Recipe>> tensors) override {
    const OnDevice guard(gpu_.device);
    const Stream stream = ordered_stream();
    TORCH_CHECK(!capturing_,
                "agmohd: prepare() was called while a CUDA graph is captured; call it before");
    flush(stream);
    const std::vector<TensorRef<Recipe>> all = in_order_of_work(tensors);
    if (!side_) side_.emplace(gpu_);
    if (spare_ && spare_->planned_for(all) && spare_->holds(all)) return mark(stream);
    if (!spare_) spare_ = std::make_unique<StepTable<Recipe>>(gpu_, tuning_, multiprocessors_);
    spare_->reserve(all);
    spare_->write(all, groups_, records_, uploader_, stream);
    mark(stream);
  }

  void measure(const LossRef& loss, bool alone) override {
    const OnDevice guard(gpu_.device);
    const Stream stream = ordered_stream();
    flush(stream);
    if (unfinished_) forget_unfinished(stream);
    StepTable<Recipe>& table = current_table(stream);
    view_ = table.view(core_.template at<Core<Recipe>>(0), groups_.at(0), ring(),
                       on_device(loss, stream));
    early_ = false;
    unfinished_ = true;
    if constexpr (Recipe::wants == 0) {
      if (view_.chunk_count == 0) launch_decide(stream);
    } else {
      TORCH_CHECK(alone || !capturing_,
                  "agmohd: a step over several devices cannot be captured in a CUDA graph");
      if (view_.chunk_count == 0) {  // no elements, or no gradient on this device
        launch_decide(stream, alone);
      }
      for (const Run& run : table.runs()) {
        const int settles = Recipe::measures_sweep && run.first_chunk == 0 ? 1 : 0;
        const bool decides = &run == &table.runs().back();
        launch(kernels_.reduce, run.reduce_blocks() + settles, run.reduce_threads,
               decides ? records_bytes(run.reduce_threads, view_.share) : 0, 1, stream, false,
               view_, run.dtype, run.first_chunk, run.chunks, run.reduce_chunks, run.reduce_warps,
               alone);
      }
      early_ = alone;
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
    launch_decide(stream);
    if (!judged_) judged_.emplace(gpu_);
    judged_->record(stream);
  }

  void finish(Executor<Recipe>& judge) override {
    const OnDevice guard(gpu_.device);
    const Stream stream = gpu_.current_stream();
    if (Recipe::wants != 0 && &judge != this) {
      take(judge, stream);
      launch_decide(stream);
    }
    if constexpr (Recipe::keeps_snapshots) launch_resting(stream);
    for (const Run& run : active_->runs()) {
      const int remembers = Recipe::recorded && run.first_chunk == 0 ? 1 : 0;
      // The sweep that follows the reduce kernel of the same step is launched while that still
      // runs, where device and code know how to wait for it (programmatic dependent launch).
      launch(sweep(run.dtype), run.sweep_blocks() + remembers, run.sweep_threads, 0, view_.split,
             stream, early_ && waits_, view_, run.first_chunk, run.chunks, run.tiny);
      early_ = false;
    }
    if (Recipe::recorded && view_.chunk_count == 0) {  // then a sweep of nothing remembers
      launch(sweep(Dtype::f32), 1, most_sweep_threads<Recipe>, 0, 1, stream, false, view_, 0, 0,
             false);
    }
    unfinished_ = false;
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
    auto* const core = core_.template at<Core<Recipe>>(0);
    Signals own = read<Signals>(&core->signals);
    const Signals decided = read<Signals>(&core->decided);  // has the loss
    own.loss = decided.loss;
    own.has_loss = decided.has_loss;
    return own;
  }

  void wait() override {
    const OnDevice guard(gpu_.device);
    gpu_.check(gpu_->synchronize(ordered_stream()));
  }
  std::int32_t add_per_tensor(const PerTensor& value) override {
    if (!free_per_tensor_.empty()) {
      const std::int32_t record = free_per_tensor_.back();
      reused_per_tensor_.insert_or_assign(record, value);
      free_per_tensor_.pop_back();
      return record;
    }
    fresh_per_tensor_.push_back(value);
    free_per_tensor_.reserve(per_tensor_count_ +
                             fresh_per_tensor_.capacity());  // to drop one throws nothing
    return std::int32_t(per_tensor_count_ + fresh_per_tensor_.size() - 1);
  }
  void drop_per_tensor(std::int32_t record) noexcept override {
    const auto i = std::size_t(record);
    if (i >= replayed_records_.size() || !replayed_records_[i]) free_per_tensor_.push_back(record);
  }
  PerTensor read_per_tensor(std::int32_t record) override {
    const auto i = std::size_t(record);
    if (const auto found = reused_per_tensor_.find(record); found != reused_per_tensor_.end()) {
      return found->second;
    }
    if (i >= per_tensor_count_) return fresh_per_tensor_[i - per_tensor_count_];
    return read<PerTensor>(records_.at(i));
  }
  void write_per_tensor(std::int32_t record, const PerTensor& value) override {
    const auto i = std::size_t(record);
    if (const auto found = reused_per_tensor_.find(record); found != reused_per_tensor_.end()) {
      found->second = value;
      return;
    }
    if (i >= per_tensor_count_) {
      fresh_per_tensor_[i - per_tensor_count_] = value;
      return;
    }
    const OnDevice guard(gpu_.device);
    const Stream stream = ordered_stream();
    TORCH_CHECK(!capturing_,
                "agmohd: the state was changed while a CUDA graph is captured; change it before");
    uploader_.upload(records_.at(i), &value, sizeof value, stream);
    mark(stream);
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
    const OnDevice guard(gpu_.device);
    const Stream stream = ordered_stream();
    TORCH_CHECK(!capturing_,
                "agmohd: the state was changed while a CUDA graph is captured; change it before");
    uploader_.upload(&core_.template at<Core<Recipe>>(0)->memory, &memory, sizeof memory, stream);
    forget_ahead(stream);
    mark(stream);
  }

 private:
  static Device describe(const Gpu& gpu) {
    Device found{};
    gpu.check(gpu->device(gpu.device, &found));
    return found;
  }
  CudaExecutor(const Gpu& gpu, const Kernels<Recipe>& kernels, const Device& found)
      : gpu_(gpu),
        kernels_(kernels),
        tuning_(tuning_for(found.name)),
        multiprocessors_(found.multiprocessors),
        can_wait_(found.major >= 9) {}

  /// What the last sweep measured goes from its table to the memory.
  void settle() {
    if constexpr (Recipe::measures_sweep) {
      const OnDevice guard(gpu_.device);
      const Stream stream = ordered_stream();
      TORCH_CHECK(!capturing_,
                  "agmohd: a value cannot be read back while a CUDA graph is captured");
      launch(kernels_.settle, 1, reduction::kLanes, 0, 1, stream, false,
             core_.template at<Core<Recipe>>(0));
      mark(stream);
    }
  }
  /// Where kernels read the loss.
  LossRef on_device(const LossRef& loss, Stream stream) {
    if (!loss.on_host) return loss;
    TORCH_CHECK(!capturing_,
                "agmohd: the loss of a step that is captured in a CUDA graph is on the host, where "
                "replays cannot see it change; hand over a tensor on the device");
    double* const to = &core_.template at<Core<Recipe>>(0)->loss;
    uploader_.upload(to, loss.at, sizeof *to, stream);
    return {to, Dtype::f64, false};
  }
  RecordRing* ring() const { return ring_ ? static_cast<RecordRing*>(ring_->data()) : nullptr; }

  template <class... P>
  void launch(void (*kernel)(P...), int blocks, int threads, int shared, int split, Stream stream,
              bool early, std::type_identity_t<P>... arguments) const {
    void* pointers[] = {&arguments...};
    gpu_.check(gpu_->launch(
        {reinterpret_cast<const void*>(kernel), blocks, threads, shared, split, stream, early},
        pointers));
  }
  auto sweep(Dtype dtype) const { return kernels_.sweep[std::size_t(dtype)]; }

  /// Loads the kernels of a table, so that a launch does not fail for want of memory for code.
  void load(const std::vector<Run>& runs) {
    waits_ = can_wait_;
    const auto version_of = [this](auto kernel) {
      int version = 0;
      gpu_.check(gpu_->ptx_version(reinterpret_cast<const void*>(kernel), &version));
      return version;
    };
    if (Recipe::wants != 0) (void)version_of(kernels_.reduce);
    if (Recipe::wants == 0 && runs.empty()) (void)version_of(kernels_.decide);
    if (Recipe::recorded && runs.empty()) (void)version_of(sweep(Dtype::f32));
    if constexpr (Recipe::keeps_snapshots) {
      (void)version_of(kernels_.rest_records);
      (void)version_of(kernels_.rest_chunks);
    }
    for (const Run& run : runs) waits_ = waits_ && version_of(sweep(run.dtype)) >= 90;
  }

  /// After a step of which only a part was launched: blocks were counted that nobody waits for.
  void forget_unfinished(Stream stream) {
    TORCH_CHECK(
        !capturing_,
        "agmohd: the step before failed; make one outside of a capture before the next graph");
    gpu_.check(gpu_->synchronize_device());
    Counters& count = core_.template at<Core<Recipe>>(0)->count;
    gpu_.check(gpu_->zero(&count, sizeof count, stream));
    forget_ahead(stream);
    unfinished_ = false;
  }

  /// The current stream, after all that this executor enqueued on another before.
  Stream ordered_stream() {
    const Stream stream = gpu_.current_stream();
    capturing_ = gpu_.capture_of(stream);
    if (capturing_ || !order_.enter(stream)) return stream;
    // What may be replaced; the rest lives as long as this.
    board_.hold_for(*order_.keeper());
    eager_.hold_for(*order_.keeper());
    if (spare_) spare_->hold_for(*order_.keeper());
    return stream;
  }
  /// To be called after enqueuing work on ordered_stream(): what another stream will wait for.
  void mark(Stream stream) {
    if (!capturing_) order_.leave(stream);
  }

  /// Uploads what the host changed: options, and the records of tensors that are new.
  void flush(Stream stream) {
    if (!settings_fresh_ && fresh_per_tensor_.empty() && reused_per_tensor_.empty()) return;
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
      uploader_.upload(&core_.template at<Core<Recipe>>(0)->shared, &settings_.shared,
                       sizeof settings_.shared, stream);
      forget_ahead(stream);
      settings_fresh_ = false;
    }
    records_.reserve(gpu_, per_tensor_count_ + fresh_per_tensor_.size());
    records_.upload(uploader_, per_tensor_count_, fresh_per_tensor_.data(),
                    fresh_per_tensor_.size(), stream);
    per_tensor_count_ += fresh_per_tensor_.size();
    fresh_per_tensor_.clear();
    std::vector<PerTensor> run;
    for (auto next = reused_per_tensor_.begin(); next != reused_per_tensor_.end();) {
      const auto first = std::size_t(next->first);
      for (run.clear();
           next != reused_per_tensor_.end() && std::size_t(next->first) == first + run.size();
           ++next) {
        run.push_back(next->second);
      }
      records_.upload(uploader_, first, run.data(), run.size(), stream);
    }
    reused_per_tensor_.clear();
  }

  /// What the last step left for the next one no longer holds.
  void forget_ahead(Stream stream) {
    if (Recipe::wants != 0) return;
    const void* const none = nullptr;
    uploader_.upload(&core_.template at<Core<Recipe>>(0)->ahead, &none, sizeof none, stream);
  }

  /// The table of this step. A captured step has one of its own, which no later step touches.
  StepTable<Recipe>& current_table(Stream stream) {
    if (!capturing_) {
      if (dirty_ || active_ != &eager_) {
        settle();
        eager_.write(refs_, groups_, records_, uploader_, stream);
        load(eager_.runs());
        forget_ahead(stream);
        active_ = &eager_;
      } else if (moved_) {
        eager_.write_grads(refs_, uploader_, stream);
      }
      dirty_ = moved_ = false;
      return eager_;
    }
    const bool same_capture = active_ != &eager_ && capture_ == *capturing_;
    if (!same_capture || dirty_ || moved_) {
      TORCH_CHECK(spare_ != nullptr && spare_->holds(refs_),
                  "agmohd: this optimizer step is captured in a CUDA graph, but no table was "
                  "prepared for it; call "
                  "prepare() before each capture, after the last change of parameters");
      {
        const RelaxedCapture relaxed(gpu_);
        order_.block(*side_);  // after what prepare() wrote
        spare_->write_captured(refs_, groups_, records_, *side_);
        load(spare_->runs());
      }
      for (const auto& ref : refs_) {
        const auto i = std::size_t(ref.record);
        if (i >= replayed_records_.size()) replayed_records_.resize(i + 1);
        replayed_records_[i] = true;
      }
      captured_.push_back(std::move(spare_));
      active_ = captured_.back().get();
      capture_ = *capturing_;
      dirty_ = moved_ = false;
    }
    return *active_;
  }

  /// Collects what all executors measured, all of them on CUDA devices: else the host judges.
  void gather(std::span<const std::shared_ptr<Executor<Recipe>>> all, Stream stream) {
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

  /// Phase 2 by itself: after the sums of several devices came together, or where no block does it.
  /// Or, if not `alone`, the end of phase 1 on a device that has nothing to measure but what its
  /// last sweep did.
  void launch_decide(Stream stream, bool alone = true) {
    const int threads = view_.tensor_count > 128 ? 512 : 128;
    if constexpr (Recipe::wants == 0) {
      launch(kernels_.decide, 1, threads, 0, 1, stream, false, view_);
    } else {  // by a reduce pass of nothing
      View<Recipe> view = view_;
      view.reduce_blocks = view.deciders = 1;
      view.share = active_->share(threads / reduction::kWarp, 1);
      launch(kernels_.reduce, 1, threads, records_bytes(threads, view.share), 1, stream, false,
             view, Dtype::f32, 0, 0, 0, 1, alone);
    }
  }
  /// What snapshots do with tensors without a gradient, after the decision and before the sweep,
  /// which moves the memory on.
  void launch_resting(Stream stream) {
    const int count = active_->resting();
    if (count == 0) return;
    constexpr int kThreads = 256;
    launch(kernels_.rest_records, (count + kThreads - 1) / kThreads, kThreads, 0, 1, stream, false,
           view_, count);
    const int chunks = active_->resting_chunks();
    if (chunks > 0) {
      launch(kernels_.rest_chunks, std::min(chunks, 4 * multiprocessors_), kThreads, 0, 1, stream,
             false, view_, chunks);
    }
    early_ = false;
  }
  /// For the records of the tensors that a block decides at a time.
  static int records_bytes(int threads, int share) {
    return threads / reduction::kWarp * share * int(sizeof(PerTensor));
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

  Gpu gpu_;
  Kernels<Recipe> kernels_;
  Tuning tuning_;
  int multiprocessors_;
  Settings<Recipe> settings_;
  bool settings_fresh_ = false;
  Memory initial_memory_{};
  std::size_t per_tensor_count_ = 0;                     // on the device
  std::vector<PerTensor> fresh_per_tensor_;              // behind those
  std::map<std::int32_t, PerTensor> reused_per_tensor_;  // not on the device yet
  std::vector<std::int32_t> free_per_tensor_;
  std::vector<bool> replayed_records_;  // captured graphs point to them: never free again
  std::vector<TensorRef<Recipe>> refs_;
  bool dirty_ = true;   // refs_ are not those of a table
  bool moved_ = false;  // their gradients are not

  Uploader uploader_{gpu_};
  DeviceBuffer core_;   // Core<Recipe>
  DeviceBuffer board_;  // Signals of all devices
  std::optional<PinnedBuffer> ring_;
  StableArray<typename Recipe::Group> groups_;
  StableArray<PerTensor> records_;
  StepTable<Recipe> eager_{gpu_, tuning_, multiprocessors_};
  StepTable<Recipe>* active_ = &eager_;
  std::unique_ptr<StepTable<Recipe>> spare_;                  // for the next capture
  std::vector<std::unique_ptr<StepTable<Recipe>>> captured_;  // while the optimizer lives
  unsigned long long capture_ = 0;
  View<Recipe> view_{};
  bool can_wait_, waits_ = false;  // for a kernel that a launch does not wait for
  bool early_ = false;             // the kernel before in the stream is this step's last reduce
  bool unfinished_ = false;        // the last step's launches are not complete
  StreamOrder order_{gpu_};
  std::optional<Event> measured_, judged_;
  std::shared_ptr<Event> read_;                  // what others have
  std::optional<OwnStream> side_;                // for tables of captured steps
  std::optional<unsigned long long> capturing_;  // the capture that the stream is in
};

}  // namespace agmohd::cuda
