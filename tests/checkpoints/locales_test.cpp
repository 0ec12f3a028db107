// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Texts in a country with decimal commas.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <locale>
#include <sstream>
#include <string>

#include "errors.hpp"
#include "runs.hpp"

namespace {

using namespace testing_checkpoints;

struct Comma : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};
class Locale {
 public:
  Locale() : before_(std::locale::global(std::locale(std::locale::classic(), new Comma))) {}
  ~Locale() { std::locale::global(before_); }

 private:
  std::locale before_;
};

TEST(Locales, DoNotChangeTexts) {
  const Locale comma;
  agmohd::Record record;
  record.step = 12'345;
  record.updates = 12'344;
  record.loss = 0.5;
  record.lr = 1.25;
  std::ostringstream csv, mine;
  agmohd::monitor::write_csv(csv, {record}, /*header=*/false);
  EXPECT_EQ(csv.str().substr(0, 22), "12345,12344,0.5,1.25,0");
  csv << 1.5;
  expect_in(csv.str(), {"1,5"});  // the program's stream has its locale again
  expect_in(agmohd::monitor::describe(record), {"step 12345", "loss 0.5", "learning rate 1.25"});
  agmohd::Tally tally;
  tally.steps = tally.count[0] = 12'345;
  expect_in(agmohd::monitor::summary(tally), {"12345 steps", " 12345  last"});

  const Tensors params = checkpoints::parameters();
  expect_error([&] { agmohd::AdamW(params, agmohd::AdamWOptions(-1234.5)); }, {"lr = -1234.5"});
  expect_error(
      [&] {
        agmohd::AdamW(params, agmohd::AdamWOptions(0.1).betas({1.5, 0.9}));
      },
      {"betas[0] = 1.5", "in [0, 1)"});
  agmohd::AdamW optimizer(params);
  expect_error([&] { optimizer.updates(-12'345); }, {"updates = -12345"});
  params[0].mutable_grad() = at::ones({12'345});
  expect_error([&] { optimizer.step(); }, {"[12345]"});
}

}  // namespace
