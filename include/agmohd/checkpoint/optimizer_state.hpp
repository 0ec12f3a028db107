// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <torch/optim/optimizer.h>
#include <torch/serialize/archive.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "../tensor/validate.hpp"
#include "../torch/load_report.hpp"
#include "../torch/memory_values.hpp"
#include "../torch/options.hpp"
#include "../torch/state_access.hpp"
#include "accumulated.hpp"
#include "before_1_5.hpp"
#include "digest.hpp"
#include "loaded.hpp"

// The archive of an optimizer: torch.optim's layout ("param_groups" with options and the saved
// addresses of their parameters, "state" by those addresses), so that each reads the other's, and
// beside it "agmohd" with what torch.optim does not have: the recipe's name, its memory, the
// options of the optimizer as a whole, and the digest of all entries.
namespace agmohd::checkpoint {

template <class Recipe>
struct Written {
  const std::vector<torch::optim::OptimizerParamGroup>& groups;
  const StateMap& states;
  const Options<Recipe>& options;
  typename Recipe::Memory memory;
  const AccumulationOf<Recipe>& accumulation;
};

inline std::string key_of(const at::Tensor& param) {
  return std::to_string(reinterpret_cast<std::size_t>(param.unsafeGetTensorImpl()));
}

/// The format of "agmohd". Names make room for growth; a new number is for what they cannot say.
/// Version 0.1 of the library wrote none.
inline constexpr std::int64_t kFormat = 2;

/// Reads and writes the memory of the optimizer.
template <class Recipe>
inline constexpr auto of_optimizer =
    [](auto& memory, const auto& leaf) { Memories<Recipe>::optimizer(memory, leaf); };

/// Throws c10::Error while the parameters of a schedule-free rule are its averages x: their state
/// belongs to y.
template <class Recipe>
void refuse_evaluating(const std::vector<torch::optim::OptimizerParamGroup>& groups,
                       const char* call) {
  if constexpr (has::interpolation<typename Recipe::Rule>) {
    for (std::size_t g = 0; g < groups.size(); ++g) {
      TORCH_CHECK(!options_of<Recipe>(groups[g], g).template get<"evaluating">(), detail::classic,
                  "agmohd: ", call, "() while the parameters of group ", g,
                  " are the averages (evaluating = true); call it after wrap::train or the end of "
                  "wrap::Evaluation");
    }
  }
}

template <class Recipe>
void write(torch::serialize::OutputArchive& archive, const Written<Recipe>& from) {
  refuse_evaluating<Recipe>(from.groups, "save");
  archive.write("pytorch_version", c10::IValue("1.5.0"));  // the version of torch.optim's format

  Contents contents;
  Writer states(archive, contents, "state"), groups(archive, contents, "param_groups");
  groups.write_count("param_groups/size", from.groups.size());
  std::unordered_set<const ParamState<Recipe>*> written;  // a parameter may be listed twice
  for (std::size_t g = 0; g < from.groups.size(); ++g) {
    const std::string number = std::to_string(g);
    Writer group = groups.nested("param_groups/" + number), options = group.nested("options");
    const auto& params = from.groups[g].params();
    group.write_count("params/size", params.size());
    for (std::size_t i = 0; i < params.size(); ++i) {
      group.write("params/" + std::to_string(i), c10::IValue(key_of(params[i])));
      const auto* const found = find_state<Recipe>(from.states, params[i], Place{g, i});
      if (found == nullptr || !written.insert(found).second) continue;
      Writer state = states.nested(key_of(params[i]));
      found->write(state);
      states.write(key_of(params[i]), state);
    }
    options_of<Recipe>(from.groups[g], g).write_group(options);
    group.write("options", options);
    groups.write("param_groups/" + number, group);
  }
  states.write_to(archive);
  groups.write_to(archive);

  Writer own(archive, contents, "agmohd"), options = own.nested("options");
  own.write("format", c10::IValue(kFormat));
  own.write("recipe", c10::IValue(Recipe::name()));
  own.write("memory", to_value(from.memory, of_optimizer<Recipe>));
  from.options.write_shared(options);
  own.write("options", options);
  if constexpr (Recipe::accumulates) write_accumulation(own, from.accumulation.saved(from.groups));
  own.write("contents", c10::IValue(contents.value()));
  own.write_to(archive);
}

/// Throws c10::Error unless the archive holds what was written. Version 0.1 is not checked.
inline void check_contents(torch::serialize::InputArchive& archive,
                           torch::serialize::InputArchive& own, Report& report) {
  c10::IValue value;
  if (!own.try_read("format", value)) {
    TORCH_CHECK(own.try_read("digest", value), "agmohd: the checkpoint is damaged: no digest");
    report.unchecked = true;
    return;
  }
  TORCH_CHECK(value.toInt() <= kFormat, detail::classic, "agmohd: the checkpoint is of format ",
              value.toInt(), ", but this version of agmohd reads up to ", kFormat);
  Contents contents;
  for (const char* part : {"state", "param_groups", "agmohd"}) {
    torch::serialize::InputArchive entries;
    if (archive.try_read(part, entries)) contents.add(part, entries);
  }
  own.read("contents", value);
  const std::int64_t expected = value.toInt();
  contents.remove("agmohd/contents", value);
  TORCH_CHECK(contents.value() == expected,
              "agmohd: the checkpoint is damaged: its contents do not match its digest");
}

/// A recipe of version 0.1, whose policies had other names, by the present ones.
inline std::string renamed(std::string recipe) {
  constexpr std::array<std::array<const char*, 2>, 3> kNames{
      {{"Detectors<", "Detect<"}, {"Scheduled", "Choice"}, {"Selected", "Choice"}}};
  for (const auto& [was, is] : kNames) {
    for (std::size_t at = 0; (at = recipe.find(was, at)) != std::string::npos;) {
      recipe.replace(at, std::string_view(was).size(), is);
    }
  }
  return recipe;
}

/// Reads "agmohd", the part that torch.optim does not have.
template <class Recipe>
void read_own(torch::serialize::InputArchive& own, Loaded<Recipe>& out) {
  c10::IValue value;
  own.read("recipe", value);
  const std::string recipe =
      out.report.unchecked ? renamed(value.toStringRef()) : value.toStringRef();
  const std::string rule = recipe.substr(0, recipe.find('/'));
  TORCH_CHECK(rule == Recipe::Rule::name(), detail::classic, "agmohd: the checkpoint is of recipe ",
              recipe, ", but this optimizer's is ", Recipe::name(), ", and their rules differ");
  // State that was stored in another way is converted.
  const bool same = recipe == Recipe::policies() || recipe.starts_with(Recipe::policies() + "/");
  if (!same) out.report.other_recipe = recipe;
  own.read("memory", value);
  if (value.isTensor()) {  // version 0.1 wrote bytes, of which the first are known
    const at::Tensor bits = within_storage(value.toTensor()).cpu().contiguous();
    TORCH_CHECK(bits.scalar_type() == at::kLong && bits.numel() > 0,
                "agmohd: the checkpoint is damaged: it has no memory");
    out.memory.updates = *bits.const_data_ptr<std::int64_t>();
    if (bits.numel() > 1) out.report.reset.insert("memory of the optimizer");
  } else {
    from_value(value, "optimizer:", out.memory, of_optimizer<Recipe>, out.report);
    if constexpr (Recipe::keeps_totals) {
      TORCH_CHECK(out.memory.kept.saved >= -1 && out.memory.kept.saved <= 1, detail::classic,
                  "agmohd: the checkpoint is damaged: there is no snapshot ",
                  out.memory.kept.saved);
    }
  }
  TORCH_CHECK(out.memory.updates >= 0, detail::classic,
              "agmohd: the checkpoint has updates = ", out.memory.updates,
              ", but it must be at least 0");
  torch::serialize::InputArchive options;
  own.read("options", options);
  out.options.read_shared(options, out.report);
}

/// Reads a whole archive against the groups of an optimizer. Throws c10::Error and changes nothing.
template <class Recipe>
Loaded<Recipe> read(torch::serialize::InputArchive& archive,
                    const std::vector<torch::optim::OptimizerParamGroup>& current,
                    const Options<Recipe>& defaults) {
  using torch::serialize::InputArchive;
  refuse_evaluating<Recipe>(current, "load");
  Loaded<Recipe> out;
  out.options = defaults;

  InputArchive own;
  const bool ours = archive.try_read("agmohd", own);
  if (ours) {
    check_contents(archive, own, out.report);
    read_own(own, out);
    if constexpr (Recipe::accumulates) out.accumulation = read_accumulation(own, current);
  }

  InputArchive groups, states;
  c10::IValue version;
  if (!archive.try_read("pytorch_version", version) && read_before_1_5(archive, current, out)) {
    return out;
  }
  TORCH_CHECK(archive.try_read("param_groups", groups) && archive.try_read("state", states),
              "agmohd: the archive does not hold the state of an optimizer (no param_groups and "
              "state in it)");
  const std::int64_t group_count = read_count(groups, "param_groups/size");
  TORCH_CHECK(group_count == std::int64_t(current.size()), detail::classic,
              "agmohd: the checkpoint has ", group_count,
              " parameter groups, but this optimizer has ", current.size());
  std::unordered_set<const void*> seen;
  for (std::size_t g = 0; g < current.size(); ++g) {
    InputArchive group, options;
    groups.read("param_groups/" + std::to_string(g), group);
    const auto& params = current[g].params();
    const std::int64_t param_count = read_count(group, "params/size");
    TORCH_CHECK(param_count == std::int64_t(params.size()), detail::classic, "agmohd: group ", g,
                " of the checkpoint has ", param_count,
                " parameters, but that of this optimizer has ", params.size());

    group.read("options", options);
    c10::IValue value;
    Recipe::Rule::fields.each([&](const auto& f, auto) {
      // torch.optim has no maximize; every other option of the rule is in each checkpoint of it.
      TORCH_CHECK(
          options.try_read(f.name, value) || (!ours && std::string_view(f.name) == "maximize"),
          detail::classic, "agmohd: the checkpoint lacks option ", f.name, " of group ", g,
          ": it is not one of ", Recipe::Rule::name());
    });
    out.groups.push_back(options_of<Recipe>(current[g], g));
    out.groups.back().read_group(options, " of group " + std::to_string(g), out.report);

    const auto rule = out.groups.back().group().rule;
    for (std::size_t i = 0; i < params.size(); ++i) {
      const Place place{g, i};
      group.read("params/" + std::to_string(i), value);
      InputArchive saved;
      if (!seen.insert(params[i].unsafeGetTensorImpl()).second) continue;
      if (!states.try_read(value.toStringRef(), saved)) continue;
      auto state = std::make_unique<ParamState<Recipe>>();
      state->read(saved, out.report);
      const unsigned used = States<Recipe>::used(rule, params[i]);
      state->for_each_slot([&](std::size_t j, at::Tensor& slot) {
        const char* const name = States<Recipe>::names[j];
        TORCH_CHECK(slot.defined() || (used >> j & 1U) == 0, detail::classic,
                    "agmohd: the checkpoint lacks the state ", name, " of ", place);
        take(slot, params[i], States<Recipe>::sizes(params[i], j), name, place, params[i].device());
      });
      state->for_each_kept([&](std::size_t j, at::Tensor& kept) {
        if (!kept.defined()) return;
        const char* const name = j == 0 ? "snapshot" : States<Recipe>::names[j - 1];
        const auto sizes =
            j == 0 ? params[i].sizes().vec() : States<Recipe>::sizes(params[i], j - 1);
        take(kept, params[i], sizes, name, place, kept.device());
      });
      if (!ours) out.memory.updates = std::max(out.memory.updates, state->step());
      out.states.emplace_back(params[i].unsafeGetTensorImpl(), std::move(state));
    }
  }
  return out;
}

}  // namespace agmohd::checkpoint
