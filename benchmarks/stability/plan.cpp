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
            o_.size_text()};
    const std::string key = run.key();
    if (key.find(o_.only) == std::string::npos || !keys_.insert(key).second) return;
    if (std::int64_t(keys_.size()) % o_.shards == o_.shard % o_.shards) runs.push_back(run);
  }
  void add_faults(const Task& task, const std::vector<Entry>& table, std::int64_t seed) {
    for (const Entry& method : table) {
      add(task, method, seed, task.lr);
      for (const Fault& fault : faults(o_.final_list)) add(task, method, seed, task.lr, &fault);
    }
  }

  std::vector<Run> runs;

 private:
  const Options& o_;
  std::set<std::string> keys_;
};

}  // namespace

std::vector<Run> plan(const Options& options, const std::vector<std::unique_ptr<Task>>& tasks) {
  Planner planner(options);
  for (const std::string& experiment : options.experiments) {
    // Seeds outermost: a plan that is cut short still has all methods and faults.
    for (std::int64_t seed = 0; seed < options.seeds_of(experiment); ++seed) {
      for (const auto& task : tasks) {
        if (experiment == "faults") planner.add_faults(*task, methods(), seed);
        if (experiment == "ablation") {
          planner.add_faults(*task, ablations(), seed);
          break;
        }
        for (const Entry& method : methods()) {
          if (experiment == "clean") planner.add(*task, method, seed, task->lr);
          for (const double lr : kRates) {
            if (experiment == "lr") planner.add(*task, method, seed, lr);
          }
        }
      }
    }
  }
  return planner.runs;
}

}  // namespace stability
