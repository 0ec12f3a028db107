// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../policy/compiler.hpp"

#include <torch/optim/optimizer.h>
#include <torch/serialize/archive.h>

#include <concepts>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "../policy/classic_locale.hpp"
#include "../policy/fixed_string.hpp"
#include "../step/recipe.hpp"
#include "load_report.hpp"
#include "option_setters.hpp"
#include "option_table.hpp"

namespace agmohd {

/// The options of Optimizer<Recipe> and of its parameter groups: those of all its policies by
/// name, with setters that chain as torch.optim's do. The learning rate and the rule's options are
/// per group; a group's unset ones are those of the optimizer. The others belong to the optimizer
/// as a whole. A field counts as set if it was given, or if it differs from its default.
///
/// Those around a rule that torch.optim has are its options too: a program may cast them to
/// torch::optim::AdamWOptions&, and read and set there what torch.optim has.
template <class Recipe>
class Options : public detail::OptionSetters<Options<Recipe>, Recipe> {
  using OptionValues = detail::OptionValues<Recipe>;
  using OptionValues::given_, OptionValues::of_optimizer_, OptionValues::read, OptionValues::write;
  using typename OptionValues::Base, typename OptionValues::Table;
  static constexpr std::size_t group_count = Table::group_count;
  static constexpr std::size_t count = Table::count;
  template <std::size_t I>
  using Value = typename Table::template Value<I>;

 public:
  /// Whether a policy of the recipe has an option of that name.
  static constexpr bool has(std::string_view name) { return Table::find(name) < count; }

  Options() = default;
  Options(double lr) : Options() {
    this->template put<0>(lr);
  }  // NOLINT: implicit, as in torch.optim
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
    return this->template at<Table::find(Name.view())>();
  }
  template <FixedString Name>
  auto& get() {
    return this->template at<Table::find(Name.view())>();
  }
  template <FixedString Name>
  Options& set(Value<Table::find(Name.view())> value) requires(Table::find(Name.view()) < count) {
    this->template put<Table::find(Name.view())>(std::move(value));
    return *this;
  }

  // clang-format off
  template <FixedString Name, class Given>
  Options& set(const Given&) requires(Table::find(Name.view()) == count) = delete;  // agmohd: no policy of this recipe has an option of that Name
  template <FixedString Name, class Given>
  Options& set(const Given&) requires(Table::find(Name.view()) < count && !std::is_convertible_v<const Given&, Value<Table::find(Name.view())>>) = delete;  // agmohd: this recipe has that option, but a value of this type does not convert to the option's
  // clang-format on

  /// Sets what differs from the policy's defaults: set<gradient::ClipByNorm>({.max_norm = 0.5}).
  /// Options at their default there count as not named and keep the value that they have; to set
  /// one to its default, name it: set<"weight_decay">(0.0).
  template <class Policy>
  Options& set(const typename Policy::Options& o) {
    static_assert(detail::has_policy<Recipe, Policy>,
                  "agmohd: set<Policy>: the recipe of these options does not have that policy");
    constexpr std::size_t first = detail::first_option<Recipe, Policy>();
    const typename Policy::Options initial{};
    Policy::fields.each([&](const auto& f, auto i) {
      if (!(f(o) == f(initial))) this->template put<first + i>(detail::held(f(o)));
    });
    return *this;
  }

  /// The options as the policies read them.
  typename Recipe::Group group() const {
    return {this->template at<0>(), this->template extract<Table::rule, typename Recipe::Rule>()};
  }
  typename Recipe::Shared shared() const {
    return {this->template extract<Table::hindrance, typename Recipe::Hindrance>(),
            this->template extract<Table::momentum, typename Recipe::Momentum>(),
            this->template extract<Table::gradient, typename Recipe::Gradient>(),
            this->template extract<Table::schedule, typename Recipe::Schedule>(),
            this->template extract<Table::storage, typename Recipe::Storage>(),
            this->template extract<Table::recovery, typename Recipe::Recovery>()};
  }

  /// Calls f(name, what it needs) for each option that is not at its default and has no effect, by
  /// its policy's `needs`.
  template <class F>
  void each_idle(const F& f) const {
    const auto look = [&]<std::size_t At, class Policy>() {
      if constexpr (requires { Policy::needs(typename Policy::Options{}, std::string_view{}); }) {
        const auto o = this->template extract<At, Policy>();
        Policy::fields.each([&](const auto& field, auto i) {
          if (OptionValues::template ref<At + i>(*this) == std::get<At + i>(OptionValues::fresh()))
            return;
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

  double get_lr() const override { return this->template at<0>(); }
  void set_lr(const double lr) override { this->template put<0>(lr); }

  /// Gives a group's unset options the values of the optimizer's, and checks that no option of the
  /// optimizer as a whole was set to something else for the group. Throws std::invalid_argument
  /// that names the option.
  void inherit(const Options& defaults) {
    if (!of_optimizer_) require_no_shared(defaults);
    of_optimizer_ = false;
    inherited_ = true;
    Table::fields.each([&](const auto&, auto i) {
      if (i >= group_count) {
        OptionValues::template ref<i>(*this) = std::get<i>(OptionValues::fresh());
        given_.reset(i);
      } else if (!this->template is_set<i>()) {
        OptionValues::template ref<i>(*this) = OptionValues::template ref<i>(defaults);
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
      any =
          any || (i >= group_count && this->template is_set<i>() &&
                  OptionValues::template ref<i>(*this) != OptionValues::template ref<i>(defaults));
    });
    return any;
  }

  /// Throws std::invalid_argument if has_shared_but(defaults).
  void require_no_shared(const Options& defaults) const {
    Table::fields.each([&](const auto& f, auto i) {
      if (i >= group_count && this->template is_set<i>() &&
          OptionValues::template ref<i>(*this) != OptionValues::template ref<i>(defaults)) {
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

 private:
  bool inherited_ = false;

  std::unique_ptr<torch::optim::OptimizerOptions> clone() const override {
    return std::make_unique<Options>(*this);
  }
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
/// With what it inherits of the optimizer's.
template <class Recipe>
Options<Recipe> options_of(const torch::optim::OptimizerParamGroup& group, std::size_t g,
                           const Options<Recipe>& optimizer) {
  Options<Recipe> own = options_of<Recipe>(group, g);
  if (!own.inherited()) own.inherit(optimizer);
  return own;
}

}  // namespace agmohd
