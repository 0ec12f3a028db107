// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../core/compiler.hpp"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/serialize/archive.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/classic.hpp"
#include "../core/field_checks.hpp"
#include "../core/option_table.hpp"
#include "../core/validate.hpp"
#include "../optimizer.hpp"
#include "../options.hpp"
#include "../param_state.hpp"
#include "../rule/adam.hpp"
#include "../rule/adamw.hpp"
#include "../rule/sgd.hpp"
#include "pickle.hpp"
#include "report.hpp"

// The state_dict() of Python's torch.optim.SGD, Adam and AdamW, and of its modules, into and out of
// agmohd's optimizers and LibTorch's modules. For those who need it: agmohd.hpp does not include
// it.
namespace agmohd {

namespace checkpoint {

/// The rule of an optimizer as torch.optim has it.
template <class Rule>
struct OfPython {
  static constexpr bool sgd = std::same_as<Rule, rule::SGD>;
  static constexpr bool adamw = std::same_as<Rule, rule::AdamW>;
  static_assert(sgd || adamw || std::same_as<Rule, rule::Adam>,
                "agmohd: Python's torch.optim has SGD, Adam and AdamW; the rule of this optimizer "
                "is another");

  static std::string name() { return std::string("torch.optim.") + Rule::name(); }
  /// What a group of torch.optim has that does not change what a step computes.
  static bool ignores(std::string_view option) {
    constexpr std::array names{"params", "param_names",    "initial_lr", "foreach",
                               "fused",  "differentiable", "capturable", "decoupled_weight_decay"};
    return std::find(names.begin(), names.end(), option) != names.end();
  }
};

/// What Python calls the type of a value, for messages.
inline std::string type_of(const c10::IValue& x) {
  return x.isNone()          ? "None"
         : x.isBool()        ? "bool"
         : x.isInt()         ? "int"
         : x.isDouble()      ? "float"
         : x.isString()      ? "str"
         : x.isTensor()      ? "tensor"
         : x.isTuple()       ? "tuple"
         : x.isList()        ? "list"
         : x.isGenericDict() ? "dict"
                             : x.tagKind();
}

inline std::string text_of(const c10::IValue& key) {
  return key.isString() ? key.toStringRef() : c10::str(key);
}
/// The keys of a dictionary, for messages.
inline std::string keys_of(const python::Dict& dict) {
  std::string out;
  int count = 0;
  for (const auto& item : dict) {
    if (++count > 6) return out + ", ...";
    out += out.empty() ? "" : ", ";
    out += text_of(item.key());
  }
  return out.empty() ? "no keys" : out;
}

/// The dictionary in `x`; `what` is it, for the message.
template <class... What>
python::Dict dict_in(const c10::IValue& x, const What&... what) {
  TORCH_CHECK(x.isGenericDict(), detail::classic, "agmohd: ", what..., " is of type ", type_of(x),
              ", but it must be a dict");
  return x.toGenericDict();
}

/// A number, or a tensor of one element.
inline std::optional<double> number_in(const c10::IValue& x) {
  if (x.isInt()) return double(x.toInt());
  if (x.isDouble()) return x.toDouble();
  if (!x.isTensor() || x.toTensor().numel() != 1 || x.toTensor().is_complex()) return std::nullopt;
  return x.toTensor().item<double>();
}

/// An option of torch.optim as an archive holds one of type V; None if it is of another kind.
template <class V>
c10::IValue option_in(const c10::IValue& x) {
  if constexpr (std::is_same_v<V, bool>) {
    return x.isBool() ? x : c10::IValue();
  } else if constexpr (std::is_same_v<V, Pair>) {
    std::vector<c10::IValue> parts;
    if (x.isTuple()) parts = x.toTupleRef().elements().vec();
    if (x.isList()) parts = x.toListRef().vec();
    if (parts.size() != 2) return {};
    const auto first = number_in(parts[0]), second = number_in(parts[1]);
    if (!first || !second) return {};
    return c10::ivalue::Tuple::create(*first, *second);
  } else {
    static_assert(std::is_same_v<V, double>);
    const auto number = number_in(x);
    return number ? c10::IValue(*number) : c10::IValue();
  }
}
template <class V>
const char* kind_of_option() {
  return std::is_same_v<V, bool> ? "a bool" : std::is_same_v<V, Pair> ? "two numbers" : "a number";
}

/// The options of group number `g` of a state_dict as an archive of torch.optim's layout.
template <class Recipe>
void write_options(torch::serialize::OutputArchive& archive, const python::Dict& group,
                   std::size_t g, Report& report) {
  using Python = OfPython<typename Recipe::Rule>;
  std::set<std::string> known;
  double weight_decay = 0;
  detail::OptionTable<Recipe>::group_fields.each([&](const auto& field, auto) {
    using V = typename std::remove_cvref_t<decltype(field)>::value_type;
    const std::string name = field.name;
    known.insert(name);
    if (name == "maximize" && !group.contains(name)) {  // up to PyTorch 1.11
      archive.write(name, c10::IValue(false));
      return;
    }
    TORCH_CHECK(group.contains(name), detail::classic, "agmohd: group ", g,
                " of the state_dict lacks the option ", name, ": it is not of ", Python::name());
    const c10::IValue value = option_in<V>(group.at(name));
    TORCH_CHECK(!value.isNone(), detail::classic, "agmohd: the option ", name, " of group ", g,
                " of the state_dict is of type ", type_of(group.at(name)), ", but it must be ",
                kind_of_option<V>());
    if (name == "weight_decay") weight_decay = value.toDouble();
    archive.write(name, value);
  });
  if constexpr (!Python::sgd) {
    // Without weight decay Adam and AdamW are the same.
    constexpr const char* kDecoupled = "decoupled_weight_decay";
    if (weight_decay != 0 && group.contains(kDecoupled) && group.at(kDecoupled).isBool()) {
      const bool decoupled = group.at(kDecoupled).toBool();
      TORCH_CHECK(decoupled == Python::adamw, detail::classic, "agmohd: group ", g,
                  " of the state_dict is of torch.optim.", decoupled ? "AdamW" : "Adam",
                  " with weight_decay = ", weight_decay, ", but this optimizer's rule is ",
                  Recipe::Rule::name());
    }
  }
  for (const auto& item : group) {
    const std::string name = text_of(item.key());
    if (known.count(name) > 0 || Python::ignores(name)) continue;
    report.unknown_options.insert(name + " of group " + std::to_string(g));
  }
}

/// The state of one parameter of a state_dict; null: it has none yet.
template <class Recipe>
std::unique_ptr<ParamState<Recipe>> state_in(const python::Dict& saved, const at::Tensor& param,
                                             Place place,
                                             const typename Recipe::Rule::Options& options) {
  using Rule = typename Recipe::Rule;
  using Python = OfPython<Rule>;
  auto state = std::make_unique<ParamState<Recipe>>();
  std::array<at::Tensor, Recipe::slot_count> slots;
  double step = Python::sgd ? 1 : -1;  // SGD has none: a buffer is the sign of an earlier step
  bool any = false;
  for (const auto& item : saved) {
    const std::string name = text_of(item.key());
    const c10::IValue& value = item.value();
    const auto slot = std::find(Rule::slot_names.begin(), Rule::slot_names.end(), name);
    if (name == "step" && !Python::sgd) {
      const auto number = number_in(value);
      TORCH_CHECK(number.has_value(), detail::classic, "agmohd: the state step of ", place,
                  " is of type ", type_of(value), ", but it must be a number");
      TORCH_CHECK(*number >= 0 && *number < 0x1p53 && *number == std::floor(*number),
                  detail::classic, "agmohd: the state step of ", place, " is ", *number,
                  ", but it must be a whole number of at least 0");
      step = *number;
    } else {
      TORCH_CHECK(slot != Rule::slot_names.end(), detail::classic,
                  "agmohd: the state_dict has a state ", name, " of ", place, ", which ",
                  Python::name(), " does not have");
      TORCH_CHECK(value.isTensor() || value.isNone(), detail::classic, "agmohd: the state ", name,
                  " of ", place, " is of type ", type_of(value), ", but it must be a tensor");
      if (value.isNone()) continue;
      slots[static_cast<std::size_t>(slot - Rule::slot_names.begin())] = value.toTensor();
    }
    any = true;
  }
  if (!any) return nullptr;
  TORCH_CHECK(step >= 0, detail::classic, "agmohd: the state_dict lacks the state step of ", place);
  state->step(static_cast<std::int64_t>(step));
  state->for_each_slot([&](std::size_t j, at::Tensor& slot) {
    const char* const name = Rule::slot_names[j];
    TORCH_CHECK(slots[j].defined() || (Rule::slots(options) >> j & 1U) == 0, detail::classic,
                "agmohd: the state_dict lacks the state ", name, " of ", place);
    validate_slot(slots[j], param, name, place);
    // Storage of its own: two states of the file may share theirs.
    if (slots[j].defined()) {
      slot = slots[j].detach().to(param.device(), /*non_blocking=*/false, /*copy=*/true);
    }
  });
  return state;
}

/// Copies of the options of all groups, with the state_dict's in them.
template <class Recipe>
std::vector<Options<Recipe>> options_in(const python::List& groups,
                                        const Optimizer<Recipe>& optimizer, Report& report) {
  using torch::serialize::InputArchive, torch::serialize::OutputArchive;
  OutputArchive written;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    OutputArchive options(written.compilation_unit());
    write_options<Recipe>(options, groups.get(g).toGenericDict(), g, report);
    written.write(std::to_string(g), options);
  }
  std::string bytes;
  written.save_to([&bytes](const void* data, std::size_t size) -> std::size_t {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  });
  InputArchive all;
  all.load_from(bytes.data(), bytes.size());
  std::vector<Options<Recipe>> out;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    InputArchive options;
    all.read(std::to_string(g), options);
    out.push_back(options_of<Recipe>(optimizer.param_groups()[g], g));
    out.back().read_group(options, " of group " + std::to_string(g), report);
    const auto group = out.back().group();
    try {
      check<detail::LearningRate>({group.lr});
      check<typename Recipe::Rule>(group.rule);
    } catch (const std::invalid_argument& error) {
      TORCH_CHECK(false, detail::classic, "agmohd: group ", g,
                  " of the state_dict: ", error.what());
    }
  }
  return out;
}

}  // namespace checkpoint

namespace python {

/// The state_dict() of Python's optimizer of the same rule, for torch.optim's load_state_dict().
/// Waits for the device.
template <class Recipe>
Dict state_dict(const Optimizer<Recipe>& optimizer) {
  using Rule = typename Recipe::Rule;
  using Python = checkpoint::OfPython<Rule>;
  Dict states = dict();
  List groups = list();
  std::int64_t index = 0;
  for (std::size_t g = 0; g < optimizer.param_groups().size(); ++g) {
    auto own = options_of<Recipe>(optimizer.param_groups()[g], g);
    if (!own.inherited()) own.inherit(optimizer.options());
    const auto options = own.group();
    Dict group = dict();
    group.insert("lr", options.lr);
    Rule::fields.each([&](const auto& field, auto) {
      const auto value = field(options.rule);
      if constexpr (std::is_same_v<std::remove_cv_t<decltype(value)>, Pair>) {
        group.insert(field.name, c10::ivalue::Tuple::create(value.first, value.second));
      } else {
        group.insert(field.name, value);
      }
    });
    group.insert("foreach", c10::IValue());
    group.insert("differentiable", false);
    group.insert("fused", c10::IValue());
    if constexpr (!Python::sgd) {
      group.insert("capturable", false);
      group.insert("decoupled_weight_decay", Python::adamw);
    }

    List params = list();
    const auto& tensors = optimizer.param_groups()[g].params();
    for (std::size_t i = 0; i < tensors.size(); ++i, ++index) {
      params.push_back(index);
      const ParamState<Recipe>* const state =
          find_state<Recipe>(optimizer.state(), tensors[i], Place{g, i});
      if (state == nullptr) continue;
      Dict entry = dict();
      const auto add = [&](const char* name, const at::Tensor& slot) {
        if (slot.defined()) entry.insert(name, slot.detach());
      };
      if constexpr (Python::sgd) {
        // A buffer that no step has begun is none: in Python, the first gradient enters undampened.
        const at::Tensor& buffer = state->momentum_buffer();
        if (!buffer.defined() || (state->step() == 0 && !buffer.any().template item<bool>())) {
          continue;
        }
        add("momentum_buffer", buffer);
      } else {
        entry.insert("step", at::scalar_tensor(double(state->step()), at::kFloat));
        add("exp_avg", state->exp_avg());
        add("exp_avg_sq", state->exp_avg_sq());
        if (options.rule.amsgrad) add("max_exp_avg_sq", state->max_exp_avg_sq());
      }
      states.insert(index, entry);
    }
    group.insert("params", params);
    groups.push_back(group);
  }
  Dict out = dict();
  out.insert("state", states);
  out.insert("param_groups", groups);
  return out;
}

/// Loads the state_dict() of Python's optimizer of the same rule, as torch.optim's
/// load_state_dict() does: parameters are matched by order, and the groups' options become those of
/// the state_dict. What Python does not have (statistics, records, snapshots) begins anew;
/// updates() is the oldest parameter's step, 0 for SGD, which counts none. Everything is checked
/// first: after an error, the optimizer is as it was. Options that are unknown, or that the program
/// had set to something else, are warned of.
/// @throws c10::Error  that names the group, parameter and option or state. Waits for the device.
template <class Recipe>
void load_state_dict(Optimizer<Recipe>& optimizer, const c10::IValue& state_dict) {
  using Python = checkpoint::OfPython<typename Recipe::Rule>;
  const at::NoGradGuard no_grad;
  const Dict whole = checkpoint::dict_in(state_dict, "the state_dict");
  TORCH_CHECK(whole.contains("state") && whole.contains("param_groups"),
              "agmohd: this is no state_dict() of an optimizer, which has state and param_groups: "
              "it has ",
              checkpoint::keys_of(whole));
  const Dict states = checkpoint::dict_in(whole.at("state"), "state of the state_dict");
  TORCH_CHECK(whole.at("param_groups").isList(),
              "agmohd: param_groups of the state_dict is of type ",
              checkpoint::type_of(whole.at("param_groups")), ", but it must be a list");
  const List groups = whole.at("param_groups").toList();
  const auto& current = std::as_const(optimizer).param_groups();
  TORCH_CHECK(groups.size() == current.size(), agmohd::detail::classic,
              "agmohd: the state_dict has ", groups.size(),
              " parameter groups, but this optimizer has ", current.size());
  std::vector<std::vector<c10::IValue>> params;
  for (std::size_t g = 0; g < current.size(); ++g) {
    const Dict group = checkpoint::dict_in(groups.get(g), "group ", g, " of the state_dict");
    TORCH_CHECK(group.contains("params") && group.at("params").isList(), agmohd::detail::classic,
                "agmohd: group ", g, " of the state_dict has no list params");
    params.push_back(group.at("params").toListRef().vec());
    TORCH_CHECK(params[g].size() == current[g].params().size(), agmohd::detail::classic,
                "agmohd: group ", g, " of the state_dict has ", params[g].size(),
                " parameters, but that of this optimizer has ", current[g].params().size());
  }

  checkpoint::Report report;
  std::vector<Options<Recipe>> options = checkpoint::options_in(groups, optimizer, report);
  StateMap loaded;
  std::set<std::int64_t> seen;
  std::int64_t updates = 0;
  std::size_t found = 0;
  for (std::size_t g = 0; g < current.size(); ++g) {
    for (std::size_t i = 0; i < params[g].size(); ++i) {
      const Place place{g, i};
      const c10::IValue& index = params[g][i];
      TORCH_CHECK(index.isInt() && seen.insert(index.toInt()).second, agmohd::detail::classic,
                  "agmohd: the state_dict has no number of its own for ", place);
      if (!states.contains(index)) continue;
      ++found;
      const at::Tensor& param = current[g].params()[i];
      auto state = checkpoint::state_in<Recipe>(
          checkpoint::dict_in(states.at(index), "the state of ", place), param, place,
          options[g].group().rule);
      if (state == nullptr) continue;
      if constexpr (!Python::sgd) updates = std::max(updates, state->step());
      loaded[param.unsafeGetTensorImpl()] = std::move(state);
    }
  }
  TORCH_CHECK(found == states.size(), agmohd::detail::classic, "agmohd: the state_dict has ",
              states.size(), " states, but only ", found,
              " of them are of parameters in its groups");

  for (std::size_t g = 0; g < current.size(); ++g) {
    static_cast<Options<Recipe>&>(optimizer.param_groups()[g].options()) = std::move(options[g]);
  }
  optimizer.state() = std::move(loaded);
  optimizer.updates(updates);
  optimizer.reset();
  report.warn(Recipe::name());
}

/// The state_dict() of a module: its parameters and buffers under their names. They share memory
/// with the module.
inline Dict state_dict(const torch::nn::Module& module) {
  Dict out = dict();
  for (const auto& named : {module.named_parameters(), module.named_buffers()}) {
    for (const auto& item : named) {
      if (item.value().defined()) out.insert(item.key(), item.value().detach());
    }
  }
  return out;
}

/// Copies the state_dict() of Python's module of the same structure into a module; dtype and device
/// stay the module's. After an error, the module is as it was.
/// @throws c10::Error  if a name is missing or too many, or a shape is another.
inline void load_state_dict(torch::nn::Module& module, const c10::IValue& state_dict) {
  const at::NoGradGuard no_grad;
  const Dict from = checkpoint::dict_in(state_dict, "the state_dict");
  const Dict to = python::state_dict(module);
  for (const auto& item : from) {
    TORCH_CHECK(to.contains(item.key()), agmohd::detail::classic, "agmohd: the state_dict has ",
                item.key(), ", but this module has ", checkpoint::keys_of(to));
  }
  for (const auto& item : to) {
    const std::string& name = item.key().toStringRef();
    TORCH_CHECK(from.contains(name), "agmohd: the state_dict lacks ", name,
                " of this module: it has ", checkpoint::keys_of(from));
    const c10::IValue value = from.at(name);
    const at::Tensor own = item.value().toTensor();
    TORCH_CHECK(value.isTensor(), "agmohd: ", name, " of the state_dict is of type ",
                checkpoint::type_of(value), ", but it must be a tensor");
    TORCH_CHECK(value.toTensor().sizes() == own.sizes(), agmohd::detail::classic, "agmohd: ", name,
                " of the state_dict has shape ", value.toTensor().sizes(),
                ", but that of this module has ", own.sizes());
  }
  for (const auto& item : to) {
    at::Tensor own = item.value().toTensor();
    own.copy_(from.at(item.key()).toTensor());
  }
}

template <class Impl>
Dict state_dict(const torch::nn::ModuleHolder<Impl>& module) {
  return python::state_dict(static_cast<const torch::nn::Module&>(*module));
}
template <class Impl>
void load_state_dict(torch::nn::ModuleHolder<Impl>& module, const c10::IValue& state_dict) {
  python::load_state_dict(static_cast<torch::nn::Module&>(*module), state_dict);
}

}  // namespace python

/// Reads the file of Python's torch.save(x.state_dict(), path) into an optimizer or a module; see
/// python::load_state_dict().
/// @throws c10::Error  that names the file; after it, `x` is as it was.
template <class X>
void load_python(X& x, const std::string& path) {
  const c10::IValue value = python::read(path);
  std::string why;
  try {
    python::load_state_dict(x, value);
    return;
  } catch (const c10::Error& error) {
    why = error.what_without_backtrace();
  }
  constexpr std::string_view kPrefix = "agmohd: ";
  if (why.starts_with(kPrefix)) why.erase(0, kPrefix.size());
  TORCH_CHECK(false, "agmohd: cannot load ", path, ": ", why);
}

/// Writes the file that x.load_state_dict(torch.load(path, weights_only=True)) reads in Python, of
/// an optimizer or a module. It replaces the file at once, as agmohd::save does.
/// @throws c10::Error  and leaves the old file. Waits for the device.
template <class X>
void save_python(const X& x, const std::string& path) {
  python::write(python::state_dict(x), path);
}

}  // namespace agmohd
