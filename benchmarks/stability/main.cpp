// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// How stable training is: optimizers beside each other on healthy runs, over learning rates, and
// under faults.

#include <ATen/Parallel.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "options.hpp"
#include "plan.hpp"

namespace stability {
namespace {

/// The file of results: lines are written whole, by one call, so that several processes may append.
class Results {
 public:
  explicit Results(const std::string& path) {
    std::ifstream in(path);
    bool whole = true;
    for (std::string line; std::getline(in, line);) {
      whole = !in.eof();
      const std::string begin = R"({"key":")";
      if (!line.starts_with(begin) || !line.ends_with("}")) continue;  // cut short
      keys_.insert(line.substr(begin.size(), line.find('"', begin.size()) - begin.size()));
    }
    file_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0644);
    if (file_ < 0) throw std::runtime_error("--out: cannot write '" + path + "'");
    if (!whole) write("");
  }
  ~Results() { ::close(file_); }
  Results(const Results&) = delete;
  Results& operator=(const Results&) = delete;

  bool has(const std::string& key) const { return keys_.contains(key); }
  void write(const std::string& line) const {
    const std::string text = line + "\n";
    if (::write(file_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      throw std::runtime_error("--out: cannot write");
    }
  }

 private:
  int file_ = -1;
  std::set<std::string> keys_;
};

void execute_all(const std::vector<Run>& runs, const Results& results, std::int64_t workers,
                 c10::Device device) {
  std::atomic<std::size_t> next = 0, done = 0;
  std::mutex mutex;
  std::exception_ptr error;
  const auto work = [&] {
    try {
      at::set_num_threads(1);
      std::optional<c10::StreamGuard> stream;
      if (!device.is_cpu()) {
        const c10::impl::VirtualGuardImpl guard(device.type());
        stream.emplace(guard.getStreamFromGlobalPool(device));
      }
      for (std::size_t i = next++; i < runs.size(); i = next++) {
        const std::string line = execute(runs[i]);
        const std::lock_guard lock(mutex);
        results.write(line);
        std::fprintf(stderr, "%zu/%zu %s\n", ++done, runs.size(), runs[i].key().c_str());
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      error = std::current_exception();
      next = runs.size();
    }
  };
  std::vector<std::thread> threads;
  for (std::int64_t i = 0; i < workers; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
}

void run(const Options& options) {
  at::set_num_threads(1);
  const c10::Device device(options.device);
  std::vector<std::unique_ptr<Task>> tasks;
  for (const std::string& name : options.tasks) {
    tasks.push_back(make_task(name, options.size, device));
  }
  std::vector<Run> runs = plan(options, tasks);
  if (options.list_runs) {
    for (const Run& run : runs) std::puts(run.key().c_str());
    return;
  }
  const Results results(options.out);
  const std::size_t all = runs.size();
  std::erase_if(runs, [&](const Run& run) { return results.has(run.key()); });
  const std::int64_t cores = std::int64_t(std::max(1U, std::thread::hardware_concurrency()));
  const std::int64_t workers = options.workers > 0 ? options.workers : device.is_cpu() ? cores : 4;
  std::fprintf(stderr, "%s%zu runs, %zu of them in '%s', %lld at the same time\n", kProtocol, all,
               all - runs.size(), options.out.c_str(), static_cast<long long>(workers));
  execute_all(runs, results, workers, device);
}

}  // namespace
}  // namespace stability

int main(int count, char** arguments) try {
  const stability::Options options = stability::parse(count, arguments);
  if (options.help) {
    std::fputs(stability::usage().c_str(), stdout);
  } else {
    stability::run(options);
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "agmohd_stability: %s\n", error.what());
  return 2;
}
