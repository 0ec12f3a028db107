// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "../core/joined.hpp"
#include "../core/text.hpp"
#include "kind.hpp"

namespace agmohd::hindrance {

namespace detail {

/// Kinds in written order, as one kind.
template <class...>
struct Kinds {
  struct Options {};
  struct Memory {};
  struct TensorMemory {};
  static constexpr auto fields = describe();
  static constexpr unsigned wants = kNothing;
  static constexpr int count = 0;
  static const char* name() { return ""; }
  AGMOHD_HD static void examine(const Options&, const Signals&, const Memory&, Verdict&) {}
  AGMOHD_HD static void learn(const Options&, const Signals&, const Verdict&, Memory&) {}
  AGMOHD_HD static void learn_one(int, const Options&, const Signals&, const Verdict&, Memory&) {}
  AGMOHD_HD static TensorVerdict judge_tensor(const Options&, const TensorSignals&, const Verdict&,
                                              const Memory&, TensorMemory&) {
    return {};
  }
};

template <class H, class... L>
struct Kinds<H, L...> {
  static_assert(Kind<H>, "agmohd: a member of Detectors is no kind; see hindrance/kind.hpp");
  using Rest = Kinds<L...>;
  using Memories = agmohd::detail::Joined<typename H::Memory, typename Rest::Memory>;
  using TensorMemories = agmohd::detail::Joined<typename agmohd::detail::TensorMemory<H>::type,
                                                typename Rest::TensorMemory>;

  struct Options {
    typename H::Options head{};
    typename Rest::Options rest{};
  };
  using Memory = typename Memories::type;
  using TensorMemory = typename TensorMemories::type;
  static constexpr auto fields =
      describe(nested(&Options::head, H::fields), nested(&Options::rest, Rest::fields));
  static constexpr unsigned wants = H::wants | Rest::wants;
  static constexpr int count = 1 + Rest::count;
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, H, L...>("");
  }

  /// Calls f(name, memory) for each kind that remembers something.
  static void each_memory(Memory& m, auto&& f) {
    if constexpr (!std::is_empty_v<typename H::Memory>) f(H::name(), Memories::head(m));
    if constexpr (!std::is_empty_v<typename Rest::Memory>) Rest::each_memory(Memories::rest(m), f);
  }
  static void each_tensor_memory(TensorMemory& m, auto&& f) {
    if constexpr (!std::is_empty_v<typename agmohd::detail::TensorMemory<H>::type>) {
      f(H::name(), TensorMemories::head(m));
    }
    if constexpr (!std::is_empty_v<typename Rest::TensorMemory>) {
      Rest::each_tensor_memory(TensorMemories::rest(m), f);
    }
  }

  AGMOHD_HD static void examine(const Options& o, const Signals& s, const Memory& m, Verdict& v) {
    H::examine(o.head, s, Memories::head(m), v);
    Rest::examine(o.rest, s, Memories::rest(m), v);
  }
  AGMOHD_HD static void learn(const Options& o, const Signals& s, const Verdict& v, Memory& m) {
    auto&& head = Memories::head(m);
    auto&& rest = Memories::rest(m);
    H::learn(o.head, s, v, head);
    Rest::learn(o.rest, s, v, rest);
  }
  /// Kind number `kind` alone.
  AGMOHD_HD static void learn_one(int kind, const Options& o, const Signals& s, const Verdict& v,
                                  Memory& m) {
    auto&& head = Memories::head(m);
    auto&& rest = Memories::rest(m);
    if (kind == 0) {
      H::learn(o.head, s, v, head);
    } else {
      Rest::learn_one(kind - 1, o.rest, s, v, rest);
    }
  }
  AGMOHD_HD static TensorVerdict judge_tensor(const Options& o, const TensorSignals& s,
                                              const Verdict& v, const Memory& m, TensorMemory& t) {
    auto&& rest = TensorMemories::rest(t);
    TensorVerdict out = Rest::judge_tensor(o.rest, s, v, Memories::rest(m), rest);
    if constexpr (has::judge_tensor<H>) {
      auto&& head = TensorMemories::head(t);
      const TensorVerdict own = H::judge_tensor(o.head, s, v, Memories::head(m), head);
      lower(out.norm_bound, own.norm_bound);
      out.flags |= own.flags;
    }
    return out;
  }
};

}  // namespace detail

/// Several kinds of hindrance under one threshold. They are examined in written order, and each
/// sees what those before it found: LossSpike stands before Explosion.
template <class... K>
struct Detectors {
  using Kinds = detail::Kinds<K...>;
  struct Options {
    double hindrance_threshold = kThreshold;
    typename Kinds::Options kinds{};
  };
  using Memory = typename Kinds::Memory;
  using TensorMemory = typename Kinds::TensorMemory;
  static constexpr auto fields =
      describe(field("hindrance_threshold", &Options::hindrance_threshold, between(0, 1)),
               nested(&Options::kinds, Kinds::fields));
  static constexpr unsigned wants = Kinds::wants;
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, Kinds>("Detectors");
  }

  static void each_memory(Memory& m, auto&& f) { Kinds::each_memory(m, f); }
  static void each_tensor_memory(TensorMemory& m, auto&& f) { Kinds::each_tensor_memory(m, f); }

  AGMOHD_HD static Verdict inspect(const Options& o, const Signals& s, const Memory& m) {
    return examined<Kinds>(o.kinds, s, m, o.hindrance_threshold);
  }
  /// The kinds learn independently of each other.
  static constexpr int learn_parts = Kinds::count;
  AGMOHD_HD static void learn_part(int part, const Options& o, const Signals& s, const Verdict& v,
                                   Memory& m) {
    Kinds::learn_one(part, o.kinds, s, v, m);
  }
  AGMOHD_HD static void learn(const Options& o, const Signals& s, const Verdict& v, Memory& m) {
    Kinds::learn(o.kinds, s, v, m);
  }
  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    const Verdict v = inspect(o, s, m);
    learn(o, s, v, m);
    return v;
  }
  AGMOHD_HD static TensorVerdict judge_tensor(const Options& o, const TensorSignals& s,
                                              const Verdict& v, const Memory& m, TensorMemory& t) {
    return Kinds::judge_tensor(o.kinds, s, v, m, t);
  }
};
static_assert(Hindrance<Detectors<>>);

}  // namespace agmohd::hindrance
