// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "plan.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

namespace stability {
namespace {

bool chosen(const std::vector<std::string>& names, const std::string& name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

std::vector<std::string> words(const char* text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

class Planner {
 public:
  explicit Planner(const Options& options) : o_(options) {}

  /// Adds the run, completed, unless the options leave it out.
  void add(Run run, std::int64_t seed) {
    if (!chosen(o_.methods, run.method->name)) return;
    run.seed = (o_.final_list ? kFinalSeed : kTuningSeed) + seed;
    run.steps = run.task->steps > 0 && !o_.steps_given ? run.task->steps : o_.steps;
    if (run.lr == 0) run.lr = run.task->lr;
    run.list = o_.final_list ? "final" : "tuning";
    run.size = o_.size_text();
    run.device = o_.device.substr(0, o_.device.find(':'));
    const std::string key = run.key();
    if (key.find(o_.only) != std::string::npos && keys_.insert(key).second) runs.push_back(run);
  }

  std::vector<Run> runs;

 private:
  const Options& o_;
  std::set<std::string> keys_;
};

using Tasks = std::vector<std::unique_ptr<Task>>;

/// Those of the tasks that have these names, in the names' order.
std::vector<const Task*> of(const Tasks& tasks, const std::vector<std::string>& names) {
  std::vector<const Task*> found;
  for (const std::string& name : names) {
    for (const auto& task : tasks) {
      if (task->name == name) found.push_back(task.get());
    }
  }
  return found;
}

/// Methods for events and tasks without noise: others too, if asked for.
std::vector<const Entry*> calm(const Options& options) {
  std::vector<const Entry*> found;
  std::set<std::string> names;
  const auto add = [&](const std::vector<Entry>& table) {
    for (const Entry& entry : table) {
      if (names.insert(entry.name).second) found.push_back(&entry);
    }
  };
  add(calm_methods());
  if (options.methods.empty()) return found;
  add(methods());
  add(ablations());
  return found;
}

}  // namespace

std::vector<std::string> tasks_of(const Options& options) {
  std::vector<std::string> names = task_names();
  for (const auto* more : {&rare_task_names(), &noise_free_names(options.final_list)}) {
    names.insert(names.end(), more->begin(), more->end());
  }
  std::erase_if(names, [&](const std::string& name) { return !chosen(options.tasks, name); });
  return names;
}

std::vector<Run> plan(const Options& options, const Tasks& tasks) {
  Planner planner(options);
  const auto add = [&](const std::vector<Entry>& table, std::size_t count, std::int64_t seed,
                       double lr, const Fault* fault) {
    const auto classifiers = of(tasks, task_names());
    for (std::size_t i = 0; i < std::min(count, classifiers.size()); ++i) {
      for (const Entry& method : table) {
        Run run;
        run.task = classifiers[i], run.method = &method, run.lr = lr, run.fault = fault;
        planner.add(run, seed);
      }
    }
  };
  const auto add_calm = [&](const Task* task, const Event* event, std::int64_t seed) {
    for (const Entry* method : calm(options)) {
      Run run;
      run.task = task, run.method = method, run.event = event, run.noise_free = event == nullptr;
      planner.add(run, seed);
    }
  };
  const auto add_seed = [&](const std::string& experiment, std::int64_t seed) {
    if (experiment == "noisefree") {
      for (const Task* task : of(tasks, noise_free_names(options.final_list))) {
        add_calm(task, nullptr, seed);
      }
      return;
    }
    if (experiment == "events") {
      for (const Event& event : events(options.final_list)) {
        for (const Task* task : of(tasks, words(event.tasks))) add_calm(task, &event, seed);
      }
      return;
    }
    if (experiment == "lr") {
      for (const double lr : options.rates) {
        add(methods(), tasks.size(), seed, lr, nullptr);
        if (!options.methods.empty()) add(robust_methods(), tasks.size(), seed, lr, nullptr);
      }
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
