// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/ivalue.h>
#include <c10/util/Exception.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "pickle_values.hpp"

namespace agmohd::checkpoint {

/// What the operations of a pickle work on: its bytes, from which they take their arguments, the
/// stack with its marks, and the memo. Errors are c10::Error.
class PickleStack {
 protected:
  explicit PickleStack(std::string_view pickle) : pickle_(pickle) {}

  void need(bool fine) const {
    TORCH_CHECK(fine, detail::classic, "it is damaged: byte ", at_, " of its data.pkl");
  }
  [[noreturn]] static void refuse(const std::string& what) {
    TORCH_CHECK(false, "it holds ", what,
                ", but only tensors, numbers, strings, lists, tuples and dictionaries can be read");
  }

  std::string_view take(std::uint64_t count) {
    need(count <= pickle_.size() - at_);
    at_ += count;
    return pickle_.substr(at_ - count, count);
  }
  template <class Number>
  Number number() {
    Number x;
    std::memcpy(&x, take(sizeof x).data(), sizeof x);
    return x;
  }
  std::string_view line() {
    const std::size_t end = pickle_.find('\n', at_);
    need(end != std::string_view::npos);
    const std::string_view text = take(end - at_);
    at_ += 1;
    return text;
  }
  static std::uint64_t reversed(std::uint64_t x) {
    std::uint64_t y = 0;
    for (int i = 0; i < 8; ++i, x >>= 8) y = y << 8 | (x & 0xff);
    return y;
  }
  std::int64_t long_integer(std::size_t bytes) {
    if (bytes > 8) refuse("an integer of more than 64 bits");
    const std::string_view text = take(bytes);
    std::uint64_t x = bytes > 0 && (text.back() & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    for (std::size_t i = bytes; i-- > 0;) x = x << 8 | static_cast<unsigned char>(text[i]);
    return static_cast<std::int64_t>(x);
  }

  void push(c10::IValue x) { stack_.push_back(std::move(x)); }
  /// Items below the last mark are out of reach.
  std::size_t reachable() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  c10::IValue& top() {
    need(reachable() > 0);
    return stack_.back();
  }
  c10::IValue pop() {
    c10::IValue x = std::move(top());
    stack_.pop_back();
    return x;
  }
  std::vector<c10::IValue> last(std::size_t count) {
    need(count <= reachable());
    const auto from = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<c10::IValue> items(std::make_move_iterator(from),
                                   std::make_move_iterator(stack_.end()));
    stack_.erase(from, stack_.end());
    return items;
  }
  std::vector<c10::IValue> marked() {
    need(!marks_.empty());
    std::vector<c10::IValue> items = last(reachable());
    marks_.pop_back();
    return items;
  }

  void push_tuple(std::vector<c10::IValue> items) {
    push(c10::ivalue::Tuple::create(std::move(items)));
  }
  void append(std::vector<c10::IValue> items) {
    need(top().isList());
    python::List list = top().toList();
    for (c10::IValue& item : items) list.push_back(std::move(item));
  }
  void set_items(std::vector<c10::IValue> items) {
    need(top().isGenericDict() && items.size() % 2 == 0);
    python::Dict dict = top().toGenericDict();
    for (std::size_t i = 0; i < items.size(); i += 2) {
      const c10::IValue& key = items[i];
      if (!key.isString() && !key.isInt() && !key.isDouble() && !key.isBool()) {
        refuse("a dictionary with a key that is neither a number nor a string");
      }
      dict.insert_or_assign(key, std::move(items[i + 1]));
    }
  }
  void recall(std::uint64_t index) {
    const auto found = memo_.find(index);
    need(found != memo_.end());
    push(found->second);
  }

  std::vector<std::size_t> marks_;
  std::vector<c10::IValue> stack_;
  std::unordered_map<std::uint64_t, c10::IValue> memo_;

 private:
  std::string_view pickle_;
  std::size_t at_ = 0;
};

}  // namespace agmohd::checkpoint
