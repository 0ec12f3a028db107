// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <vector>

#include "../step/medians.hpp"
#include "../step/rows.hpp"

namespace agmohd {

/// What the gradients of a tensor are multiplied with, shifted by, projected with or filtered by.
template <class Recipe>
using ValuesOfRows =
    std::conditional_t<Recipe::whole_tensors, reduction::ValueOfRow<Recipe>, at::Tensor>;

/// Those of a tensor of float or double elements: a value of each row, to be broadcast; where the
/// recipe projects or filters, all of the tensor is one row.
template <class Recipe>
ValuesOfRows<Recipe> values_of_rows(const typename Recipe::Shared& shared, const RowShape& of,
                                    const at::Tensor& p, const at::Tensor& g) {
  if constexpr (Recipe::projects) {
    const at::Tensor x = p.to(at::kDouble), y = g.to(at::kDouble);
    const auto sum = [](const at::Tensor& z) { return z.sum().template item<double>(); };
    return Recipe::projection(shared, sum(x * x), sum(x * y), sum(y * y));
  } else if constexpr (Recipe::filters) {
    const auto median = [](const at::Tensor& x) {
      const auto rank = reduction::median_rank(x.numel());
      return std::get<0>(x.reshape({-1}).kthvalue(rank + 1)).template item<double>();
    };
    const at::Tensor sizes = g.abs();
    const double middle = median(sizes);
    return Recipe::outliers(shared, middle, median((sizes - middle).abs()), g.numel());
  } else {
    const auto rows = of.count;
    const auto sum = [rows](const at::Tensor& x) { return x.reshape({rows, -1}).sum(1).cpu(); };
    const auto norm2 = [&sum](const at::Tensor& x) { return sum(x.to(at::kDouble).square()); };
    at::Tensor values = Recipe::shifts_rows ? sum(g.to(at::kDouble)) : norm2(g);
    const at::Tensor p2 = norm2(p);
    for (std::int64_t r = 0; r < rows; ++r) {
      double& value = values.mutable_data_ptr<double>()[r];
      const reduction::RowSums sums{p2.const_data_ptr<double>()[r], value};
      value = reduction::row_value<Recipe>(shared, sums, of, g.numel() / rows);
    }
    std::vector<std::int64_t> shape(std::size_t(g.dim()), 1);
    if (rows > 1) shape[0] = rows;
    return values.to(g.options()).reshape(shape);
  }
}

}  // namespace agmohd
