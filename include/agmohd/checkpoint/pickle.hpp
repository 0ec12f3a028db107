// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <ATen/core/ivalue.h>
#include <c10/util/Exception.h>
#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../core/classic.hpp"
#include "load.hpp"
#include "replace_file.hpp"

// The files of Python's torch.save and torch.load: a zip archive with a pickle, data.pkl, and the
// memory of each tensor, data/0, data/1, ... LibTorch's own torch::pickle_load and pickle_save do
// not suffice: the one cannot read the state_dict() of a module, and what the other writes is
// refused by torch.load(..., weights_only=True).
namespace agmohd {

namespace python {

using Dict = c10::impl::GenericDict;
using List = c10::impl::GenericList;

/// An empty dictionary, an empty list: what write() writes as Python's dict and list.
inline Dict dict() { return Dict(c10::AnyType::get(), c10::AnyType::get()); }
inline List list() { return List(c10::AnyType::get()); }

}  // namespace python

namespace checkpoint {

/// By which class a file names the dtype of a tensor.
struct TypedStorage {
  std::string_view name;
  at::ScalarType dtype;
};
inline constexpr TypedStorage kTypedStorages[] = {
    {"torch.FloatStorage", at::kFloat},
    {"torch.DoubleStorage", at::kDouble},
    {"torch.BFloat16Storage", at::kBFloat16},
    {"torch.HalfStorage", at::kHalf},
    {"torch.LongStorage", at::kLong},
    {"torch.IntStorage", at::kInt},
    {"torch.ShortStorage", at::kShort},
    {"torch.CharStorage", at::kChar},
    {"torch.ByteStorage", at::kByte},
    {"torch.BoolStorage", at::kBool},
    {"torch.ComplexFloatStorage", at::kComplexFloat},
    {"torch.ComplexDoubleStorage", at::kComplexDouble}};
inline constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor_v2",
                                  kRebuildParameter = "torch._utils._rebuild_parameter",
                                  kOrderedDict = "collections.OrderedDict";
static_assert(std::endian::native == std::endian::little,
              "agmohd: pickles need a little-endian CPU");

/// Reads a pickle of protocols 2 to 5 that holds None, booleans, numbers, strings, tensors, tuples,
/// lists and dictionaries, and runs no code: other classes are refused. `storage(key, dtype,
/// count)` has the elements of a tensor. Errors are c10::Error.
template <class Storage>
class Unpickler {
 public:
  Unpickler(std::string_view pickle, const Storage& storage) : pickle_(pickle), storage_(storage) {}

  c10::IValue read() {
    for (;;) {
      const unsigned operation = number<std::uint8_t>();
      if (operation == '.') return pop();
      run(operation);
    }
  }

 private:
  void run(unsigned operation) {
    switch (operation) {
      case 0x80:  // PROTO
        take(1);
        return;
      case 0x95:  // FRAME
        take(8);
        return;
      case '(':
        marks_.push_back(stack_.size());
        return;
      case 'N':
        return push({});
      case 0x88:
        return push(true);
      case 0x89:
        return push(false);
      case 'K':
        return push(std::int64_t{number<std::uint8_t>()});
      case 'M':
        return push(std::int64_t{number<std::uint16_t>()});
      case 'J':
        return push(std::int64_t{number<std::int32_t>()});
      case 0x8a:  // LONG1
        return push(long_integer(number<std::uint8_t>()));
      case 'G':
        return push(std::bit_cast<double>(reversed(number<std::uint64_t>())));
      case 'X':
        return push(std::string(take(number<std::uint32_t>())));
      case 0x8c:  // SHORT_BINUNICODE
        return push(std::string(take(number<std::uint8_t>())));
      case 0x8d:  // BINUNICODE8
        return push(std::string(take(number<std::uint64_t>())));
      case ')':
        return push_tuple({});
      case 0x85:
        return push_tuple(last(1));
      case 0x86:
        return push_tuple(last(2));
      case 0x87:
        return push_tuple(last(3));
      case 't':
        return push_tuple(marked());
      case ']':
        return push(python::list());
      case 'a':
        return append(last(1));
      case 'e':
        return append(marked());
      case '}':
        return push(python::dict());
      case 's':
        return set_items(last(2));
      case 'u':
        return set_items(marked());
      case 'q':
        memo_[number<std::uint8_t>()] = top();
        return;
      case 'r':
        memo_[number<std::uint32_t>()] = top();
        return;
      case 0x94:  // MEMOIZE
        memo_[memo_.size()] = top();
        return;
      case 'h':
        return recall(number<std::uint8_t>());
      case 'j':
        return recall(number<std::uint32_t>());
      case 'c': {
        const std::string_view module = line(), name = line();
        return push_class(module, name);
      }
      case 0x93: {  // STACK_GLOBAL
        const c10::IValue name = pop(), module = pop();
        need(module.isString() && name.isString());
        return push_class(module.toStringRef(), name.toStringRef());
      }
      case 'R':
        return call();
      case 'b':  // attributes, such as the versions of modules in a state_dict(): left out
        pop();
        need(top().isGenericDict());
        return;
      case 'Q':
        return push_storage();
      case 'B':
      case 'C':
      case 0x8e:
      case 0x96:
        return refuse("bytes");
      case 0x8f:
      case 0x91:
        return refuse("a set");
      case 0x81:
      case 0x92:
        return refuse("an object");
      default:
        need(false);
    }
  }

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

  /// A class or a function stands on the stack as its name.
  void push_class(std::string_view module, std::string_view name) {
    std::string full(module);
    full.append(".").append(name);
    const bool known = full == kRebuildTensor || full == kRebuildParameter ||
                       full == kOrderedDict || dtype_of_storage(full).has_value();
    if (!known) refuse("an object of " + full);
    push(std::move(full));
  }
  static std::optional<at::ScalarType> dtype_of_storage(std::string_view name) {
    for (const TypedStorage& storage : kTypedStorages) {
      if (name == storage.name) return storage.dtype;
    }
    return std::nullopt;
  }

  void call() {
    const c10::IValue arguments = pop(), callee = pop();
    need(arguments.isTuple() && callee.isString());
    const std::vector<c10::IValue> given = arguments.toTupleRef().elements().vec();
    const std::string& name = callee.toStringRef();
    if (name == kOrderedDict) {
      need(given.empty());
      push(python::dict());
    } else if (name == kRebuildParameter) {
      need(!given.empty() && given[0].isTensor());
      push(given[0]);
    } else {
      need(name == kRebuildTensor && given.size() >= 4 && given[0].isTensor() && given[1].isInt());
      if (given.size() > 6 && !(given[6].isGenericDict() && given[6].toGenericDict().empty())) {
        refuse("a tensor with a conjugate or negative bit");
      }
      push(view(given[0].toTensor(), given[1].toInt(), integers(given[2]), integers(given[3])));
    }
  }
  std::vector<std::int64_t> integers(const c10::IValue& tuple) const {
    need(tuple.isTuple());
    std::vector<std::int64_t> out;
    for (const c10::IValue& x : tuple.toTupleRef().elements()) {
      need(x.isInt() && x.toInt() >= 0);
      out.push_back(x.toInt());
    }
    return out;
  }
  at::Tensor view(const at::Tensor& elements, std::int64_t offset,
                  const std::vector<std::int64_t>& sizes,
                  const std::vector<std::int64_t>& strides) const {
    need(sizes.size() == strides.size() && offset >= 0);
    double last = double(offset), count = 1;
    for (std::size_t d = 0; d < sizes.size(); ++d) {
      last += double(sizes[d] - 1) * double(strides[d]);
      count *= double(sizes[d]);
    }
    need(count < 0x1p62 && (count == 0 || last < double(elements.numel())));
    return count == 0 ? at::empty(sizes, elements.options())
                      : elements.as_strided(sizes, strides, offset);
  }

  void push_storage() {
    const c10::IValue id = pop();
    need(id.isTuple());
    // ("storage", class, key, device, number of elements); all goes to the CPU.
    const std::vector<c10::IValue> parts = id.toTupleRef().elements().vec();
    need(parts.size() >= 5 && parts[1].isString() && parts[2].isString() && parts[4].isInt() &&
         parts[4].toInt() >= 0);
    const std::optional<at::ScalarType> dtype = dtype_of_storage(parts[1].toStringRef());
    need(dtype.has_value());
    push(storage_(parts[2].toStringRef(), *dtype, parts[4].toInt()));
  }

  std::string_view pickle_;
  const Storage& storage_;
  std::size_t at_ = 0;
  std::vector<c10::IValue> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, c10::IValue> memo_;
};

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

/// The value in an archive of Python's torch.save. Throws std::exception.
inline c10::IValue read_python(const std::string& path) {
  char start[2] = {};
  std::ifstream(path, std::ios::binary).read(start, sizeof start);
  TORCH_CHECK(start[0] != '\x80',
              "it has the format of PyTorch before 1.6; save it again with a newer one");
  TORCH_CHECK(start[0] == 'P' && start[1] == 'K', "it is no file of Python's torch.save");
  std::optional<caffe2::serialize::PyTorchStreamReader> archive;
  std::string why;
  try {
    archive.emplace(path);
  } catch (const c10::Error& error) {
    why = error.what_without_backtrace();
  }
  TORCH_CHECK(archive.has_value(), "it is damaged: ", why.substr(0, why.find(". ")));
  TORCH_CHECK(!archive->hasRecord("constants.pkl"),
              "C++ wrote it, with agmohd::save or torch::save; read it with agmohd::load");
  TORCH_CHECK(archive->hasRecord("data.pkl"),
              "it is no file of Python's torch.save: it has no data.pkl");
  const std::uintmax_t whole = std::filesystem::file_size(path);
  const auto record_of = [&](const std::string& name) {
    // Before as much is allocated.
    TORCH_CHECK(archive->getRecordSize(name) <= whole, "it is damaged: ", name,
                " is larger than the file");
    return archive->getRecord(name);
  };
  const auto [pickle, size] = record_of("data.pkl");
  if (archive->hasRecord("byteorder")) {
    const auto [order, length] = record_of("byteorder");
    TORCH_CHECK(std::string_view(static_cast<const char*>(order.get()), length) == "little",
                "its numbers are big-endian");
  }

  std::map<std::pair<std::string, at::ScalarType>, at::Tensor> storages;
  const auto storage = [&](const std::string& key, at::ScalarType dtype, std::int64_t count) {
    at::Tensor& elements = storages[{key, dtype}];
    if (elements.defined() && elements.numel() == count) return elements;
    auto record = std::make_shared<at::DataPtr>();
    std::size_t bytes = 0;
    if (count > 0) std::tie(*record, bytes) = record_of("data/" + key);
    const std::size_t each = c10::elementSize(dtype);
    TORCH_CHECK(bytes % each == 0 && bytes / each == static_cast<std::size_t>(count),
                detail::classic, "it is damaged: data/", key, " has ", bytes, " bytes, not ", count,
                " elements of ", each);
    elements = count > 0 ? at::from_blob(
                               record->get(), {count}, [record](void*) {}, dtype)
                         : at::empty({0}, dtype);
    return elements;
  };
  return Unpickler(std::string_view(static_cast<const char*>(pickle.get()), size), storage).read();
}

}  // namespace checkpoint

namespace python {

/// What Python's torch.save(x, path) wrote, if it holds nothing but None, booleans, numbers,
/// strings, tensors, tuples, lists and dictionaries. Tensors go to the CPU, parameters are plain
/// tensors, an OrderedDict is a dictionary.
/// @throws c10::Error  that names the file and what is wrong with it.
inline c10::IValue read(const std::string& path) {
  checkpoint::require_file(path);
  std::string why;
  try {
    return checkpoint::read_python(path);
  } catch (const c10::Error& error) {
    why = error.what_without_backtrace();
  } catch (const std::exception& error) {
    why = error.what();
  }
  TORCH_CHECK(false, "agmohd: cannot read ", path, ": ", why.substr(0, why.find('\n')));
}

/// Writes what Python's torch.load(path, weights_only=True) reads, of the same kinds of values, and
/// replaces the file at once, as agmohd::save does. Python finds tensors on the CPU.
/// @throws c10::Error  and leaves the old file. Waits for the device.
inline void write(const c10::IValue& value, const std::string& path) {
  checkpoint::Pickler pickler;
  pickler.write(value);
  checkpoint::ReplacedFile file(path);
  // A writer that never fails: LibTorch's would end the program in its destructor.
  caffe2::serialize::PyTorchStreamWriter archive(
      [&file](const void* data, std::size_t size) -> std::size_t {
        file.write(data, size);
        return size;
      });
  archive.writeRecord("data.pkl", pickler.pickle().data(), pickler.pickle().size());
  archive.writeRecord("byteorder", "little", 6);
  std::size_t number = 0;
  for (const at::Tensor& x : pickler.tensors()) {
    const at::Tensor host = x.cpu();
    const void* const data = host.numel() > 0 ? host.const_data_ptr() : "";
    archive.writeRecord("data/" + std::to_string(number++), data, host.nbytes());
  }
  archive.writeEndOfFile();
  file.commit();
}

}  // namespace python

}  // namespace agmohd
