// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "pickle_stack.hpp"
#include "pickle_values.hpp"

namespace agmohd::checkpoint {

/// Reads a pickle of protocols 2 to 5 that holds None, booleans, numbers, strings, tensors, tuples,
/// lists and dictionaries, and runs no code: other classes are refused. `storage(key, dtype,
/// count)` has the elements of a tensor. Errors are c10::Error.
template <class Storage>
class Unpickler : PickleStack {
 public:
  Unpickler(std::string_view pickle, const Storage& storage)
      : PickleStack(pickle), storage_(storage) {}

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

  const Storage& storage_;
};

}  // namespace agmohd::checkpoint
