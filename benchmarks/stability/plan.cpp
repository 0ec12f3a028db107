// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "plan.hpp"

#include <algorithm>
#include <set>
#include <string>

namespace stability {
namespace {

class Planner {
 public:
  explicit Planner(const Options& options) : o_(options) {}

  void add(const Task& task, const Entry& method, std::int64_t seed, double lr,
           const Fault* fault = nullptr) {
    if (!o_.methods.empty() &&
        std::find(o_.methods.begin(), o_.methods.end(), method.name) == o_.methods.end()) {
      return;
    }
    const std::int64_t first = o_.final_list ? kFinalSeed : kTuningSeed;
    Run run{&task,
            &method,
            first + seed,
            o_.steps,
            lr,
            fault,
            o_.final_list ? "final" : "tuning",
            o_.size_text(),
            o_.device.substr(0, o_.device.find(':'))};
    const std::string key = run.key();
    if (key.find(o_.only) != std::string::npos && keys_.insert(key).second) runs.push_back(run);
  }

  std::vector<Run> runs;

 private:
  const Options& o_;
  std::set<std::string> keys_;
};

}  // namespace

std::vector<Run> plan(const Options& options, const std::vector<std::unique_ptr<Task>>& tasks) {
  Planner planner(options);
  const auto add = [&](const std::vector<Entry>& table, std::size_t count, std::int64_t seed,
                       double lr, const Fault* fault) {
    for (std::size_t i = 0; i < count; ++i) {
      for (const Entry& method : table) {
        planner.add(*tasks[i], method, seed, lr > 0 ? lr : tasks[i]->lr, fault);
      }
    }
  };
  const auto add_seed = [&](const std::string& experiment, std::int64_t seed) {
    if (experiment == "lr") {
      for (const double lr : kRates) add(methods(), tasks.size(), seed, lr, nullptr);
      return;
    }
    const bool ablation = experiment == "ablation";
    const auto& table = ablation ? ablations() : methods();
    const std::size_t count = ablation ? 1 : tasks.size();
    add(table, count, seed, 0, nullptr);
    if (experiment == "clean") return;
    for (const Fault& fault : faults(options.final_list)) add(table, count, seed, 0, &fault);
  };
  // A share of every experiment's seeds at a time, and of each place all methods: a plan that is
  // cut short is balanced.
  const std::int64_t rounds = options.seeds_of("faults");
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (const std::string& experiment : options.experiments) {
      const std::int64_t seeds = options.seeds_of(experiment);
      const std::int64_t end = seeds * (round + 1) / rounds;
      for (std::int64_t seed = seeds * round / rounds; seed < end; ++seed) {
        add_seed(experiment, seed);
      }
    }
  }
  return planner.runs;
}

}  // namespace stability
