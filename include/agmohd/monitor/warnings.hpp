// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "../hindrance/detect.hpp"
#include "../hindrance/detector/nonfinite.hpp"
#include "../schedule/schedule.hpp"
#include "../step/executor.hpp"
#include "../torch/options.hpp"

namespace agmohd::monitor {

namespace detail {

/// The names of a hindrance policy's detectors that look at the loss, and whether one of them is
/// off without one.
template <class H>
struct LossKinds {
  static constexpr bool off = false;
  static std::string names() { return H::name(); }
};
template <class... K>
struct LossKinds<hindrance::Detect<K...>> {
  template <class Kind>
  static constexpr bool looks = (Kind::wants & kLoss) != 0;
  static constexpr bool off = ((looks<K> && !std::is_same_v<K, hindrance::Nonfinite>) || ...);
  static std::string names() {
    std::string out;
    const auto add = [&](const std::string& name) { out += (out.empty() ? "" : ", ") + name; };
    ((looks<K> ? add(K::name()) : void()), ...);
    return out;
  }
};

}  // namespace detail

/// What a program does that has no effect, or hardly the one that was meant: a warning, once each.
/// Only the host is looked at.
template <class Recipe>
class Warnings {
  using Schedule = typename Recipe::Schedule;

 public:
  static std::string no_loss() {
    return "no loss was handed over, so that " + of_loss() +
           " had none to look at: call step(loss), step(closure) or observe_loss(loss)";
  }

  /// The options at construction.
  void constructed(const Options<Recipe>& options) {
    know(options);
    options.each_idle([](const char* name, const char* needs) {
      TORCH_WARN("agmohd: ", name, " was set, but has no effect without ", needs);
    });
  }
  /// The optimizer's own options, as they came by other ways than a program's setters.
  void know(const Options<Recipe>& options) { defaults_ = options.group(); }

  /// The state was loaded or reset: `updates` steps were applied.
  void begin(std::int64_t updates) {
    steps_ = updates;
    losses_ = without_loss_ = 0;
    largest_lr_ = 0;
  }
  /// Of the first group, as the program set it for steps since begin(); 0: no step yet.
  double largest_lr() const { return largest_lr_; }
  bool saw_loss() const { return losses_ > 0; }

  /// A step that was taken, with or without a loss.
  void stepped(const Settings<Recipe>& settings, bool loss) {
    steps_ += 1;
    losses_ += loss ? 1 : 0;
    largest_lr_ = std::max(largest_lr_, settings.groups.front().lr);
    if constexpr (detail::LossKinds<typename Recipe::Hindrance>::off || kScheduled) {
      if (losses_ == 0 && ++without_loss_ == 100) {
        TORCH_WARN("agmohd: in 100 steps ", no_loss());
      }
    }
    if constexpr (Recipe::named_groups > 0) {
      if (!std::exchange(stepped_, true)) {
        warn_of_groups<typename Recipe::Gradient>(settings.groups.size());
        warn_of_groups<Schedule>(settings.groups.size());
      }
    }
    if constexpr (Options<Recipe>::has("total_steps")) {
      if (!beyond_) warn_beyond(settings.shared.schedule);
    }
  }

  /// The settings of a step before and now; `defaults`: what the optimizer's own options say.
  void compare(const Settings<Recipe>& before, const Settings<Recipe>& now,
               const typename Recipe::Group& defaults) {
    const bool lr = defaults.lr != defaults_.lr;
    if (lr || !same<typename Recipe::Rule>(defaults.rule, defaults_.rule)) {
      defaults_ = defaults;
      const auto has_it = [&](const auto& group) { return group.lr == defaults.lr; };
      const bool set = lr && std::any_of(now.groups.begin(), now.groups.end(), has_it);
      if (!set && !defaults_told_) {
        defaults_told_ = true;
        TORCH_WARN("agmohd: ", lr ? "lr" : "an option of the rule",
                   " was changed in optimizer.options(), which only groups added later inherit; "
                   "for those that exist set it in optimizer.param_groups()[i].options()");
      }
    }
    bool driven = before.groups.size() == now.groups.size() && !now.groups.empty();
    driven = driven && before.groups.front().lr != now.groups.front().lr;
    driven_ = driven ? driven_ + 1 : 0;
    if (driven_ >= 3 && !driven_told_ && moves(now.shared.schedule)) {
      driven_told_ = true;
      TORCH_WARN(
          "agmohd: the learning rate was set anew in three steps in a row while the recipe's "
          "schedule, ",
          Schedule::name(), ", moves it too: the two multiply; leave one of them out");
    }
  }

 private:
  /// Whether the schedule looks at the loss.
  static constexpr bool kScheduled = (agmohd::detail::schedule_wants<Schedule>() & kLoss) != 0;
  static std::string of_loss() {
    std::string out;
    if constexpr ((Recipe::Hindrance::wants & kLoss) != 0) {
      out = detail::LossKinds<typename Recipe::Hindrance>::names();
    }
    if (kScheduled) out += (out.empty() ? "" : ", ") + std::string(Schedule::name());
    return out;
  }
  /// Of a policy that names more groups than there are.
  template <class Policy>
  static void warn_of_groups(std::size_t groups) {
    constexpr int named = agmohd::detail::named_groups<Policy>();
    if (std::size_t(named) <= groups) return;
    TORCH_WARN("agmohd: ", Policy::name(), " is also for parameter group ", named - 1,
               ", counted from 0, but the optimizer has ", groups,
               groups == 1 ? " group" : " groups",
               ": what it says of others has no effect until they are added");
  }
  static double factor(const typename Schedule::Options& o, std::int64_t t) {
    return Schedule::factor(o, t);
  }
  /// Whether the schedule does anything.
  static bool moves(const typename Schedule::Options& o) {
    if (has::schedule_memory<Schedule> && kScheduled) return true;
    for (std::int64_t t = 0; t < 1'000'000; t = 2 * t + 1) {
      if (factor(o, t) != 1) return true;
    }
    return false;
  }
  void warn_beyond(const typename Schedule::Options& o) {
    std::int64_t total = 0;
    Schedule::fields.each([&](const auto& field, auto) {
      if constexpr (std::is_same_v<typename std::remove_cvref_t<decltype(field)>::value_type,
                                   std::int64_t>) {
        if (std::string_view(field.name) == "total_steps") total = field(o);
      }
    });
    if (steps_ <= total || agmohd::detail::needs<Schedule>(o, "total_steps") != nullptr) return;
    beyond_ = true;
    const double end = factor(o, total);
    if (end >= factor(o, total - 1)) return;  // it was no decay
    TORCH_WARN("agmohd: step ", steps_, " is beyond total_steps = ", total, " of the schedule ",
               Schedule::name(), ": the learning rate stays at ", end,
               " of lr; total_steps is the length of the whole run");
  }

  std::int64_t steps_ = 0, losses_ = 0, without_loss_ = 0;
  double largest_lr_ = 0;
  int driven_ = 0;  // steps in a row with another learning rate
  bool defaults_told_ = false, driven_told_ = false, beyond_ = false, stepped_ = false;
  typename Recipe::Group defaults_{};
};

}  // namespace agmohd::monitor
