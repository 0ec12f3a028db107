// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/optim/optimizer.h>
#include <torch/serialize/archive.h>

#include <bitset>
#include <cstddef>
#include <locale>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "load_report.hpp"
#include "option_table.hpp"
#include "stock_options.hpp"

namespace agmohd::detail {

/// The values of all options of a recipe, by position in its OptionTable, and which of them were
/// set. Those that torch.optim's options have too are held there.
template <class Recipe>
class OptionValues : public Stock<typename Recipe::Rule>::Options {
 protected:
  using StockOptions = Stock<typename Recipe::Rule>;
  using Base = typename StockOptions::Options;
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

  /// Equal values, whether they were set or not.
  friend bool operator==(const OptionValues& a, const OptionValues& b) {
    bool same = true;
    Table::fields.each([&](const auto&, auto i) { same = same && ref<i>(a) == ref<i>(b); });
    return same;
  }

 protected:
  OptionValues() : Base(StockOptions::options()) {
    Table::group_fields.each([this](const auto&, auto i) { ref<i>(*this) = std::get<i>(fresh()); });
  }

  /// Where option I is held, in torch.optim's options or beside them. Self: OptionValues or const
  /// OptionValues.
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
  void put(Value<I> value) {
    at<I>() = std::move(value);
    given_.set(I);
    loaded_.reset(I);
    if (I >= group_count) of_optimizer_ = false;
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
      const V value = detail::unstored<V>(at->second.template to<decltype(detail::stored(V{}))>());
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
    } else if constexpr (is_list<V>) {
      const char* before = "{";
      for (const auto x : detail::stored(value)) {
        out << before << x;
        before = ", ";
      }
      out << (value.size == 0 ? "{}" : "}");
    } else {
      out << std::boolalpha << detail::stored(value);
    }
    return out.str();
  }

  bool of_optimizer_ = false;  // or a copy of them, which LibTorch gives to groups without options
  std::bitset<count> given_, loaded_;  // by the program or a checkpoint; by a checkpoint

 private:
  struct Names {
    static constexpr std::string_view name(std::size_t at) {
      std::string_view found;
      Table::group_fields.each([&](const auto& f, auto i) {
        if (i == at) found = f.name;
      });
      return found;
    }
  };

  Values values_ = fresh();  // of those that torch.optim's options do not hold
};

}  // namespace agmohd::detail
