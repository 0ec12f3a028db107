// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// Trains small networks on real data with every rule at its default options, and prints a page with
// one table. Usage: see kUsage.

#include "rules_train.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <torch/optim/adamw.h>

#include <agmohd/wrap/hessian.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <functional>
#include <limits>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace rules_train {

Result train(const Entry& entry, const stability::Task& task, double lr, std::int64_t seed,
             std::int64_t steps) {
  constexpr std::int64_t kHessianInterval = 10;  // Liu et al. 2023, section 3.2
  const auto model = task.model(seed);
  const std::vector<at::Tensor> parameters = model->parameters();
  const auto optimizer = entry.make(parameters, lr);
  const at::Tensor order = task.order(steps, seed);
  const at::Generator labels = at::make_generator<at::CPUGeneratorImpl>(std::uint64_t(seed));
  const auto start = std::chrono::steady_clock::now();
  for (std::int64_t t = 0; t < steps; ++t) {
    const stability::Batch batch = task.batch(order[t], false);
    optimizer->zero_grad();
    if (entry.update_hessian != nullptr && t % kHessianInterval == 0) {
      entry.update_hessian(*optimizer, agmohd::wrap::gauss_newton_bartlett(model->logits(batch),
                                                                           parameters, labels));
    }
    model->loss(batch).backward();
    optimizer->step();
  }
  Result out;
  const auto took = std::chrono::steady_clock::now() - start;
  out.seconds = std::chrono::duration<double>(took).count() / double(steps);
  std::int64_t elements = 0;
  for (const at::Tensor& p : parameters) elements += p.numel();
  out.state_bytes = double(entry.state_bytes(*optimizer)) / double(elements);
  if (entry.evaluate != nullptr) entry.evaluate(*optimizer);
  const at::NoGradGuard no_grad;
  const stability::Batch held_out = task.held_out();
  out.loss = model->loss(held_out).item<double>();
  if (!std::isfinite(out.loss)) out.loss = std::numeric_limits<double>::infinity();
  const at::Tensor right = model->logits(held_out).argmax(-1) == held_out.y;
  out.accuracy = right.to(at::kDouble).mean().item<double>();
  return out;
}

namespace {

constexpr char kUsage[] =
    "agmohd_rules_train [--rules AdamW,Lion] [--tasks mlp,gpt] [--steps N] [--seeds N] [--jobs N] "
    "[--reach N]\n"
    "  --rules  default: all. torch::optim::AdamW is LibTorch's own; AdamW is always run.\n"
    "  --tasks  mlp (digits), vit (digits), gpt (text); default: mlp,gpt\n"
    "  --steps  of a run; default: 500\n"
    "  --seeds  of each cell; default: 3\n"
    "  --jobs   runs at the same time, each with one thread; default: the processor's threads\n"
    "  --reach  also tries learning rates default * 3^k, |k| <= N; 0: only the default; default: "
    "6\n";

struct Options {
  std::vector<std::string> rules, tasks{"mlp", "gpt"};
  std::int64_t steps = 500, seeds = 3;
  std::int64_t jobs = std::max<std::int64_t>(1, std::thread::hardware_concurrency());
  int reach = 6;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, ',');) out.push_back(word);
  return out;
}

Options parse(int count, char** given) {
  Options out;
  for (int i = 1; i < count; i += 2) {
    const std::string name = given[i];
    if (i + 1 == count) throw std::invalid_argument(name + " is unknown or needs a value");
    const std::string value = given[i + 1];
    const auto number = [&](int least) {
      const int n = std::stoi(value);
      if (n < least)
        throw std::invalid_argument(name + " must be at least " + std::to_string(least));
      return n;
    };
    if (name == "--rules") {
      out.rules = split(value);
    } else if (name == "--tasks") {
      out.tasks = split(value);
    } else if (name == "--steps") {
      out.steps = number(1);
    } else if (name == "--seeds") {
      out.seeds = number(1);
    } else if (name == "--jobs") {
      out.jobs = number(1);
    } else if (name == "--reach") {
      out.reach = number(0);
    } else {
      throw std::invalid_argument("unknown option " + name);
    }
  }
  return out;
}

Entry stock_adamw() {
  Entry out;
  out.name = "torch::optim::AdamW";
  out.lr = torch::optim::AdamWOptions().lr();
  out.make = [](const std::vector<at::Tensor>& parameters,
                double lr) -> std::unique_ptr<Entry::Optimizer> {
    return std::make_unique<torch::optim::AdamW>(parameters, torch::optim::AdamWOptions(lr));
  };
  out.state_bytes = [](Entry::Optimizer& optimizer) {
    std::int64_t sum = 0;
    for (const auto& [key, state] : optimizer.state()) {
      const auto& own = static_cast<const torch::optim::AdamWParamState&>(*state);
      sum += std::int64_t(own.exp_avg().nbytes() + own.exp_avg_sq().nbytes());
    }
    return sum;
  };
  return out;
}

/// AdamW first, then the others that are asked for.
std::vector<Entry> chosen(const std::vector<std::string>& names) {
  std::vector<Entry> all = rules();
  all.insert(all.begin(), stock_adamw());
  const auto reference =
      std::find_if(all.begin(), all.end(), [](const Entry& e) { return e.name == "AdamW"; });
  if (reference != all.end()) std::rotate(all.begin(), reference, reference + 1);
  for (const std::string& name : names) {
    const auto is_it = [&](const Entry& e) { return e.name == name; };
    if (std::none_of(all.begin(), all.end(), is_it)) {
      throw std::invalid_argument("there is no rule " + name);
    }
  }
  std::erase_if(all, [&](const Entry& e) {
    const bool named =
        names.empty() || std::find(names.begin(), names.end(), e.name) != names.end();
    return !named && e.name != "AdamW";
  });
  return all;
}

/// Calls work(i) for all i below `count`, `jobs` at a time, and throws what one of them threw.
void parallel(std::size_t count, std::int64_t jobs, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr error;
  const auto loop = [&] {
    at::set_num_threads(1);
    try {
      for (std::size_t i = next++; i < count; i = next++) work(i);
    } catch (...) {
      next = count;
      const std::lock_guard lock(mutex);
      error = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (std::int64_t i = 0; i < jobs; ++i) threads.emplace_back(loop);
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
}

double median_loss(const std::vector<Result>& results) {
  std::vector<double> losses;
  for (const Result& r : results) losses.push_back(r.loss);
  std::sort(losses.begin(), losses.end());
  return losses[losses.size() / 2];
}

/// A cell while its learning rates are searched: results at default * 3^k for k = first, ...
struct Search {
  Cell* cell = nullptr;
  int first = 0;
  std::vector<std::vector<Result>> ladder;

  int best() const {
    const auto less = [](const auto& a, const auto& b) { return median_loss(a) < median_loss(b); };
    return first + int(std::min_element(ladder.begin(), ladder.end(), less) - ladder.begin());
  }
  double lr(int k) const { return cell->entry->lr * std::pow(3.0, k); }
  bool has(int k) const { return k >= first && k < first + int(ladder.size()); }
  void add(int k, std::vector<Result> results) {
    if (!ladder.empty() && k < first) {
      ladder.insert(ladder.begin(), std::move(results));
    } else {
      ladder.push_back(std::move(results));
    }
    first = ladder.size() == 1 ? k : std::min(first, k);
  }
};

/// Runs the defaults, then their neighbours, then what is beyond the best while that is at an end.
void run(std::vector<std::vector<Cell>>& tasks, const Options& options) {
  std::vector<Search> searches;
  for (auto& cells : tasks) {
    for (Cell& cell : cells) searches.push_back({&cell, 0, {}});
  }
  std::reverse(searches.begin(), searches.end());  // the GPT takes longest: it comes first
  const std::size_t seeds = std::size_t(options.seeds);
  for (int round = 0;; ++round) {
    std::vector<std::pair<std::size_t, int>> wanted;  // search, k
    for (std::size_t i = 0; i < searches.size(); ++i) {
      const Search& search = searches[i];
      const int best = search.ladder.empty() ? 0 : search.best();
      for (const int k : {best, best - 1, best + 1}) {
        if (std::abs(k) > options.reach || search.has(k)) continue;
        wanted.emplace_back(i, k);
        if (round == 0) break;
      }
    }
    if (wanted.empty()) break;
    std::vector<std::vector<Result>> results(wanted.size(), std::vector<Result>(seeds));
    std::fprintf(stderr, "round %d: %zu runs\n", round, wanted.size() * seeds);
    parallel(wanted.size() * seeds, options.jobs, [&](std::size_t i) {
      const auto [number, k] = wanted[i / seeds];
      const Search& search = searches[number];
      results[i / seeds][i % seeds] = train(*search.cell->entry, *search.cell->task, search.lr(k),
                                            std::int64_t(1 + i % seeds), options.steps);
    });
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      searches[wanted[i].first].add(wanted[i].second, std::move(results[i]));
    }
  }
  for (const Search& search : searches) {
    search.cell->at_default = search.ladder[std::size_t(-search.first)];
    search.cell->at_best = search.ladder[std::size_t(search.best() - search.first)];
    search.cell->best_lr = search.lr(search.best());
  }
}

}  // namespace
}  // namespace rules_train

int main(int count, char** given) {
  try {
    using namespace rules_train;
    if (count == 2 && std::string(given[1]) == "--help") return std::fputs(kUsage, stdout), 0;
    const Options options = parse(count, given);
    at::set_num_threads(1);
    const std::vector<Entry> entries = chosen(options.rules);
    std::vector<std::unique_ptr<stability::Task>> tasks;
    std::vector<std::vector<Cell>> cells;
    for (const std::string& name : options.tasks) {
      tasks.push_back(stability::make_task(name, {}, at::kCPU));
      cells.emplace_back();
      for (const Entry& entry : entries)
        cells.back().push_back({&entry, tasks.back().get(), {}, {}});
    }
    const auto start = std::chrono::steady_clock::now();
    run(cells, options);
    const auto took = std::chrono::steady_clock::now() - start;
    std::fputs(page(cells, options.steps, options.reach).c_str(), stdout);
    std::fprintf(stderr, "%.1f s\n", std::chrono::duration<double>(took).count());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "agmohd_rules_train: %s\n%s", error.what(), rules_train::kUsage);
    return 2;
  }
}
