// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/compiler.hpp"

#include <torch/optim/optimizer.h>
#include <torch/serialize/archive.h>

#include <bitset>
#include <concepts>
#include <cstdint>
#include <locale>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "../policy/classic_locale.hpp"
#include "../policy/fixed_string.hpp"
#include "../step/recipe.hpp"
#include "load_report.hpp"
#include "option_table.hpp"
#include "stock_options.hpp"

namespace agmohd {

/// The options of Optimizer<Recipe> and of its parameter groups: those of all its policies by
/// name, with setters that chain as torch.optim's do. The learning rate and the rule's options are
/// per group; a group's unset ones are those of the optimizer. The others belong to the optimizer
/// as a whole. A field counts as set if it was given, or if it differs from its default.
///
/// Those around SGD, Adam and AdamW are torch.optim's options too: a program may cast them to
/// torch::optim::AdamWOptions&, and read and set there what torch.optim has.
template <class Recipe>
class Options : public detail::Stock<typename Recipe::Rule>::Options {
  using Stock = detail::Stock<typename Recipe::Rule>;
  using Base = typename Stock::Options;
  using Table = detail::OptionTable<Recipe>;
  using Values = typename Table::Values;
  static constexpr std::size_t group_count = Table::group_count;
  static constexpr std::size_t count = Table::count;
  template <std::size_t I>
  using Value = typename Table::template Value<I>;

 public:
  static double default_lr() {
    if constexpr (requires { Recipe::Rule::default_lr; }) {
      return Recipe::Rule::default_lr;
    } else {
      return 1e-3;
    }
  }

  /// Whether a policy of the recipe has an option of that name.
  static constexpr bool has(std::string_view name) { return Table::find(name) < count; }

  Options() : Base(Stock::options()) {
    Table::group_fields.each([this](const auto&, auto i) { ref<i>(*this) = std::get<i>(fresh()); });
  }
  Options(double lr) : Options() { put<0>(lr); }  // NOLINT: implicit, as in torch.optim
  /// From torch.optim's options of the same rule; those at torch.optim's default are not set.
  template <std::same_as<Base> Given>
  requires detail::has_stock<typename Recipe::Rule> Options(const Given& stock)
      : Options() {  // NOLINT: implicit, as a copy
    static_cast<Base&>(*this) = stock;
  }

  /// A group's options, ours or torch.optim's of the same rule; nothing: they are neither.
  static std::optional<Options> from(const torch::optim::OptimizerOptions& given) {
    if (const auto* const ours = dynamic_cast<const Options*>(&given)) return *ours;
    if constexpr (detail::has_stock<typename Recipe::Rule>) {
      if (typeid(given) == typeid(Base)) return Options(static_cast<const Base&>(given));
    }
    return std::nullopt;
  }

  /// An option by name, also for policies of one's own. The reference may be assigned to.
  template <FixedString Name>
  const auto& get() const {
    return at<Table::find(Name.view())>();
  }
  template <FixedString Name>
  auto& get() {
    return at<Table::find(Name.view())>();
  }
  template <FixedString Name>
  Options& set(Value<Table::find(Name.view())> value) requires(Table::find(Name.view()) < count) {
    return put<Table::find(Name.view())>(std::move(value));
  }

// Getters and setters under the names of the field, and for a recipe without it a deleted one,
// whose error shows the line below that says what has it; undefined again below.
#define AGMOHD_OPTION(name, needs)                                                              \
  Options& name(Value<Table::find(#name)> value) requires(Table::find(#name) < count) {         \
    return put<Table::find(#name)>(std::move(value));                                           \
  }                                                                                             \
  const Value<Table::find(#name)>& name() const noexcept requires(Table::find(#name) < count) { \
    return at<Table::find(#name)>();                                                            \
  }                                                                                             \
  Value<Table::find(#name)>& name() noexcept requires(Table::find(#name) < count) {             \
    return at<Table::find(#name)>();                                                            \
  }                                                                                             \
  template <class... Given>                                                                     \
  Options& name(const Given&...) requires(Table::find(#name) == count) = delete;
  // clang-format off
  AGMOHD_OPTION(lr, "agmohd: needs a recipe with any rule")
  AGMOHD_OPTION(betas, "agmohd: needs a recipe with rule::Adam, AdamW, SPAM or StableAdamW")
  AGMOHD_OPTION(eps, "agmohd: needs a recipe with rule::Adam, AdamW, SPAM or StableAdamW")
  AGMOHD_OPTION(weight_decay, "agmohd: needs a recipe with a rule of the library")
  AGMOHD_OPTION(amsgrad, "agmohd: needs a recipe with rule::Adam or AdamW")
  AGMOHD_OPTION(maximize, "agmohd: needs a recipe with rule::SGD, Adam, AdamW or StableAdamW")
  AGMOHD_OPTION(momentum, "agmohd: needs a recipe with rule::SGD; Adam's is betas")
  AGMOHD_OPTION(dampening, "agmohd: needs a recipe with rule::SGD")
  AGMOHD_OPTION(nesterov, "agmohd: needs a recipe with rule::SGD, or momentum::Nesterov")
  AGMOHD_OPTION(spike_threshold, "agmohd: needs a recipe with rule::SPAM")
  AGMOHD_OPTION(reset_interval, "agmohd: needs a recipe with rule::SPAM")
  AGMOHD_OPTION(reset_warmup, "agmohd: needs a recipe with rule::SPAM")
  AGMOHD_OPTION(reset_correction, "agmohd: needs a recipe with rule::SPAM")
  AGMOHD_OPTION(spike_repaired, "agmohd: needs a recipe with rule::SPAM")
  AGMOHD_OPTION(rms_repaired, "agmohd: needs a recipe with rule::StableAdamW")
  AGMOHD_OPTION(hindrance_threshold, "agmohd: needs a recipe with hindrance::Detector")
  AGMOHD_OPTION(plateau_factor, "agmohd: needs a recipe with hindrance::Detector")
  AGMOHD_OPTION(plateau_floor, "agmohd: needs a recipe with hindrance::Detector")
  AGMOHD_OPTION(vanishing_eps, "agmohd: needs a recipe with hindrance::Detector")
  AGMOHD_OPTION(sigma_factor, "agmohd: needs a recipe with hindrance::SkipStep")
  AGMOHD_OPTION(rolling_interval, "agmohd: needs a recipe with hindrance::SkipStep")
  AGMOHD_OPTION(zclip_alpha, "agmohd: needs a recipe with hindrance::ZClip")
  AGMOHD_OPTION(zclip_threshold, "agmohd: needs a recipe with hindrance::ZClip")
  AGMOHD_OPTION(zclip_warmup, "agmohd: needs a recipe with hindrance::ZClip")
  AGMOHD_OPTION(adagc_beta, "agmohd: needs a recipe with hindrance::AdaGC")
  AGMOHD_OPTION(adagc_relative, "agmohd: needs a recipe with hindrance::AdaGC")
  AGMOHD_OPTION(adagc_absolute, "agmohd: needs a recipe with hindrance::AdaGC")
  AGMOHD_OPTION(adagc_warmup, "agmohd: needs a recipe with hindrance::AdaGC")
  AGMOHD_OPTION(repaired, "agmohd: needs a recipe with hindrance::SkipStep, ZClip or AdaGC")
  AGMOHD_OPTION(momentum_schedule, "agmohd: needs a recipe with momentum::Choice")
  AGMOHD_OPTION(min_momentum, "agmohd: needs a recipe with momentum::Adaptive or Choice")
  AGMOHD_OPTION(gradient_clipping, "agmohd: needs a recipe with gradient::Choice")
  AGMOHD_OPTION(max_norm, "agmohd: needs a recipe with gradient::ClipByNorm, AdaptiveClip or Choice")
  AGMOHD_OPTION(max_value, "agmohd: needs a recipe with gradient::ClipByValue or Choice")
  AGMOHD_OPTION(stabilize_norm, "agmohd: needs a recipe with gradient::Stabilize")
  AGMOHD_OPTION(stabilize_max, "agmohd: needs a recipe with gradient::Stabilize")
  AGMOHD_OPTION(stabilize_repaired, "agmohd: needs a recipe with gradient::Stabilize")
  AGMOHD_OPTION(warmup_steps, "agmohd: needs a recipe with schedule::Warmup or Choice")
  AGMOHD_OPTION(total_steps, "agmohd: needs a recipe with schedule::Cosine, Linear or Choice")
  AGMOHD_OPTION(start_factor, "agmohd: needs a recipe with schedule::Linear")
  AGMOHD_OPTION(end_factor, "agmohd: needs a recipe with schedule::Linear")
  AGMOHD_OPTION(min_factor, "agmohd: needs a recipe with schedule::Cosine, Cyclical or Choice")
  AGMOHD_OPTION(hold, "agmohd: needs a recipe with schedule::HindranceAware")
  AGMOHD_OPTION(lr_schedule, "agmohd: needs a recipe with schedule::Choice")
  AGMOHD_OPTION(cycle_steps, "agmohd: needs a recipe with schedule::Cyclical or Choice")
  AGMOHD_OPTION(step_size, "agmohd: needs a recipe with schedule::Step or Choice")
  AGMOHD_OPTION(gamma, "agmohd: needs a recipe with schedule::Step or Choice")
  AGMOHD_OPTION(snapshots, "agmohd: needs a recipe with recovery::Snapshots")
  AGMOHD_OPTION(snapshot_every, "agmohd: needs a recipe with recovery::Snapshots")
  AGMOHD_OPTION(snapshots_on_host, "agmohd: needs a recipe with recovery::Snapshots")
  AGMOHD_OPTION(stochastic_rounding, "agmohd: needs a recipe with storage::BFloat16")
  AGMOHD_OPTION(seed, "agmohd: needs a recipe with storage::BFloat16")
  template <FixedString Name, class Given>
  Options& set(const Given&) requires(Table::find(Name.view()) == count) = delete;  // agmohd: no policy of this recipe has an option of that Name
  template <class First>
  Options& betas(First, double) requires(Table::find("betas") < count) = delete;  // agmohd: betas is a pair, as in torch.optim: betas({0.9, 0.95})
  // clang-format on
#undef AGMOHD_OPTION

  /// All options of one policy at once; fields that are left out get their defaults, and all count
  /// as set.
  Options& rule(const typename Recipe::Rule::Options& o) {
    return assign<Table::rule>(o, Recipe::Rule::fields);
  }
  Options& hindrance(const typename Recipe::Hindrance::Options& o) {
    return assign<Table::hindrance>(o, Recipe::Hindrance::fields);
  }
  Options& momentum(const typename Recipe::Momentum::Options& o) {
    return assign<Table::momentum>(o, Recipe::Momentum::fields);
  }
  Options& gradient(const typename Recipe::Gradient::Options& o) {
    return assign<Table::gradient>(o, Recipe::Gradient::fields);
  }
  Options& schedule(const typename Recipe::Schedule::Options& o) {
    return assign<Table::schedule>(o, Recipe::Schedule::fields);
  }
  Options& recovery(const typename Recipe::Recovery::Options& o) {
    return assign<Table::recovery>(o, Recipe::Recovery::fields);
  }
  Options& storage(const typename Recipe::Storage::Options& o) {
    return assign<Table::storage>(o, Recipe::Storage::fields);
  }

  /// The options as the policies read them.
  typename Recipe::Group group() const {
    return {at<0>(), extract<Table::rule, typename Recipe::Rule>()};
  }
  typename Recipe::Shared shared() const {
    return {extract<Table::hindrance, typename Recipe::Hindrance>(),
            extract<Table::momentum, typename Recipe::Momentum>(),
            extract<Table::gradient, typename Recipe::Gradient>(),
            extract<Table::schedule, typename Recipe::Schedule>(),
            extract<Table::storage, typename Recipe::Storage>(),
            extract<Table::recovery, typename Recipe::Recovery>()};
  }

  /// Calls f(name, what it needs) for each option that is not at its default and has no effect, by
  /// its policy's `needs`.
  template <class F>
  void each_idle(const F& f) const {
    const auto look = [&]<std::size_t At, class Policy>() {
      if constexpr (requires { Policy::needs(typename Policy::Options{}, std::string_view{}); }) {
        const auto o = extract<At, Policy>();
        Policy::fields.each([&](const auto& field, auto i) {
          if (ref<At + i>(*this) == std::get<At + i>(fresh())) return;
          if (const char* const needs = Policy::needs(o, field.name)) f(field.name, needs);
        });
      }
    };
    look.template operator()<Table::rule, typename Recipe::Rule>();
    look.template operator()<Table::hindrance, typename Recipe::Hindrance>();
    look.template operator()<Table::momentum, typename Recipe::Momentum>();
    look.template operator()<Table::gradient, typename Recipe::Gradient>();
    look.template operator()<Table::schedule, typename Recipe::Schedule>();
    look.template operator()<Table::recovery, typename Recipe::Recovery>();
    look.template operator()<Table::storage, typename Recipe::Storage>();
  }

  double get_lr() const override { return at<0>(); }
  void set_lr(const double lr) override { put<0>(lr); }

  /// Gives a group's unset options the values of the optimizer's, and checks that no option of the
  /// optimizer as a whole was set to something else for the group. Throws std::invalid_argument
  /// that names the option.
  void inherit(const Options& defaults) {
    if (!of_optimizer_) require_no_shared(defaults);
    of_optimizer_ = false;
    inherited_ = true;
    Table::fields.each([&](const auto&, auto i) {
      if (i >= group_count) {
        ref<i>(*this) = std::get<i>(fresh());
        given_.reset(i);
      } else if (!is_set<i>()) {
        ref<i>(*this) = ref<i>(defaults);
      }
    });
  }

  /// Marks the options of the optimizer itself: what belongs to it as a whole is in copies of them,
  /// but not as a group's own.
  void mark_optimizer() { of_optimizer_ = true; }

  /// Whether inherit() was called: the optimizer calls it for every group.
  bool inherited() const { return inherited_; }

  /// Whether this group's options set what belongs to the optimizer as a whole, to another value.
  bool has_shared_but(const Options& defaults) const {
    bool any = false;
    Table::fields.each([&](const auto&, auto i) {
      any = any || (i >= group_count && is_set<i>() && ref<i>(*this) != ref<i>(defaults));
    });
    return any;
  }

  /// Throws std::invalid_argument if has_shared_but(defaults).
  void require_no_shared(const Options& defaults) const {
    Table::fields.each([&](const auto& f, auto i) {
      if (i >= group_count && is_set<i>() && ref<i>(*this) != ref<i>(defaults)) {
        throw std::invalid_argument(
            std::string(f.name) +
            " was set for one parameter group, but it belongs to the optimizer as a whole: set it "
            "in the optimizer's options");
      }
    });
  }

  /// Reads and writes the options of a group, under torch.optim's keys. A key that is missing
  /// leaves the option.
  void serialize(torch::serialize::InputArchive& archive) override {
    checkpoint::Report ignored;
    read(archive, 0, group_count, "", ignored);
  }
  void serialize(torch::serialize::OutputArchive& archive) const override { write_group(archive); }
  /// The same for the options of the optimizer as a whole.
  void serialize_shared(torch::serialize::InputArchive& archive) {
    checkpoint::Report ignored;
    read(archive, group_count, count, "", ignored);
  }
  void serialize_shared(torch::serialize::OutputArchive& archive) const { write_shared(archive); }

  /// Into anything with write(key, value).
  template <class Archive>
  void write_group(Archive& archive) const {
    write(archive, 0, group_count);
  }
  template <class Archive>
  void write_shared(Archive& archive) const {
    write(archive, group_count, count);
  }
  /// With what is unknown, and what the program had set to something else. `place`: " of group 0".
  void read_group(torch::serialize::InputArchive& archive, const std::string& place,
                  checkpoint::Report& report) {
    read(archive, 0, group_count, place, report);
  }
  void read_shared(torch::serialize::InputArchive& archive, checkpoint::Report& report) {
    read(archive, group_count, count, "", report);
  }

  friend bool operator==(const Options& a, const Options& b) {
    bool same = true;
    Table::fields.each([&](const auto&, auto i) { same = same && ref<i>(a) == ref<i>(b); });
    return same;
  }

 private:
  std::unique_ptr<torch::optim::OptimizerOptions> clone() const override {
    return std::make_unique<Options>(*this);
  }

  struct Names {
    static constexpr std::string_view name(std::size_t at) {
      std::string_view found;
      Table::group_fields.each([&](const auto& f, auto i) {
        if (i == at) found = f.name;
      });
      return found;
    }
  };
  /// Where option I is held, in torch.optim's options or beside them. Self: Options or const
  /// Options.
  template <std::size_t I, class Self>
  static auto& ref(Self& self) {
    if constexpr (I < group_count) {
      using Held = std::conditional_t<std::is_const_v<Self>, const Base, Base>;
      const auto member = detail::stock_member<Names, I>(static_cast<Held&>(self));
      if constexpr (!std::is_null_pointer_v<std::remove_const_t<decltype(member)>>) {
        return *member;
      } else {
        return std::get<I>(self.values_);
      }
    } else {
      return std::get<I>(self.values_);
    }
  }
  template <std::size_t I>
  const auto& at() const {
    static_assert(I < count, "agmohd: no policy of this recipe has an option of that name");
    return ref<(I < count ? I : 0)>(*this);
  }
  template <std::size_t I>
  auto& at() {
    static_assert(I < count, "agmohd: no policy of this recipe has an option of that name");
    return ref<(I < count ? I : 0)>(*this);
  }
  template <std::size_t I>
  Options& put(Value<I> value) {
    at<I>() = std::move(value);
    given_.set(I);
    loaded_.reset(I);
    if (I >= group_count) of_optimizer_ = false;
    return *this;
  }

  template <std::size_t I>
  bool is_set() const {
    return given_[I] || ref<I>(*this) != std::get<I>(fresh());
  }
  /// The values of options that nobody touched.
  static const Values& fresh() {
    static const Values values = defaults();
    return values;
  }

  static Values defaults() {
    Values values;
    std::get<0>(values) = default_lr();
    const auto fill = [&]<std::size_t At, class Policy>() {
      const typename Policy::Options o{};
      Policy::fields.each(
          [&](const auto& f, auto i) { std::get<At + i>(values) = detail::held(f(o)); });
    };
    fill.template operator()<Table::rule, typename Recipe::Rule>();
    fill.template operator()<Table::hindrance, typename Recipe::Hindrance>();
    fill.template operator()<Table::momentum, typename Recipe::Momentum>();
    fill.template operator()<Table::gradient, typename Recipe::Gradient>();
    fill.template operator()<Table::schedule, typename Recipe::Schedule>();
    fill.template operator()<Table::recovery, typename Recipe::Recovery>();
    fill.template operator()<Table::storage, typename Recipe::Storage>();
    return values;
  }

  template <std::size_t At, class O, class Fields>
  Options& assign(const O& o, const Fields& fields) {
    fields.each([&](const auto& f, auto i) { put<At + i>(detail::held(f(o))); });
    return *this;
  }

  template <std::size_t At, class Policy>
  typename Policy::Options extract() const {
    typename Policy::Options o{};
    Policy::fields.each([&](const auto& f, auto i) { f(o) = detail::unheld(ref<At + i>(*this)); });
    return o;
  }

  /// The name, numbered from the second on: two transforms of a chain may share one.
  template <std::size_t I>
  static std::string key(std::size_t begin) {
    int n = 0;
    std::string name;
    Table::fields.each([&](const auto& f, auto i) {
      if (i == I) name = f.name;
    });
    Table::fields.each([&](const auto& f, auto i) { n += i >= begin && i < I && name == f.name; });
    return n == 0 ? name : name + ":" + std::to_string(n + 1);
  }

  template <class Archive>
  void write(Archive& archive, std::size_t begin, std::size_t end) const {
    Table::fields.each([&](const auto&, auto i) {
      if (i >= begin && i < end) {
        archive.write(key<i>(begin), c10::IValue(detail::stored(ref<i>(*this))));
      }
    });
  }
  void read(torch::serialize::InputArchive& archive, std::size_t begin, std::size_t end,
            const std::string& place, checkpoint::Report& report) {
    std::map<std::string, c10::IValue> found;
    for (const std::string& written : archive.keys()) {
      // Version 0.1 numbered those of the optimizer as a whole: 12_total_steps.
      const std::size_t digits = written.find_first_not_of("0123456789");
      const std::string name = digits > 0 && digits < written.size() && written[digits] == '_'
                                   ? written.substr(digits + 1)
                                   : written;
      std::string unique = name;
      for (int n = 2; found.count(unique) > 0; ++n) unique = name + ":" + std::to_string(n);
      archive.read(written, found[unique]);
    }
    Table::fields.each([&](const auto& f, auto i) {
      if (i < begin || i >= end) return;
      const auto at = found.find(key<i>(begin));
      if (at == found.end()) return;
      using V = std::tuple_element_t<i, Values>;
      const V value = static_cast<V>(at->second.template to<decltype(detail::stored(V{}))>());
      V& mine = ref<i>(*this);
      if (value != mine && is_set<i>() && !loaded_[i]) {
        report.overridden.push_back(f.name + place + " is " + text(value) + ", not " + text(mine));
      }
      mine = value;
      given_.set(i);
      loaded_.set(i);
      found.erase(at);
    });
    for (const auto& [name, value] : found) report.unknown_options.insert(name + place);
  }
  template <class V>
  static std::string text(const V& value) {
    std::ostringstream out;
    out.imbue(std::locale::classic());
    if constexpr (std::is_same_v<V, std::tuple<double, double>>) {
      out << "(" << std::get<0>(value) << ", " << std::get<1>(value) << ")";
    } else {
      out << std::boolalpha << detail::stored(value);
    }
    return out.str();
  }

  Values values_ = fresh();            // of those that torch.optim's options do not hold
  std::bitset<count> given_, loaded_;  // by the program or a checkpoint; by a checkpoint
  bool inherited_ = false;
  bool of_optimizer_ = false;  // or a copy of them, which LibTorch gives to groups without options
};

/// The options of group number `g`. A group that came through the base class may have any: those of
/// torch.optim's of the same rule become ours, others are an error.
template <class Recipe>
Options<Recipe> options_of(const torch::optim::OptimizerParamGroup& group, std::size_t g) {
  std::optional<Options<Recipe>> found;
  if (group.has_options()) found = Options<Recipe>::from(group.options());
  TORCH_CHECK(found.has_value(), detail::classic, "agmohd: the options of group ", g,
              " are not the Options of this optimizer, ", Recipe::name());
  return std::move(*found);
}
template <class Recipe>
Options<Recipe>& options_of(torch::optim::OptimizerParamGroup& group, std::size_t g) {
  if (group.has_options()) {
    if (auto* const ours = dynamic_cast<Options<Recipe>*>(&group.options())) return *ours;
  }
  group.set_options(std::make_unique<Options<Recipe>>(options_of<Recipe>(std::as_const(group), g)));
  return static_cast<Options<Recipe>&>(group.options());
}

}  // namespace agmohd
