// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "../policy/several.hpp"
#include "detector/detector.hpp"

namespace agmohd::hindrance {

namespace detail {

/// The detectors of a Detect, in written order, with the members of one.
template <class...>
struct DetectorList : agmohd::detail::Several<> {
  struct Memory {};
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
struct DetectorList<H, L...> : agmohd::detail::Several<H, L...> {
  static_assert(
      IsDetector<H>,
      "agmohd: a member of Detect is no detector; see agmohd/hindrance/detector/detector.hpp");
  using Rest = DetectorList<L...>;
  using Both = agmohd::detail::Several<H, L...>;
  using typename Both::Options, typename Both::TensorMemory, typename Both::TensorMemories;
  using Memories = agmohd::detail::MemoryPair<typename H::Memory, typename Rest::Memory>;
  using Memory = typename Memories::type;
  static constexpr unsigned wants = H::wants | Rest::wants;
  static constexpr bool bounds_norm =
      agmohd::detail::bounds_norm<H>() || agmohd::detail::bounds_norm<Rest>();
  static constexpr int count = 1 + Rest::count;
  template <class Text = std::string>
  static Text name() {
    return Both::template names<Text>();
  }

  /// Calls f(name, memory) for each detector that remembers something.
  static void each_memory(Memory& m, auto&& f) {
    if constexpr (!std::is_empty_v<typename H::Memory>) f(H::name(), Memories::head(m));
    if constexpr (!std::is_empty_v<typename Rest::Memory>) Rest::each_memory(Memories::rest(m), f);
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
  /// Only detector number `index`.
  AGMOHD_HD static void learn_one(int index, const Options& o, const Signals& s, const Verdict& v,
                                  Memory& m) {
    auto&& head = Memories::head(m);
    auto&& rest = Memories::rest(m);
    if (index == 0) {
      H::learn(o.head, s, v, head);
    } else {
      Rest::learn_one(index - 1, o.rest, s, v, rest);
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
      out.lr_factor *= own.lr_factor;
      out.flags |= own.flags;
    }
    return out;
  }
};

}  // namespace detail

/// A hindrance policy made of detectors. They examine the signals in written order, each seeing the
/// verdict of those before it (so LossSpike is to stand before Explosion), and then all learn. The
/// level is the largest evidence that one reported.
template <class... K>
struct Detect {
  using DetectorList = detail::DetectorList<K...>;
  struct Options {
    double hindrance_threshold = kThreshold;  ///< level from which norms are bounded
    typename DetectorList::Options detectors{};
  };
  using Memory = typename DetectorList::Memory;
  using TensorMemory = typename DetectorList::TensorMemory;
  static constexpr auto fields =
      describe(field("hindrance_threshold", &Options::hindrance_threshold, between(0, 1)),
               nested(&Options::detectors, DetectorList::fields));
  static constexpr unsigned wants = DetectorList::wants;
  static constexpr bool bounds_norm = agmohd::detail::bounds_norm<DetectorList>();
  template <class Text = std::string>
  static Text name() {
    return agmohd::detail::name_of<Text, DetectorList>("Detect");
  }

  static void each_memory(Memory& m, auto&& f) { DetectorList::each_memory(m, f); }
  static void each_tensor_memory(TensorMemory& m, auto&& f) {
    DetectorList::each_tensor_memory(m, f);
  }
  static void check(const Options& o) { DetectorList::check(o.detectors); }
  static const char* needs(const Options& o, std::string_view name) {
    return DetectorList::needs(o.detectors, name);
  }

  AGMOHD_HD static Verdict inspect(const Options& o, const Signals& s, const Memory& m) {
    return examined<DetectorList>(o.detectors, s, m, o.hindrance_threshold);
  }
  /// A part of learning is one detector: they learn independently of each other.
  static constexpr int learn_parts = DetectorList::count;
  AGMOHD_HD static void learn_part(int part, const Options& o, const Signals& s, const Verdict& v,
                                   Memory& m) {
    DetectorList::learn_one(part, o.detectors, s, v, m);
  }
  AGMOHD_HD static void learn(const Options& o, const Signals& s, const Verdict& v, Memory& m) {
    DetectorList::learn(o.detectors, s, v, m);
  }
  AGMOHD_HD static Verdict judge(const Options& o, const Signals& s, Memory& m) {
    const Verdict v = inspect(o, s, m);
    learn(o, s, v, m);
    return v;
  }
  AGMOHD_HD static TensorVerdict judge_tensor(const Options& o, const TensorSignals& s,
                                              const Verdict& v, const Memory& m, TensorMemory& t) {
    return DetectorList::judge_tensor(o.detectors, s, v, m, t);
  }
};
static_assert(Hindrance<Detect<>>);

}  // namespace agmohd::hindrance
