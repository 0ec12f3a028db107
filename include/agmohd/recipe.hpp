// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "core/concepts.hpp"
#include "core/elements.hpp"
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

  /// 0: the step has no reduce pass, and its sweep measures nothing.
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
    typename detail::ScheduleMemory<Schedule>::type schedule{};
  };
  /// Memory of one tensor. `age` counts its applied updates.
  struct PerTensor {
    std::int64_t age = 0;
    typename Rule::Memory rule{};
    typename detail::TensorMemory<Hindrance>::type hindrance{};
  };

  template <class R>
  struct Coefficients {
    typename Rule::template Coefficients<R> rule;
    typename Gradient::template Coefficients<R> gradient;
    R lr, decay;
    typename Storage::Key storage;
  };

  /// The learning rate of a group in this step, after the schedule, before the verdict; that of
  /// the first group is Signals::lr.
  AGMOHD_HD static double scheduled_lr(const Shared& o, const Group& group, const Memory& m) {
    if constexpr (has::schedule_memory<Schedule>) {
      return group.lr * Schedule::factor(o.schedule, m.updates, m.schedule);
    } else {
      return group.lr * Schedule::factor(o.schedule, m.updates);
    }
  }

  /// Once a step: the verdict, and what the other policies make of it. A skipped step leaves the
  /// optimizer's memory as it is, but for what the hindrance policy itself counts.
  AGMOHD_HD static Verdict judge(const Shared& o, const Signals& s, Memory& m) {
    const Verdict v = Hindrance::judge(o.hindrance, s, m.hindrance);
    if (v.skip) return v;
    Momentum::advance(o.momentum, v, m.momentum);
    if constexpr (has::schedule_memory<Schedule>) Schedule::advance(o.schedule, v, m.schedule);
    return v;
  }

  /// Once a step and tensor, not called in a skipped step. The caller then adds 1 to `m.updates`.
  /// `index`: the parameter's number over all groups. `ts`: needed with kTensors alone.
  template <class R>
  AGMOHD_HD static Coefficients<R> decide(const Shared& o, const Group& group, Signals s,
                                          const Verdict& v, const Memory& m, PerTensor& tensor,
                                          std::int32_t index = 0, TensorSignals ts = {}) {
    tensor.age += 1;
    Now now{tensor.age, v.lr_factor * scheduled_lr(o, group, m), {0, 0}, slack};
    if constexpr (has::beta1<Rule>) {
      now.blend = Momentum::blend(o.momentum, m.momentum, Rule::beta1(group.rule));
    }
    double decay = 1;
    if constexpr (has::decay<Rule>) decay = Rule::decay(group.rule, now.lr);
    TensorVerdict tv;
    if constexpr (has::judge_tensor<Hindrance>) {
      tv = Hindrance::judge_tensor(o.hindrance, ts, v, m.hindrance, tensor.hindrance);
    }
    const auto gradient = gradient::link_at<R, Gradient>(o.gradient, s, v, ts, tv);
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
      return Gradient::apply(g, gradient::unmeasured_at<Real<T>, Gradient>(o.gradient));
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

  /// What a watched sweep measures of one element; a lane sums squares of `step`, and the others.
  template <class T>
  struct Watched {
    T step;            ///< lr * u
    T along_previous;  ///< g * u_{t-1}
    T along;           ///< g * u_t
    T guarded;         ///< 1 if the rule's guard changed the slots, else 0
  };
  /// Whether the lanes have to take the watched sweep.
  static constexpr bool watched = (wants & kSweepWants) != 0;

  /// The same sweep, where the hindrance policy wants something of it. What nobody wants is 0.
  /// u_{t-1} is the direction from the slots as the last step left them, with a gradient of zero
  /// and this step's corrections: nothing is stored for it.
  template <Lane T>
  AGMOHD_HD static T sweep(const T& p, const T& g, Slots<T>& s, const Coefficients<Real<T>>& k,
                           Watched<T>& w) {
    const T zero = math::like(p, Real<T>(0));
    w = {zero, zero, zero, zero};
    const T h = Gradient::apply(g, k.gradient);
    if constexpr ((wants & kAlignment) != 0) {
      w.along_previous = h * Rule::direction(p, zero, s, k.rule);
    }
    Rule::update(p, h, s, k.rule);
    if constexpr ((wants & kGuard) != 0 && has::guard<Rule>) w.guarded = Rule::guard(s, k.rule);
    const T u = Rule::direction(p, h, s, k.rule);
    if constexpr ((wants & kAlignment) != 0) w.along = h * u;
    w.step = k.lr * u;
    return k.decay * p - w.step;
  }

 private:
  static constexpr double slack = std::is_same_v<typename Storage::Float, Bf16> ? 1.1 : kSlack;
};

}  // namespace agmohd
