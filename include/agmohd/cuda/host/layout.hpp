// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace agmohd::cuda {

/// Where the parts of the table lie, for so many tensors and chunks.
struct TableLayout {
  std::size_t tensor_room = 0, chunk_room = 0;
  std::size_t swept_room = 0, totals_room = 0;
  std::size_t row_room = 0, piece_room = 0, partial_room = 0, scaled_room = 0;
  std::size_t tensors = 0, sampled = 0, chunks = 0, partials = 0, summed = 0, norms = 0, rows = 0,
              pieces = 0, factor_partials = 0, scaled = 0, swept = 0, totals = 0, coefficients = 0,
              coefficients64 = 0, tensor_norms = 0;
  std::size_t end = 0;

  std::size_t place(std::size_t bytes) {
    const std::size_t at = (end + 255) / 256 * 256;
    end = at + bytes;
    return at;
  }
};

}  // namespace agmohd::cuda
