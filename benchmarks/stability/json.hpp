// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <concepts>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace stability::json {

inline std::string text(double x) {
  if (!std::isfinite(x)) return "null";
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", x);
  return buffer;
}

inline std::string text(std::string_view s) {
  std::string out = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out + '"';
}

inline std::string text(const std::vector<double>& all) {
  std::string out;
  for (const double x : all) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.5g", x);
    out += (out.empty() ? "" : ",") + (std::isfinite(x) ? std::string(buffer) : "null");
  }
  return "[" + out + "]";
}

/// An object on one line; numbers that are not finite become null.
class Object {
 public:
  void add_raw(std::string_view name, const std::string& value) {
    body_ += (body_.empty() ? "" : ",") + json::text(name) + ":" + value;
  }
  void add(std::string_view name, std::integral auto value) {
    add_raw(name, std::to_string(value));
  }
  void add(std::string_view name, double value) { add_raw(name, json::text(value)); }
  void add(std::string_view name, std::string_view value) { add_raw(name, json::text(value)); }
  void add(std::string_view name, const std::vector<double>& value) {
    add_raw(name, json::text(value));
  }
  std::string text() const { return "{" + body_ + "}"; }

 private:
  std::string body_;
};

}  // namespace stability::json
