// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Every error is a c10::Error that names what is wrong, its value and what is allowed, and leaves
// optimizer, parameters and states as they were.

#include <ATen/FunctionalTensorWrapper.h>
#include <ATen/functorch/BatchedTensorImpl.h>
#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace fs = std::filesystem;
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

struct NeedsLoss : agmohd::hindrance::None {
  static constexpr unsigned wants = agmohd::kLoss;
};

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

Rich::Options good() { return Rich::Options(0.1).total_steps(50).warmup_steps(5); }

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

at::Tensor parameter(at::IntArrayRef sizes = {3, 4}) {
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

void append(std::string& out, const at::Tensor& x) {
  out += x.defined() ? "defined " : "undefined ";
  if (!x.defined()) return;
  const at::Tensor c = x.detach().contiguous();
  out.append(static_cast<const char*>(c.const_data_ptr()), c.nbytes());
}

/// All bytes of parameters and states, all steps, counts and options.
std::string content(const Rich& optimizer) {
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
void expect_harmless(
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

// ---- Options

struct BadOption {
  const char* name;
  std::function<void(Rich::Options&)> set, reset;
  Texts texts;
  bool per_group;
};

std::vector<BadOption> bad_options() {
  std::vector<BadOption> out;
  const auto number = [&](const char* name, auto member, const std::string& allowed, bool per_group,
                          const std::vector<double>& values) {
    for (const double value : values) {
      std::ostringstream text;
      text.precision(17);
      text << name << " = " << value << ", but it must be " << allowed;
      using Value = std::remove_reference_t<decltype(member(std::declval<Rich::Options&>()))>;
      const Value fine = member(*std::make_unique<Rich::Options>(good()));
      out.push_back({name,
                     [=](Rich::Options& o) { member(o) = Value(value); },
                     [=](Rich::Options& o) { member(o) = fine; },
                     {text.str()},
                     per_group});
    }
  };
  const std::string not_negative = "finite and at least 0", positive = "finite and greater than 0";
  number("lr", [](Rich::Options& o) -> double& { return o.lr(); }, not_negative, true,
         {-0.1, -1e-300, kNan, kInf, -kInf});
  number("eps", [](Rich::Options& o) -> double& { return o.eps(); }, not_negative, true,
         {-1e-8, kNan, kInf});
  number("weight_decay", [](Rich::Options& o) -> double& { return o.weight_decay(); }, not_negative,
         true, {-0.5, kNan, kInf});
  number("betas[0]", [](Rich::Options& o) -> double& { return std::get<0>(o.betas()); },
         "in [0, 1)", true, {-0.1, 1, 1.5, kNan});
  number("betas[1]", [](Rich::Options& o) -> double& { return std::get<1>(o.betas()); },
         "in [0, 1)", true, {-0.1, 1, kInf, kNan});
  number("max_norm", [](Rich::Options& o) -> double& { return o.max_norm(); }, positive, false,
         {0, -1, kNan, kInf});
  number("max_value", [](Rich::Options& o) -> double& { return o.max_value(); }, positive, false,
         {0, -1, kNan, kInf});
  number("min_factor", [](Rich::Options& o) -> double& { return o.min_factor(); }, "in [0, 1]",
         false, {-0.1, 1.1, kNan});
  number("warmup_steps", [](Rich::Options& o) -> std::int64_t& { return o.warmup_steps(); },
         not_negative, false, {-1});
  number("warmup_steps", [](Rich::Options& o) -> std::int64_t& { return o.warmup_steps(); },
         "less than total_steps = 50", false, {50, 51});
  number("total_steps", [](Rich::Options& o) -> std::int64_t& { return o.total_steps(); },
         "finite and at least 1", false, {0, -7});
  return out;
}

TEST(OptionErrors, AtConstruction) {
  for (const BadOption& bad : bad_options()) {
    SCOPED_TRACE(bad.texts[0]);
    auto options = good();
    bad.set(options);
    at::Tensor p = parameter();
    const at::Tensor before = p.detach().clone();
    expect_error([&] { Rich(Tensors{p}, options); }, bad.texts);
    EXPECT_TRUE(at::equal(p.detach(), before));
  }
}

TEST(OptionErrors, InAGroup) {
  for (const BadOption& bad : bad_options()) {
    SCOPED_TRACE(bad.texts[0]);
    auto options = Rich::Options(0.2);
    bad.set(options);
    if (options == Rich::Options(0.2)) continue;  // total_steps = 0 is what an unset one looks like
    Texts texts = bad.texts;
    if (!bad.per_group) {
      texts = {std::string(bad.name) +
               " was set for one parameter group, but it belongs to the "
               "optimizer as a whole"};
    }
    const auto group = [&] {
      return Group({parameter()}, std::make_unique<Rich::Options>(options));
    };
    texts.emplace_back("group 0");
    expect_error([&] { Rich(Groups{group()}, good()); }, texts);
    texts.back() = "group 2";
    Fixture f;
    expect_harmless(
        f, [&] { f.optimizer.add_param_group(group()); }, texts);
    EXPECT_EQ(f.optimizer.param_groups().size(), 2U);
  }
}

TEST(OptionErrors, SetBetweenSteps) {
  for (const BadOption& bad : bad_options()) {
    SCOPED_TRACE(bad.texts[0]);
    Fixture f;
    auto& options = bad.per_group ? f.group(1) : f.optimizer.options();
    const auto fine = options;
    Texts texts = bad.texts;
    if (bad.per_group) texts.emplace_back("group 1");
    Fixture untouched;
    bad.set(options);
    const std::string before = content(f.optimizer);
    expect_error([&] { f.optimizer.step(); }, texts);
    expect_error([&] { f.optimizer.step(); }, texts);  // and again
    expect_error([&] { f.optimizer.prepare(); }, texts);
    EXPECT_TRUE(content(f.optimizer) == before);
    options = fine;
    f.optimizer.step();
    untouched.optimizer.step();
    EXPECT_TRUE(content(f.optimizer) == content(untouched.optimizer));
  }
}

TEST(OptionErrors, OptimizerWideOptionSetInAGroupBetweenSteps) {
  for (const std::size_t g : {0U, 1U}) {
    Fixture f;
    expect_harmless(
        f,
        [&] {
          f.group(g).max_norm(0.25);
          f.optimizer.step();
        },
        {"max_norm", "group " + std::to_string(g), "belongs to the optimizer as a whole"},
        [&] { f.group(g) = Fixture().group(g); });
  }
}

TEST(OptionErrors, LearningRateSetThroughTheBaseClass) {
  Fixture f;
  expect_harmless(
      f,
      [&] {
        f.optimizer.param_groups()[0].options().set_lr(-1);
        f.optimizer.step();
      },
      {"group 0", "lr = -1", "at least 0"},
      [&] { f.optimizer.param_groups()[0].options().set_lr(0.1); });
}

TEST(OptionErrors, TotalStepsUnset) {
  expect_error([] { Rich(Tensors{parameter()}, Rich::Options(0.1)); },
               {"total_steps = 0", "at least 1"});
}

TEST(OptionErrors, NesterovNeedsMomentum) {
  expect_error([] { SGD({parameter()}, agmohd::SGDOptions(0.1).nesterov(true)); },
               {"nesterov = true", "momentum above 0"});
  expect_error(
      [] {
        SGD({parameter()}, agmohd::SGDOptions(0.1).momentum(0.9).dampening(0.5).nesterov(true));
      },
      {"nesterov = true", "dampening of 0"});
}

TEST(OptionErrors, OptionsOfAnotherOptimizer) {
  const Texts texts{"group 0", "not the Options of this optimizer", "AdamW"};
  expect_error(
      [] { Rich(Groups{Group({parameter()}, std::make_unique<agmohd::SGDOptions>(0.1))}, good()); },
      texts);
  expect_error(
      [] {
        Rich(Groups{Group({parameter()}, std::make_unique<torch::optim::AdamOptions>(0.1))},
             good());
      },
      texts);
  Fixture f;
  const auto own = f.optimizer.param_groups()[0].options().clone();
  expect_harmless(
      f,
      [&] {
        // content() reads the groups' options as Rich::Options: put them back before it does.
        f.optimizer.param_groups()[0].set_options(std::make_unique<agmohd::SGDOptions>(0.1));
        try {
          f.optimizer.step();
        } catch (...) {
          f.optimizer.param_groups()[0].set_options(own->clone());
          throw;
        }
      },
      texts);
}

// ---- Parameters

/// Tensors of LibTorch whose elements do not simply lie in memory.
at::Tensor functional() {
  return at::functionalization::impl::to_functional_tensor(at::ones({3, 4}));
}
at::Tensor batched() { return at::functorch::makeBatched(at::ones({3, 4, 2}), 2, 1); }
at::Tensor dispatched_to_python() {
  const at::Tensor x = at::ones({3, 4});
  x.unsafeGetTensorImpl()->set_python_dispatch(true);
  return x;
}
at::Tensor nested() { return torch::nested::nested_tensor({at::ones({2}), at::ones({3})}); }
at::Tensor freed() {
  const at::Tensor x = at::ones({3, 4});
  x.storage().unsafeGetStorageImpl()->set_data_ptr(at::DataPtr(nullptr, at::kCPU));
  x.storage().unsafeGetStorageImpl()->set_nbytes(0);
  return x;
}
at::Tensor meta() { return at::empty({3, 4}, at::kMeta); }
at::Tensor zero(at::IntArrayRef sizes = {3, 4}) {
  return at::_efficientzerotensor(sizes, at::kFloat);
}

struct BadParameter {
  at::Tensor tensor;
  Texts texts;
};

/// What neither a parameter, nor its gradient or state, can be.
std::vector<BadParameter> bad_tensors() {
  return {
      {nested(), {"dispatch key NestedTensor", "must be a plain tensor"}},
      {functional(), {"dispatch key Functionalize", "must be a plain tensor"}},
      {batched(), {"dispatch key FuncTorchBatched", "must be a plain tensor"}},
      {dispatched_to_python(), {"dispatch key Python", "must be a plain tensor"}},
      {at::ones({3, 4}).to_sparse(), {"layout Sparse", "must be strided"}},
      {at::ones({3, 4}).to_sparse_csr(), {"layout SparseCsr", "must be strided"}},
      {at::ones({3, 4}).to_mkldnn(), {"layout Mkldnn", "must be strided"}},
      {at::quantize_per_tensor(at::ones({3, 4}), 0.1, 0, at::kQInt8), {"dtype QInt8"}},
      {at::empty({3, 4}, at::kComplexHalf), {"dtype ComplexHalf"}},
      {freed(), {"byte 48", "storage of 0 bytes"}},
  };
}

std::vector<BadParameter> bad_parameters() {
  std::vector<BadParameter> out = bad_tensors();
  const std::vector<BadParameter> more = {
      {at::Tensor(), {"undefined tensor"}},
      {at::ones({3}).requires_grad_() * 2, {"non-leaf"}},
      {at::ones({3}, at::kInt), {"Int", "must be Float, Double, BFloat16 or Half"}},
      {at::ones({3}, at::kLong), {"Long", "must be Float, Double, BFloat16 or Half"}},
      {at::ones({3}, at::kBool), {"Bool", "must be Float, Double, BFloat16 or Half"}},
      {at::empty({3}, at::kComplexHalf), {"ComplexHalf", "or ComplexFloat or ComplexDouble"}},
      {at::ones({3}).to_sparse().requires_grad_(), {"Sparse", "must be strided"}},
      {at::ones({1, 3}).expand({4, 3}).requires_grad_(), {"expanded", "dimension 0"}},
      {at::ones({1}).expand({5}).requires_grad_(), {"expanded", "dimension 0"}},
      {at::ones({9}).as_strided({5, 5}, {1, 1}), {"strides [1, 1]", "share memory"}},
      {zero(), {"ZeroTensor", "pass a clone"}},
      {meta(), {"device meta", "no memory"}},
  };
  out.insert(out.end(), more.begin(), more.end());
  for (const BadParameter& bad : out) {  // without a gradient they would be left alone
    if (bad.tensor.defined() && !bad.tensor.requires_grad()) {
      bad.tensor.mutable_grad() = at::ones({3});
    }
  }
  return out;
}

TEST(ParameterErrors, NoneWithoutAGradient) {
  Tensors parameters{parameter()};
  for (const BadParameter& bad : bad_parameters()) {
    if (!bad.tensor.defined() || bad.tensor.requires_grad()) continue;
    bad.tensor.mutable_grad() = at::Tensor();
    parameters.push_back(bad.tensor);
  }
  ASSERT_GT(parameters.size(), 10U);
  agmohd::AGMOHD watched(parameters, agmohd::AGMOHDOptions(0.1).snapshots(true));
  Rich optimizer(parameters, good());
  for (int t = 0; t < 3; ++t) {
    const at::Tensor before = parameters[0].detach().clone();
    parameters[0].mutable_grad() = at::ones_like(before);
    optimizer.prepare();
    optimizer.step();
    watched.step();
    EXPECT_FALSE(at::equal(before, parameters[0]));
  }
  EXPECT_EQ(optimizer.state().size(), 1U);
  EXPECT_EQ(watched.updates(), 3);
  watched.summary();
}

TEST(ParameterErrors, AtConstruction) {
  for (const BadParameter& bad : bad_parameters()) {
    SCOPED_TRACE(bad.texts[0]);
    Texts texts = bad.texts;
    texts.emplace_back("parameter 1 of group 0");
    expect_error([&] { Rich(Tensors{parameter(), bad.tensor}, good()); }, texts);
  }
}

TEST(ParameterErrors, InAGroupAddedLater) {
  for (const BadParameter& bad : bad_parameters()) {
    SCOPED_TRACE(bad.texts[0]);
    Texts texts = bad.texts;
    texts.emplace_back("parameter 1 of group 2");
    Fixture f;
    expect_harmless(
        f,
        [&] {
          f.optimizer.add_param_group(Group({parameter(), bad.tensor}));
        },
        texts);
    EXPECT_EQ(f.optimizer.param_groups().size(), 2U);
  }
}

TEST(ParameterErrors, PutInPlaceOfAnother) {
  for (const BadParameter& bad : bad_parameters()) {
    SCOPED_TRACE(bad.texts[0]);
    Texts texts = bad.texts;
    texts.emplace_back("parameter 1 of group 0");
    Fixture f;
    at::Tensor& place = f.optimizer.param_groups()[0].params()[1];
    expect_harmless(
        f,
        [&] {
          place = bad.tensor;
          f.optimizer.step();
        },
        texts, [&] { place = f.params[1]; });
  }
}

TEST(ParameterErrors, TheSameTensorInTwoGroups) {
  const at::Tensor p = parameter();
  expect_error(
      [&] {
        Rich(Groups{Group(Tensors{p}), Group(Tensors{parameter(), p})}, good());
      },
      {"more than one parameter group", "parameter 1 of group 1"});
  Fixture f;
  expect_harmless(f, [&] { f.optimizer.add_param_group(Group({f.params[0]})); },
                  {"more than one parameter group", "parameter 0 of group 2"});
  Fixture h;
  expect_harmless(
      h,
      [&] {
        h.optimizer.param_groups()[1].params().push_back(h.params[0]);
        h.optimizer.step();
      },
      {"more than one parameter group", "parameter 1 of group 1 is also parameter 0 of group 0"},
      [&] { h.optimizer.param_groups()[1].params().pop_back(); });
}

// ---- Gradients

TEST(GradientErrors, SparseWithHindranceDetection) {
  torch::nn::Embedding embedding(torch::nn::EmbeddingOptions(10, 4).sparse(true));
  agmohd::AGMOHD optimizer(embedding->parameters(), agmohd::AGMOHDOptions(0.1));
  embedding(at::tensor({1, 3, 3}, at::kLong)).sum().backward();
  ASSERT_TRUE(embedding->weight.grad().is_sparse());
  const at::Tensor before = embedding->weight.detach().clone();
  const Texts texts{"gradient of parameter 0 of group 0", "layout Sparse", "must be strided",
                    "hindrance detection", "Use AdamW without it"};
  expect_error([&] { optimizer.step(); }, texts);
  expect_error([&] { optimizer.step(); }, texts);
  EXPECT_TRUE(at::equal(embedding->weight, before));
  embedding->weight.mutable_grad() = embedding->weight.grad().to_dense();
  optimizer.step();
  EXPECT_EQ(optimizer.updates(), 1);
  EXPECT_FALSE(at::equal(embedding->weight, before));
}

TEST(GradientErrors, SparseAfterDenseOnes) {
  Fixture f;
  const at::Tensor dense = f.params[0].grad();
  expect_harmless(
      f,
      [&] {
        f.params[0].mutable_grad() = dense.to_sparse();
        f.optimizer.step();
      },
      {"gradient of parameter 0 of group 0", "Sparse"},
      [&] { f.params[0].mutable_grad() = dense; });
}

TEST(GradientErrors, OfTensorsWithoutPlainMemory) {
  for (const BadParameter& bad : bad_tensors()) {
    SCOPED_TRACE(bad.texts[0]);
    Texts texts = bad.texts;
    texts.emplace_back("the gradient of parameter 0 of group 0");
    Fixture f;
    const at::Tensor plain = f.params[0].grad();
    expect_harmless(
        f,
        [&] {
          f.params[0].mutable_grad() = bad.tensor;
          f.optimizer.step();
        },
        texts, [&] { f.params[0].mutable_grad() = plain; });
  }
}

/// Memory may be given back between steps, as Storage::resize_ does.
TEST(GradientErrors, FreedMemory) {
  for (const bool of_param : {false, true}) {
    Fixture f;
    const at::Tensor& x = of_param ? f.params[0] : f.params[0].grad();
    auto* const storage = x.storage().unsafeGetStorageImpl();
    at::DataPtr data = storage->set_data_ptr(at::DataPtr(nullptr, at::kCPU));
    storage->set_nbytes(0);
    expect_error([&] { f.optimizer.step(); }, {"parameter 0 of group 0", "storage of 0 bytes"});
    storage->set_data_ptr(std::move(data));
    storage->set_nbytes(48);
    Fixture untouched;
    EXPECT_TRUE(content(f.optimizer) == content(untouched.optimizer));
    f.optimizer.step();
    EXPECT_EQ(f.optimizer.updates(), 4);
  }
}

/// What the failed step noted of others is not lost: neither a new gradient nor new memory.
TEST(GradientErrors, LeaveNoStaleAddressBehind) {
  std::vector<at::Tensor> params{parameter(), parameter(), parameter()};
  agmohd::SGD optimizer(params, agmohd::SGDOptions(0.5));
  for (int i = 0; i < 2; ++i) params[std::size_t(i)].mutable_grad() = at::ones_like(params[0]);
  optimizer.step();
  const at::Tensor old_memory = params[1].detach();
  const at::Tensor old_values = old_memory.clone();
  params[0].mutable_grad() = at::full_like(params[0], 3);
  params[1].set_data(at::zeros_like(params[0]));
  const at::Tensor dense = params[2].grad();
  params[2].mutable_grad() = dense.to_sparse();
  const at::Tensor before = params[0].detach().clone();
  expect_error([&] { optimizer.step(); }, {"gradient of parameter 2", "Sparse"});
  params[2].mutable_grad() = dense;
  optimizer.step();
  EXPECT_TRUE(at::equal(params[0].detach(), before - 1.5));
  EXPECT_TRUE(at::equal(params[1].detach(), at::full_like(before, -0.5)));
  EXPECT_TRUE(at::equal(old_memory, old_values));
}

TEST(GradientErrors, LossOfSeveralElements) {
  agmohd::Optimizer<Recipe<agmohd::rule::SGD, NeedsLoss>> optimizer({parameter()}, {0.1});
  optimizer.step();
  const at::Tensor before = optimizer.parameters()[0].detach().clone();
  expect_error([&] { optimizer.step(at::zeros({2})); }, {"loss", "[2]", "one element"});
  EXPECT_TRUE(at::equal(optimizer.parameters()[0].detach(), before));
  EXPECT_EQ(optimizer.updates(), 1);
  optimizer.step(at::zeros({1}));
  EXPECT_EQ(optimizer.updates(), 2);
}

// ---- States that a program changed

Rich::ParamState& state_of(Fixture& f, std::size_t i) {
  return static_cast<Rich::ParamState&>(*f.optimizer.state().at(f.params[i].unsafeGetTensorImpl()));
}

TEST(StateErrors, WrongShapeOrType) {
  struct Case {
    at::Tensor slot;
    Texts texts;
  };
  for (const Case& bad : {Case{at::zeros({4, 3}), {"exp_avg", "[4, 3]", "[3, 4]"}},
                          Case{at::zeros({12}), {"exp_avg", "[12]", "[3, 4]"}},
                          Case{at::zeros({3, 4}, at::kLong), {"exp_avg", "Long", "floating"}},
                          Case{at::zeros({3, 4}).to_sparse(), {"exp_avg", "Sparse", "strided"}}}) {
    Fixture f;
    const at::Tensor own = std::as_const(state_of(f, 0)).exp_avg();
    Texts texts = bad.texts;
    texts.emplace_back("parameter 0 of group 0");
    Fixture untouched;
    state_of(f, 0).exp_avg(bad.slot);
    const at::Tensor param = f.params[0].detach().clone(), other = f.params[2].detach().clone();
    expect_error([&] { f.optimizer.step(); }, texts);
    expect_error([&] { f.optimizer.step(); }, texts);
    EXPECT_TRUE(at::equal(f.params[0].detach(), param) && at::equal(f.params[2].detach(), other));
    EXPECT_EQ(f.optimizer.updates(), 3);
    state_of(f, 0).exp_avg(own);
    f.optimizer.step();
    untouched.optimizer.step();
    EXPECT_TRUE(content(f.optimizer) == content(untouched.optimizer));
  }
}

TEST(StateErrors, WithoutPlainMemory) {
  for (const BadParameter& bad : bad_tensors()) {
    if (bad.tensor.is_quantized()) continue;
    SCOPED_TRACE(bad.texts[0]);
    Texts texts = bad.texts;
    texts.emplace_back("the state exp_avg of parameter 0 of group 0");
    Fixture f;
    const at::Tensor own = std::as_const(state_of(f, 0)).exp_avg();
    state_of(f, 0).exp_avg(bad.tensor);
    expect_error([&] { f.optimizer.step(); }, texts);
    state_of(f, 0).exp_avg(own);
    f.optimizer.step();
    EXPECT_EQ(f.optimizer.updates(), 4);
  }
}

TEST(StateErrors, StateOfAnotherOptimizer) {
  Fixture f;
  f.optimizer.state()[f.params[0].unsafeGetTensorImpl()] =
      std::make_unique<torch::optim::AdamWParamState>();
  const at::Tensor before = f.params[2].detach().clone();
  Fixture fresh;
  // A replaced state announces itself by the old one's end.
  expect_error([&] { f.optimizer.step(); }, {"state of parameter 0 of group 0", "ParamState"});
  EXPECT_TRUE(at::equal(f.params[2].detach(), before));
}

// ---- Checkpoints

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

void expect_load_error(const std::string& bytes, const Texts& texts) {
  Fixture f;
  expect_harmless(
      f, [&] { load(f.optimizer, bytes); }, texts);
}

TEST(CheckpointErrors, OfAnotherRecipe) {
  agmohd::AdamW plain({parameter()}, {0.1});
  plain.step();
  expect_load_error(saved(plain), {"1 parameter groups"});  // of the same rule
  SGD other({parameter()}, {0.1});
  expect_load_error(saved(other), {"SGD/None/Fixed/None/Constant", "AdamW/"});
}

TEST(CheckpointErrors, OfAnotherStockOptimizer) {
  at::Tensor p = parameter();
  torch::optim::SGD sgd({p}, torch::optim::SGDOptions(0.1).momentum(0.9));
  sgd.step();
  agmohd::AdamW ours({parameter()}, {0.1});
  ours.step();
  const std::string before = saved(ours);
  expect_error([&] { load(ours, saved(sgd)); }, {"betas", "AdamW"});
  torch::optim::RMSprop rmsprop({p});
  expect_error([&] { load(ours, saved(rmsprop)); }, {"betas"});
  EXPECT_EQ(std::as_const(ours).state().size(), 1U);
  ours.step();
  EXPECT_EQ(ours.updates(), 2);
}

TEST(CheckpointErrors, OfOtherGroupsOrParameters) {
  const auto one = [](const Groups& groups) {
    Rich optimizer(groups, good());
    optimizer.step();
    return saved(optimizer);
  };
  expect_load_error(one({Group({parameter(), parameter({5}), parameter({2, 2})})}),
                    {"1 parameter groups", "this optimizer has 2"});
  expect_load_error(one({Group({parameter()}), Group({parameter({2, 2})})}),
                    {"group 0", "1 parameters", "has 2"});
  expect_load_error(
      one({Group({parameter(), parameter({5})}), Group({parameter({2, 2}), parameter()})}),
      {"group 1", "2 parameters", "has 1"});
  expect_load_error(one({Group({parameter(), parameter({5})}), Group({parameter({2, 3})})}),
                    {"parameter 0 of group 1", "[2, 3]", "[2, 2]"});
  expect_load_error(one({Group({parameter({4, 3}), parameter({5})}), Group({parameter({2, 2})})}),
                    {"parameter 0 of group 0", "[4, 3]", "[3, 4]"});
}

TEST(CheckpointErrors, OfSomethingElse) {
  std::ostringstream tensor, module;
  torch::save(at::ones({3}), tensor);
  torch::save(torch::nn::Linear(3, 4), module);
  expect_load_error(tensor.str(), {"does not hold the state of an optimizer"});
  expect_load_error(module.str(), {"does not hold the state of an optimizer"});
  expect_load_error("", {});
  expect_load_error("not an archive", {});
  expect_load_error(std::string(10'000, '\0'), {});
}

TEST(CheckpointErrors, Truncated) {
  const std::string whole = saved(Fixture().optimizer);
  Fixture f;
  const std::string before = content(f.optimizer);
  for (std::size_t i = 0; i < 40; ++i) {
    expect_error([&] { load(f.optimizer, whole.substr(0, whole.size() * i / 40)); }, {});
    EXPECT_TRUE(content(f.optimizer) == before);
  }
  for (std::size_t missing = 1; missing < 30; ++missing) {
    expect_error([&] { load(f.optimizer, whole.substr(0, whole.size() - missing)); }, {});
    EXPECT_TRUE(content(f.optimizer) == before);
  }
  load(f.optimizer, whole);
  EXPECT_TRUE(content(f.optimizer) == before);
}

/// Whether LibTorch's reader would take a flip for an order to allocate up to 64 GB: it believes
/// the index behind the pickle operation LONG_BINPUT, an 'r' and four bytes.
bool reaches_a_memo_index(const std::string& bytes, std::size_t at) {
  return bytes.find('r', at < 4 ? 0 : at - 4) <= at;
}

/// A flipped bit is either noticed, and then nothing changes, or it lies where nothing is read
/// from.
TEST(CheckpointErrors, FlippedBits) {
  const std::string whole = saved(Fixture().optimizer);
  Fixture f;
  const std::string good_content = content(f.optimizer);
  std::mt19937 random(3);
  int noticed = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string bytes = whole;
    const std::size_t at = random() % bytes.size();
    const int bit = int(random() % 8);
    bytes[at] = char(bytes[at] ^ (1 << bit));
    if (reaches_a_memo_index(bytes, at)) continue;
    try {
      load(f.optimizer, bytes);
    } catch (const std::exception&) {
      ++noticed;
    }
    ASSERT_TRUE(content(f.optimizer) == good_content)
        << "byte " << at << " of " << whole.size() << ", bit " << bit;
  }
  EXPECT_GT(noticed, 0);
  f.optimizer.step();
  Fixture untouched;
  untouched.optimizer.step();
  EXPECT_TRUE(content(f.optimizer) == content(untouched.optimizer));
}

TEST(CheckpointErrors, OptionsOutOfRange) {
  // A checkpoint as a program with other bounds would write it.
  Fixture other;
  other.group(1).lr() = -3;
  expect_load_error(saved(other.optimizer), {"lr = -3", "at least 0"});
  Fixture wide;
  wide.optimizer.options().max_norm() = -2;
  expect_load_error(saved(wide.optimizer), {"max_norm = -2", "greater than 0"});
}

// ---- agmohd::save

class SaveErrors : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("agmohd-errors-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::size_t files() const {
    return std::size_t(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  fs::path folder_;
  Fixture trained_;
};

TEST_F(SaveErrors, ReplacesTheFileAndLeavesNothingElse) {
  const fs::path path = folder_ / "checkpoint.pt";
  agmohd::save(trained_.optimizer, path.string());
  const std::string first = read(path);
  trained_.optimizer.step();
  agmohd::save(trained_.optimizer, path.string());
  EXPECT_NE(read(path), first);
  EXPECT_EQ(files(), 1U);
  Fixture fresh(0);
  torch::load(fresh.optimizer, path.string());
  EXPECT_EQ(fresh.optimizer.updates(), 4);
}

TEST_F(SaveErrors, FolderThatDoesNotExist) {
  const std::string path = (folder_ / "none" / "checkpoint.pt").string();
  expect_harmless(trained_, [&] { agmohd::save(trained_.optimizer, path); }, {path});
  EXPECT_EQ(files(), 0U);
}

TEST_F(SaveErrors, FolderThatCannotBeWritten) {
  const fs::path path = folder_ / "checkpoint.pt";
  agmohd::save(trained_.optimizer, path.string());
  const std::string before = read(path);
  fs::permissions(folder_, fs::perms(0555));
  const int user = ::setfsuid(65534);  // the superuser may write there all the same
  expect_harmless(trained_, [&] { agmohd::save(trained_.optimizer, path.string()); },
                  {path.string(), "cannot create"});
  ::setfsuid(uid_t(user));
  fs::permissions(folder_, fs::perms::owner_all);
  EXPECT_EQ(read(path), before);
}

TEST_F(SaveErrors, TargetThatCannotBeReplaced) {
  const fs::path path = folder_ / "checkpoint.pt";
  fs::create_directories(path / "inside");
  expect_harmless(trained_, [&] { agmohd::save(trained_.optimizer, path.string()); },
                  {path.string(), "not a regular file"});
  EXPECT_TRUE(fs::is_directory(path / "inside"));
  EXPECT_EQ(files(), 1U);
}

TEST_F(SaveErrors, FullDisk) {
  const fs::path path = folder_ / "checkpoint.pt";
  agmohd::save(trained_.optimizer, path.string());
  const std::string before = read(path);
  struct rlimit limit;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const struct rlimit small { 4096, limit.rlim_max };
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);  // then a write fails
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_harmless(trained_, [&] { agmohd::save(trained_.optimizer, path.string()); },
                  {path.string(), "cannot write"});
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(read(path), before);
  EXPECT_EQ(files(), 1U);
}

// ---- Learning rate schedulers

TEST(SchedulerErrors, OptionsOutOfRange) {
  torch::optim::SGD stock({parameter()}, torch::optim::SGDOptions(0.5));
  using Scheduler = agmohd::schedule::Scheduler<agmohd::schedule::Cosine>;
  expect_error([&] { Scheduler(stock, {}); }, {"Cosine", "total_steps = 0", "at least 1"});
  expect_error([&] { Scheduler(stock, {.total_steps = 3, .min_factor = 2}); },
               {"min_factor = 2", "in [0, 1]"});
  EXPECT_EQ(stock.param_groups()[0].options().get_lr(), 0.5);
}

TEST(SchedulerErrors, CheckpointOfAnother) {
  torch::optim::SGD stock({parameter()}, torch::optim::SGDOptions(0.5));
  agmohd::schedule::Scheduler<agmohd::schedule::Cosine> cosine(stock, {.total_steps = 10});
  cosine.step();
  torch::optim::SGD second({parameter()}, torch::optim::SGDOptions(0.25));
  agmohd::schedule::Scheduler<agmohd::schedule::Linear> linear(second, {.total_steps = 10});
  linear.step();
  const double before = second.param_groups()[0].options().get_lr();
  std::stringstream file;
  torch::save(cosine, file);
  expect_error([&] { torch::load(linear, file); }, {"Cosine", "Linear"});
  EXPECT_EQ(second.param_groups()[0].options().get_lr(), before);
  linear.step();
  EXPECT_EQ(second.param_groups()[0].options().get_lr(), 0.25 * 0.8);

  torch::optim::SGD two(Groups{Group({parameter()}), Group({parameter()})},
                        torch::optim::SGDOptions(0.5));
  agmohd::schedule::Scheduler<agmohd::schedule::Cosine> both(two, {.total_steps = 10});
  std::stringstream other;
  torch::save(cosine, other);
  expect_error([&] { torch::load(both, other); }, {"1 parameter groups", "has 2"});
}

}  // namespace
