// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace agmohd::checkpoint {

/// A 64-bit digest of what a checkpoint holds (FNV-1a over words of 8 bytes, with a shift that
/// brings high bits down): LibTorch reads its files without checking their CRCs. It finds damage,
/// not malice.
class Digest {
 public:
  void add(const void* data, std::size_t bytes) {
    const auto* at = static_cast<const unsigned char*>(data);
    add(std::uint64_t{bytes});
    for (; bytes >= 8; bytes -= 8, at += 8) {
      std::uint64_t word;
      std::memcpy(&word, at, 8);
      add(word);
    }
    std::uint64_t word = 0;
    std::memcpy(&word, at, bytes);
    add(word);
  }
  void add(std::uint64_t word) {
    value_ = (value_ ^ word) * 0x100000001b3ULL;
    value_ ^= value_ >> 29;
  }
  void add(std::int64_t x) { add(static_cast<std::uint64_t>(x)); }
  void add(bool x) { add(std::uint64_t{x}); }
  void add(double x) { add(std::bit_cast<std::uint64_t>(x)); }
  void add(std::string_view text) { add(text.data(), text.size()); }
  /// The elements in logical order, wherever they lie; undefined tensors count, too.
  void add(const at::Tensor& tensor) {
    add(tensor.defined());
    if (!tensor.defined()) return;
    const at::Tensor host = tensor.detach().cpu().contiguous();
    add(host.const_data_ptr(), host.nbytes());
  }
  std::int64_t value() const { return static_cast<std::int64_t>(value_); }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

}  // namespace agmohd::checkpoint
