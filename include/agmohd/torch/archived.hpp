// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/serialize/archive.h>

#include <concepts>

namespace agmohd::detail {

/// What has save(archive) and load(archive) derives from it, and agmohd::save and load, and
/// torch::save and load, take one.
struct Archived {};
template <std::derived_from<Archived> T>
torch::serialize::OutputArchive& operator<<(torch::serialize::OutputArchive& archive,
                                            const T& from) {
  from.save(archive);
  return archive;
}
template <std::derived_from<Archived> T>
torch::serialize::InputArchive& operator>>(torch::serialize::InputArchive& archive, T& to) {
  to.load(archive);
  return archive;
}

}  // namespace agmohd::detail
