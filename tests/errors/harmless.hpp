// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Every error is a c10::Error that names what is wrong, its value and what is allowed, and leaves
// optimizer, parameters and states as they were: what all tests of errors compare.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

namespace testing_errors {

using agmohd::Recipe;
using Group = torch::optim::OptimizerParamGroup;
using Groups = std::vector<Group>;
using Tensors = std::vector<at::Tensor>;
using Texts = std::vector<std::string>;

using Rich = agmohd::Optimizer<
    Recipe<agmohd::rule::AdamW,
           agmohd::gradient::Chain<agmohd::gradient::ClipByValue, agmohd::gradient::ClipByNorm>,
           agmohd::schedule::Warmup<agmohd::schedule::Cosine>>>;
using agmohd::SGD;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

inline Rich::Options good() { return Rich::Options(0.1).total_steps(50).warmup_steps(5); }

template <class F>
void expect_error(F f, const Texts& texts) {
  try {
    f();
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    for (const std::string& text : texts) {
      EXPECT_NE(message.find(text), std::string::npos) << "no '" << text << "' in: " << message;
    }
    return;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not a c10::Error: " << error.what();
    return;
  }
  ADD_FAILURE() << "no error";
}

inline at::Tensor parameter(at::IntArrayRef sizes = {3, 4}) {
  at::Tensor p = at::arange(1, c10::multiply_integers(sizes) + 1, at::kFloat).reshape(sizes);
  p.requires_grad_();
  p.mutable_grad() = 0.1 * p.detach().sin();
  return p;
}

/// Two groups, three parameters, some steps taken.
struct Fixture {
  Tensors params{parameter(), parameter({5}), parameter({2, 2})};
  Rich optimizer;

  explicit Fixture(int steps = 3)
      : optimizer(Groups{Group({params[0], params[1]}),
                         Group({params[2]}, std::make_unique<Rich::Options>(0.2))},
                  good()) {
    for (int i = 0; i < steps; ++i) optimizer.step();
  }
  Rich::Options& group(std::size_t i) {
    return static_cast<Rich::Options&>(optimizer.param_groups()[i].options());
  }
};

inline void append(std::string& out, const at::Tensor& x) {
  out += x.defined() ? "defined " : "undefined ";
  if (!x.defined()) return;
  const at::Tensor c = x.detach().contiguous();
  out.append(static_cast<const char*>(c.const_data_ptr()), c.nbytes());
}

/// All bytes of parameters and states, all steps, counts and options.
inline std::string content(const Rich& optimizer) {
  std::string out = std::to_string(optimizer.updates());
  const auto options = [&out](const Rich::Options& o) {
    std::ostringstream text;
    text.precision(17);
    text << ' ' << o.lr() << ' ' << std::get<0>(o.betas()) << ' ' << std::get<1>(o.betas()) << ' '
         << o.eps() << ' ' << o.weight_decay() << ' ' << o.amsgrad() << o.maximize() << ' '
         << o.max_norm() << ' ' << o.max_value() << ' ' << o.warmup_steps() << ' '
         << o.total_steps() << ' ' << o.min_factor() << '\n';
    out += text.str();
  };
  options(optimizer.options());
  for (const Group& group : optimizer.param_groups()) {
    options(static_cast<const Rich::Options&>(group.options()));
    for (const at::Tensor& param : group.params()) {
      append(out, param);
      const auto found = optimizer.state().find(param.unsafeGetTensorImpl());
      if (found == optimizer.state().end()) continue;
      const auto& state = static_cast<const Rich::ParamState&>(*found->second);
      out += std::to_string(state.step());
      append(out, state.exp_avg());
      append(out, state.exp_avg_sq());
      append(out, state.max_exp_avg_sq());
    }
  }
  return out;
}

/// `wrong` must fail with these texts and change nothing; after `undo`, training goes on as if it
/// had never been.
inline void expect_harmless(
    Fixture& f, const std::function<void()>& wrong, const Texts& texts,
    const std::function<void()>& undo = [] {}) {
  Fixture untouched;
  ASSERT_TRUE(content(f.optimizer) == content(untouched.optimizer));
  std::string before;
  expect_error(
      [&] {
        before = content(f.optimizer);
        wrong();
      },
      texts);
  undo();
  EXPECT_TRUE(content(f.optimizer) == before);
  f.optimizer.step();
  untouched.optimizer.step();
  EXPECT_TRUE(content(f.optimizer) == content(untouched.optimizer));
}

template <class O>
std::string saved(const O& optimizer) {
  std::ostringstream out;
  torch::save(optimizer, out);
  return out.str();
}

template <class O>
void load(O& optimizer, const std::string& bytes) {
  std::istringstream in(bytes);
  torch::load(optimizer, in);
}

}  // namespace testing_errors
