// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0

#include "options.hpp"

#include <getopt.h>
#include <unistd.h>

#include <agmohd/schedule/by_name.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <limits>
#include <locale>
#include <sstream>

namespace demo {
namespace {

std::string text(double value) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << value;
  return out.str();
}

/// One command line option: how --help shows it, and what a value does.
struct Entry {
  const char* name;
  const char* value;  // what stands for the value in --help; nullptr: a flag
  std::string help;
  std::function<void(const std::string&)> set;
};

[[noreturn]] void reject(const std::string& name, const std::string& value,
                         const std::string& allowed) {
  throw UsageError("--" + name + ": '" + value + "' is not allowed; give " + allowed);
}

template <class T>
T number(const std::string& name, const std::string& value, T low, T high,
         const std::string& allowed) {
  T result{};
  const char* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, result);
  if (error != std::errc() || stop != end || !(result >= low && result <= high)) {
    reject(name, value, allowed);
  }
  return result;
}

Entry integer(const char* name, std::int64_t& target, std::int64_t low, std::int64_t high,
              const std::string& help) {
  const std::string allowed =
      "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
  return {name, "N", help + " [" + std::to_string(target) + "]",
          [=, &target](const std::string& v) { target = number(name, v, low, high, allowed); }};
}

template <class Target>
Entry real(const char* name, Target& target, double low, double high, const std::string& help) {
  const std::string allowed = "a number from " + text(low) + " to " + text(high);
  return {name, "X", help,
          [=, &target](const std::string& v) { target = number(name, v, low, high, allowed); }};
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += " " + word;
  return out;
}

Entry choice(const char* name, std::string& target, std::vector<std::string> choices,
             const std::string& help) {
  const std::string allowed = "one of" + joined(choices);
  return {name, "NAME", help + "; " + allowed + " [" + target + "]",
          [=, &target](const std::string& v) {
            for (const std::string& c : choices) {
              if (c == v) return void(target = v);
            }
            reject(name, v, allowed);
          }};
}

Entry file(const char* name, std::string& target, const std::string& help) {
  return {name, "FILE", help, [&target](const std::string& v) { target = v; }};
}

/// How a kind of fault is written, what its severity is, and which are allowed.
struct FaultEntry {
  FaultKind kind;
  const char* name;
  double severity, low, high;  // low > high: it takes none
  bool whole;
  const char* help;
};

constexpr FaultEntry kFaults[] = {
    {FaultKind::nan, "nan", 0, 1, 0, false, "a NaN in one gradient element"},
    {FaultKind::inf, "inf", 0, 1, 0, false, "an infinity there"},
    {FaultKind::spike, "spike", 1000, 1e-30, 1e30, false, "all gradients times S"},
    {FaultKind::tensor_spike, "tensor-spike", 1000, 1e-30, 1e30, false,
     "the gradient of the largest tensor times S"},
    {FaultKind::bad_data, "bad-data", 5, 1, 1e6, true, "random bytes for S steps"},
    {FaultKind::flip, "flip", 10, 1, 1e6, true, "a bit of the exponent of S weights flips"},
    {FaultKind::zero_v, "zero-v", 0, 1, 0, false, "the second moments become zero"},
    {FaultKind::lr, "lr", 30, 0, 1e6, false, "the learning rate times S for 10 steps"},
};

/// KIND@STEP or KIND@STEP:SEVERITY.
Fault parse_fault(const std::string& value) {
  std::string kinds;
  for (const FaultEntry& e : kFaults) kinds += std::string(" ") + e.name;
  const std::string form = "KIND@STEP or KIND@STEP:SEVERITY, KIND one of" + kinds;
  const std::size_t at = value.find('@'), colon = value.find(':', at);
  if (at == std::string::npos) reject("fault", value, form);
  const auto* const entry =
      std::find_if(std::begin(kFaults), std::end(kFaults),
                   [name = value.substr(0, at)](const FaultEntry& e) { return e.name == name; });
  if (entry == std::end(kFaults)) reject("fault", value, form);
  const std::string step =
      value.substr(at + 1, colon == std::string::npos ? colon : colon - at - 1);
  Fault fault{entry->kind, 0, entry->severity, value};
  std::int64_t count = 0;
  const auto parsed = [&](const std::string& digits, auto& target) {
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, target);
    return error == std::errc() && stop == end;
  };
  if (!parsed(step, fault.step) || fault.step < 1) {
    reject("fault", value, form + ", STEP a whole number from 1 to --steps");
  }
  if (colon == std::string::npos) return fault;
  const std::string severity = value.substr(colon + 1);
  if (entry->low > entry->high) {
    reject("fault", value, std::string(entry->name) + "@STEP: it has no severity");
  }
  const bool ok = entry->whole ? parsed(severity, count) : parsed(severity, fault.severity);
  if (entry->whole) fault.severity = static_cast<double>(count);
  if (!ok || !(fault.severity >= entry->low && fault.severity <= entry->high)) {
    reject("fault", value,
           std::string(entry->name) + "@STEP:SEVERITY, SEVERITY a " +
               (entry->whole ? "whole number" : "number") + " from " + text(entry->low) + " to " +
               text(entry->high));
  }
  return fault;
}

std::string fault_help() {
  std::string help = "let something go wrong in step N, S being the severity; may be given again:";
  for (const FaultEntry& e : kFaults) {
    const bool severe = e.low <= e.high;
    const std::string form = std::string(e.name) + "@N" + (severe ? "[:S]" : "");
    help += "\n" + std::string(27, ' ') + form + std::string(20 - form.size(), ' ') + e.help +
            (severe ? " [" + text(e.severity) + "]" : "");
  }
  return help;
}

std::vector<Entry> entries(Options& o, bool& help) {
  constexpr std::int64_t kMany = 1'000'000;
  return {
      file("data", o.data, "text to learn [the repository's apps/train_gpt/data/web.txt]"),
      integer("layers", o.layers, 1, 96, "transformer blocks"),
      integer("width", o.width, 8, 8192, "channels of a block; a multiple of --heads"),
      integer("heads", o.heads, 1, 256, "attention heads"),
      integer("context", o.context, 8, 8192, "bytes that the model sees"),
      integer("batch", o.batch, 1, 4096, "windows of text in a step"),
      integer("steps", o.steps, 1, kMany, "training steps"),
      choice("optimizer", o.optimizer,
             {"agmohd", "adamw", "torch-adamw", "agmohd-sgd", "agmohd-adam"},
             "what trains the model"),
      real("lr", o.lr, 0.0, 100.0, "highest learning rate [0.003; agmohd-sgd 0.2]"),
      {"warmup", "N", "steps of linear warm-up, part of --steps [a tenth of them, 50 at most]",
       [&o](const std::string& v) {
         o.warmup = number<std::int64_t>("warmup", v, 0, kMany, "a whole number of steps");
       }},
      {"schedule", "NAME",
       "how the learning rate moves: NAME or NAME,option=value,...; --steps, --warmup and a "
       "min_factor of 0.1 are its options of that kind, unless they are given; one of" +
           joined(agmohd::schedule::names()) + " [" + o.schedule +
           "]. With --optimizer agmohd hindrance holds back plain cosine alone: any other takes "
           "the "
           "place of the recipe's own schedule",
       [&o](const std::string& v) { o.schedule = v; }},
      real("weight-decay", o.weight_decay, 0.0, 10.0,
           "of matrices [0.1; 0 for agmohd-sgd and agmohd-adam]"),
      {"group-decay", nullptr, "no weight decay of norms, biases and embeddings",
       [&o](const std::string&) { o.group_decay = true; }},
      integer("accumulate", o.accumulate, 1, 4096,
              "batches whose mean gradient makes a step; the printed |g| is that of the last one"),
      real("clip", o.clip, 1e-6, 1e6, "largest norm of the gradients [" + text(o.clip) + "]"),
      integer("seed", o.seed, 0, std::numeric_limits<std::int64_t>::max(),
              "of the parameters, the batches and the sample"),
      choice("device", o.device, {"auto", "cpu", "cuda"}, "where to train"),
      integer("threads", o.threads, 0, 1024, "CPU threads; 0: LibTorch's choice"),
      file("checkpoint", o.checkpoint,
           "write a checkpoint here at the end, and on SIGINT and SIGTERM [none]"),
      integer("checkpoint-every", o.checkpoint_every, 0, kMany,
              "also write it every N steps; 0: no"),
      file("resume", o.resume,
           "continue from this checkpoint, given the same options; --steps may be others [none]"),
      file("csv", o.csv, "table of the run; '' for none [" + o.csv + "]"),
      file("svg", o.svg, "loss curve; '' for none [" + o.svg + "]"),
      file("records", o.records, "what agmohd measured and did; '' for none [" + o.records + "]"),
      {"tensorboard", "FOLDER", "the same as TensorBoard's events [none]",
       [&o](const std::string& v) { o.tensorboard = v; }},
      {"fault", "KIND@N[:S]", fault_help(),
       [&o](const std::string& v) { o.faults.push_back(parse_fault(v)); }},
      integer("sample", o.sample, 0, kMany, "bytes of text to write at the end"),
      {"compare", nullptr,
       "train with torch-adamw and with --optimizer from the same seed and under the same faults, "
       "draw both; exit 1 if agmohd or adamw differ from it without a fault",
       [&o](const std::string&) { o.compare = true; }},
      {"find-lr", nullptr,
       "instead of training, try learning rates from 1e-7 to 10, as many as --steps, at most 100; "
       "print those that the losses suggest, and draw the losses where --svg says",
       [&o](const std::string&) { o.find_lr = true; }},
      {"quick", nullptr,
       "set tiny sizes, then compare torch-adamw, adamw and agmohd, and check a resumed run and "
       "one "
       "with faults; give it first",
       [&o](const std::string&) {
         o.quick = o.compare = true;
         o.layers = o.heads = 2;
         o.width = o.context = 32;
         o.steps = 60;
       }},
      {"help", nullptr, "print this", [&help](const std::string&) { help = true; }},
  };
}

void print_help(const std::vector<Entry>& all) {
  std::printf(
      "Usage: train_gpt [options]\nTrains a small byte-level GPT. Defaults are in brackets.\n\n");
  for (const Entry& e : all) {
    const std::string left =
        std::string("--") + e.name + (e.value ? std::string(" ") + e.value : "");
    std::printf("  %-22s %s\n", left.c_str(), e.help.c_str());
  }
}

/// Better now than after the training.
void check_writable(const char* name, const std::string& path) {
  if (path.empty()) return;
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  if (std::filesystem::is_directory(path) || ::access(folder.c_str(), W_OK) != 0) {
    reject(name, path, "a file in a folder that can be written to");
  }
}

void check_together(const Options& o) {
  if (o.width % o.heads != 0) {
    reject("width", std::to_string(o.width), "a multiple of --heads " + std::to_string(o.heads));
  }
  if (o.warmup_steps() >= o.steps) {
    reject("warmup", std::to_string(o.warmup_steps()),
           "fewer than --steps " + std::to_string(o.steps));
  }
  o.schedule_factor();
  check_writable("checkpoint", o.checkpoint);
  check_writable("csv", o.csv);
  check_writable("svg", o.svg);
  check_writable("records", o.records);
  if (o.checkpoint_every > 0 && o.checkpoint.empty()) {
    throw UsageError("--checkpoint-every: needs --checkpoint FILE");
  }
  if (o.compare && !(o.checkpoint.empty() && o.resume.empty())) {
    throw UsageError("--compare and --quick: take neither --checkpoint nor --resume");
  }
  const bool kept = !(o.checkpoint.empty() && o.resume.empty());
  if (o.find_lr && (o.compare || kept || !o.faults.empty())) {
    throw UsageError(
        "--find-lr: takes neither --compare, --quick, --checkpoint, --resume nor --fault");
  }
  if (o.find_lr && o.steps < 10)
    reject("steps", std::to_string(o.steps), "10 or more with --find-lr");
  if (o.compare && o.optimizer == "torch-adamw") {
    reject("optimizer", o.optimizer, "what --compare is to compare with torch-adamw");
  }
  for (const Fault& fault : o.faults) {
    if (fault.step > o.steps) {
      reject("fault", fault.given, "a step up to --steps " + std::to_string(o.steps));
    }
    if (fault.kind == FaultKind::zero_v && o.optimizer == "agmohd-sgd") {
      reject("fault", fault.given, "another kind: agmohd-sgd has no second moments");
    }
  }
}

}  // namespace

double Options::learning_rate() const {
  return lr.value_or(optimizer == "agmohd-sgd" ? 0.2 : 3e-3);
}

double Options::decay() const {
  const bool coupled = optimizer == "agmohd-sgd" || optimizer == "agmohd-adam";
  return weight_decay.value_or(coupled ? 0.0 : 0.1);
}

std::int64_t Options::warmup_steps() const {
  return warmup.value_or(std::min<std::int64_t>(50, steps / 10));
}

agmohd::schedule::Function Options::schedule_factor() const try {
  namespace schedule = agmohd::schedule;
  const std::size_t comma = this->schedule.find(',');
  const std::string name = this->schedule.substr(0, comma);
  const std::vector<std::string> known = schedule::option_names(name);
  schedule::Settings settings;
  if (comma != std::string::npos) {
    settings = schedule::settings_from(this->schedule.substr(comma + 1));
  }
  const auto by_default = [&](const char* option, const std::string& value) {
    const bool given = std::any_of(settings.begin(), settings.end(),
                                   [&](const auto& setting) { return setting.first == option; });
    if (given || std::find(known.begin(), known.end(), option) == known.end()) return;
    settings.emplace_back(option, value);
  };
  by_default("total_steps", std::to_string(steps));
  by_default("warmup_steps", std::to_string(warmup_steps()));
  by_default("min_factor", text(kMinFactor));
  by_default("decay_steps", std::to_string(std::max<std::int64_t>(1, steps / 5)));
  return schedule::by_name(name, settings);
} catch (const std::invalid_argument& error) {
  throw UsageError("--schedule: " + std::string(error.what()));
}

std::vector<std::pair<std::string, std::string>> Options::identity() const {
  std::string given;
  for (const Fault& fault : faults) given += (given.empty() ? "" : " ") + fault.given;
  return {{"layers", std::to_string(layers)},
          {"width", std::to_string(width)},
          {"heads", std::to_string(heads)},
          {"context", std::to_string(context)},
          {"batch", std::to_string(batch)},
          {"optimizer", optimizer},
          {"lr", text(learning_rate())},
          {"warmup", std::to_string(warmup_steps())},
          {"weight-decay", text(decay())},
          {"clip", text(clip)},
          {"seed", std::to_string(seed)},
          {"fault", given},
          {"schedule", schedule},
          {"group-decay", group_decay ? "on" : "off"},
          {"accumulate", std::to_string(accumulate)}};
}

std::optional<Options> parse_options(int argc, char** argv) {
  Options options;
  bool help = false;
  const std::vector<Entry> all = entries(options, help);
  std::vector<option> table;
  for (const Entry& e : all) {
    table.push_back({e.name, e.value ? required_argument : no_argument, nullptr, 0});
  }
  table.push_back({nullptr, 0, nullptr, 0});
  opterr = 0;
  for (int index = 0;;) {
    const std::string argument = optind < argc ? argv[optind] : "";
    const int code = getopt_long(argc, argv, "+:", table.data(), &index);
    if (code == -1) break;
    const std::string given = optind > 0 && optind <= argc ? argv[optind - 1] : "";
    if (code == ':') throw UsageError(given + ": needs a value; see --help");
    if (code != 0) throw UsageError(given + ": no such option; see --help");
    const std::string name = argument.substr(2, argument.find('=') - 2);
    if (name != table[static_cast<std::size_t>(index)].name) {
      throw UsageError("--" + name + ": no such option (--" +
                       table[static_cast<std::size_t>(index)].name + "?); see --help");
    }
    all[static_cast<std::size_t>(index)].set(optarg ? optarg : "");
  }
  if (optind < argc) {
    throw UsageError(std::string("'") + argv[optind] +
                     "': every argument is an option; see --help");
  }
  if (help) {
    print_help(entries(options = Options(), help));
    return std::nullopt;
  }
  check_together(options);
  return options;
}

}  // namespace demo
