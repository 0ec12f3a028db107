// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <agmohd/cuda/tuning.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

#include "cuda_platform.hpp"
#include "lineup.hpp"

namespace bench {

/// Finds the launch geometry of the device that is here: one field after another, each on the
/// tensors that it matters for, as the time of a replayed clip + AdamW step in float32. Prints a
/// row for agmohd/cuda/tuning.hpp.
class Tuner {
 public:
  explicit Tuner(const Cuda& cuda) : cuda_(cuda) {}

  void run(const char* device, const std::string& versions) {
    using agmohd::cuda::Tuning;
    const Shapes gpt2_xl = gpt2(48, 1600), gpt2_small = gpt2(12, 768);
    const bool large = room_for(gpt2_xl);
    const std::vector<Shapes> big{large ? gpt2_xl : gpt2_small, gpt2_small};
    const std::vector<Shapes> small{equal(2000, 1000), equal(1000, 1900), equal(1500, 3000)};
    const std::vector<Shapes> tiny{equal(10000, 64), equal(4000, 200)};
    const std::vector<Shapes> around_small{equal(2000, 1000), equal(1500, 3000), equal(800, 6000)};
    const std::vector<Shapes> around_tiny{equal(10000, 64), equal(6000, 200), equal(3000, 400)};
    const std::vector<int> threads{128, 256, 512}, sweep{64, 128, 256};
    std::printf("%s, %s\n", device, versions.c_str());
    field(big, "reduce_threads", &Tuning::reduce_threads, threads);
    field(big, "reduce_chunks", &Tuning::reduce_chunks, {1, 2, 4, 8});
    field(big, "sweep_threads", &Tuning::sweep_threads, sweep);
    field(small, "small_reduce_warps", &Tuning::small_reduce_warps, {1, 2, 4});
    field(small, "small_reduce_threads", &Tuning::small_reduce_threads, threads);
    field(small, "small_sweep_threads", &Tuning::small_sweep_threads, sweep);
    field(around_small, "small_chunk", &Tuning::small_chunk, {512, 1024, 2048, 4096, 8192});
    field(tiny, "tiny_reduce_threads", &Tuning::tiny_reduce_threads, threads);
    field(tiny, "tiny_sweep_threads", &Tuning::tiny_sweep_threads, sweep);
    field(around_tiny, "tiny_chunk", &Tuning::tiny_chunk, {64, 128, 256, 512, 1024});

    // How far the defaults are from the best, and the row.
    double worst = 1;
    for (const auto& shapes : {big, small, tiny}) {
      const auto both = measure(shapes, {best_, agmohd::cuda::default_tuning});
      worst = std::max(worst, both[1] / both[0]);
    }
    Lineup lineup("tune", cuda_, {big[0]}, {clip_adamw()});
    const auto round = lineup.sample(0, 0);
    const double share = 32.0 * double(elements_of(big[0])) / round.seconds.whole / round.copy;
    std::printf(
        "\nThe defaults take at most %.3f of its time, on each kind of tensors.\n"
        "    {\"%s\", {%d, %d, %d, %d, %d, %d, %d, %lld, %lld, %d}, %.2f, \"%s\"},\n",
        worst, device, best_.reduce_threads, best_.sweep_threads, best_.small_reduce_threads,
        best_.small_sweep_threads, best_.small_reduce_warps, best_.tiny_reduce_threads,
        best_.tiny_sweep_threads, static_cast<long long>(best_.small_chunk),
        static_cast<long long>(best_.tiny_chunk), best_.reduce_chunks, share, versions.c_str());
    agmohd::cuda::tuning_under_test() = nullptr;
  }

 private:
  using Tuning = agmohd::cuda::Tuning;

  static Contestant clip_adamw() {
    return {"agmohd",
            "",
            "",
            32,
            [](Peers& p) { p.ours<ClipAdamW>().step(); },
            true,
            [](Peers& p) { p.ours<ClipAdamW>().prepare(); }};
  }
  bool room_for(const Shapes& shapes) const { return elements_of(shapes) * 20 < cuda_.available(); }

  /// What a step takes with each tuning: the geometric mean over the shapes of the least of several
  /// rounds.
  std::vector<double> measure(const std::vector<Shapes>& all, const std::vector<Tuning>& tunings) {
    std::vector<double> product(tunings.size(), 1);
    for (const Shapes& shapes : all) {
      Peers peers({shapes}, cuda_.device());
      std::vector<double> least(tunings.size(), 1e30);
      for (std::size_t t = 0; t < tunings.size(); ++t) {
        agmohd::cuda::tuning_under_test() = &tunings[t];
        peers.forget<ClipAdamW>();
        const Step step = [&peers] { peers.ours<ClipAdamW>().step(); };
        step();
        peers.ours<ClipAdamW>().prepare();
        const Step replay = cuda_.captured(step);
        const double once = cuda_.time(2, replay).whole / 2;
        const auto count = std::clamp<std::int64_t>(std::llround(0.02 / once), 1, 1000);
        for (int round = 0; round < 5; ++round) {
          least[t] = std::min(least[t], cuda_.time(count, replay).whole / double(count));
        }
      }
      for (std::size_t t = 0; t < tunings.size(); ++t) {
        product[t] *= std::pow(least[t], 1.0 / double(all.size()));
      }
      cuda_.trim();
    }
    agmohd::cuda::tuning_under_test() = &best_;  // `tunings` is about to end
    return product;
  }

  /// Takes the best of `values`, or keeps what is there where nothing is better by 0.5 %.
  template <class Value>
  void field(const std::vector<Shapes>& shapes, const char* name, Value Tuning::*member,
             const std::vector<std::type_identity_t<Value>>& values) {
    std::vector<Tuning> tunings{best_};
    for (const Value value : values) {
      if (value == best_.*member) continue;
      tunings.push_back(best_);
      tunings.back().*member = value;
    }
    const std::vector<double> times = measure(shapes, tunings);
    const auto least = std::size_t(std::min_element(times.begin(), times.end()) - times.begin());
    std::printf("%-22s", name);
    for (std::size_t t = 0; t < tunings.size(); ++t) {
      std::printf("  %lld: %.4f ms", static_cast<long long>(tunings[t].*member), times[t] * 1e3);
    }
    if (times[least] < 0.995 * times[0]) best_ = tunings[least];
    std::printf("  -> %lld\n", static_cast<long long>(best_.*member));
    std::fflush(stdout);
  }

  const Cuda& cuda_;
  Tuning best_ = agmohd::cuda::default_tuning;
};

}  // namespace bench
