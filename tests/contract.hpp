// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// What every policy of a family must do. A policy joins its family's suite by a few samples of its
// options and one line in a test program:
//
//     template <>
//     struct contract::Sample<MyRule> {
//       static std::vector<MyRule::Options> options() { return {{}, {.beta = 0.5}}; }
//     };
//     INSTANTIATE_TYPED_TEST_SUITE_P(MyRule, RuleContract, MyRule);
//
// docs/policies.md has the line that builds such a program outside of this repository.
//
// Sample may hold more, which the suites then check:
//     rule      first(options, lr, p, g): the parameter after the first update, by hand
//     transform      expected(options, gradient): all gradients of a step as the rule must see them
//     (needed);
//               inactive(): options that leave gradients of ordinary size alone
//     schedule  expected(options, t): the factor by hand (needed); peak(options), last(options):
//     the factor rises until
//               step peak, falls after it, and is constant from step last (needed)

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace contract {

template <class Policy>
struct Sample;

/// Skips every step whose gradient norm is above a limit or not a number, and counts them.
struct SkipAbove {
  struct Options {
    double limit = 1e6;
  };
  static constexpr auto fields =
      agmohd::describe(agmohd::field("limit", &Options::limit, agmohd::above(0)));
  static const char* name() { return "SkipAbove"; }
  static constexpr unsigned wants = agmohd::kNorm;
  struct Memory {
    std::int64_t skipped = 0;
  };
  AGMOHD_HD static agmohd::Verdict judge(const Options& o, const agmohd::Signals& s, Memory& m) {
    agmohd::Verdict verdict;
    verdict.skip = !(s.norm2 <= o.limit * o.limit);
    m.skipped += verdict.skip ? 1 : 0;
    return verdict;
  }
};

/// The recipe under test. The suites share as few as they can: each costs seconds to compile.
template <class Rule, class Transform = agmohd::gradient::None>
using Skipping = agmohd::Recipe<Rule, SkipAbove, Transform>;

// ---- Tensors

inline const std::vector<at::ScalarType> kDtypes{at::kFloat, at::kDouble, at::kBFloat16, at::kHalf};

inline double epsilon(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble:
      return 1e-12;
    case at::kFloat:
      return 2e-6;
    case at::kHalf:
      return 2e-3;
    default:
      return 1e-2;
  }
}

inline at::Tensor random(at::IntArrayRef sizes, std::int64_t seed) {
  return at::randn(sizes, at::detail::createCPUGenerator(std::uint64_t(seed)), at::kDouble);
}

/// Parameters of odd shapes: a scalar, none at all, ragged ends, channels-last, off its alignment,
/// transposed.
inline std::vector<at::Tensor> parameters(at::ScalarType dtype, std::int64_t seed = 1) {
  std::vector<at::Tensor> out;
  for (const std::vector<std::int64_t>& sizes : std::vector<std::vector<std::int64_t>>{
           {}, {1}, {7}, {0, 3}, {3, 5}, {8}, {33, 17}, {4, 3, 2, 5}, {32}, {9, 6}}) {
    out.push_back(random(sizes, 1000 * seed + std::int64_t(out.size())).to(dtype));
  }
  out[7] = out[7].contiguous(at::MemoryFormat::ChannelsLast);
  out[8] = out[8].narrow(0, 1, 31);
  out[9] = out[9].t();
  for (at::Tensor& param : out) param = param.detach().requires_grad_();
  return out;
}

/// The gradients of one step, a function of `step`; one parameter has none in every third step.
inline void set_gradients(const std::vector<at::Tensor>& params, std::int64_t step,
                          double scale = 1) {
  for (std::size_t i = 0; i < params.size(); ++i) {
    at::Tensor& grad = params[i].mutable_grad();
    if (i == 2 && step % 3 == 1) {
      grad.reset();
    } else {
      const at::Tensor wide =
          scale * random(params[i].sizes(), 7919 * (step + 1) + std::int64_t(i));
      grad = at::empty_like(params[i], at::TensorOptions().requires_grad(false)).copy_(wide);
    }
  }
}

inline at::Tensor bytes(const at::Tensor& x) {
  return x.detach().cpu().contiguous().reshape({-1}).view(at::kByte);
}
inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() &&
         (a.numel() == 0 || at::equal(bytes(a), bytes(b)));
}

template <class Rule, std::size_t I>
consteval auto slot_name() {
  constexpr std::string_view name = Rule::slot_names[I];
  char text[name.size() + 1] = {};
  std::copy(name.begin(), name.end(), text);
  return agmohd::FixedString(text);
}

/// All that an optimizer holds that training depends on: copies of its parameters, their states and
/// steps, its count of updates. Reads only what is const, so that it does not disturb what it looks
/// at.
struct Snapshot {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  std::vector<std::int64_t> steps;
  std::int64_t updates = 0;
};

template <class Recipe>
Snapshot snapshot(const agmohd::Optimizer<Recipe>& optimizer) {
  using State = agmohd::ParamState<Recipe>;
  Snapshot out;
  out.updates = optimizer.updates();
  for (const auto& group : optimizer.param_groups()) {
    for (const at::Tensor& param : group.params()) {
      const std::string name = "parameter " + std::to_string(out.steps.size());
      out.tensors.emplace_back(name, param.detach().clone());
      const auto found = optimizer.state().find(param.unsafeGetTensorImpl());
      if (found == optimizer.state().end()) {
        out.steps.push_back(0);
        continue;
      }
      const auto& state = static_cast<const State&>(*found->second);
      out.steps.push_back(state.step());
      [&]<std::size_t... I>(std::index_sequence<I...>) {
        const auto add = [&](const char* slot, const at::Tensor& value) {
          out.tensors.emplace_back(name + " " + slot,
                                   value.defined() ? value.clone() : at::Tensor());
        };
        (add(Recipe::Rule::slot_names[I],
             state.template get<slot_name<typename Recipe::Rule, I>()>()),
         ...);
      }
      (std::make_index_sequence<std::size_t(Recipe::slot_count)>{});
    }
  }
  return out;
}

inline void expect_same(const Snapshot& a, const Snapshot& b) {
  EXPECT_EQ(a.steps, b.steps);
  EXPECT_EQ(a.updates, b.updates);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    EXPECT_EQ(a.tensors[i].first, b.tensors[i].first);
    EXPECT_TRUE(same_bits(a.tensors[i].second, b.tensors[i].second)) << a.tensors[i].first;
  }
}

inline void expect_close(const Snapshot& a, const Snapshot& b, double bound) {
  EXPECT_EQ(a.steps, b.steps);
  EXPECT_EQ(a.updates, b.updates);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    const auto& [name, x] = a.tensors[i];
    const at::Tensor& y = b.tensors[i].second;
    ASSERT_EQ(x.defined(), y.defined()) << name;
    if (!x.defined() || x.numel() == 0) continue;
    const double difference = (x.to(at::kDouble) - y.to(at::kDouble)).norm().item<double>();
    EXPECT_LE(difference, bound * y.to(at::kDouble).norm().item<double>()) << name;
  }
}

inline bool all_finite(const Snapshot& s) {
  return std::all_of(s.tensors.begin(), s.tensors.end(), [](const auto& entry) {
    return !entry.second.defined() || entry.second.isfinite().all().template item<bool>();
  });
}

class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

// ---- A recipe under test

/// An optimizer of a recipe with parameters of its own; `options` sets what is under test.
template <class Recipe>
struct Trained {
  using Optimizer = agmohd::Optimizer<Recipe>;
  using Options = typename Optimizer::Options;

  std::vector<at::Tensor> params;
  Optimizer optimizer;

  explicit Trained(const Options& options, at::ScalarType dtype = at::kFloat,
                   bool reference = false, std::vector<at::Tensor> given = {})
      : params(given.empty() ? parameters(dtype) : std::move(given)), optimizer(params, options) {
    if (reference) optimizer.use_tensor_backend();
  }
  Trained& run(std::int64_t begin, std::int64_t end, double scale = 1) {
    for (std::int64_t step = begin; step < end; ++step) {
      set_gradients(params, step, scale);
      optimizer.step();
    }
    return *this;
  }
  Snapshot now() const { return snapshot(optimizer); }
};

/// Training goes on bit for bit after a checkpoint.
template <class Recipe>
void expect_resumes(const typename Trained<Recipe>::Options& options, at::ScalarType dtype) {
  Trained<Recipe> whole(options, dtype), first(options, dtype);
  whole.run(0, 7);
  first.run(0, 4);
  std::stringstream file;
  torch::save(first.optimizer, file);
  std::vector<at::Tensor> copies;
  for (const at::Tensor& param : first.params) {
    copies.push_back(param.detach().clone().requires_grad_());
  }
  Trained<Recipe> second(typename Trained<Recipe>::Options(options).lr(123.0), dtype, false,
                         copies);
  torch::load(second.optimizer, file);
  expect_same(second.now(), first.now());
  expect_same(second.run(4, 7).now(), whole.now());
}

/// The CPU's sweep and the reference do the same.
template <class Recipe>
void expect_backends_agree(const typename Trained<Recipe>::Options& options, double scale = 1) {
  for (const at::ScalarType dtype : kDtypes) {
    SCOPED_TRACE(c10::toString(dtype));
    Trained<Recipe> cpu(options, dtype), reference(options, dtype, true);
    expect_close(cpu.run(0, 8, scale).now(), reference.run(0, 8, scale).now(), epsilon(dtype));
  }
}

/// What the reduce pass sums for a rule, of one row of a chunk at most.
template <class Recipe, class T>
agmohd::TensorSignals summed(const typename Recipe::Group& group,
                             const typename Recipe::PerTensor& tensor, const std::vector<T>& g,
                             const std::vector<typename Recipe::template Slots<T>>& slots,
                             std::size_t size) {
  agmohd::TensorSignals out;
  if constexpr (Recipe::sums) {
    using namespace agmohd::reduction;
    using R = agmohd::Real<T>;
    const auto k = Recipe::Rule::template summing<R>(group.rule, tensor.rule);
    std::vector<T> of_blocks(g.size());
    for (std::size_t b = 0; b < g.size(); ++b) {
      of_blocks[b] = Recipe::Rule::summed(g[b], slots[b], k);
    }
    std::vector<R> x(kRow, R(0));
    std::memcpy(x.data(), of_blocks.data(), size * sizeof(R));
    double lanes[kLanes];
    for (std::size_t l = 0; l < kLanes; ++l) {
      lanes[l] = double((x[4 * l] + x[4 * l + 1]) + (x[4 * l + 2] + x[4 * l + 3]));
    }
    out.summed = butterfly(lanes);
    out.numel = std::int64_t(size);
  }
  return out;
}

/// The arithmetic of a recipe alone, on number type T: what becomes of `p`, then of each used slot.
template <class Recipe, class T>
std::vector<agmohd::Real<T>> drive(const typename Recipe::Group& group,
                                   const std::vector<agmohd::Real<T>>& p,
                                   const std::vector<std::vector<agmohd::Real<T>>>& gradients) {
  using R = agmohd::Real<T>;
  constexpr std::size_t width = sizeof(T) / sizeof(R);
  const std::size_t blocks = (p.size() + width - 1) / width;
  const auto packed = [&](const std::vector<R>& from) {
    std::vector<T> to(blocks);
    std::memcpy(to.data(), from.data(), from.size() * sizeof(R));
    return to;
  };
  std::vector<T> x = packed(p);
  std::vector<typename Recipe::template Slots<T>> slots(blocks);
  typename Recipe::Memory memory{};
  typename Recipe::PerTensor tensor{};
  const unsigned used = Recipe::Rule::slots(group.rule);
  for (const auto& gradient : gradients) {
    const std::vector<T> g = packed(gradient);
    const auto k = Recipe::template decide<R>({}, group, {}, {}, memory, tensor, 0,
                                              summed<Recipe, T>(group, tensor, g, slots, p.size()));
    memory.updates += 1;
    for (std::size_t b = 0; b < blocks; ++b) {
      x[b] = Recipe::sweep(x[b], g[b], slots[b], k);
      agmohd::for_each_slot<Recipe::slot_count>(slots[b], [&](int j, T& slot) {
        if ((used >> j & 1U) == 0) slot = T{};
      });
    }
  }
  std::vector<R> out(p.size());
  std::memcpy(out.data(), x.data(), p.size() * sizeof(R));
  for (int want = 0; want < Recipe::slot_count; ++want) {
    if ((used >> want & 1U) == 0) continue;
    std::vector<T> one(blocks);
    for (std::size_t b = 0; b < blocks; ++b) {
      agmohd::for_each_slot<Recipe::slot_count>(slots[b], [&](int j, T& slot) {
        if (j == want) one[b] = slot;
      });
    }
    const std::size_t end = out.size();
    out.resize(end + p.size());
    std::memcpy(out.data() + end, one.data(), p.size() * sizeof(R));
  }
  return out;
}

template <class R>
std::vector<R> values(const at::Tensor& x) {
  const at::Tensor flat = x.detach().to(c10::CppTypeToScalarType<R>::value).contiguous();
  return {flat.template const_data_ptr<R>(), flat.template const_data_ptr<R>() + flat.numel()};
}

template <class R>
bool same_bits(const std::vector<R>& a, const std::vector<R>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(R)) == 0;
}

// ---- Options

template <class Policy>
std::string message(const typename Policy::Options& options) {
  try {
    agmohd::check<Policy>(options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return {};
}

template <class Number>
std::vector<Number> outside(const agmohd::Bounds& bounds) {
  std::vector<Number> out;
  if constexpr (std::is_same_v<Number, double>) {
    constexpr double inf = std::numeric_limits<double>::infinity();
    out = {std::numeric_limits<double>::quiet_NaN(), inf, -inf};
    if (std::isfinite(bounds.low)) {
      out.push_back(bounds.low_allowed ? std::nextafter(bounds.low, -inf) : bounds.low);
      out.push_back(bounds.low - 1);
    }
    if (std::isfinite(bounds.high)) {
      out.push_back(bounds.high_allowed ? std::nextafter(bounds.high, inf) : bounds.high);
      out.push_back(bounds.high + 1);
    }
  } else {
    if (std::isfinite(bounds.low)) out.push_back(Number(bounds.low) - (bounds.low_allowed ? 1 : 0));
    if (std::isfinite(bounds.high))
      out.push_back(Number(bounds.high) + (bounds.high_allowed ? 1 : 0));
  }
  return out;
}
template <class Number>
std::vector<Number> inside(const agmohd::Bounds& bounds) {
  std::vector<Number> out;
  if constexpr (std::is_same_v<Number, double>) {
    constexpr double inf = std::numeric_limits<double>::infinity();
    if (std::isfinite(bounds.low)) {
      out.push_back(bounds.low_allowed ? bounds.low : std::nextafter(bounds.low, inf));
    }
    if (std::isfinite(bounds.high)) {
      out.push_back(bounds.high_allowed ? bounds.high : std::nextafter(bounds.high, -inf));
    }
  } else {
    if (std::isfinite(bounds.low)) out.push_back(Number(bounds.low) + (bounds.low_allowed ? 0 : 1));
    if (std::isfinite(bounds.high))
      out.push_back(Number(bounds.high) - (bounds.high_allowed ? 0 : 1));
  }
  return out;
}

/// Sets one number of an option; for a Pair its first and its second in turn.
template <class Policy, class F, class Try>
void for_each_number(const typename Policy::Options& sample, const F& f, const Try& attempt) {
  using V = typename F::value_type;
  const auto with = [&](auto assign) {
    typename Policy::Options options = sample;
    assign(f(options));
    return options;
  };
  if constexpr (std::is_same_v<V, agmohd::Pair>) {
    attempt(std::string(f.name) + "[0]", double{},
            [&](double x) { return with([x](agmohd::Pair& pair) { pair.first = x; }); });
    attempt(std::string(f.name) + "[1]", double{},
            [&](double x) { return with([x](agmohd::Pair& pair) { pair.second = x; }); });
  } else if constexpr (!std::is_same_v<V, bool> && !std::is_enum_v<V>) {
    attempt(std::string(f.name), V{}, [&](V x) { return with([x](V& value) { value = x; }); });
  }
}

template <class Policy>
void expect_bounds() {
  EXPECT_FALSE(std::string(Policy::name()).empty());
  EXPECT_FALSE(Sample<Policy>::options().empty());
  for (const auto& sample : Sample<Policy>::options()) {
    EXPECT_EQ(message<Policy>(sample), "");
    Policy::fields.each([&](const auto& f, auto) {
      for_each_number<Policy>(sample, f, [&]<class V>(const std::string& name, V, auto with) {
        for (const V x : outside<V>(f.bounds)) {
          std::ostringstream value;
          value.precision(17);
          value << name << " = " << x << ", but it must be ";
          EXPECT_NE(message<Policy>(with(x)).find(value.str() + agmohd::detail::text(f.bounds)),
                    std::string::npos)
              << "for " << value.str() << "the message is: " << message<Policy>(with(x));
        }
        for (const V x : inside<V>(f.bounds)) {
          // What the policy itself demands of several fields may still refuse it.
          EXPECT_EQ(message<Policy>(with(x)).find(agmohd::detail::text(f.bounds)),
                    std::string::npos)
              << message<Policy>(with(x));
        }
      });
    });
  }
}

/// No two options of a recipe, or of a policy that is no chain, share a name.
template <class Fields>
void expect_unique_names(const Fields& fields) {
  std::set<std::string> names;
  fields.each([&](const auto& f, auto) { EXPECT_TRUE(names.insert(f.name).second) << f.name; });
  EXPECT_EQ(names.count("lr"), 0U);
}

template <class M>
std::vector<double> doubles(const M& memory) {
  if constexpr (std::is_empty_v<M>) {
    return {};
  } else {
    std::vector<double> out(sizeof(M) / sizeof(double));
    std::memcpy(out.data(), &memory, sizeof(M));
    return out;
  }
}

}  // namespace contract

// ---- Rules

template <class Rule>
class RuleContract : public testing::Test {
 protected:
  using Recipe = contract::Skipping<Rule>;
  using Optimizer = agmohd::Optimizer<Recipe>;
  using Options = typename Optimizer::Options;
  static constexpr double lr = 0.01;

  /// Calls test(sample) for every sample.
  template <class F>
  static void each(F test) {
    int index = 0;
    for (const auto& sample : contract::Sample<Rule>::options()) {
      SCOPED_TRACE("sample " + std::to_string(index++));
      test(sample);
    }
  }

  /// The arithmetic on random gradients, on number type T.
  template <class T>
  static auto on(const typename Rule::Options& sample, std::int64_t size) {
    using R = agmohd::Real<T>;
    std::vector<std::vector<R>> gradients;
    for (int step = 0; step < 20; ++step) {
      gradients.push_back(contract::values<R>(contract::random({size}, 100 + step)));
    }
    return contract::drive<Recipe, T>({lr, sample},
                                      contract::values<R>(contract::random({size}, 5)), gradients);
  }

  template <class R>
  static void expect_follows_scalars(const typename Rule::Options& sample) {
    for (const std::int64_t size : {1, 5, 8, 67, 1000}) {
      at::Tensor p =
          contract::random({size}, 5).to(c10::CppTypeToScalarType<R>::value).requires_grad_();
      Optimizer optimizer({p}, Options(lr).template set<Rule>(sample));
      for (int step = 0; step < 20; ++step) {
        p.mutable_grad() = contract::random({size}, 100 + step).to(p.scalar_type());
        optimizer.step();
      }
      std::vector<R> got;
      for (const auto& [name, tensor] : contract::snapshot(optimizer).tensors) {
        if (!tensor.defined()) continue;
        const std::vector<R> part = contract::values<R>(tensor);
        got.insert(got.end(), part.begin(), part.end());
      }
      EXPECT_TRUE(contract::same_bits(got, on<R>(sample, size))) << size << " elements";
    }
  }

  static double sign(const typename Rule::Options& sample) {
    if constexpr (requires { sample.maximize; }) {
      return sample.maximize ? -1 : 1;
    } else {
      return 1;
    }
  }
};

TYPED_TEST_SUITE_P(RuleContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RuleContract);

TYPED_TEST_P(RuleContract, Bounds) { contract::expect_bounds<TypeParam>(); }

TYPED_TEST_P(RuleContract, NamesAreUnique) {
  contract::expect_unique_names(TypeParam::fields);
  std::set<std::string> names{"step", "agmohd_memory", "agmohd_guard"};  // keys of a saved state
  for (const char* name : TypeParam::slot_names) EXPECT_TRUE(names.insert(name).second) << name;
  this->each([](const auto& sample) {
    EXPECT_EQ(TypeParam::slots(sample) >> TypeParam::slot_names.size(), 0U);
  });
}

TYPED_TEST_P(RuleContract, ScalarsAndVectorsAgreeBitForBit) {
  this->each([](const auto& sample) {
    for (std::int64_t size = 1; size <= 20; ++size) {
      EXPECT_TRUE(contract::same_bits(TestFixture::template on<float>(sample, size),
                                      TestFixture::template on<agmohd::vec<float>>(sample, size)));
      EXPECT_TRUE(contract::same_bits(TestFixture::template on<double>(sample, size),
                                      TestFixture::template on<agmohd::vec<double>>(sample, size)));
    }
  });
}

TYPED_TEST_P(RuleContract, OptimizerFollowsScalarsBitForBit) {
  this->each([](const auto& sample) {
    TestFixture::template expect_follows_scalars<float>(sample);
    TestFixture::template expect_follows_scalars<double>(sample);
  });
}

TYPED_TEST_P(RuleContract, TensorBackendAgrees) {
  this->each([](const auto& sample) {
    contract::expect_backends_agree<typename TestFixture::Recipe>(
        typename TestFixture::Options(TestFixture::lr).template set<TypeParam>(sample));
  });
}

TYPED_TEST_P(RuleContract, ZeroGradientsLeaveAllFinite) {
  this->each([](const auto& sample) {
    for (const at::ScalarType dtype : contract::kDtypes) {
      contract::Trained<typename TestFixture::Recipe> trained(
          typename TestFixture::Options(TestFixture::lr).template set<TypeParam>(sample), dtype);
      EXPECT_TRUE(contract::all_finite(trained.run(0, 5, 0).now())) << dtype;
      EXPECT_TRUE(contract::all_finite(trained.run(5, 8).run(8, 11, 0).now())) << dtype;
    }
  });
}

TYPED_TEST_P(RuleContract, FirstStepIsTheFormula) {
  using Sample = contract::Sample<TypeParam>;
  if constexpr (requires(typename TypeParam::Options o) { Sample::first(o, 0.1, 0.1, 0.1); }) {
    this->each([](const auto& sample) {
      at::Tensor p = contract::random({50}, 3).requires_grad_();
      p.mutable_grad() = contract::random({50}, 4);
      const std::vector<double> before = contract::values<double>(p);
      const std::vector<double> g = contract::values<double>(p.grad());
      typename TestFixture::Optimizer optimizer(
          {p}, typename TestFixture::Options(TestFixture::lr).template set<TypeParam>(sample));
      optimizer.step();
      const std::vector<double> after = contract::values<double>(p);
      for (std::size_t i = 0; i < after.size(); ++i) {
        EXPECT_NEAR(after[i], Sample::first(sample, TestFixture::lr, before[i], g[i]), 1e-14);
      }
    });
  } else {
    GTEST_SKIP() << "Sample has no first()";
  }
}

TYPED_TEST_P(RuleContract, DescendsAQuadratic) {
  this->each([](const auto& sample) {
    const at::Tensor curvature = contract::random({40}, 8).abs() + 0.5;
    at::Tensor p = contract::random({40}, 9).requires_grad_();
    typename TestFixture::Optimizer optimizer(
        {p}, typename TestFixture::Options(TestFixture::lr).template set<TypeParam>(sample));
    const auto loss = [&] {
      return (curvature * p.detach().square()).sum().template item<double>();
    };
    const double before = loss();
    for (int step = 0; step < 300; ++step) {
      p.mutable_grad() = TestFixture::sign(sample) * curvature * p.detach();
      optimizer.step();
    }
    EXPECT_LT(loss(), 0.5 * before);
  });
}

TYPED_TEST_P(RuleContract, ResumesBitForBit) {
  this->each([](const auto& sample) {
    for (const at::ScalarType dtype : contract::kDtypes) {
      SCOPED_TRACE(c10::toString(dtype));
      contract::expect_resumes<typename TestFixture::Recipe>(
          typename TestFixture::Options(TestFixture::lr).template set<TypeParam>(sample), dtype);
    }
  });
}

TYPED_TEST_P(RuleContract, IsDeterministicForAnyNumberOfThreads) {
  using Trained = contract::Trained<typename TestFixture::Recipe>;
  this->each([](const auto& sample) {
    const auto run = [&](int threads) {
      const contract::Threads guard(threads);
      Trained trained(typename Trained::Options(TestFixture::lr).template set<TypeParam>(sample),
                      at::kFloat, false,
                      {contract::random({70001}, 1).to(at::kFloat).requires_grad_(),
                       contract::random({3, 5}, 2).to(at::kFloat).requires_grad_()});
      trained.run(0, 4);
      return std::make_pair(trained.now(), trained.optimizer.signals().norm2);
    };
    const auto [once, norm] = run(1);
    for (const int threads : {1, 2, 5}) {
      const auto [again, norm_again] = run(threads);
      contract::expect_same(once, again);
      EXPECT_EQ(norm, norm_again);
    }
  });
}

TYPED_TEST_P(RuleContract, SkippedStepLeavesEveryBit) {
  using Trained = contract::Trained<typename TestFixture::Recipe>;
  this->each([](const auto& sample) {
    for (const bool reference : {false, true}) {
      const auto options =
          typename Trained::Options(TestFixture::lr).template set<TypeParam>(sample);
      Trained skipping(options, at::kFloat, reference), calm(options, at::kFloat, reference);
      skipping.run(0, 3);
      const contract::Snapshot before = skipping.now();
      skipping.run(3, 5, 1e9);
      skipping.run(3, 4, std::numeric_limits<double>::quiet_NaN());
      contract::expect_same(skipping.now(), before);
      contract::expect_same(skipping.run(3, 6).now(), calm.run(0, 6).now());
    }
  });
}

TYPED_TEST_P(RuleContract, RestoreEqualsSoManyUpdates) {
  this->each([](const auto& sample) {
    double beta1 = 0;
    if constexpr (agmohd::has::beta1<TypeParam>) beta1 = TypeParam::beta1(sample);
    typename TypeParam::Memory memory{};
    for (std::int64_t step = 0; step <= 1000; ++step) {
      if (step > 0) {
        TypeParam::template at<double>(sample, {step, TestFixture::lr, {beta1, 0}}, memory);
      }
      const auto stepped = contract::doubles(memory);
      const auto restored = contract::doubles(TypeParam::restore(sample, step));
      for (std::size_t i = 0; i < stepped.size(); ++i) {
        ASSERT_NEAR(restored[i], stepped[i], 1e-12 * std::abs(stepped[i]) + 1e-300)
            << "age " << step;
      }
    }
  });
}

REGISTER_TYPED_TEST_SUITE_P(RuleContract, Bounds, NamesAreUnique, ScalarsAndVectorsAgreeBitForBit,
                            OptimizerFollowsScalarsBitForBit, TensorBackendAgrees,
                            ZeroGradientsLeaveAllFinite, FirstStepIsTheFormula, DescendsAQuadratic,
                            ResumesBitForBit, IsDeterministicForAnyNumberOfThreads,
                            SkippedStepLeavesEveryBit, RestoreEqualsSoManyUpdates);

// ---- Transforms of a gradient chain

namespace contract {

/// The gradient that a rule would see, from the transform's arithmetic alone on scalars of type R.
template <class Transform, class R>
std::vector<R> linked(const typename Transform::Options& options, const std::vector<R>& gradient,
                      agmohd::Signals* measured = nullptr) {
  using Recipe = agmohd::Recipe<agmohd::rule::SGD, Transform>;
  typename Recipe::Shared shared;
  if constexpr (std::is_same_v<typename Recipe::Gradient, Transform>) {
    shared.gradient = options;
  } else {  // a chain of one transform
    shared.gradient = options.head;
  }
  agmohd::Signals signals;
  for (const R g : gradient) {
    const double x = Recipe::measured(g, shared);
    signals.norm2 += x * x;
    signals.max_abs = agmohd::reduction::larger(signals.max_abs, std::abs(x));
    signals.nonfinite += std::isfinite(x) ? 0 : 1;
  }
  if (measured != nullptr) *measured = signals;
  agmohd::TensorSignals one;
  const auto k = agmohd::gradient::transform_at<R, Transform>(options, signals, {}, one, {});
  std::vector<R> out;
  for (const R g : gradient) out.push_back(Transform::apply(g, k));
  return out;
}

}  // namespace contract

template <class Transform>
class TransformContract : public testing::Test {
 protected:
  // With a learning rate of 1 and nothing else, a parameter that was 0 becomes minus what the rule
  // saw.
  using Trained = contract::Trained<contract::Skipping<agmohd::rule::SGD, Transform>>;
  using Options = typename Trained::Options;

  static Options options(const typename Transform::Options& sample) {
    return Options(1.0).template set<Transform>(sample).template set<contract::SkipAbove>(
        {.limit = 1e30});
  }
  /// What the rule sees of gradients that are already set on parameters that are 0.
  static std::vector<double> seen(const std::vector<at::Tensor>& params, const Options& options,
                                  bool reference = false) {
    Trained trained(options, params[0].scalar_type(), reference, params);
    trained.optimizer.step();
    return flat(params, [](const at::Tensor& param) { return -param.detach(); });
  }
  template <class F>
  static std::vector<double> flat(const std::vector<at::Tensor>& params, F of) {
    std::vector<double> out;
    for (const at::Tensor& param : params) {
      const std::vector<double> part = contract::values<double>(of(param));
      out.insert(out.end(), part.begin(), part.end());
    }
    return out;
  }
  static std::vector<at::Tensor> zeros(at::ScalarType dtype, double scale) {
    std::vector<at::Tensor> params = contract::parameters(dtype);
    for (at::Tensor& param : params) param = at::zeros_like(param.detach()).requires_grad_();
    contract::set_gradients(params, 0, scale);
    return params;
  }
  static std::vector<double> gradients(const std::vector<at::Tensor>& params) {
    return flat(params, [](const at::Tensor& param) { return param.grad(); });
  }
  template <class F>
  static void each(F test) {
    int index = 0;
    for (const auto& sample : contract::Sample<Transform>::options()) {
      for (const double scale : {0.0, 1e-3, 1.0, 1e3}) {
        SCOPED_TRACE("sample " + std::to_string(index) + ", gradients of size " +
                     std::to_string(scale));
        test(sample, scale);
      }
      ++index;
    }
  }
};

TYPED_TEST_SUITE_P(TransformContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TransformContract);

TYPED_TEST_P(TransformContract, Bounds) { contract::expect_bounds<TypeParam>(); }

TYPED_TEST_P(TransformContract, FollowsTheFormula) {
  this->each([](const auto& sample, double scale) {
    for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
      for (const bool reference : {false, true}) {
        const auto params = TestFixture::zeros(dtype, scale);
        const auto want =
            contract::Sample<TypeParam>::expected(sample, TestFixture::gradients(params));
        const auto got = TestFixture::seen(params, TestFixture::options(sample), reference);
        ASSERT_EQ(got.size(), want.size());
        for (std::size_t i = 0; i < got.size(); ++i) {
          EXPECT_NEAR(got[i], want[i], contract::epsilon(dtype) * std::abs(want[i]));
        }
      }
    }
  });
}

TYPED_TEST_P(TransformContract, BackendsAgree) {
  this->each([](const auto& sample, double scale) {
    contract::expect_backends_agree<contract::Skipping<agmohd::rule::SGD, TypeParam>>(
        TestFixture::options(sample), scale);
  });
}

TYPED_TEST_P(TransformContract, NeverWritesTheGradients) {
  this->each([](const auto& sample, double scale) {
    for (const at::ScalarType dtype : contract::kDtypes) {
      const auto params = TestFixture::zeros(dtype, scale);
      std::vector<at::Tensor> before;
      for (const at::Tensor& param : params) before.push_back(param.grad().clone());
      TestFixture::seen(params, TestFixture::options(sample));
      for (std::size_t i = 0; i < params.size(); ++i) {
        EXPECT_TRUE(contract::same_bits(params[i].grad(), before[i])) << dtype;
      }
    }
  });
}

TYPED_TEST_P(TransformContract, KeepsEveryBitWhereItIsInactive) {
  if constexpr (requires { contract::Sample<TypeParam>::inactive(); }) {
    for (const at::ScalarType dtype : contract::kDtypes) {
      const auto params = TestFixture::zeros(dtype, 1);
      const auto got =
          TestFixture::seen(params, TestFixture::options(contract::Sample<TypeParam>::inactive()));
      EXPECT_TRUE(contract::same_bits(got, TestFixture::gradients(params))) << dtype;
    }
  } else {
    GTEST_SKIP() << "Sample has no inactive()";
  }
}

TYPED_TEST_P(TransformContract, NanStaysNan) {
  this->each([](const auto& sample, double scale) {
    std::vector<float> gradient = contract::values<float>(scale * contract::random({100}, 2));
    for (const std::size_t at : {0U, 7U, 99U}) {
      auto with_nan = gradient;
      with_nan[at] = std::numeric_limits<float>::quiet_NaN();
      EXPECT_TRUE(std::isnan(contract::linked<TypeParam>(sample, with_nan)[at]));
    }
  });
}

TYPED_TEST_P(TransformContract, ChainsApplyInOrder) {
  using agmohd::gradient::Chain;
  using agmohd::gradient::ClipByValue;
  if constexpr (agmohd::gradient::detail::is_chain<TypeParam>) {
    GTEST_SKIP() << "a chain does not stand inside a chain";
  } else {
    this->each([](const auto& sample, double scale) {
      const std::vector<float> g = contract::values<float>(scale * contract::random({1000}, 2));
      agmohd::Signals alone, chained;
      EXPECT_TRUE(contract::same_bits(contract::linked<Chain<TypeParam>>({sample, {}}, g, &chained),
                                      contract::linked<TypeParam>(sample, g, &alone)));
      EXPECT_EQ(chained.norm2, alone.norm2);
      EXPECT_EQ(chained.max_abs, alone.max_abs);
      for (const double bound : {0.25, 1.0}) {
        const ClipByValue::Options value{bound};
        const auto clamped = contract::linked<ClipByValue>(value, g);
        EXPECT_TRUE(contract::same_bits(
            contract::linked<Chain<ClipByValue, TypeParam>>({value, {sample, {}}}, g),
            contract::linked<TypeParam>(sample, clamped)));
        EXPECT_TRUE(contract::same_bits(
            contract::linked<Chain<TypeParam, ClipByValue>>({sample, {value, {}}}, g),
            contract::linked<ClipByValue>(value, contract::linked<TypeParam>(sample, g))));
      }
    });
  }
}

REGISTER_TYPED_TEST_SUITE_P(TransformContract, Bounds, FollowsTheFormula, BackendsAgree,
                            NeverWritesTheGradients, KeepsEveryBitWhereItIsInactive, NanStaysNan,
                            ChainsApplyInOrder);

// ---- Schedules

template <class Schedule>
class ScheduleContract : public testing::Test {
 protected:
  using Recipe = agmohd::Recipe<agmohd::rule::SGD, Schedule>;
  using Sample = contract::Sample<Schedule>;

  template <class F>
  static void each(F test) {
    int index = 0;
    for (const auto& sample : Sample::options()) {
      SCOPED_TRACE("sample " + std::to_string(index++));
      test(sample, end_of(sample) + 5);
    }
  }
  static std::int64_t end_of(const typename Schedule::Options& sample) {
    if constexpr (requires { Sample::last(sample); }) {
      return Sample::last(sample);
    } else {
      return 25;
    }
  }
  static double rate(const torch::optim::Optimizer& optimizer, std::size_t group) {
    return optimizer.param_groups()[group].options().get_lr();
  }
};

TYPED_TEST_SUITE_P(ScheduleContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ScheduleContract);

TYPED_TEST_P(ScheduleContract, Bounds) {
  contract::expect_bounds<TypeParam>();
  contract::expect_unique_names(TypeParam::fields);
}

TYPED_TEST_P(ScheduleContract, FollowsTheFormula) {
  this->each([](const auto& sample, std::int64_t end) {
    for (std::int64_t t = 0; t < end; ++t) {
      const double factor = TypeParam::factor(sample, t);
      EXPECT_GE(factor, 0) << t;
      EXPECT_LE(factor, 1) << t;
      EXPECT_NEAR(factor, double(TestFixture::Sample::expected(sample, t)), 1e-15) << t;
    }
  });
}

TYPED_TEST_P(ScheduleContract, IsExactAtItsEnds) {
  using ByHand = contract::Sample<TypeParam>;
  this->each([](const auto& sample, std::int64_t) {
    EXPECT_EQ(TypeParam::factor(sample, 0), double(ByHand::expected(sample, 0)));
    if constexpr (requires { ByHand::last(sample); }) {
      const std::int64_t last = ByHand::last(sample);
      const double end = double(ByHand::expected(sample, last));
      for (const std::int64_t t :
           {last, last + 1, 1000 * (last + 1), std::numeric_limits<std::int64_t>::max()}) {
        EXPECT_EQ(TypeParam::factor(sample, t), end) << t;
      }
    }
  });
}

TYPED_TEST_P(ScheduleContract, RisesToItsPeakAndFallsAfterIt) {
  this->each([](const auto& sample, std::int64_t end) {
    for (std::int64_t t = 1; t < end; ++t) {
      const double before = TypeParam::factor(sample, t - 1), now = TypeParam::factor(sample, t);
      if (t <= TestFixture::Sample::peak(sample)) {
        EXPECT_GE(now, before) << t;
      } else {
        EXPECT_LE(now, before) << t;
      }
    }
  });
}

TYPED_TEST_P(ScheduleContract, DrivesAStockOptimizerAsItDrivesARecipe) {
  using Driven = typename TestFixture::Recipe;
  this->each([](const auto& sample, std::int64_t end) {
    std::vector<torch::optim::OptimizerParamGroup> groups;
    groups.emplace_back(std::vector<at::Tensor>{at::zeros({2})});
    groups.emplace_back(std::vector<at::Tensor>{at::zeros({3})},
                        std::make_unique<torch::optim::SGDOptions>(0.01));
    torch::optim::SGD stock(groups, torch::optim::SGDOptions(0.5));
    agmohd::schedule::Scheduler<TypeParam> scheduler(stock, sample);
    typename Driven::Shared shared;
    shared.schedule = sample;
    typename Driven::Memory memory{};
    typename Driven::PerTensor tensors[2];
    for (std::int64_t t = 0; t < end; ++t) {
      agmohd::Signals none;
      const agmohd::Verdict v = Driven::judge(shared, {0.5, {}}, none, memory);
      for (const std::size_t g : {0U, 1U}) {
        const double base = g == 0 ? 0.5 : 0.01;
        const auto k =
            Driven::template decide<double>(shared, {base, {}}, {}, v, memory, tensors[g]);
        EXPECT_EQ(k.lr, base * TypeParam::factor(sample, t)) << t;
        EXPECT_EQ(TestFixture::rate(stock, g), k.lr) << t;
      }
      memory.updates += 1;
      stock.step();
      scheduler.step();
    }
  });
}

TYPED_TEST_P(ScheduleContract, SchedulerIsSavedAndLoaded) {
  this->each([](const auto& sample, std::int64_t end) {
    const auto make = [] {
      return torch::optim::SGD({at::zeros({2})}, torch::optim::SGDOptions(0.5));
    };
    torch::optim::SGD first = make(), second = make();
    agmohd::schedule::Scheduler<TypeParam> saved(first, sample), loaded(second, sample);
    const std::int64_t half = end / 2;
    for (std::int64_t t = 0; t < half; ++t) saved.step();
    std::stringstream file;
    torch::save(saved, file);
    torch::load(loaded, file);
    for (std::int64_t t = half; t < end; ++t) {
      EXPECT_EQ(TestFixture::rate(second, 0), TestFixture::rate(first, 0)) << t;
      saved.step();
      loaded.step();
    }
  });
}

TYPED_TEST_P(ScheduleContract, OptionsAreSavedAndLoaded) {
  using Options = agmohd::Options<typename TestFixture::Recipe>;
  this->each([](const auto& sample, std::int64_t) {
    const auto saved = Options(0.1).template set<TypeParam>(sample);
    std::stringstream file;
    torch::serialize::OutputArchive out;
    saved.serialize_shared(out);
    out.save_to(file);
    torch::serialize::InputArchive in;
    in.load_from(file);
    Options loaded(0.1);
    loaded.serialize_shared(in);
    EXPECT_TRUE(loaded == saved);
  });
}

REGISTER_TYPED_TEST_SUITE_P(ScheduleContract, Bounds, FollowsTheFormula, IsExactAtItsEnds,
                            RisesToItsPeakAndFallsAfterIt, DrivesAStockOptimizerAsItDrivesARecipe,
                            SchedulerIsSavedAndLoaded, OptionsAreSavedAndLoaded);

// ---- Hindrance

template <class Hindrance>
class HindranceContract : public testing::Test {
 protected:
  using Recipe = agmohd::Recipe<agmohd::rule::SGD, Hindrance, agmohd::gradient::AdaptiveClip>;
  using Options = typename agmohd::Optimizer<Recipe>::Options;

  /// Signals from calm to broken.
  static std::vector<agmohd::Signals> signals() {
    constexpr double inf = std::numeric_limits<double>::infinity();
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    std::vector<agmohd::Signals> out;
    for (const double norm : {0.0, 1e-30, 1e-3, 1.0, 1e3, 1e30, inf, nan}) {
      for (const double loss : {nan, 0.0, 1.0, -1.0, 1e30, inf}) {
        out.push_back({norm * norm, norm, std::isfinite(norm) ? 0 : 1, loss, !std::isnan(loss)});
      }
    }
    return out;
  }
};

TYPED_TEST_SUITE_P(HindranceContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(HindranceContract);

TYPED_TEST_P(HindranceContract, Bounds) {
  contract::expect_bounds<TypeParam>();
  contract::expect_unique_names(TypeParam::fields);
}

TYPED_TEST_P(HindranceContract, VerdictsAreInRange) {
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    typename TypeParam::Memory memory{};
    for (int round = 0; round < 3; ++round) {
      for (const agmohd::Signals& s : TestFixture::signals()) {
        const agmohd::Verdict v = TypeParam::judge(sample, s, memory);
        EXPECT_TRUE(v.level >= 0 && v.level <= 1) << v.level;
        EXPECT_TRUE(v.lr_factor >= 0 && v.lr_factor <= 1) << v.lr_factor;
        EXPECT_GT(v.norm_bound, 0);
      }
    }
  }
}

TYPED_TEST_P(HindranceContract, IsDeterministic) {
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    typename TypeParam::Memory a{}, b{};
    for (const agmohd::Signals& s : TestFixture::signals()) {
      const agmohd::Verdict v = TypeParam::judge(sample, s, a), w = TypeParam::judge(sample, s, b);
      EXPECT_EQ(v.level, w.level);
      EXPECT_EQ(v.lr_factor, w.lr_factor);
      EXPECT_EQ(v.norm_bound, w.norm_bound);
      EXPECT_EQ(v.skip, w.skip);
      EXPECT_TRUE(contract::same_bits(contract::doubles(a), contract::doubles(b)));
    }
  }
}

TYPED_TEST_P(HindranceContract, BackendsAgree) {
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    contract::expect_backends_agree<typename TestFixture::Recipe>(
        typename TestFixture::Options(0.01).template set<TypeParam>(sample));
  }
}

TYPED_TEST_P(HindranceContract, ResumesBitForBit) {
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    contract::expect_resumes<typename TestFixture::Recipe>(
        typename TestFixture::Options(0.01).template set<TypeParam>(sample), at::kFloat);
  }
}

REGISTER_TYPED_TEST_SUITE_P(HindranceContract, Bounds, VerdictsAreInRange, IsDeterministic,
                            BackendsAgree, ResumesBitForBit);

// ---- Momentum

template <class Momentum>
class MomentumContract : public testing::Test {
 protected:
  using Recipe = agmohd::Recipe<agmohd::rule::AdamW, contract::SkipAbove, Momentum>;
  using Options = typename agmohd::Optimizer<Recipe>::Options;
};

TYPED_TEST_SUITE_P(MomentumContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MomentumContract);

TYPED_TEST_P(MomentumContract, Bounds) {
  contract::expect_bounds<TypeParam>();
  contract::expect_unique_names(TypeParam::fields);
}

TYPED_TEST_P(MomentumContract, BlendsStayInRange) {
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    typename TypeParam::Memory memory{};
    for (int step = 0; step < 200; ++step) {
      TypeParam::advance(sample, {.level = step % 10 / 9.0, .hindered = step % 10 > 2}, memory);
      for (const double beta1 : {0.0, 0.5, 0.9, 0.999}) {
        const agmohd::Blend blend = TypeParam::blend(sample, memory, beta1);
        EXPECT_TRUE(blend.beta1 >= 0 && blend.beta1 < 1) << blend.beta1;
        EXPECT_TRUE(blend.look >= 0 && blend.look <= 1) << blend.look;
      }
    }
  }
}

TYPED_TEST_P(MomentumContract, SkippedStepLeavesItsMemory) {
  using Trained = contract::Trained<typename TestFixture::Recipe>;
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    Trained skipping(typename TestFixture::Options(0.01).template set<TypeParam>(sample)),
        calm(typename TestFixture::Options(0.01).template set<TypeParam>(sample));
    skipping.run(0, 3).run(3, 6, 1e9);
    contract::expect_same(skipping.run(3, 6).now(), calm.run(0, 6).now());
  }
}

TYPED_TEST_P(MomentumContract, BackendsAgree) {
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    contract::expect_backends_agree<typename TestFixture::Recipe>(
        typename TestFixture::Options(0.01).template set<TypeParam>(sample));
  }
}

TYPED_TEST_P(MomentumContract, ResumesBitForBit) {
  for (const auto& sample : contract::Sample<TypeParam>::options()) {
    contract::expect_resumes<typename TestFixture::Recipe>(
        typename TestFixture::Options(0.01).template set<TypeParam>(sample), at::kFloat);
  }
}

REGISTER_TYPED_TEST_SUITE_P(MomentumContract, Bounds, BlendsStayInRange, SkippedStepLeavesItsMemory,
                            BackendsAgree, ResumesBitForBit);
