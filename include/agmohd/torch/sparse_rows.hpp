// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstddef>

#include "../policy/classic_locale.hpp"
#include "../rule/rule.hpp"
#include "../step/executor.hpp"
#include "../tensor/validate.hpp"
#include "states.hpp"

namespace agmohd {

/// Throws c10::Error unless a step can take a sparse gradient. `snapshots`: whether the optimizer
/// keeps some.
template <class Recipe>
void validate_sparse_grad(const at::Tensor& param, const at::Tensor& grad, bool snapshots,
                          const Place& place) {
  constexpr const char* must = " has layout Sparse, but it must be strided: ";
  constexpr const char* instead = ", or build the embedding with sparse(false)";
  TORCH_CHECK(has::lazy<typename Recipe::Rule>, detail::classic, "agmohd: the gradient of ", place,
              must, Recipe::Rule::name(),
              " moves all rows in every step. Use SGD, Adagrad, Adam, AdamW or AdamC", instead);
  TORCH_CHECK(!Recipe::guards, detail::classic, "agmohd: the gradient of ", place, must,
              "hindrance detection takes the moments of rows that rested for broken ones. Use ",
              Recipe::Rule::name(), " without it", instead);
  TORCH_CHECK(!Recipe::rows, detail::classic, "agmohd: the gradient of ", place, must,
              Recipe::Gradient::name(), " measures whole rows or tensors. Leave it out", instead);
  TORCH_CHECK(!snapshots, detail::classic, "agmohd: the gradient of ", place, must,
              "snapshots hold whole parameters. Set snapshots(false)", instead);
  TORCH_CHECK(grad.sparse_dim() == 1, detail::classic, "agmohd: the gradient of ", place, must,
              grad.sparse_dim(), " of its dimensions are sparse. Only the first may be");
  validate_as_param(param, grad, place);
}

template <class Recipe>
void validate_any_grad(const at::Tensor& param, const at::Tensor& grad, bool snapshots,
                       const Place& place) {
  if (grad.is_sparse()) {
    validate_sparse_grad<Recipe>(param, grad, snapshots, place);
  } else {
    validate_grad(param, grad, place);
  }
}

/// The rows of a parameter that a sparse gradient has, as that of nn::Embedding with sparse(true):
/// copies of them and of their states, which a step works on, and which go back after it. The other
/// rows rest, with their states: of SGD without momentum and decay, and of Adagrad, that is what a
/// dense gradient does; of Adam it is lazy, as torch.optim.SparseAdam. Rows that occur several
/// times are added first, for which a GPU is waited for.
template <class Recipe>
struct SparseRows {
  at::Tensor whole;  ///< the parameter
  std::array<at::Tensor, States<Recipe>::count> states;
  at::Tensor numbers;  ///< of the rows, ascending
  at::Tensor param, grad;
  std::array<at::Tensor, States<Recipe>::count> slots;  ///< undefined: not used

  SparseRows(const at::Tensor& of, const at::Tensor& gradient,
             const std::array<at::Tensor, States<Recipe>::count>& all, TensorRef<Recipe>& ref)
      : whole(of.detach()), states(all) {
    const at::Tensor once = gradient.coalesce();
    numbers = once.indices()[0];
    grad = once.values().resolve_conj().contiguous();
    param = whole.index_select(0, numbers);
    for (std::size_t j = 0; j < states.size(); ++j) {
      if (ref.state(j) == nullptr) continue;
      slots[j] = states[j].index_select(0, numbers);
      ref.state(j, slots[j].mutable_data_ptr());
    }
    ref.numel = part_count(param);
  }
  void give_back() {
    whole.index_copy_(0, numbers, param);
    for (std::size_t j = 0; j < states.size(); ++j) {
      if (slots[j].defined()) states[j].index_copy_(0, numbers, slots[j]);
    }
    grad = at::Tensor();  // zero_grad() is to free it
  }
};

}  // namespace agmohd
