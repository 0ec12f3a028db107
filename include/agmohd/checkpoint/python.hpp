// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/Dict.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/pickle.h>
#include <torch/csrc/jit/serialization/pickler.h>
#include <torch/serialize/archive.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/classic.hpp"
#include "../optimizer.hpp"
#include "load.hpp"
#include "replace_file.hpp"

// Files that Python's torch.save and torch.load have in common with agmohd's optimizers.
namespace agmohd {

namespace python {

using Dict = c10::impl::GenericDict;
using List = c10::impl::GenericList;
inline Dict dict() { return Dict(c10::AnyType::get(), c10::AnyType::get()); }
inline List list() { return List(c10::AnyType::get()); }

/// What torch.save(x, path) wrote: tensors, numbers, texts, lists, tuples and dictionaries. Throws
/// c10::Error.
inline c10::IValue load(const std::string& path) {
  checkpoint::require_file(path);
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  std::string why;
  try {
    return torch::jit::pickle_load(bytes);
  } catch (const c10::Error& error) {
    why = error.what_without_backtrace();
  } catch (const std::exception& error) {
    why = error.what();
  }
  TORCH_CHECK(false, "agmohd: cannot read ", path,
              ": it is no file of Python's torch.save, or holds other things than tensors, "
              "numbers, texts, lists, tuples and dictionaries: ",
              why.substr(0, why.find('\n')));
}

/// Writes what torch.load(path, weights_only=True) reads, and replaces the file at once, as
/// agmohd::save does. Lists and dictionaries are those of list() and dict().
inline void save(const c10::IValue& value, const std::string& path) {
  std::vector<char> pickle;
  // Without the tags of TorchScript's types, which weights_only refuses.
  torch::jit::Pickler pickler(
      [&pickle](const char* data, std::size_t size) {
        pickle.insert(pickle.end(), data, data + size);
      },
      nullptr, nullptr, nullptr, nullptr, /*tag_aggregates=*/false);
  pickler.protocol();
  pickler.pushIValue(value);
  pickler.stop();
  checkpoint::ReplacedFile file(path);
  caffe2::serialize::PyTorchStreamWriter writer(
      [&file](const void* data, std::size_t size) -> std::size_t {
        file.write(data, size);
        return size;
      });
  writer.writeRecord("data.pkl", pickle.data(), pickle.size());
  std::size_t number = 0;
  for (const at::Tensor& x : pickler.tensorData()) {
    const at::Tensor host = x.detach().cpu();
    writer.writeRecord("data/" + std::to_string(number++), host.storage().data(),
                       host.storage().nbytes());
  }
  writer.writeEndOfFile();
  file.commit();
}

/// A tensor as Python should find it: without a gradient, without the rest of a larger storage.
inline at::Tensor plain(const at::Tensor& x) {
  const at::Tensor y = x.detach().cpu();
  return y.storage().nbytes() > y.nbytes() ? y.clone() : y;
}

namespace detail {

/// Whether Python's optimizers count steps: all but SGD.
template <class Rule>
inline constexpr bool counts = !requires {
  Rule::without_step;
};

inline double number(const c10::IValue& x) {
  return x.isTensor() ? x.toTensor().item<double>() : x.toScalar().toDouble();
}

/// An option of Python's as one of type V; none if it is of another kind.
template <class V>
c10::IValue converted(const c10::IValue& x) {
  if constexpr (std::is_same_v<V, bool>) {
    return x.isBool() ? x : c10::IValue();
  } else if constexpr (std::is_same_v<V, Pair>) {
    if (!x.isTuple() || x.toTupleRef().elements().size() != 2) return {};
    const auto& pair = x.toTupleRef().elements();
    return c10::ivalue::Tuple::create(number(pair[0]), number(pair[1]));
  } else {
    if (!x.isScalar() && !x.isTensor()) return {};
    if constexpr (std::is_same_v<V, double>) return number(x);
    return static_cast<std::int64_t>(number(x));
  }
}

}  // namespace detail
}  // namespace python

/// The state_dict() of Python's optimizer of the same rule.
template <class Recipe>
c10::IValue state_dict(const Optimizer<Recipe>& optimizer) {
  python::Dict states = python::dict();
  python::List groups = python::list();
  std::int64_t index = 0;
  for (std::size_t g = 0; g < optimizer.param_groups().size(); ++g) {
    const auto& group = optimizer.param_groups()[g];
    const auto options = options_of<Recipe>(group, g).group();
    python::Dict entries = python::dict();
    entries.insert("lr", options.lr);
    Recipe::Rule::fields.each([&](const auto& f, auto) {
      const auto value = f(options.rule);
      if constexpr (std::is_same_v<std::remove_cv_t<decltype(value)>, Pair>) {
        entries.insert(f.name, c10::ivalue::Tuple::create(value.first, value.second));
      } else {
        entries.insert(f.name, agmohd::detail::stored(value));
      }
    });
    for (const char* name : {"foreach", "fused"}) entries.insert(name, c10::IValue());
    for (const char* name : {"capturable", "differentiable"}) entries.insert(name, false);
    if (python::detail::counts<typename Recipe::Rule>) {
      entries.insert("decoupled_weight_decay", std::string_view(Recipe::Rule::name()) != "Adam");
    }
    python::List params = python::list();
    for (std::size_t i = 0; i < group.params().size(); ++i, ++index) {
      params.push_back(index);
      const auto found = optimizer.state().find(group.params()[i].unsafeGetTensorImpl());
      if (found == optimizer.state().end()) continue;
      python::Dict entry = python::dict();
      auto& state = state_of<Recipe>(found->second.get(), Place{g, i});
      if (python::detail::counts<typename Recipe::Rule>) {
        entry.insert("step", at::scalar_tensor(double(state.step()), at::kFloat));
      }
      state.for_each_slot([&](std::size_t j, const at::Tensor& slot) {
        if (slot.defined()) entry.insert(Recipe::Rule::slot_names[j], python::plain(slot));
      });
      states.insert(index, entry);
    }
    entries.insert("params", params);
    groups.push_back(entries);
  }
  python::Dict out = python::dict();
  out.insert("state", states);
  out.insert("param_groups", groups);
  return out;
}

/// Loads a state_dict() of Python's optimizer of the same rule. Parameters are matched by order.
/// All is checked before any of it takes effect; errors are c10::Error.
template <class Recipe>
void load_state_dict(Optimizer<Recipe>& optimizer, const c10::IValue& state_dict) {
  using torch::serialize::OutputArchive;
  constexpr const char* kOther = "agmohd: this is no state_dict() of an optimizer: it lacks ";
  const auto entry = [&](const c10::IValue& from, const char* key) {
    TORCH_CHECK(from.isGenericDict() && from.toGenericDict().contains(key), kOther, key);
    return from.toGenericDict().at(key);
  };
  // As an archive of torch.optim's layout, which Optimizer::load() checks.
  OutputArchive archive, states, groups;
  archive.write("pytorch_version", c10::IValue("1.5.0"));
  const c10::IValue saved_states = entry(state_dict, "state");
  const auto saved_groups = entry(state_dict, "param_groups").toList();
  const auto count = [](std::size_t n) { return at::scalar_tensor(std::int64_t(n), at::kLong); };
  groups.write("param_groups/size", count(saved_groups.size()));
  std::set<std::string> unknown;
  for (std::size_t g = 0; g < saved_groups.size(); ++g) {
    const c10::IValue saved = saved_groups.get(g);
    OutputArchive group(archive.compilation_unit()), options(archive.compilation_unit());
    const auto params = entry(saved, "params").toList();
    group.write("params/size", count(params.size()));
    for (std::size_t i = 0; i < params.size(); ++i) {
      const c10::IValue index = params.get(i);
      const std::string key = std::to_string(index.toInt());
      group.write("params/" + std::to_string(i), c10::IValue(key));
      if (!saved_states.toGenericDict().contains(index)) continue;
      OutputArchive state(archive.compilation_unit());
      for (const auto& item : saved_states.toGenericDict().at(index).toGenericDict()) {
        const std::string name = item.key().toStringRef();
        if (name == "step") {
          const auto step = static_cast<std::int64_t>(python::detail::number(item.value()));
          state.write(name, c10::IValue(step));
        } else if (item.value().isTensor()) {  // or None: not used
          state.write(name, item.value());
        }
      }
      states.write(key, state);
    }
    std::set<std::string> known{
        "params",         "foreach",  "fused",      "capturable",
        "differentiable", "maximize", "initial_lr", "decoupled_weight_decay"};
    agmohd::detail::OptionTable<Recipe>::group_fields.each([&](const auto& f, auto) {
      known.insert(f.name);
      if (!saved.toGenericDict().contains(f.name)) return;
      using V = typename std::remove_cvref_t<decltype(f)>::value_type;
      const c10::IValue value = python::detail::converted<V>(saved.toGenericDict().at(f.name));
      TORCH_CHECK(!value.isNone(), detail::classic, "agmohd: option ", f.name, " of group ", g,
                  " of the state_dict is a ", saved.toGenericDict().at(f.name).tagKind());
      options.write(f.name, value);
    });
    const bool decoupled = saved.toGenericDict().contains("decoupled_weight_decay") &&
                           saved.toGenericDict().at("decoupled_weight_decay").toBool();
    TORCH_CHECK(!decoupled || std::string_view(Recipe::Rule::name()) != "Adam",
                "agmohd: the state_dict is of AdamW (decoupled_weight_decay = true in group ", g,
                "), but this optimizer's rule is Adam");
    for (const auto& item : saved.toGenericDict()) {
      if (known.count(item.key().toStringRef()) == 0) unknown.insert(item.key().toStringRef());
    }
    group.write("options", options);
    groups.write("param_groups/" + std::to_string(g), group);
  }
  archive.write("state", states);
  archive.write("param_groups", groups);
  std::string bytes;
  archive.save_to([&bytes](const void* data, std::size_t size) -> std::size_t {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  });
  torch::serialize::InputArchive in;
  in.load_from(bytes.data(), bytes.size());
  optimizer.load(in);
  for (const std::string& name : unknown) {
    TORCH_WARN("agmohd: the state_dict has option ", name, ", which this optimizer does not know");
  }
}

/// The file of torch.save(optimizer.state_dict(), path), and back. Python reads it with
/// optimizer.load_state_dict(torch.load(path, weights_only=True)).
template <class Recipe>
void load_python(Optimizer<Recipe>& optimizer, const std::string& path) {
  load_state_dict(optimizer, python::load(path));
}
template <class Recipe>
void save_python(const Optimizer<Recipe>& optimizer, const std::string& path) {
  python::save(state_dict(optimizer), path);
}

}  // namespace agmohd
