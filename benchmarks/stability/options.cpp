// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string_view>

#include "method.hpp"

namespace stability {
namespace {

std::vector<std::string> split(const std::string& text, char mark) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, mark);) parts.push_back(part);
  return parts;
}

std::int64_t number(const std::string& name, std::string_view text, std::int64_t least = 1) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < least) {
    throw std::runtime_error(name + ": '" + std::string(text) + "' is no number from " +
                             std::to_string(least) + " on");
  }
  return value;
}

/// Those of kRates that a text names, in the order of kRates.
std::vector<double> rates(const std::string& option, const std::string& text) {
  std::vector<double> chosen;
  const std::vector<std::string> parts = split(text, ',');
  std::size_t known = 0;
  for (const double rate : kRates) {
    const auto same = [&](const std::string& part) {
      return std::strtod(part.c_str(), nullptr) == rate;
    };
    const auto count = std::count_if(parts.begin(), parts.end(), same);
    known += std::size_t(count);
    if (count > 0) chosen.push_back(rate);
  }
  if (known != parts.size() || chosen.empty()) {
    throw std::runtime_error(
        option + ": '" + text +
        "' is no list of half decades from 3.16e-5 to 3.16e-1, such as 1e-3,3.16e-3");
  }
  return chosen;
}

std::vector<std::string> names(const std::string& option, const std::string& text,
                               const std::vector<std::string>& known) {
  std::vector<std::string> chosen = split(text, ',');
  for (const std::string& name : chosen) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      std::string all;
      for (const std::string& k : known) all += " " + k;
      throw std::runtime_error(option + ": there is no '" + name + "', but" + all);
    }
  }
  return chosen;
}

}  // namespace

const char* const kProtocol =
    "A run failed if its final loss (mean of the last twentieth of its steps, at least 10) is not\n"
    "finite, or it is more than 10 % above that of the same method's clean run of the same seed,\n"
    "length and size at the reference learning rate, or it is not below the plateau (text: the\n"
    "entropy of a byte, from 600 steps on given the one before; images: 0.9 ln 10), or the "
    "optimizer gave up.\n"
    "In the sweep the second condition counts above the reference learning rate alone, and the\n"
    "third where that clean run is below the plateau.\n";

std::int64_t Options::seeds_of(const std::string& experiment) const {
  if (seeds > 0) return seeds;
  if (experiment == "clean") return quick ? 5 : 10;
  if (experiment == "noisefree" && !quick) return 5;
  return quick ? 1 : 3;
}

std::string Options::size_text() const {
  std::ostringstream text;
  text << 'w' << size.width << 'd' << size.layers << 'h' << size.heads << 'c' << size.context << 'b'
       << size.batch;
  return text.str();
}

Options parse(int count, char** arguments) {
  const std::vector<std::string> all(arguments + 1, arguments + count);
  Options o;
  std::vector<std::string> experiments;
  if (std::find(all.begin(), all.end(), "--quick") != all.end()) {
    o.quick = true;
    o.steps = 240;
    o.steps_given = true;
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string& name = all[i];
    const auto value = [&]() -> const std::string& {
      if (i + 1 == all.size()) throw std::runtime_error(name + " needs a value");
      return all[++i];
    };
    if (!name.starts_with("-")) {
      experiments.push_back(names("experiment", name, Options().experiments)[0]);
    } else if (name == "--help") {
      o.help = true;
    } else if (name == "--list-runs") {
      o.list_runs = true;
    } else if (name == "--tasks") {
      std::vector<std::string> known = task_names();
      for (const auto* more : {&rare_task_names(), &noise_free_names(true)}) {
        known.insert(known.end(), more->begin(), more->end());
      }
      o.tasks = names(name, value(), known);
    } else if (name == "--methods") {
      std::vector<std::string> known;
      for (const Entry& m : methods()) known.push_back(m.name);
      for (const Entry& m : ablations()) known.push_back(m.name);
      for (const Entry& m : calm_methods()) known.push_back(m.name);
      for (const Entry& m : robust_methods()) known.push_back(m.name);
      o.methods = names(name, value(), known);
    } else if (name == "--rates") {
      o.rates = rates(name, value());
    } else if (name == "--only") {
      o.only = value();
    } else if (name == "--list") {
      o.final_list = names(name, value(), {"tuning", "final"})[0] == "final";
    } else if (name == "--steps") {
      o.steps = number(name, value(), 20);
      o.steps_given = true;
    } else if (name == "--seeds") {
      o.seeds = number(name, value());
    } else if (name == "--width") {
      o.size.width = number(name, value());
    } else if (name == "--layers") {
      o.size.layers = number(name, value());
    } else if (name == "--heads") {
      o.size.heads = number(name, value());
    } else if (name == "--context") {
      o.size.context = number(name, value());
    } else if (name == "--batch") {
      o.size.batch = number(name, value());
    } else if (name == "--workers") {
      o.workers = number(name, value());
    } else if (name == "--device") {
      o.device = value();
    } else if (name == "--out") {
      o.out = value();
    } else if (name == "--minutes") {
      o.minutes = number(name, value(), 0);
    } else if (name == "--processes") {
      o.processes = number(name, value());
    } else if (name != "--quick") {
      throw std::runtime_error("there is no argument '" + name + "'; --help lists them");
    }
  }
  if (!experiments.empty()) o.experiments = experiments;
  if (o.size.width % o.size.heads != 0) {
    throw std::runtime_error("--width has to be a multiple of --heads");
  }
  return o;
}

std::string usage() {
  std::string out =
      "agmohd_stability [EXPERIMENT...] [ARGUMENT...]: what optimizers make of faults, learning\n"
      "rates and healthy runs. Appends a line of JSON for each finished run to a file; what is "
      "there\n"
      "is not run again. benchmarks/stability/report.py makes tables and charts of such files.\n"
      "\n"
      "Experiments (default: all)\n"
      "  clean      paired seeds without faults\n"
      "  lr         nine learning rates, half decades from 3.16e-5 to 3.16e-1;\n"
      "             stableadamw-clip and those after it only if --methods names them\n"
      "  faults     every fault of a list, with the clean runs to compare with\n"
      "  ablation   the same for AGMOHD without one of its parts, on the first task\n"
      "  events     legitimate changes of a list, where nothing is wrong\n"
      "  noisefree  tasks without noise, each with its own length unless --steps is given\n"
      "\n"
      "Arguments\n"
      "  --quick            240 steps, few seeds; other arguments change it\n"
      "  --list LIST        tuning (default) or final; see faults.hpp and events.hpp\n"
      "  --tasks A,B        default: all of the experiments\n"
      "  --methods A,B      default: all\n"
      "  --rates A,B        of the experiment lr; default: all nine\n"
      "  --only TEXT        runs whose key contains TEXT\n"
      "  --list-runs        print the keys of the runs, do nothing\n"
      "  --seeds N          of every experiment (default: clean 10, noisefree 5, others 3;\n"
      "                     quick: 5, 1, 1)\n"
      "  --steps N          of a run (1000; quick: 240)\n"
      "  --width N --layers N --heads N --context N --batch N\n"
      "                     of the networks (48 2 4 32 8). The MLP is 4 width wide, images\n"
      "                     come in batches of 2 batch\n"
      "  --out FILE         default: stability.jsonl\n"
      "  --minutes N        begin no run after N minutes; the same command goes on later\n"
      "  --device D         cpu (default) or cuda, cuda:1, ...\n"
      "  --workers N        runs at the same time, a thread each (default: cores; on a GPU 2, "
      "with\n"
      "                     a stream each)\n"
      "  --processes N      each with its workers: for a GPU, where autograd has one thread a "
      "process\n"
      "\nMethods\n";
  for (const auto* table : {&methods(), &robust_methods(), &ablations()}) {
    for (const Entry& m : *table) {
      out += "  " + m.name + std::string(std::max<std::size_t>(1, 23 - m.name.size()), ' ') +
             m.description + "\n";
    }
  }
  return out + "\nProtocol\n" + kProtocol;
}

}  // namespace stability
