// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
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
#include <type_traits>
#include <utility>
#include <vector>

#include "../checkpoint/loaded.hpp"
#include "../policy/check.hpp"
#include "../policy/classic_locale.hpp"
#include "../rule/adafactor.hpp"
#include "../rule/adagrad.hpp"
#include "../rule/adam.hpp"
#include "../rule/adamw.hpp"
#include "../rule/rmsprop.hpp"
#include "../rule/sgd.hpp"
#include "../tensor/validate.hpp"
#include "../torch/load_report.hpp"
#include "../torch/option_table.hpp"
#include "../torch/options.hpp"
#include "../torch/param_state.hpp"
#include "../torch/states.hpp"
#include "pickle_values.hpp"

// The parts of a state_dict() of Python's torch.optim.
namespace agmohd {

namespace checkpoint {

/// The rule of an optimizer as torch.optim has it.
template <class Rule>
struct OfPython {
  static constexpr bool sgd = std::same_as<Rule, rule::SGD>;
  static constexpr bool adamw = std::same_as<Rule, rule::AdamW>;
  static constexpr bool adams = adamw || std::same_as<Rule, rule::Adam>;
  static constexpr bool rmsprop = std::same_as<Rule, rule::RMSprop>;
  static constexpr bool adafactor = std::same_as<Rule, rule::Adafactor>;
  static_assert(sgd || adams || rmsprop || adafactor || std::same_as<Rule, rule::Adagrad>,
                "agmohd: load_python and save_python know SGD, Adam, AdamW, RMSprop, Adagrad and "
                "Adafactor of torch.optim; the rule of this optimizer is another");

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
/// `none`: what None stands for in a pair.
template <class V>
c10::IValue option_in(const c10::IValue& x, std::optional<double> none = {}) {
  if constexpr (std::is_same_v<V, bool>) {
    return x.isBool() ? x : c10::IValue();
  } else if constexpr (std::is_same_v<V, Pair>) {
    std::vector<c10::IValue> parts;
    if (x.isTuple()) parts = x.toTupleRef().elements().vec();
    if (x.isList()) parts = x.toListRef().vec();
    if (parts.size() != 2) return {};
    const auto first = parts[0].isNone() ? none : number_in(parts[0]);
    const auto second = number_in(parts[1]);
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
    const c10::IValue value =
        option_in<V>(group.at(name), Python::adafactor ? std::optional<double>(0) : std::nullopt);
    TORCH_CHECK(!value.isNone(), detail::classic, "agmohd: the option ", name, " of group ", g,
                " of the state_dict is of type ", type_of(group.at(name)), ", but it must be ",
                kind_of_option<V>());
    if (name == "weight_decay") weight_decay = value.toDouble();
    archive.write(name, value);
  });
  if constexpr (Python::adams) {
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
  constexpr auto names = States<Recipe>::names;
  std::array<at::Tensor, States<Recipe>::count> slots;
  double step = Python::sgd ? 1 : -1;  // SGD has none: a buffer is the sign of an earlier step
  bool any = false;
  for (const auto& item : saved) {
    const std::string name = text_of(item.key());
    const c10::IValue& value = item.value();
    const auto slot = std::find(names.begin(), names.end(), name);
    if (name == "step" && !Python::sgd) {
      const auto number = number_in(value);
      TORCH_CHECK(number.has_value(), detail::classic, "agmohd: the state step of ", place,
                  " is of type ", type_of(value), ", but it must be a number");
      TORCH_CHECK(*number >= 0 && *number < 0x1p53 && *number == std::floor(*number),
                  detail::classic, "agmohd: the state step of ", place, " is ", *number,
                  ", but it must be a whole number of at least 0");
      step = *number;
    } else {
      TORCH_CHECK(slot != names.end(), detail::classic, "agmohd: the state_dict has a state ", name,
                  " of ", place, ", which ", Python::name(), " does not have");
      TORCH_CHECK(value.isTensor() || value.isNone(), detail::classic, "agmohd: the state ", name,
                  " of ", place, " is of type ", type_of(value), ", but it must be a tensor");
      if (value.isNone()) continue;
      slots[static_cast<std::size_t>(slot - names.begin())] = value.toTensor();
    }
    any = true;
  }
  if (!any) return nullptr;
  TORCH_CHECK(step >= 0, detail::classic, "agmohd: the state_dict lacks the state step of ", place);
  state->step(static_cast<std::int64_t>(step));
  const unsigned used = States<Recipe>::used(options, param);
  state->for_each_slot([&](std::size_t j, at::Tensor& slot) {
    const char* const name = names[j];
    TORCH_CHECK(slots[j].defined() || (used >> j & 1U) == 0, detail::classic,
                "agmohd: the state_dict lacks the state ", name, " of ", place);
    take(slots[j], param, States<Recipe>::sizes(param, j), name, place, param.device());
    slot = std::move(slots[j]);
  });
  return state;
}

/// Copies of the options of all groups, with the state_dict's in them.
template <class Recipe>
std::vector<Options<Recipe>> options_in(
    const python::List& groups, const std::vector<torch::optim::OptimizerParamGroup>& param_groups,
    Report& report) {
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
    out.push_back(options_of<Recipe>(param_groups[g], g));
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

}  // namespace agmohd
