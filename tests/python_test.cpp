// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Files for and from Python, as far as they need no Python (examples/python/check.py has that):
// what is written is read again, files that do not fit change nothing, and what begins anew does.

#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/python.hpp>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "warnings.hpp"

namespace {

namespace fs = std::filesystem;
namespace python = agmohd::python;
using Texts = std::vector<std::string>;
using Tensors = std::vector<at::Tensor>;

class Python : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("agmohd_python_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    path_ = (folder_ / "file.pt").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  c10::IValue passed(const c10::IValue& value) const {
    python::write(value, path_);
    return python::read(path_);
  }

  fs::path folder_;
  std::string path_;
};

void expect_error(const std::function<void()>& f, const Texts& parts) {
  try {
    f();
    ADD_FAILURE() << "no error";
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    EXPECT_TRUE(text.starts_with("agmohd: ")) << text;
    for (const std::string& part : parts) {
      EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in: " << text;
    }
  }
}

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// Three parameters in two groups; the last one gets no gradient in the first steps.
template <class Optimizer>
struct Training {
  explicit Training(at::ScalarType dtype = at::kFloat, typename Optimizer::Options options = {0.05},
                    at::Device device = at::kCPU) {
    torch::manual_seed(3);
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{{3, 4}, {5}, {2, 2}}) {
      params.push_back(at::randn(shape).to(device, dtype).requires_grad_());
    }
    std::vector<torch::optim::OptimizerParamGroup> groups;
    groups.emplace_back(Tensors{params[0]});
    groups.emplace_back(Tensors{params[1], params[2]});
    optimizer = std::make_unique<Optimizer>(groups, options);
  }
  void run(int steps, std::size_t with_gradient = 3) {
    for (int i = 0; i < steps; ++i) {
      optimizer->zero_grad();
      for (std::size_t k = 0; k < with_gradient; ++k) {
        ((params[k] - 1).square() * double(k + 1)).sum().backward();
      }
      optimizer->step();
    }
  }
  std::string content() const {
    std::ostringstream out;
    torch::save(*optimizer, out);
    for (const at::Tensor& p : params) torch::save(p.detach(), out);
    return out.str();
  }

  Tensors params;
  std::unique_ptr<Optimizer> optimizer;
};

python::Dict group_of(const c10::IValue& state_dict, std::size_t g) {
  return state_dict.toGenericDict().at("param_groups").toList().get(g).toGenericDict();
}
void erase(const python::Dict& dict, const char* key) { EXPECT_EQ(dict.erase(key), 1U); }
python::Dict states_of(const c10::IValue& state_dict) {
  return state_dict.toGenericDict().at("state").toGenericDict();
}

// ---- Values

TEST_F(Python, ValuesComeBack) {
  python::Dict dict = python::dict();
  python::List list = python::list();
  const std::vector<std::int64_t> integers{
      0, -1, 255, 65536, -2147483648LL, 2147483648LL, std::numeric_limits<std::int64_t>::min()};
  for (const std::int64_t i : integers) list.push_back(i);
  const std::vector<double> numbers{0.0, -0.1, 1e300, std::numeric_limits<double>::infinity()};
  for (const double x : numbers) list.push_back(x);
  dict.insert("list", list);
  dict.insert("none", c10::IValue());
  dict.insert("yes", true);
  dict.insert("no", false);
  dict.insert(std::int64_t{7}, c10::ivalue::Tuple::create(0.9, std::string("\xc3\xa4\0 ", 4)));
  dict.insert("empty", c10::ivalue::Tuple::create(std::vector<c10::IValue>{}));
  dict.insert("nested", python::dict());
  dict.insert("of integers", c10::List<std::int64_t>({1, 2}));

  const python::Dict found = passed(dict).toGenericDict();
  ASSERT_EQ(found.size(), dict.size());
  const python::List items = found.at("list").toList();
  ASSERT_EQ(items.size(), integers.size() + numbers.size());
  for (std::size_t i = 0; i < integers.size(); ++i) EXPECT_EQ(items.get(i).toInt(), integers[i]);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_EQ(items.get(integers.size() + i).toDouble(), numbers[i]);
  }
  EXPECT_TRUE(found.at("none").isNone());
  EXPECT_TRUE(found.at("yes").toBool());
  EXPECT_FALSE(found.at("no").toBool());
  const auto pair = found.at(std::int64_t{7}).toTupleRef().elements().vec();
  EXPECT_EQ(pair[0].toDouble(), 0.9);
  EXPECT_EQ(pair[1].toStringRef(), std::string("\xc3\xa4\0 ", 4));
  EXPECT_TRUE(found.at("empty").toTupleRef().elements().empty());
  EXPECT_TRUE(found.at("nested").toGenericDict().empty());
  EXPECT_EQ(found.at("of integers").toListRef().size(), 2U);
  EXPECT_TRUE(std::isnan(passed(std::nan("")).toDouble()));
}

TEST_F(Python, TensorsComeBack) {
  const at::Tensor x = at::arange(24, at::kFloat).view({2, 3, 4}) - 5;
  Tensors tensors{x,
                  at::scalar_tensor(3.5),
                  at::empty({0, 3}),
                  x.transpose(0, 2),
                  x.select(1, 1),
                  x.slice(2, 1, 3),
                  at::ones({3, 1}).expand({3, 4}),
                  at::randn({2, 3, 4, 5}).contiguous(at::MemoryFormat::ChannelsLast),
                  at::scalar_tensor(2.0).requires_grad_()};
  for (const at::ScalarType dtype :
       {at::kDouble, at::kBFloat16, at::kHalf, at::kLong, at::kInt, at::kShort, at::kChar,
        at::kByte, at::kBool, at::kComplexFloat, at::kComplexDouble}) {
    tensors.push_back(x.to(dtype));
  }
  tensors.push_back(at::conj(x.to(at::kComplexFloat)));
  for (const at::Tensor& tensor : tensors) {
    const at::Tensor found = passed(tensor).toTensor();
    EXPECT_EQ(found.scalar_type(), tensor.scalar_type());
    EXPECT_FALSE(found.requires_grad());
    EXPECT_TRUE(at::equal(found, tensor.detach())) << found << tensor;
    // What is written is no more than the tensor has.
    EXPECT_LT(fs::file_size(path_), 2000 + tensor.nbytes());
    if (tensor.is_non_overlapping_and_dense() && tensor.numel() > 0) {
      EXPECT_EQ(found.strides(), tensor.strides());
    }
  }
  EXPECT_TRUE(passed(at::Tensor()).isNone());
}

TEST_F(Python, WhatCannotBeWrittenLeavesTheOldFile) {
  write_bytes(path_, "old");
  const auto expect = [&](const c10::IValue& value, const Texts& texts) {
    expect_error([&] { python::write(value, path_); }, texts);
    EXPECT_EQ(bytes_of(path_), "old");
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
  };
  expect(at::eye(3).to_sparse(), {"layout Sparse"});
  expect(at::ones({2}).to(at::kFloat8_e5m2), {"dtype Float8_e5m2"});
  expect(c10::IValue(at::Device("cpu")), {"type Device"});
  expect_error([&] { python::write(1.0, (folder_ / "none" / "file.pt").string()); }, {"none"});
  expect_error([&] { python::write(1.0, folder_.string()); }, {"not a regular file"});
}

TEST_F(Python, DamagedFilesAreErrors) {
  python::Dict dict = python::dict();
  dict.insert("x", at::arange(100));
  dict.insert("y", c10::ivalue::Tuple::create(1.0, 2.0));
  python::write(dict, path_);
  const std::string whole = bytes_of(path_);
  for (std::size_t size = 0; size < whole.size(); size += 1 + size / 50) {
    write_bytes(path_, whole.substr(0, size));
    expect_error([&] { python::read(path_); }, {"cannot read " + path_});
  }
  int errors = 0;
  for (std::size_t bit = 0; bit < 8 * whole.size(); bit += 13) {
    std::string bytes = whole;
    bytes[bit / 8] = char(bytes[bit / 8] ^ (1 << bit % 8));
    write_bytes(path_, bytes);
    try {
      const c10::IValue value = python::read(path_);
      if (!value.isGenericDict()) continue;
      for (const auto& item : value.toGenericDict()) {
        if (item.value().isTensor()) item.value().toTensor().sum();  // lies in memory that is there
      }
    } catch (const c10::Error& error) {
      ++errors;
      EXPECT_EQ(std::string(error.what_without_backtrace()).find("agmohd: cannot read"), 0U);
    }
  }
  EXPECT_GT(errors, 50);
}

// ---- Optimizers

template <class Optimizer>
class Rules : public Python {};
using All = testing::Types<agmohd::SGD, agmohd::Adam, agmohd::AdamW, agmohd::RMSprop,
                           agmohd::Adagrad, agmohd::Adafactor>;
TYPED_TEST_SUITE(Rules, All);

template <class Optimizer>
typename Optimizer::Options rich() {
  typename Optimizer::Options options(0.05);
  options.weight_decay(0.01).maximize(false);
  if constexpr (Optimizer::Options::has("dampening")) options.momentum(0.9).dampening(0.3);
  // Near 0 its root would turn roundings into steps.
  if constexpr (Optimizer::Options::has("centered"))
    options.alpha(0.8).eps(1e-2).momentum(0.9).centered(true);
  if constexpr (Optimizer::Options::has("lr_decay"))
    options.lr_decay(0.05).initial_accumulator_value(0.3);
  if constexpr (Optimizer::Options::has("amsgrad")) options.amsgrad(true).betas({0.8, 0.95});
  return options;
}

/// Not bit for bit: the products of the betas are computed anew, as powers.
TYPED_TEST(Rules, GoOnAlike) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    const double bound = dtype == at::kDouble ? 1e-13 : dtype == at::kFloat ? 1e-6 : 1e-2;
    Training<TypeParam> whole(dtype, rich<TypeParam>()), other(dtype);
    whole.run(5, 2);
    agmohd::save_python(*whole.optimizer, this->path_);
    for (std::size_t i = 0; i < 3; ++i) other.params[i].detach().copy_(whole.params[i].detach());
    {
      Warnings warnings;
      agmohd::load_python(*other.optimizer, this->path_);
      EXPECT_TRUE(warnings.texts.empty());
    }
    // Python's Adagrad, and so ours, has states before there are gradients.
    const std::size_t states = std::is_same_v<TypeParam, agmohd::Adagrad> ? 3 : 2;
    EXPECT_EQ(std::as_const(*other.optimizer).state().size(), states);
    EXPECT_EQ(other.optimizer->updates(), (std::is_same_v<TypeParam, agmohd::SGD> ? 0 : 5));
    // Before a step, too, all of it comes back.
    const c10::IValue loaded = python::state_dict(*other.optimizer);
    EXPECT_EQ(states_of(loaded).size(), states);
    python::load_state_dict(*other.optimizer, loaded);
    whole.run(20);
    other.run(20);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(at::allclose(whole.params[i], other.params[i], bound, bound))
          << dtype << " parameter " << i;
    }
    EXPECT_EQ(states_of(python::state_dict(*other.optimizer)).size(), 3U);
  }
}

TYPED_TEST(Rules, ErrorsChangeNothing) {
  Training<TypeParam> good(at::kFloat, rich<TypeParam>()), mine(at::kFloat, rich<TypeParam>());
  good.run(3);
  mine.run(2);
  const std::string before = mine.content();
  agmohd::save_python(*good.optimizer, this->path_);
  const std::string whole = bytes_of(this->path_);
  const auto expect = [&](const Texts& texts) {
    Warnings warnings;
    Texts parts{this->path_};
    parts.insert(parts.end(), texts.begin(), texts.end());
    expect_error([&] { agmohd::load_python(*mine.optimizer, this->path_); }, parts);
    EXPECT_TRUE(warnings.texts.empty());
    EXPECT_TRUE(mine.content() == before);
  };
  const auto changed = [&](const std::function<void(python::Dict)>& change, const Texts& texts) {
    write_bytes(this->path_, whole);
    const c10::IValue value = python::read(this->path_);
    change(value.toGenericDict());
    python::write(value, this->path_);
    expect(texts);
  };
  const char* const slot = TypeParam::Recipe::Rule::slot_names[0];

  fs::remove(this->path_);
  expect({"no such file"});
  agmohd::save(*good.optimizer, this->path_);
  expect({"agmohd::load"});
  for (const std::size_t part : {1UL, whole.size() / 3, whole.size() - 9}) {
    write_bytes(this->path_, whole.substr(0, part));
    expect({});
  }
  changed([](python::Dict d) { erase(d, "state"); }, {"no state_dict() of an optimizer"});
  changed([](python::Dict d) { d.insert_or_assign("state", 3); }, {"type int", "a dict"});
  changed([](python::Dict d) { d.insert_or_assign("param_groups", "x"); }, {"type str", "a list"});
  changed([](python::Dict d) { d.at("param_groups").toList().pop_back(); }, {"1 parameter groups"});
  changed([](python::Dict d) { erase(group_of(d, 1), "params"); }, {"group 1", "params"});
  changed([](python::Dict d) { group_of(d, 1).at("params").toList().pop_back(); },
          {"group 1", "1 parameters", "has 2"});
  changed([](python::Dict d) { erase(group_of(d, 1), "weight_decay"); },
          {"group 1", "weight_decay",
           "not of torch.optim." +
               TypeParam::Recipe::name().substr(0, TypeParam::Recipe::name().find('/'))});
  // The last group, the last parameter: what came before was fine.
  changed([](python::Dict d) { group_of(d, 1).insert_or_assign("lr", std::nan("")); },
          {"group 1", "lr = nan"});
  changed([](python::Dict d) { group_of(d, 1).insert_or_assign("maximize", 1.5); },
          {"maximize of group 1", "type float", "a bool"});
  const auto of_last = [&](const c10::IValue& value, const Texts& texts) {
    changed(
        [&](python::Dict d) {
          states_of(d).at(std::int64_t{2}).toGenericDict().insert_or_assign(slot, value);
        },
        texts);
  };
  of_last(at::zeros({2, 3}), {slot, "parameter 1 of group 1", "[2, 3]", "[2, 2]"});
  of_last(at::zeros({2, 2}, at::kLong), {slot, "parameter 1 of group 1", "Long"});
  of_last("x", {slot, "parameter 1 of group 1", "type str"});
  changed(
      [](python::Dict d) {
        states_of(d).at(std::int64_t{2}).toGenericDict().insert("mu_product", at::zeros({2, 2}));
      },
      {"mu_product", "parameter 1 of group 1"});
  changed([](python::Dict d) { states_of(d).insert(std::int64_t{9}, python::dict()); },
          {"4 states", "only 3"});
  write_bytes(this->path_, whole);
  agmohd::load_python(*mine.optimizer, this->path_);
  EXPECT_FALSE(mine.content() == before);
  expect_error([&] { agmohd::load(*mine.optimizer, this->path_); }, {this->path_, "load_python"});
}

TEST_F(Python, RecipesWithTheRuleReadIt) {
  Training<agmohd::AdamW> from;
  from.run(5, 2);
  agmohd::save_python(*from.optimizer, path_);
  Training<agmohd::AGMOHD> to;
  to.run(30);
  agmohd::load_python(*to.optimizer, path_);
  EXPECT_EQ(to.optimizer->updates(), 5);
  EXPECT_EQ(to.optimizer->tally().steps, 0);
  EXPECT_TRUE(to.optimizer->records().empty());
  to.run(1);
  EXPECT_EQ(to.optimizer->updates(), 6);
  EXPECT_EQ(to.optimizer->tally().steps, 1);
  agmohd::save_python(*to.optimizer, path_);
  EXPECT_EQ(group_of(python::read(path_), 0).at("decoupled_weight_decay").toBool(), true);

  Training<agmohd::SGD> sgd(at::kFloat, rich<agmohd::SGD>());
  Training<agmohd::AGMOHDSGD> around(at::kFloat, rich<agmohd::AGMOHDSGD>());
  sgd.run(2);
  python::load_state_dict(*around.optimizer, python::state_dict(*sgd.optimizer));
  EXPECT_EQ(states_of(python::state_dict(*around.optimizer)).size(), 3U);
  around.run(1);

  Training<agmohd::Adam> adam;
  expect_error([&] { agmohd::load_python(*adam.optimizer, path_); }, {path_, "AdamW", "is Adam"});
}

TEST_F(Python, OptionsAreWarnedOf) {
  Training<agmohd::AdamW> from, to(at::kFloat, {0.5});
  const c10::IValue value = python::state_dict(*from.optimizer);
  group_of(value, 1).insert("max_lr", 1.0);
  group_of(value, 1).insert("initial_lr", 1.0);  // of every scheduler
  Warnings warnings;
  python::load_state_dict(*to.optimizer, value);
  ASSERT_EQ(warnings.texts.size(), 2U);
  EXPECT_NE(warnings.texts[0].find("max_lr of group 1"), std::string::npos) << warnings.texts[0];
  EXPECT_EQ(warnings.texts[0].find("initial_lr"), std::string::npos) << warnings.texts[0];
  EXPECT_NE(warnings.texts[1].find("lr of group 0 is 0.05, not 0.5"), std::string::npos)
      << warnings.texts[1];
  EXPECT_EQ(to.optimizer->param_groups()[1].options().get_lr(), 0.05);
}

/// A buffer that prepare() made is none in Python, where the first gradient enters undampened.
TEST_F(Python, BuffersWithoutAStepAreNone) {
  Training<agmohd::SGD> training(at::kFloat, rich<agmohd::SGD>());
  training.optimizer->prepare();
  EXPECT_EQ(std::as_const(*training.optimizer).state().size(), 3U);
  EXPECT_TRUE(states_of(python::state_dict(*training.optimizer)).empty());
  training.run(1, 2);
  EXPECT_EQ(states_of(python::state_dict(*training.optimizer)).size(), 2U);
}

/// Python's Adagrad cannot step where a state is missing.
TEST_F(Python, AllParametersOfAdagradHaveAState) {
  Training<agmohd::Adagrad> training(at::kFloat, rich<agmohd::Adagrad>());
  training.run(2);
  at::Tensor late = at::ones({2}).requires_grad_();
  static_cast<torch::optim::Optimizer&>(*training.optimizer)
      .add_param_group(torch::optim::OptimizerParamGroup(Tensors{late}));
  const python::Dict states = states_of(python::state_dict(*training.optimizer));
  ASSERT_EQ(states.size(), 4U);
  const python::Dict state = states.at(std::int64_t{3}).toGenericDict();
  EXPECT_EQ(state.at("step").toTensor().item<double>(), 0);
  EXPECT_TRUE(at::equal(state.at("sum").toTensor(), at::full({2}, 0.3)));
}

class PythonCuda : public Python {
 protected:
  void SetUp() override {
    Python::SetUp();
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device here";
  }
};

TEST_F(PythonCuda, StateGoesToTheDeviceOfItsParameter) {
  using AdamW = agmohd::AdamW;
  Training<AdamW> first(at::kFloat, rich<AdamW>(), at::kCUDA), host(at::kFloat, rich<AdamW>()),
      second(at::kFloat, rich<AdamW>(), at::kCUDA);
  const auto hand_over = [&](auto& from, auto& to) {
    agmohd::save_python(*from.optimizer, path_);
    for (std::size_t i = 0; i < 3; ++i) to.params[i].detach().copy_(from.params[i].detach());
    agmohd::load_python(*to.optimizer, path_);
  };
  first.run(5, 2);
  hand_over(first, host);
  hand_over(host, second);
  for (auto* const training : {&first, &host, &second}) training->run(5);
  for (std::size_t i = 0; i < 3; ++i) {
    for (const auto& other : {host.params[i], second.params[i].detach().cpu()}) {
      EXPECT_TRUE(at::allclose(first.params[i].detach().cpu(), other.detach(), 1e-6, 1e-6));
    }
  }
}

// ---- Modules

TEST_F(Python, ModulesGoBothWaysOrStay) {
  const auto make = [] {
    return torch::nn::Sequential(torch::nn::Linear(torch::nn::LinearOptions(3, 4).bias(false)),
                                 torch::nn::BatchNorm1d(4));
  };
  torch::nn::Sequential from = make(), to = make();
  from->forward(at::randn({5, 3}));
  agmohd::save_python(from, path_);
  EXPECT_EQ(python::read(path_).toGenericDict().size(), 6U);
  agmohd::load_python(*to, path_);
  const python::Dict expected = python::state_dict(from), found = python::state_dict(*to);
  for (const auto& item : expected) {
    EXPECT_TRUE(at::equal(item.value().toTensor(), found.at(item.key()).toTensor()));
  }

  torch::nn::Sequential untouched = make();
  const at::Tensor before = untouched->parameters()[0].detach().clone();
  const auto expect = [&](const c10::IValue& value, const Texts& texts) {
    python::write(value, path_);
    expect_error([&] { agmohd::load_python(untouched, path_); }, texts);
    EXPECT_TRUE(at::equal(untouched->parameters()[0], before));
  };
  python::Dict less = expected.copy(), more = expected.copy(), other = expected.copy();
  erase(less, "1.running_var");
  more.insert("2.weight", at::ones({2}));
  other.insert_or_assign("1.running_var", at::ones({3}));
  expect(less, {path_, "lacks 1.running_var"});
  expect(more, {path_, "has 2.weight"});
  expect(other, {path_, "1.running_var", "[3]", "[4]"});
  other.insert_or_assign("1.running_var", 1.0);
  expect(other, {path_, "1.running_var", "type float"});
  expect(1.0, {path_, "type float", "a dict"});
}

}  // namespace
