// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "../tensor/overlap.hpp"
#include "../tensor/validate.hpp"

namespace agmohd {

/// Parameters that share memory, themselves or through their states, are updated one after the
/// other, in their order, as torch.optim does. A wave is what can be updated at once.
class Waves {
 public:
  /// The next parameter, with what a step uses of its state. `staged`: it is copied to a buffer and
  /// back, and so cannot wait for another one.
  template <class Slots, class Ref>
  void add(const at::Tensor& param, const Slots& slots, const Ref& ref, bool staged,
           const Place& place) {
    const auto owner = std::int32_t(owners_.size());
    owners_.push_back({place, staged});
    // For writing: copies that are made at the first write have memory of their own then.
    extents_.emplace_back(param, param.mutable_data_ptr(), owner, 0);
    for (std::size_t j = 0; j < slots.size(); ++j) {
      if (ref.state(j) != nullptr) {
        extents_.emplace_back(slots[j], ref.state(j), owner, std::int32_t(1 + j));
      }
    }
  }

  /// The wave of each parameter. Throws where one after the other is not possible. Of the states,
  /// `slots` are what a wave updates: factors behind them move before all waves.
  template <class = void>  // for units without an optimizer, as in tensor/overlap.hpp
  std::vector<std::int32_t> find(const char* const* slot_names, std::size_t slots) {
    std::vector<std::pair<std::int32_t, std::int32_t>> after;  // the first waits for the second
    for_each_overlap(extents_, [&](const Extent& a, const Extent& b) {
      const auto name = [&](const Extent& e) {
        const std::string part = e.part > 0 ? slot_names[e.part - 1] : "";
        return c10::str(e.part > 0 ? "the state " + part + " of " : "",
                        owners_[std::size_t(e.owner)].place);
      };
      const Owner &x = owners_[std::size_t(a.owner)], &y = owners_[std::size_t(b.owner)];
      const bool factor = std::size_t(std::max(a.part, b.part)) > slots;
      TORCH_CHECK(a.owner != b.owner && !factor && !x.staged && !y.staged, detail::classic,
                  "agmohd: ", name(a), " and ", name(b), " share memory",
                  a.owner == b.owner || factor
                      ? ""
                      : ", and a parameter of them, or its gradient, is not dense",
                  ": give each memory of its own");
      if (shared_.empty()) shared_ = c10::str(name(a), " and ", name(b), " share memory");
      after.emplace_back(std::max(a.owner, b.owner), std::min(a.owner, b.owner));
    });
    std::sort(after.begin(), after.end());
    std::vector<std::int32_t> waves(owners_.size(), 0);
    for (const auto& [later, earlier] : after) {
      waves[std::size_t(later)] =
          std::max(waves[std::size_t(later)], waves[std::size_t(earlier)] + 1);
    }
    return waves;
  }

  /// After find(): throws where anything is shared, which `option` does not allow.
  void require_none(const char* option) const {
    TORCH_CHECK(shared_.empty(), detail::classic, "agmohd: ", option, ", but ", shared_,
                ", and a rollback could not restore them one by one");
  }

 private:
  struct Owner {
    Place place;
    bool staged;
  };
  std::vector<Owner> owners_;
  std::vector<Extent> extents_;
  std::string shared_;  // the first two that do
};

}  // namespace agmohd
