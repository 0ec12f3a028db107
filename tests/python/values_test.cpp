// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Files for and from Python, as far as they need no Python (examples/python/check.py has that):
// what is written is read again, and files that do not fit are errors.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <agmohd/python.hpp>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "files.hpp"

namespace {

using namespace testing_python;

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
