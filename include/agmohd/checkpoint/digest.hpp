// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <torch/serialize/archive.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

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
    if (bytes > 0) std::memcpy(&word, at, bytes);
    add(word);
  }
  void add(std::uint64_t word) {
    value_ = (value_ ^ word) * 0x100000001b3ULL;
    value_ ^= value_ >> 29;
  }
  void add(std::int64_t x) { add(static_cast<std::uint64_t>(x)); }
  void add(double x) { add(std::bit_cast<std::uint64_t>(x)); }
  void add(std::string_view text) { add(text.data(), text.size()); }
  /// Dtype, shape, and the elements in logical order, wherever they lie; undefined tensors count,
  /// too.
  void add(const at::Tensor& tensor) {
    add(std::uint64_t{tensor.defined()});
    if (!tensor.defined()) return;
    add(std::int64_t(tensor.scalar_type()));
    add(tensor.dim());
    for (const std::int64_t size : tensor.sizes()) add(size);
    const at::Tensor host = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous();
    add(host.const_data_ptr(), host.nbytes());
  }
  void add(const c10::IValue& x) {
    add(std::string_view(x.tagKind()));
    if (x.isTensor()) add(x.toTensor());
    if (x.isString()) add(std::string_view(x.toStringRef()));
    if (x.isInt()) add(x.toInt());
    if (x.isDouble()) add(x.toDouble());
    if (x.isBool()) add(std::uint64_t{x.toBool()});
    if (x.isIntList()) {
      for (const std::int64_t i : x.toIntVector()) add(i);
    }
    if (x.isDoubleList()) {
      for (const double element : x.toDoubleVector()) add(element);
    }
    if (x.isTuple()) {
      for (const c10::IValue& element : x.toTupleRef().elements()) add(element);
    }
  }
  std::int64_t value() const { return static_cast<std::int64_t>(value_); }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

/// The digest of all entries of an archive under their paths, in whatever order.
class Contents {
 public:
  void add(const std::string& path, const c10::IValue& value) { sum_ += of(path, value); }
  void remove(const std::string& path, const c10::IValue& value) { sum_ -= of(path, value); }
  /// All that an archive has below `path`, its own place.
  void add(const std::string& path, torch::serialize::InputArchive& archive) {
    for (const std::string& key : archive.keys()) {
      const std::string place = std::string(path).append("/").append(key);
      torch::serialize::InputArchive nested;
      c10::IValue value;
      if (archive.try_read(key, nested)) {
        add(place, nested);
      } else if (archive.try_read(key, value)) {
        add(place, value);
      }
    }
  }
  std::int64_t value() const { return static_cast<std::int64_t>(sum_); }

 private:
  static std::uint64_t of(const std::string& path, const c10::IValue& value) {
    Digest digest;
    digest.add(std::string_view(path));
    digest.add(value);
    return static_cast<std::uint64_t>(digest.value());
  }

  std::uint64_t sum_ = 0;
};

/// Writes into an archive, and digests what it writes.
class Writer {
 public:
  Writer(torch::serialize::OutputArchive& parent, Contents& contents, std::string path)
      : archive_(parent.compilation_unit()), contents_(contents), path_(std::move(path)) {}
  void write(const std::string& key, const c10::IValue& value) {
    contents_.add(path_ + "/" + key, value);
    archive_.write(key, value);
  }
  /// A number as torch.optim writes one.
  void write_count(const std::string& key, std::size_t count) {
    const at::Tensor number = at::scalar_tensor(std::int64_t(count), at::kLong);
    contents_.add(path_ + "/" + key, number);
    archive_.write(key, number);
  }
  Writer nested(const std::string& key) { return {archive_, contents_, path_ + "/" + key}; }
  /// After all of `nested` was written.
  void write(const std::string& key, Writer& nested) { archive_.write(key, nested.archive_); }
  void write_to(torch::serialize::OutputArchive& parent) { parent.write(path_, archive_); }

 private:
  torch::serialize::OutputArchive archive_;
  Contents& contents_;
  std::string path_;
};

}  // namespace agmohd::checkpoint
