// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pickle_values.hpp"

namespace agmohd::checkpoint {

/// Writes a pickle of protocol 2, and collects the tensors whose memory belongs beside it.
class Pickler {
 public:
  void write(const c10::IValue& x) {
    out_ += "\x80\x02";
    put(x);
    out_ += '.';
  }
  const std::string& pickle() const { return out_; }
  const std::vector<at::Tensor>& tensors() const { return tensors_; }

 private:
  void put(const c10::IValue& x) {
    if (x.isNone()) {
      out_ += 'N';
    } else if (x.isBool()) {
      out_ += x.toBool() ? '\x88' : '\x89';
    } else if (x.isInt()) {
      put_integer(x.toInt());
    } else if (x.isDouble()) {
      put_double(x.toDouble());
    } else if (x.isString()) {
      put_string(x.toStringRef());
    } else if (x.isTensor()) {
      put_tensor(x.toTensor());
    } else if (x.isTuple()) {
      put_tuple(x.toTupleRef().elements());
    } else if (x.isList()) {
      out_ += "](";
      for (const c10::IValue& item : x.toListRef()) put(item);
      out_ += 'e';
    } else if (x.isGenericDict()) {
      out_ += "}(";
      for (const auto& item : x.toGenericDict()) {
        put(item.key());
        put(item.value());
      }
      out_ += 'u';
    } else {
      TORCH_CHECK(false, "agmohd: a value of type ", x.tagKind(),
                  " cannot be written for Python: only tensors, numbers, strings, lists, tuples "
                  "and dictionaries can");
    }
  }

  template <class Number>
  void put_bytes(Number x) {
    out_.append(reinterpret_cast<const char*>(&x), sizeof x);
  }
  void put_integer(std::int64_t x) {
    if (x == static_cast<std::int32_t>(x)) {
      out_ += 'J';
      put_bytes(static_cast<std::int32_t>(x));
    } else {
      out_ += "\x8a\x08";
      put_bytes(x);
    }
  }
  void put_double(double x) {
    out_ += 'G';
    put_bytes(x);
    std::reverse(out_.end() - sizeof x, out_.end());
  }
  void put_string(std::string_view x) {
    TORCH_CHECK(x.size() <= std::numeric_limits<std::uint32_t>::max(),
                "agmohd: a string is too long to be written for Python");
    out_ += 'X';
    put_bytes(static_cast<std::uint32_t>(x.size()));
    out_ += x;
  }
  template <class Items>
  void put_tuple(const Items& items) {
    out_ += '(';
    for (const auto& item : items) put(item);
    out_ += 't';
  }
  void put_class(std::string_view full) {
    const std::size_t dot = full.rfind('.');
    out_ += 'c';
    out_.append(full.substr(0, dot)).append("\n").append(full.substr(dot + 1)).append("\n");
  }

  void put_tensor(const at::Tensor& x) {
    if (!x.defined()) {
      out_ += 'N';
      return;
    }
    const auto* const storage =
        std::find_if(std::begin(kTypedStorages), std::end(kTypedStorages),
                     [&x](const TypedStorage& s) { return s.dtype == x.scalar_type(); });
    TORCH_CHECK(x.layout() == at::kStrided && storage != std::end(kTypedStorages),
                "agmohd: a tensor of dtype ", x.scalar_type(), " and layout ", x.layout(),
                " cannot be written for Python");
    at::Tensor plain = x.detach().resolve_conj().resolve_neg();
    if (!plain.is_non_overlapping_and_dense()) plain = plain.contiguous();
    put_class(kRebuildTensor);
    out_ += "((";
    put_string("storage");
    put_class(storage->name);
    put_string(std::to_string(tensors_.size()));
    put_string("cpu");
    put_integer(plain.numel());
    out_ += "tQ";
    put_integer(0);
    put_tuple(plain.sizes());
    put_tuple(plain.strides());
    out_ += '\x89';  // requires no gradient
    put_class(kOrderedDict);
    out_ += ")RtR";  // without hooks
    tensors_.push_back(std::move(plain));
  }

  std::string out_;
  std::vector<at::Tensor> tensors_;
};

}  // namespace agmohd::checkpoint
