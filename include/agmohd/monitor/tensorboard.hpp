// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "records.hpp"

namespace agmohd::monitor {

namespace detail {

/// CRC-32C (Castagnoli et al. 1993), as RFC 3720 has it.
inline std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      table[i] = i;
      for (int bit = 0; bit < 8; ++bit) {
        table[i] = (table[i] >> 1) ^ ((table[i] & 1U) != 0 ? 0x82F63B78U : 0U);
      }
    }
    return table;
  }();
  std::uint32_t crc = ~0U;
  for (const char c : bytes)
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 255U];
  return ~crc;
}

/// A message in protobuf's wire format, made field by field.
class Message {
 public:
  Message& integer(unsigned field, std::uint64_t value) {
    varint(field << 3U | 0U);
    varint(value);
    return *this;
  }
  Message& number(unsigned field, double value) {
    varint(field << 3U | 1U);
    fixed(std::bit_cast<std::uint64_t>(value));
    return *this;
  }
  Message& number(unsigned field, float value) {
    varint(field << 3U | 5U);
    fixed(std::bit_cast<std::uint32_t>(value));
    return *this;
  }
  Message& bytes(unsigned field, std::string_view value) {
    varint(field << 3U | 2U);
    varint(value.size());
    data_ += value;
    return *this;
  }
  Message& message(unsigned field, const Message& value) { return bytes(field, value.data_); }

  /// Little-endian, whatever the host.
  template <class Unsigned>
  Message& fixed(Unsigned value) {
    for (std::size_t i = 0; i < sizeof value; ++i) data_ += char(value >> 8 * i & 255U);
    return *this;
  }

  const std::string& data() const { return data_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 128; value >>= 7U) data_ += char((value & 127U) | 128U);
    data_ += char(value);
  }

  std::string data_;
};

/// The framing of TFRecord: length and payload, each followed by its masked checksum.
inline std::string framed(const std::string& payload) {
  const auto masked = [](std::string_view bytes) {
    const std::uint32_t crc = crc32c(bytes);
    return (crc >> 15U | crc << 17U) + 0xA282EAD8U;
  };
  const std::string length = Message().fixed(std::uint64_t{payload.size()}).data();
  return length + Message().fixed(masked(length)).data() + payload +
         Message().fixed(masked(payload)).data();
}

}  // namespace detail

/// A sink that writes records as TensorBoard's event files: scalars of each step, and a text where
/// a hindrance begins. Field numbers are those of TensorFlow's event.proto, summary.proto and
/// tensor.proto. What cannot be written throws std::runtime_error that names the file.
class TensorBoard {
 public:
  /// A new file in `folder`, which is created where it is missing.
  explicit TensorBoard(const std::string& folder) {
    std::error_code ignored;  // what is wrong shows when the file is opened
    std::filesystem::create_directories(folder, ignored);
    char host[256] = "localhost", seconds[16];
    if (::gethostname(host, sizeof host - 1) != 0) std::strcpy(host, "localhost");
    std::snprintf(seconds, sizeof seconds, "%010lld", static_cast<long long>(now()));
    const std::string name = folder + "/events.out.tfevents." + seconds + "." + host;
    path_ = name;
    for (int i = 1; i < 1000 && std::filesystem::exists(path_, ignored); ++i) {
      path_ = name + "." + std::to_string(i);
    }
    file_.reset(std::fopen(path_.c_str(), "wbx"));
    if (file_ == nullptr) fail();
    write(event().bytes(3, "brain.Event:2"));
  }

  /// The file that is written.
  const std::string& path() const { return path_; }

  void operator()(const Record& r) {
    Message summary;
    const auto value = [&summary](const char* tag, double x) {
      summary.message(1, Message().bytes(1, std::string("agmohd/") + tag).number(2, float(x)));
    };
    if (!std::isnan(r.loss)) value("loss", r.loss);  // NaN: none was handed over
    value("lr", r.lr);
    value("norm", r.norm);
    value("update_rms", r.update_rms);
    value("level", r.level);
    value("clip_factor", r.clip_factor);
    value("momentum", r.momentum);
    value("lr_factor", r.lr_factor);
    write(event(r.step).message(5, summary));
    if (r.flags != 0 && r.flags != flags_) text("agmohd/hindrance", r.step, describe(r));
    flags_ = r.flags;
  }

  /// A number, or a text, of one's own.
  void scalar(const std::string& tag, std::int64_t step, double x) {
    write(
        event(step).message(5, Message().message(1, Message().bytes(1, tag).number(2, float(x)))));
  }
  void text(const std::string& tag, std::int64_t step, const std::string& text) {
    constexpr unsigned kString = 7;  // DataType
    const Message shape = Message().message(2, Message().integer(1, 1));
    const Message tensor = Message().integer(1, kString).message(2, shape).bytes(8, text);
    const Message metadata = Message().message(1, Message().bytes(1, "text"));
    const Message value = Message().bytes(1, tag).message(8, tensor).message(9, metadata);
    write(event(step).message(5, Message().message(1, value)));
  }

 private:
  using Message = detail::Message;
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  static double now() {
    using Seconds = std::chrono::duration<double>;
    return Seconds(std::chrono::system_clock::now().time_since_epoch()).count();
  }
  static Message event(std::int64_t step = 0) {
    return Message().number(1, now()).integer(2, static_cast<std::uint64_t>(step));
  }

  void write(const Message& event) {
    const std::string bytes = detail::framed(event.data());
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size() ||
        std::fflush(file_.get()) != 0) {
      fail();
    }
  }
  [[noreturn]] void fail() const {
    throw std::runtime_error("agmohd: cannot write " + path_ + ": " + std::strerror(errno));
  }

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  unsigned flags_ = 0;  // of the last record
};

}  // namespace agmohd::monitor
