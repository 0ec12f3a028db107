// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <torch/optim/optimizer.h>
#include <torch/serialize/archive.h>

#include <string>

#include "../policy/classic_locale.hpp"
#include "../tensor/validate.hpp"
#include "../torch/accumulation.hpp"
#include "digest.hpp"

// What gradient::Accumulate has added, in "agmohd/accumulated": counts, the sum of losses, and the
// sums by group and position of their parameters.
namespace agmohd::checkpoint {

inline std::string accumulated_key(const Place& place) {
  return std::to_string(place.group) + "/" + std::to_string(place.position);
}

template <class = void>
void write_accumulation(Writer& own, const Accumulation::Saved& from) {
  Writer out = own.nested("accumulated");
  out.write("calls", c10::IValue(from.calls));
  out.write("losses", c10::IValue(from.losses));
  if (from.loss.defined()) out.write("loss", c10::IValue(from.loss));
  for (const auto& [place, param, sum] : from.sums) out.write(accumulated_key(place), sum);
  own.write("accumulated", out);
}

/// The sum of losses, in double and in memory of its own, on the device that it came on.
template <class = void>
at::Tensor accumulated_loss(const at::Tensor& sum) {
  TORCH_CHECK(sum.defined(), "agmohd: the checkpoint's sum of losses is an undefined tensor");
  TORCH_CHECK(within_storage(sum).numel() == 1 && dtype_of(sum.scalar_type()), detail::classic,
              "agmohd: the checkpoint's sum of losses is of dtype ", sum.scalar_type(),
              " and shape ", sum.sizes(),
              ", but it must be one element of dtype Float, Double, BFloat16 or Half");
  return sum.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
}

/// Nothing where the checkpoint has none. Throws c10::Error and changes nothing.
template <class = void>
Accumulation::Saved read_accumulation(torch::serialize::InputArchive& own,
                                      const Accumulation::Groups& groups) {
  Accumulation::Saved to;
  torch::serialize::InputArchive from;
  if (!own.try_read("accumulated", from)) return to;
  c10::IValue value;
  from.read("calls", value);
  to.calls = value.toInt();
  from.read("losses", value);
  to.losses = value.toInt();
  TORCH_CHECK(to.calls >= 0 && to.losses >= 0 && to.losses <= to.calls, detail::classic,
              "agmohd: the checkpoint has added the gradients of ", to.calls, " calls and ",
              to.losses, " losses, but these must be at least 0, and not more losses than calls");
  if (from.try_read("loss", value)) to.loss = accumulated_loss(value.toTensor());
  TORCH_CHECK(to.loss.defined() == (to.losses > 0), detail::classic,
              "agmohd: the checkpoint has added ", to.losses, " losses, but it has ",
              to.loss.defined() ? "their sum" : "no sum of them");
  Accumulation::for_each(groups, [&](const at::Tensor& param, const Place& place) {
    if (!from.try_read(accumulated_key(place), value)) return;
    const at::Tensor sum = within_storage(value.toTensor());
    validate_slot(sum, param, param.sizes(), "accumulated gradient", place);
    TORCH_CHECK(to.calls > 0, detail::classic,
                "agmohd: the checkpoint has added the gradients of 0 calls, but it has a sum of ",
                "those of ", place);
    to.sums.push_back({place, param, sum});
  });
  return to;
}

}  // namespace agmohd::checkpoint
