// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/optim/optimizer.h>
#include <torch/serialize/archive.h>

#include <cstddef>
#include <unordered_set>
#include <utility>
#include <vector>

#include "../policy/classic_locale.hpp"
#include "../tensor/same_kind.hpp"
#include "../torch/archived.hpp"

namespace agmohd::wrap {

struct SAMOptions {
  double rho = 0.05;      ///< radius of the neighbourhood, at least 0; with `adaptive` about ten
                          ///< times as large
  double eps = 1e-12;     ///< added to the norm, above 0
  bool adaptive = false;  ///< ASAM: measures the neighbourhood in units of the parameters
  double eta = 0;         ///< added to |p| where `adaptive`, at least 0
};

/// Sharpness-aware minimisation (Foret et al. 2021, algorithm 1, p = 2) around any optimizer, and
/// its adaptive form (Kwon et al. 2021, algorithm 1). With g the gradient at p:
///   e = rho T^2 g / (||T g|| + eps),   T = 1, or |p| + eta where `adaptive`
/// The optimizer steps from p with the gradient at p + e. The norm is that of all parameters that
/// have a gradient. The usual PyTorch version (davda54/sam) has eta = 0; the authors' of ASAM has
/// eta = 0.01 for weights, T = 1 for all else, and eps = 1e-16.
///
///   loss.backward(); sam.first_step(); sam.zero_grad(); loss2.backward(); sam.second_step();
///
/// or step(closure). A few launches for any number of parameters. Never waits if all parameters are
/// on devices of one type: the norm stays there. e is computed in a parameter's dtype, the norm in
/// float32 (float64 if a parameter is). Parameters come back as copies, exactly, also where a
/// gradient is not finite; what the optimizer then makes of the second gradient is its own affair.
/// Running statistics of batch norms see both passes. Gradients must be strided: sparse ones are
/// refused before a parameter moves. Complex parameters move as their parts. Errors are c10::Error.
template <class Inner>
class SAM : public agmohd::detail::Archived {
 public:
  using Options = SAMOptions;
  using LossClosure = torch::optim::Optimizer::LossClosure;
  explicit SAM(Inner& inner) : SAM(inner, Options{}) {}
  /// @param inner  is to live as long as this
  SAM(Inner& inner, const SAMOptions& options) : inner_(inner), options_(options) { check(); }
  SAM(const SAM&) = delete;  // two would move the same parameters
  SAM& operator=(const SAM&) = delete;

  Inner& inner() { return inner_; }
  /// Those of the steps that come.
  Options& options() { return options_; }
  const Options& options() const { return options_; }
  auto& param_groups() { return inner_.param_groups(); }
  void zero_grad() { inner_.zero_grad(); }

  /// p <- p + e for the parameters that have a gradient; keeps p.
  void first_step() {
    TORCH_CHECK(!perturbed_,
                "agmohd: first_step() of SAM, but the parameters are perturbed already; call "
                "second_step() or restore() before");
    check();
    const at::NoGradGuard no_grad;
    const std::vector<agmohd::detail::SameKind> found = with_gradients();
    std::vector<agmohd::detail::SameKind> kinds = found;
    for (agmohd::detail::SameKind& some : kinds) agmohd::detail::take_parts(some);
    std::vector<std::vector<at::Tensor>> weights(kinds.size()), moves(kinds.size());
    std::vector<at::Tensor> norms;
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      moves[k] = kinds[k].others;
      if (options_.adaptive) {  // in float32 at least: products of float16 overflow
        weights[k] = at::_foreach_abs(widened(kinds[k].params));
        if (options_.eta != 0) at::_foreach_add_(weights[k], options_.eta);
        moves[k] = at::_foreach_mul(weights[k], widened(kinds[k].others));
      }
      const bool is_double = kinds[k].params[0].scalar_type() == at::kDouble;
      norms.push_back(
          at::stack(at::_foreach_norm(moves[k], 2, is_double ? at::kDouble : at::kFloat)).norm());
    }
    const at::Tensor norm = norms.empty() ? at::Tensor() : together(norms);
    std::vector<agmohd::detail::SameKind> kept;
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      const at::Tensor& like = kinds[k].params[0];
      at::Tensor scale = on_device_of(options_.rho / (norm + options_.eps), like);
      const at::ScalarType dtype = moves[k][0].scalar_type();
      if (dtype == at::kHalf) scale = scale.clamp_max(65504);  // 0 inf is not 0
      moves[k] = at::_foreach_mul(moves[k], scale.to(dtype));
      if (options_.adaptive) {
        at::_foreach_mul_(moves[k], weights[k]);
        moves[k] = in_dtype(moves[k], like.scalar_type());
      }
      agmohd::detail::SameKind copies{found[k].params, {}};
      for (const at::Tensor& param : copies.params) copies.others.push_back(at::empty_like(param));
      at::_foreach_copy_(copies.others, copies.params);
      kept.push_back(std::move(copies));
    }
    kept_ = std::move(kept);
    perturbed_ = true;
    for (std::size_t k = 0; k < kinds.size(); ++k) at::_foreach_add_(kinds[k].params, moves[k]);
  }

  /// p comes back, and the optimizer steps. Takes what its step() takes, and returns what it
  /// returns.
  template <class... Given>
  at::Tensor second_step(Given&&... given) {
    TORCH_CHECK(perturbed_, "agmohd: second_step() of SAM without first_step() before");
    restore();
    return inner_.step(std::forward<Given>(given)...);
  }

  /// Both steps. The closure zeroes the gradients, and computes the loss and the gradients; it is
  /// called twice. Returns the loss at p, which the optimizer gets, too. After an exception p is as
  /// it was.
  at::Tensor step(const LossClosure& closure) {
    TORCH_CHECK(closure,
                "agmohd: step() of SAM takes a closure, which it calls twice; without one call "
                "first_step() and second_step()");
    const at::AutoGradMode enable(true);
    const at::Tensor loss = closure();
    first_step();
    try {
      closure();
    } catch (...) {
      restore();
      throw;
    }
    return second_step([&loss] { return loss; });
  }

  /// p comes back without a step of the optimizer. Nothing if it is there.
  void restore() {
    const at::NoGradGuard no_grad;
    for (agmohd::detail::SameKind& some : kept_) at::_foreach_copy_(some.params, some.others);
    kept_.clear();
    perturbed_ = false;
  }
  /// Whether the parameters are p + e now.
  bool perturbed() const { return perturbed_; }

  /// Those of the optimizer: SAM has no state between steps.
  void save(torch::serialize::OutputArchive& archive) const {
    refuse_perturbed("save");
    inner_.save(archive);
  }
  void load(torch::serialize::InputArchive& archive) {
    refuse_perturbed("load");
    inner_.load(archive);
  }

 private:
  void check() const {
    TORCH_CHECK(options_.rho >= 0 && options_.eps > 0 && options_.eta >= 0, agmohd::detail::classic,
                "agmohd: rho = ", options_.rho, ", eps = ", options_.eps,
                " and eta = ", options_.eta, ", but they must be at least 0, and eps above 0");
  }
  static std::vector<at::Tensor> in_dtype(const std::vector<at::Tensor>& from,
                                          at::ScalarType dtype) {
    if (from[0].scalar_type() == dtype) return from;
    std::vector<at::Tensor> to;
    for (const at::Tensor& x : from) to.push_back(at::empty_like(x, x.options().dtype(dtype)));
    at::_foreach_copy_(to, from);
    return to;
  }
  /// Those of two bytes in float32.
  static std::vector<at::Tensor> widened(const std::vector<at::Tensor>& from) {
    const bool wide = from[0].element_size() > 2;
    return in_dtype(from, wide ? from[0].scalar_type() : at::kFloat);
  }
  /// Parameters that have a gradient, each once, and their gradients.
  std::vector<agmohd::detail::SameKind> with_gradients() {
    std::vector<at::Tensor> params, grads;
    std::unordered_set<const void*> seen;
    std::size_t number = 0;
    for (auto& group : inner_.param_groups()) {
      for (const at::Tensor& param : group.params()) {
        number += 1;
        if (!param.grad().defined() || !seen.insert(param.unsafeGetTensorImpl()).second) continue;
        TORCH_CHECK(param.grad().layout() == at::kStrided, agmohd::detail::classic,
                    "agmohd: first_step() of SAM, but the gradient of parameter ", number - 1,
                    " has layout ", param.grad().layout(),
                    ". Build the embedding with sparse(false), or give it an optimizer of its own "
                    "without SAM");
        params.push_back(param);
        grads.push_back(param.grad().resolve_conj());
      }
    }
    return agmohd::detail::by_kind(params, grads);
  }
  /// A copy to the host has to be waited for, others not.
  static at::Tensor on_device_of(const at::Tensor& x, const at::Tensor& like) {
    return x.to(like.device(), x.scalar_type(), /*non_blocking=*/!like.is_cpu());
  }
  static at::Tensor together(const std::vector<at::Tensor>& norms) {
    if (norms.size() == 1) return norms[0];
    std::vector<at::Tensor> here;
    for (const at::Tensor& norm : norms)
      here.push_back(on_device_of(norm, norms[0]).to(at::kDouble));
    return at::stack(here).norm();
  }
  void refuse_perturbed(const char* what) const {
    TORCH_CHECK(!perturbed_, "agmohd: ", what,
                "() of SAM between first_step() and second_step(); call second_step() or restore() "
                "before");
  }

  Inner& inner_;
  Options options_;
  std::vector<agmohd::detail::SameKind> kept_;  // parameters, and p
  bool perturbed_ = false;
};

}  // namespace agmohd::wrap
