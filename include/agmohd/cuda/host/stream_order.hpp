// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Stream.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "memory.hpp"

namespace agmohd::cuda {

/// Orders what is enqueued on changing streams, and keeps memory from being given out while one of
/// them uses it. Never during a capture: whoever captures orders the capture.
///
/// LibTorch's allocator gives freed memory out at once to the stream that allocated it. For memory
/// that was recorded on another stream it waits, at the time of the free, for that stream, which
/// must still exist. So memory is recorded on a stream of LibTorch's pool, the keeper, which lives
/// as long as the process and waits for all work of this device. There is none while the stream
/// stays the same.
class StreamOrder {
 public:
  explicit StreamOrder(const Gpu& gpu) : gpu_(gpu) {}

  /// `stream` waits for what was enqueued on another before, and for readers on other devices.
  /// True: it is another one.
  bool enter(Stream stream) {
    for (const auto& reader : readers_) reader->block(stream);
    readers_.clear();
    const unsigned long long number = gpu_.number_of(stream);
    if (std::exchange(last_, number).value_or(number) == number) return false;
    if (done_) done_->block(stream);
    if (!keeper_) {
      keeper_ = libtorch().getStreamFromGlobalPool(device_at(gpu_.device), /*isHighPriority=*/true);
      wait_in_keeper();
    }
    return true;
  }
  /// After enqueuing work on `stream`: what another stream will wait for.
  void leave(Stream stream) {
    if (!done_) done_.emplace(gpu_);
    done_->record(stream);
    wait_in_keeper();
  }
  /// After leave(): `stream`, which is not one of these, waits for it.
  void block(Stream stream) const { done_->block(stream); }
  /// The next stream waits for `reader`, which reads what lies here.
  void add_reader(std::shared_ptr<Event> reader) { readers_.push_back(std::move(reader)); }

  /// What memory in use has to be recorded on; none: the stream never changed.
  const std::optional<c10::Stream>& keeper() const { return keeper_; }

  /// The host waits for all work, and for all readers.
  void settle() const {
    if (done_) done_->await();
    for (const auto& reader : readers_) reader->await();
  }

 private:
  void wait_in_keeper() const {
    if (keeper_ && done_) done_->block(libtorch().getStreamNativeHandle(*keeper_));
  }

  Gpu gpu_;
  std::optional<unsigned long long> last_;  // number of the last stream
  std::optional<Event> done_;
  std::optional<c10::Stream> keeper_;
  std::vector<std::shared_ptr<Event>> readers_;
};

}  // namespace agmohd::cuda
