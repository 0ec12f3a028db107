// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../policy/name.hpp"
#include "guard.hpp"
#include "recipe_traits.hpp"
#include "record.hpp"

namespace agmohd::detail {

/// What a recipe of these policies is made of: options, memories and coefficients.
template <class... Policies>
struct RecipeTypes : RecipeTraits<Policies...> {
  using Traits = RecipeTraits<Policies...>;
  using typename Traits::Rule, typename Traits::Hindrance, typename Traits::Momentum,
      typename Traits::Gradient, typename Traits::Schedule, typename Traits::Storage,
      typename Traits::Recovery;

  /// The coefficients of the transforms in front.
  template <class R>
  using Prefix =
      std::conditional_t<Traits::prefixed, typename Gradient::template Coefficients<R>, NoMemory>;
  /// What is measured.
  using AllSignals =
      std::conditional_t<Traits::totals, SignalsAndTotals<Traits::total_count>, Signals>;

  template <class T>
  using Slots = typename Rule::template Slots<T>;
  using Guard = RuleGuard<Rule, Storage, Traits::guards>;

  /// What a step computes, without how state is stored.
  template <class Text = std::string>
  static Text policies() {
    Text out = Rule::name();
    const auto add = [&out](const Text& name) { out += "/" + name; };
    add(Hindrance::name()), add(Momentum::name()), add(Gradient::name()), add(Schedule::name());
    if (Traits::keeps_snapshots) add(Recovery::name());
    return out;
  }
  template <class Text = std::string>
  static Text name() {
    return std::is_same_v<Storage, storage::Native> ? policies<Text>()
                                                    : policies<Text>() + "/" + Storage::name();
  }

  /// Options of the optimizer as a whole, as the device reads them.
  struct Shared {
    typename Hindrance::Options hindrance{};
    typename Momentum::Options momentum{};
    typename Gradient::Options gradient{};
    typename Schedule::Options schedule{};
    typename Storage::Options storage{};
    typename Recovery::Options recovery{};
  };
  AGMOHD_HD static double row_factor(const Shared& o, double p2,
                                     double g2) requires(has::row_factor<Gradient>) {
    return Gradient::row_factor(o.gradient, p2, g2);
  }
  AGMOHD_HD static double row_shift(const Shared& o, double sum, std::int64_t length,
                                    std::int64_t dims) requires(Traits::shifts_rows) {
    return Gradient::row_shift(o.gradient, sum, length, dims);
  }
  AGMOHD_HD static std::int64_t power(const Shared& o) requires(Traits::powers) {
    return Gradient::power(o.gradient);
  }
  AGMOHD_HD static gradient::Projection projection(const Shared& o, double p2, double pg,
                                                   double g2) requires(Traits::projects) {
    return Gradient::projection(o.gradient, p2, pg, g2);
  }
  AGMOHD_HD static gradient::Outliers outliers(const Shared& o, double median, double deviation,
                                               std::int64_t numel) requires(Traits::filters) {
    return Gradient::outliers(o.gradient, median, deviation, numel);
  }
  /// Whether a policy looks at the number of a tensor's parameter group.
  static constexpr bool by_group = has::group_factor<Schedule> || detail::by_group<Gradient>();
  static constexpr int named_groups = detail::named_groups<Gradient, Schedule>();
  /// Options of one parameter group.
  struct AnyGroup {
    double lr = 0;
    typename Rule::Options rule{};
  };
  struct NumberedGroup {
    double lr = 0;
    typename Rule::Options rule{};
    std::int64_t number = 0;
  };
  using Group = std::conditional_t<by_group, NumberedGroup, AnyGroup>;
  /// What transforms are told of a tensor. `index`: the parameter's number over all groups.
  AGMOHD_HD static Draw draw(std::int64_t updates, std::int32_t index, const Group& group) {
    if constexpr (by_group) return {updates, group.number << 32 | index};
    return {updates, index};
  }

  /// What a rule with totals remembers: a base, which takes no room where there is none.
  template <class R>
  struct RuleMemory {
    typename R::OptimizerMemory rule{};
    Totals<R::total_count> totals{};  ///< of the last applied step
  };
  /// What snapshots have of it.
  template <class R>
  struct KeptTotals {
    RuleMemory<R> of[2]{};
    std::int64_t saved = -1;  ///< a snapshot whose totals the coming step will know; -1: none
  };
  /// What Optimizer::zeroed() counts: a base, too.
  struct Zeroed {
    std::int64_t zeroed = 0;
  };
  struct NoZeroed {};
  /// Memory of the optimizer (no [[no_unique_address]]: nvcc lays it out differently for host and
  /// device). `updates` counts applied steps and drives the schedule.
  struct Memory : MemoryIf<Traits::totals, RuleMemory, Rule>::type,
                  std::conditional_t<Traits::counts_zeroed, Zeroed, NoZeroed> {
    std::int64_t updates = 0;
    typename Hindrance::Memory hindrance{};
    typename Momentum::Memory momentum{};
    typename ScheduleMemory<Schedule>::type schedule{};
    typename Recovery::Memory recovery{};
    std::conditional_t<Traits::measures_sweep, Swept, NoMemory>
        swept{};  ///< by the last applied step
    std::conditional_t<Traits::recorded, Tally, NoMemory> tally{};
    typename MemoryIf<Traits::keeps_totals, KeptTotals, Rule>::type kept{};
  };
  /// Before a step changes what the rule remembers: the sums of the sweep before go to the snapshot
  /// that it wrote, and all is exchanged with a snapshot that is swapped in.
  AGMOHD_HD static void swap_totals(AllSignals& s, const Verdict& v,
                                    Memory& m) requires(Traits::keeps_totals) {
    if (m.kept.saved >= 0) m.kept.of[m.kept.saved].totals = s.totals;
    m.kept.saved = -1;
    if (v.swap < 0) return;
    auto& kept = m.kept.of[v.swap];
    const auto rule = m.rule;
    m.rule = kept.rule, m.totals = kept.totals;
    kept.rule = rule, kept.totals = s.totals;
    s.totals = m.totals;
  }
  /// After it did.
  AGMOHD_HD static void keep_totals(const Verdict& v, Memory& m) requires(Traits::keeps_totals) {
    m.kept.saved = v.save;
    if (v.save >= 0) m.kept.of[v.save].rule = m.rule;
  }
  /// What sweeps left in a memory: forgotten, and added where several devices did them; counts also
  /// of those that were left out of the last step.
  static void forget_sweeps(Memory& m) {
    if constexpr (Traits::measures_sweep) m.swept = {};
    if constexpr (Traits::totals) m.totals = {};
    if constexpr (Traits::counts_zeroed) m.zeroed = 0;
  }
  static void add_sweeps(Memory& to, const Memory& from) {
    if constexpr (Traits::measures_sweep) add_swept(to.swept, from.swept);
    if constexpr (Traits::totals) to.totals += from.totals;
  }
  static void add_counts(Memory& to, const Memory& from) {
    if constexpr (Traits::counts_zeroed) to.zeroed += from.zeroed;
  }
  /// What the sweep before measured, as it stands in the memory, joins what the reduce pass did.
  AGMOHD_HD static void join(AllSignals& s, const Memory& m) {
    if constexpr (Traits::totals) s.totals = m.totals;
    if constexpr (Traits::measures_sweep) {
      s.update2 = m.swept.update2;
      s.updated = m.swept.updated;
      s.along_previous = m.swept.along_previous;
      s.along = m.swept.along;
      s.guarded = m.swept.guarded;
      s.throttled = m.swept.throttled;
      s.spoiled = m.swept.spoiled;
    }
  }

  /// The judge's memory replaces that of another device, which keeps what its own sweeps measured.
  /// `swapped`: in a step that swapped a snapshot in, whose totals, of all devices, the judge has.
  AGMOHD_HD static void take(const Memory& judged, Memory& m, [[maybe_unused]] bool swapped) {
    const auto swept = m.swept;
    [[maybe_unused]] std::int64_t zeroed = 0;
    if constexpr (Traits::counts_zeroed) zeroed = m.zeroed;
    if constexpr (Traits::totals) {
      const auto kept = m.totals;
      m = judged;
      m.totals = kept;
      if (Traits::keeps_totals && swapped) m.totals = {};
    } else {
      m = judged;
    }
    m.swept = swept;
    if constexpr (Traits::counts_zeroed) m.zeroed = zeroed;
  }

  /// Of a new phase of training: what policies learnt is forgotten; updates, what is counted in
  /// them, and the schedule stay.
  static Memory anew(const Memory& before) {
    Memory memory{};
    memory.updates = before.updates;
    memory.schedule = before.schedule;
    if constexpr (Traits::totals) memory.rule = before.rule, memory.totals = before.totals;
    add_counts(memory, before);
    if constexpr (requires { Schedule::begin_anew(memory.schedule); }) {
      Schedule::begin_anew(memory.schedule);
    }
    return memory;
  }
  /// What one executor judged, for those of the other devices.
  struct Judgement {
    AllSignals signals{};
    Verdict verdict{};
    Memory memory{};  ///< after judge()
  };
  /// What the hindrance policy knows of one tensor.
  struct TensorHindrance {
    typename TensorMemory<Hindrance>::type memory{};
    std::int64_t exploded = 0;   ///< steps in which it was clipped by itself
    std::int64_t vanished = 0;   ///< steps in which its gradient had vanished
    std::int64_t throttled = 0;  ///< steps in which its learning rate was lowered
  };
  /// What a snapshot has of a tensor, beside its elements.
  struct Kept {
    std::int64_t stamp = 0;  ///< of the snapshot; 0: nothing; negative: swapped out
    std::int64_t moved = 0;  ///< 1: in the last step that swapped, elements are swapped too
    std::int64_t step = 0;
    typename Rule::Memory rule{};
    typename Guard::Memory guard{};
    typename TensorMemory<Gradient>::type gradient{};
  };
  struct Snapshots {
    Kept kept[2];
  };
  /// Memory of one tensor. `step` counts its applied updates.
  struct PerTensor {
    std::int64_t step = 0;
    typename Rule::Memory rule{};
    typename Guard::Memory guard{};
    std::conditional_t<has::judge_tensor<Hindrance>, TensorHindrance, NoMemory> hindrance{};
    typename TensorMemory<Gradient>::type gradient{};
    std::conditional_t<Traits::keeps_snapshots, Snapshots, NoMemory> snapshots{};
  };

  template <class R>
  struct Coefficients : Guard::template Coefficients<R> {
    typename Rule::template Coefficients<R> rule;
    typename Gradient::template Coefficients<R> gradient;
    R lr, decay;
    typename Storage::Key storage;
  };

  /// The gradient that the rule gets.
  template <Number T>
  AGMOHD_HD static T seen(const T& g, const Coefficients<Real<T>>& k, const Position& at) {
    T h = gradient::transformed<Gradient>(g, k.gradient, at);
    if constexpr (has::squares<Rule>) {
      return math::squarable(h);
    } else {
      return h;
    }
  }

  /// What a sweep that measures makes of one element, beside the new parameter.
  template <class T>
  struct Guarded {
    bool doubted = false;  ///< whether the rule's guard had to look at the slots
    Mask<T> guarded;       ///< then, whether it changed them
  };
  /// For the sums over all tensors.
  template <class T>
  struct TotalValues {
    Addends<T, Traits::total_count> totals;
  };
  /// The same in a sampled chunk, see reduction::sample_every(); the backend sums squares of
  /// `update`, and the others. What nobody wants is 0.
  template <class T>
  struct SweepValues {
    T update, along_previous, along;  ///< u_t, g * u_{t-1}, g * u_t
    bool doubted = false;
    Mask<T> guarded;
  };
};

}  // namespace agmohd::detail
