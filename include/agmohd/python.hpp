// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "policy/compiler.hpp"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "checkpoint/load.hpp"
#include "optimizer.hpp"
#include "policy/classic_locale.hpp"
#include "python/pickle.hpp"
#include "python/state_dict.hpp"
#include "tensor/validate.hpp"
#include "torch/adoption.hpp"
#include "torch/load_report.hpp"
#include "torch/options.hpp"
#include "torch/state_access.hpp"

// The state_dict() of Python's torch.optim.SGD, Adam, AdamW, RMSprop, Adagrad and Adafactor, and of
// its modules, into and out of agmohd's optimizers and LibTorch's modules. For those who need it:
// agmohd.hpp does not include it.
namespace agmohd {

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
        const bool none = Python::adafactor && value.first == 0;  // of eps
        group.insert(field.name,
                     c10::ivalue::Tuple::create(none ? c10::IValue() : c10::IValue(value.first),
                                                value.second));
      } else {
        group.insert(field.name, value);
      }
    });
    group.insert("foreach", c10::IValue());
    if constexpr (!Python::adafactor) group.insert("differentiable", false);
    if constexpr (!Python::rmsprop && !Python::adafactor) group.insert("fused", c10::IValue());
    if constexpr (Python::rmsprop || Python::adams) group.insert("capturable", false);
    if constexpr (Python::adams) group.insert("decoupled_weight_decay", Python::adamw);

    List params = list();
    const auto& tensors = optimizer.param_groups()[g].params();
    for (std::size_t i = 0; i < tensors.size(); ++i, ++index) {
      params.push_back(index);
      const Place place{g, i};
      const auto* state = find_state<Recipe>(optimizer.state(), tensors[i], place);
      StateMap begun;  // where Python's optimizer cannot do without
      if (state == nullptr) {
        make_states_at_once<Recipe>(begun, {tensors[i]}, own);
        state = find_state<Recipe>(begun, tensors[i], place);
      }
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
        const auto& slots = agmohd::detail::StateAccess<Recipe>::slots(*state);
        for (std::size_t j = 0; j < slots.size(); ++j) {
          const unsigned used = States<Recipe>::used(options.rule, tensors[i]);
          if ((used >> j & 1U) != 0) add(States<Recipe>::names[j], slots[j]);
        }
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
  std::vector<Options<Recipe>> options =
      checkpoint::options_in<Recipe>(groups, optimizer.param_groups(), report);
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
    options_of<Recipe>(optimizer.param_groups()[g], g) = std::move(options[g]);
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
  checkpoint::naming(path, [&] { python::load_state_dict(x, value); });
}

/// Writes the file that x.load_state_dict(torch.load(path, weights_only=True)) reads in Python, of
/// an optimizer or a module. It replaces the file at once, as agmohd::save does.
/// @throws c10::Error  and leaves the old file. Waits for the device.
template <class X>
void save_python(const X& x, const std::string& path) {
  python::write(python::state_dict(x), path);
}

}  // namespace agmohd
