// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "memory.hpp"

namespace agmohd::cuda {

/// What policies remember of each tensor, by number: an array on the device, and on the host what
/// was added or replaced since flush().
template <class PerTensor>
class PerTensorMemories {
 public:
  explicit PerTensorMemories(const Gpu& gpu) : gpu_(gpu) {}

  PerTensor* at(std::size_t i) const { return on_device_.at(i); }
  const StableArray<PerTensor>& array() const { return on_device_; }

  std::int32_t add(const PerTensor& value) {
    if (!free_.empty()) {
      const std::int32_t number = free_.back();
      reused_.insert_or_assign(number, value);
      free_.pop_back();
      return number;
    }
    fresh_.push_back(value);
    free_.reserve(count_ + fresh_.capacity());  // to drop one throws nothing
    return std::int32_t(count_ + fresh_.size() - 1);
  }
  void drop(std::int32_t number) noexcept {
    const auto i = std::size_t(number);
    if (i >= replayed_.size() || !replayed_[i]) free_.push_back(number);
  }
  /// A captured graph points to it: it is never free again.
  void keep(std::int32_t number) {
    const auto i = std::size_t(number);
    if (i >= replayed_.size()) replayed_.resize(i + 1);
    replayed_[i] = true;
  }
  /// What is not on the device yet; null: it is.
  PerTensor* on_host(std::int32_t number) {
    if (const auto found = reused_.find(number); found != reused_.end()) return &found->second;
    const auto i = std::size_t(number);
    return i >= count_ ? &fresh_[i - count_] : nullptr;
  }

  bool flushed() const { return fresh_.empty() && reused_.empty(); }
  void flush(Uploader& uploader, Stream stream) {
    on_device_.reserve(gpu_, count_ + fresh_.size());
    on_device_.upload(uploader, count_, fresh_.data(), fresh_.size(), stream);
    count_ += fresh_.size();
    fresh_.clear();
    std::vector<PerTensor> run;  // consecutive ones
    for (auto next = reused_.begin(); next != reused_.end();) {
      const auto first = std::size_t(next->first);
      for (run.clear(); next != reused_.end() && std::size_t(next->first) == first + run.size();
           ++next) {
        run.push_back(next->second);
      }
      on_device_.upload(uploader, first, run.data(), run.size(), stream);
    }
    reused_.clear();
  }

 private:
  Gpu gpu_;
  StableArray<PerTensor> on_device_;
  std::size_t count_ = 0;                     // on the device
  std::vector<PerTensor> fresh_;              // behind those
  std::map<std::int32_t, PerTensor> reused_;  // not on the device yet
  std::vector<std::int32_t> free_;
  std::vector<bool> replayed_;
};

}  // namespace agmohd::cuda
