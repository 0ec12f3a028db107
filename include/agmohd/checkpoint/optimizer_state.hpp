// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <torch/optim/optimizer.h>
#include <torch/serialize/archive.h>

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../core/validate.hpp"
#include "../options.hpp"
#include "../param_state.hpp"
#include "digest.hpp"

// The archive of an optimizer: torch.optim's layout ("param_groups" with options and the saved
// addresses of their parameters, "state" by those addresses), so that each reads the other's, and
// beside it "agmohd" with what torch.optim does not have: the recipe's name, its memory, the
// options of the optimizer as a whole.
namespace agmohd::checkpoint {

template <class Recipe>
struct Written {
  const std::vector<torch::optim::OptimizerParamGroup>& groups;
  const ska::flat_hash_map<void*, std::unique_ptr<torch::optim::OptimizerParamState>>& states;
  const Options<Recipe>& options;
  typename Recipe::Memory memory;
};

template <class Recipe>
struct Loaded {
  std::vector<Options<Recipe>> groups;
  std::vector<std::pair<void*, std::unique_ptr<ParamState<Recipe>>>> states;
  Options<Recipe> options;
  typename Recipe::Memory memory{};
};

inline std::string key_of(const at::Tensor& param) {
  return std::to_string(reinterpret_cast<std::size_t>(param.unsafeGetTensorImpl()));
}

template <class Recipe>
void write(torch::serialize::OutputArchive& archive, const Written<Recipe>& from) {
  using torch::serialize::OutputArchive;
  archive.write("pytorch_version", c10::IValue("1.5.0"));  // the version of torch.optim's format

  Digest digest;
  OutputArchive states(archive.compilation_unit()), groups(archive.compilation_unit());
  groups.write("param_groups/size", at::scalar_tensor(std::int64_t(from.groups.size()), at::kLong));
  for (std::size_t g = 0; g < from.groups.size(); ++g) {
    OutputArchive group(archive.compilation_unit()), options(archive.compilation_unit());
    const auto& params = from.groups[g].params();
    group.write("params/size", at::scalar_tensor(std::int64_t(params.size()), at::kLong));
    for (std::size_t i = 0; i < params.size(); ++i) {
      group.write("params/" + std::to_string(i), c10::IValue(key_of(params[i])));
      const auto found = from.states.find(params[i].unsafeGetTensorImpl());
      if (found == from.states.end()) continue;
      const ParamState<Recipe>& typed = state_of<Recipe>(found->second.get(), Place{g, i});
      typed.digest(digest);
      OutputArchive state(archive.compilation_unit());
      typed.serialize(state);
      states.write(key_of(params[i]), state);
    }
    const auto& group_options = options_of<Recipe>(from.groups[g], g);
    group_options.serialize(options);
    group_options.digest(digest, detail::OptionPart::group);
    group.write("options", options);
    groups.write("param_groups/" + std::to_string(g), group);
  }
  archive.write("state", states);
  archive.write("param_groups", groups);

  OutputArchive own(archive.compilation_unit()), options(archive.compilation_unit());
  own.write("recipe", c10::IValue(Recipe::name()));
  own.write("memory", c10::IValue(ParamState<Recipe>::to_tensor(from.memory)));
  from.options.serialize_shared(options);
  own.write("options", options);
  from.options.digest(digest, detail::OptionPart::shared);
  digest.add(ParamState<Recipe>::to_tensor(from.memory));
  own.write("digest", c10::IValue(digest.value()));
  Digest storage;
  from.options.digest(storage, detail::OptionPart::storage);
  own.write("storage_digest", c10::IValue(storage.value()));
  archive.write("agmohd", own);
}

/// A number that was saved as a tensor.
inline std::int64_t read_count(torch::serialize::InputArchive& archive, const char* key) {
  at::Tensor x;
  archive.read(key, x);
  TORCH_CHECK(within_storage(x).numel() == 1 && x.scalar_type() == at::kLong,
              "agmohd: the checkpoint is damaged: ", key, " is not a number");
  return x.item<std::int64_t>();
}

/// Reads a whole archive against the groups of an optimizer. Throws c10::Error and changes nothing.
template <class Recipe>
Loaded<Recipe> read(torch::serialize::InputArchive& archive,
                    const std::vector<torch::optim::OptimizerParamGroup>& current,
                    const Options<Recipe>& defaults) {
  using torch::serialize::InputArchive;
  Loaded<Recipe> out;
  out.options = defaults;

  Digest digest;
  std::int64_t expected = 0;
  InputArchive own;
  const bool ours = archive.try_read("agmohd", own);
  if (ours) {
    c10::IValue value;
    own.read("recipe", value);
    // State that was stored in another way is converted.
    const std::string& recipe = value.toStringRef();
    TORCH_CHECK(recipe == Recipe::policies() || recipe.starts_with(Recipe::policies() + "/"),
                "agmohd: the checkpoint is of recipe ", recipe, ", but this optimizer's is ",
                Recipe::name());
    const bool same_storage = recipe == Recipe::name();
    own.read("memory", value);
    ParamState<Recipe>::from_tensor(value.toTensor(), out.memory);
    TORCH_CHECK(out.memory.updates >= 0,
                "agmohd: the checkpoint has updates = ", out.memory.updates,
                ", but it must be at least 0");
    InputArchive options;
    own.read("options", options);
    out.options.serialize_shared(options);
    if (same_storage && own.try_read("storage_digest", value)) {
      Digest storage;
      out.options.digest(storage, detail::OptionPart::storage);
      TORCH_CHECK(storage.value() == value.toInt(),
                  "agmohd: the checkpoint is damaged: its contents do not match its digest");
    }
    own.read("digest", value);
    expected = value.toInt();
  }

  InputArchive groups, states;
  TORCH_CHECK(archive.try_read("param_groups", groups) && archive.try_read("state", states),
              "agmohd: the archive does not hold the state of an optimizer (no param_groups and "
              "state in it)");
  const std::int64_t group_count = read_count(groups, "param_groups/size");
  TORCH_CHECK(group_count == std::int64_t(current.size()), "agmohd: the checkpoint has ",
              group_count, " parameter groups, but this optimizer has ", current.size());
  for (std::size_t g = 0; g < current.size(); ++g) {
    InputArchive group, options;
    groups.read("param_groups/" + std::to_string(g), group);
    const auto& params = current[g].params();
    const std::int64_t param_count = read_count(group, "params/size");
    TORCH_CHECK(param_count == std::int64_t(params.size()), "agmohd: group ", g,
                " of the checkpoint has ", param_count,
                " parameters, but that of this optimizer has ", params.size());

    group.read("options", options);
    c10::IValue value;
    Recipe::Rule::fields.each([&](const auto& f, auto) {
      // torch.optim has no maximize; every other option of the rule is in each checkpoint of it.
      TORCH_CHECK(
          options.try_read(f.name, value) || (!ours && std::string_view(f.name) == "maximize"),
          "agmohd: the checkpoint lacks option ", f.name, " of group ", g, ": it is not one of ",
          Recipe::Rule::name());
    });
    out.groups.push_back(options_of<Recipe>(current[g], g));
    out.groups.back().serialize(options);

    const unsigned used = Recipe::Rule::slots(out.groups.back().group().rule);
    for (std::size_t i = 0; i < params.size(); ++i) {
      const Place place{g, i};
      group.read("params/" + std::to_string(i), value);
      InputArchive saved;
      if (!states.try_read(value.toStringRef(), saved)) continue;
      auto state = std::make_unique<ParamState<Recipe>>();
      state->serialize(saved);
      state->digest(digest);
      // Storage of its own: what was read may be shared, or used for another load.
      const auto adopt = [&](at::Tensor& x, const char* name, at::Device device) {
        validate_slot(x, params[i], name, place);
        if (x.defined()) x = x.detach().to(device, /*non_blocking=*/false, /*copy=*/true);
      };
      state->for_each_slot([&](std::size_t j, at::Tensor& slot) {
        const char* const name = Recipe::Rule::slot_names[j];
        TORCH_CHECK(slot.defined() || (used >> j & 1U) == 0,
                    "agmohd: the checkpoint lacks the state ", name, " of ", place);
        adopt(slot, name, params[i].device());
      });
      state->for_each_kept([&](std::size_t j, at::Tensor& kept) {
        if (!kept.defined()) return;
        adopt(kept, j == 0 ? "snapshot" : Recipe::Rule::slot_names[j - 1], kept.device());
      });
      if (!ours) out.memory.updates = std::max(out.memory.updates, state->step());
      out.states.emplace_back(params[i].unsafeGetTensorImpl(), std::move(state));
    }
    out.groups.back().digest(digest, detail::OptionPart::group);
  }
  out.options.digest(digest, detail::OptionPart::shared);
  digest.add(ParamState<Recipe>::to_tensor(out.memory));
  TORCH_CHECK(!ours || digest.value() == expected,
              "agmohd: the checkpoint is damaged: its contents do not match its digest");
  return out;
}

}  // namespace agmohd::checkpoint
