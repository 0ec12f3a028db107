// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "core/concepts.hpp"
#include "core/recipe_checks.hpp"
#include "gradient/chain.hpp"
#include "hindrance/none.hpp"
#include "momentum/fixed.hpp"
#include "schedule/constant.hpp"
#include "storage/native.hpp"

namespace agmohd {

/// One policy of each family, and how state is stored. A recipe says what a step does;
/// Optimizer<Recipe> is what a program holds.
template <class RulePolicy, class HindrancePolicy = hindrance::None,
          class MomentumPolicy = momentum::Fixed, class GradientPolicy = gradient::None,
          class SchedulePolicy = schedule::Constant, class StoragePolicy = storage::Native>
struct Recipe {
  using Rule = RulePolicy;
  using Hindrance = HindrancePolicy;
  using Momentum = MomentumPolicy;
  using Gradient = GradientPolicy;
  using Schedule = SchedulePolicy;
  using Storage = StoragePolicy;

  static_assert(detail::CheckRule<Rule>::passed && detail::CheckHindrance<Hindrance>::passed &&
                detail::CheckMomentum<Momentum>::passed &&
                detail::CheckGradient<Gradient>::passed &&
                detail::CheckSchedule<Schedule>::passed && detail::CheckStorage<Storage>::passed);
  static_assert(!Momentum::needs_first_moment || has::beta1<Rule>,
                "agmohd: this momentum policy needs a rule with a first moment (a static function "
                "beta1(options))");

  /// 0: the step has no reduce pass.
  static constexpr unsigned wants = Hindrance::wants | Gradient::wants;
  static constexpr int slot_count = int(Rule::slot_names.size());

  template <class T>
  using Slots = typename Rule::template Slots<T>;

  /// What a step computes, without how state is stored.
  static std::string policies() {
    return Rule::name() + "/" + Hindrance::name() + "/" + Momentum::name() + "/" +
           Gradient::name() + "/" + Schedule::name();
  }
  static std::string name() {
    return std::is_same_v<Storage, storage::Native> ? policies()
                                                    : policies() + "/" + Storage::name();
  }

  /// Options of the optimizer as a whole, as the device reads them.
  struct Shared {
    typename Hindrance::Options hindrance{};
    typename Momentum::Options momentum{};
    typename Gradient::Options gradient{};
    typename Schedule::Options schedule{};
    typename Storage::Options storage{};
  };
  /// Options of one parameter group.
  struct Group {
    double lr = 0;
    typename Rule::Options rule{};
  };

  /// Memory of the optimizer (no [[no_unique_address]]: nvcc lays it out differently for host and
  /// device). `updates` counts applied steps and drives the schedule.
  struct Memory {
    std::int64_t updates = 0;
    typename Hindrance::Memory hindrance{};
    typename Momentum::Memory momentum{};
  };
  /// Memory of one tensor. `age` counts its applied updates.
  struct PerTensor {
    std::int64_t age = 0;
    typename Rule::Memory rule{};
  };

  template <class R>
  struct Coefficients {
    typename Rule::template Coefficients<R> rule;
    typename Gradient::template Coefficients<R> gradient;
    R lr, decay;
    typename Storage::Key storage;
  };

  /// Once a step: the verdict, and what the momentum policy makes of it. A skipped step leaves the
  /// optimizer's memory as it is, but for what the hindrance policy itself counts.
  AGMOHD_HD static Verdict judge(const Shared& o, const Signals& s, Memory& m) {
    const Verdict v = Hindrance::judge(o.hindrance, s, m.hindrance);
    if (!v.skip) Momentum::advance(o.momentum, v, m.momentum);
    return v;
  }

  /// Once a step and tensor, not called in a skipped step. The caller then adds 1 to `m.updates`.
  /// `index`: the parameter's number over all groups.
  template <class R>
  AGMOHD_HD static Coefficients<R> decide(const Shared& o, const Group& group, Signals s,
                                          const Verdict& v, const Memory& m, PerTensor& tensor,
                                          std::int32_t index = 0) {
    tensor.age += 1;
    Now now{tensor.age, group.lr * v.lr_factor * Schedule::factor(o.schedule, m.updates), {0, 0}};
    if constexpr (has::beta1<Rule>) {
      now.blend = Momentum::blend(o.momentum, m.momentum, Rule::beta1(group.rule));
    }
    double decay = 1;
    if constexpr (has::decay<Rule>) decay = Rule::decay(group.rule, now.lr);
    const auto gradient = Gradient::template at<R>(o.gradient, s, v);
    return {Rule::template at<R>(group.rule, now, tensor.rule), gradient, R(now.lr), R(decay),
            Storage::key(o.storage, m.updates, index)};
  }

  /// The gradient as the reduce pass measures it: after the element links in front of the first
  /// other link.
  template <Lane T>
  AGMOHD_HD static T measured(const T& g, const Shared& o) {
    if constexpr (requires { Gradient::prefix(g, o.gradient); }) {
      return Gradient::prefix(g, o.gradient);
    } else if constexpr (Gradient::kind == LinkKind::element && Gradient::wants == kNothing) {
      Signals none;
      return Gradient::apply(g, Gradient::template at<Real<T>>(o.gradient, none, Verdict{}));
    } else {
      return g;
    }
  }

  /// One element of the sweep: updates the slots and returns the new parameter.
  template <Lane T>
  AGMOHD_HD static T sweep(const T& p, const T& g, Slots<T>& s, const Coefficients<Real<T>>& k) {
    const T h = Gradient::apply(g, k.gradient);
    Rule::update(p, h, s, k.rule);
    const T u = Rule::direction(p, h, s, k.rule);
    return k.decay * p - k.lr * u;
  }
};

}  // namespace agmohd
