// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

// How stable training is: optimizers beside each other on healthy runs, over learning rates, and
// under faults.

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
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

/// What the processes of a command share.
struct Shared {
  std::atomic<std::size_t> next = 0, done = 0;
};
static_assert(std::atomic<std::size_t>::is_always_lock_free);

using Clock = std::chrono::steady_clock;

void execute_all(const std::vector<Run>& runs, const Results& results, std::int64_t workers,
                 c10::Device device, Shared& shared, Clock::time_point end) {
  std::mutex mutex;
  std::exception_ptr error;
  std::atomic<bool> failed = false;  // other processes go on
  const auto work = [&] {
    try {
      at::set_num_threads(1);
      std::optional<c10::StreamGuard> stream;
      if (!device.is_cpu()) {
        const c10::impl::VirtualGuardImpl guard(device.type());
        stream.emplace(guard.getStreamFromGlobalPool(device));
      }
      while (!failed && Clock::now() < end) {
        const std::size_t i = shared.next++;
        if (i >= runs.size()) break;
        const std::string line = execute(runs[i]);
        const std::lock_guard lock(mutex);
        results.write(line);
        std::fprintf(stderr, "%zu/%zu %s\n", ++shared.done, runs.size(), runs[i].key().c_str());
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      error = std::current_exception();
      failed = true;
    }
  };
  std::vector<std::thread> threads;
  for (std::int64_t i = 0; i < workers; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
}

std::vector<std::unique_ptr<Task>> make_tasks(const Options& options, c10::Device device) {
  std::vector<std::unique_ptr<Task>> tasks;
  for (const std::string& name : tasks_of(options)) {
    tasks.push_back(make_task(name, options.size, device));
  }
  return tasks;
}

/// The work of one process. Each plans the same runs and takes the next that is free.
void run(const Options& options, const Results& results, Shared& shared, Clock::time_point end,
         bool first) {
  at::set_num_threads(1);
  const c10::Device device(options.device);
  if (!device.is_cpu()) {  // or runs on the same batches could differ in more than the method
    ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
    at::globalContext().setDeterministicFillUninitializedMemory(false);
  }
  const auto tasks = make_tasks(options, device);
  std::vector<Run> runs = plan(options, tasks);
  const std::size_t all = runs.size();
  std::erase_if(runs, [&](const Run& run) { return results.has(run.key()); });
  const std::int64_t cores = std::int64_t(std::max(1U, std::thread::hardware_concurrency()));
  const std::int64_t workers = options.workers > 0 ? options.workers : device.is_cpu() ? cores : 2;
  if (first) {
    std::fprintf(stderr, "%s%zu runs, %zu of them in '%s', %lld at the same time\n", kProtocol, all,
                 all - runs.size(), options.out.c_str(),
                 static_cast<long long>(options.processes * workers));
  }
  execute_all(runs, results, workers, device, shared, end);
}

/// Reports what `work` throws. Returns the exit status.
int guarded(const std::function<void()>& work) {
  try {
    work();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "agmohd_stability: %s\n", error.what());
    return 2;
  }
}

int run_processes(const Options& options) {
  auto end = Clock::time_point::max();
  if (options.minutes >= 0) end = Clock::now() + std::chrono::minutes(options.minutes);
  const Results results(options.out);
  void* const memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no shared memory");
  Shared& shared = *new (memory) Shared;
  // Before LibTorch has threads or a GPU.
  std::vector<pid_t> children;
  for (std::int64_t i = 1; i < options.processes; ++i) {
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("--processes: cannot start so many");
    if (child == 0) ::_exit(guarded([&] { run(options, results, shared, end, false); }));
    children.push_back(child);
  }
  int worst = guarded([&] { run(options, results, shared, end, true); });
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    worst = std::max(worst, WIFEXITED(status) ? WEXITSTATUS(status) : 2);
  }
  return worst;
}

}  // namespace
}  // namespace stability

int main(int count, char** arguments) {
  int status = 0;
  const int error = stability::guarded([&] {
    const stability::Options options = stability::parse(count, arguments);
    if (options.help) {
      std::fputs(stability::usage().c_str(), stdout);
    } else if (options.list_runs) {
      const auto tasks = stability::make_tasks(options, at::kCPU);
      for (const auto& run : stability::plan(options, tasks)) std::puts(run.key().c_str());
    } else {
      status = stability::run_processes(options);
    }
  });
  return std::max(status, error);
}
