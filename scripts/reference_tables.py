#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""The option tables of docs/reference.md and the page docs/optimizers.md, made from the code: names, defaults and bounds
by a program that prints what the policies' `fields` say, meanings from the ///< comments beside the options, equations
and sources from the comment of each rule.

    reference_tables.py [--compiler g++]            fails where a page differs, and prints how
    reference_tables.py [--compiler g++] --write    updates the pages

A table stands below a comment that names its policies, <!-- fields: rule::Lion -->; with several, their names are its
first column. That of the optimizers, from optimizers.hpp, is below <!-- optimizers.hpp: optimizers -->. A policy with
options and without a table is an error.
"""

import argparse
import difflib
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE, PAGE, OPTIMIZERS = ROOT / "include", ROOT / "docs" / "reference.md", ROOT / "docs" / "optimizers.md"
LIBTORCH = {"SGD", "Adam", "AdamW", "RMSprop", "Adagrad"}  # in torch::optim of C++
PYTORCH = LIBTORCH | {"NAdam", "RAdam", "Adamax", "Adadelta", "ASGD", "Rprop", "Adafactor"}  # in torch.optim of Python
# In the Rust crate trustformers-optim 0.2, where Adafactor is AdaFactor, and SGDScheduleFree ScheduleFreeSGD.
TRUSTFORMERS = set(
    "SGD Adam AdamW NAdam RAdam AdaBelief Adafactor Adan AdEMAMix CAME EVA LAMB Lion NovoGrad Prodigy Sophia "
    "SGDScheduleFree AdamWScheduleFree".split()
)
PEERS = {"LibTorch": LIBTORCH, "PyTorch": PYTORCH, "trustformers-optim": TRUSTFORMERS}
FAMILIES = ("rule", "gradient", "schedule", "hindrance", "momentum", "storage", "recovery")
OF_SEVERAL = {"schedule::Sequence<S...>": "schedule::Sequence<schedule::Constant, schedule::Constant>"}
# What stands around a rule or an optimizer: family, name, header, bytes of state that it adds to a float32 parameter.
AROUND = (
    ("rule", "Capped", "capped", "0, and a second sweep"),
    ("rule", "Cautious", "cautious", "0, and a second sweep but for Lion"),
    ("rule", "GrokFast", "grokfast", "4"),
    ("rule", "Hyperball", "hyperball", "0, and a second sweep"),
    ("rule", "Masked", "masked", "4"),
    ("rule", "NoiseFilter", "noise_filter", "0"),
    ("wrap", "EMA", "ema", "4"),
    ("wrap", "Lookahead", "lookahead", "4"),
    ("wrap", "SAM", "sam", "up to 16 within a step, and a second gradient"),
    ("wrap", "SWA", "ema", "4"),
)
WITHOUT_FIELDS = ("wrap", "tools")  # options that need LibTorch, and have no `fields`: defaults as they are written

PROGRAM = r"""
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <type_traits>

using namespace agmohd;

std::string text(double x) {
  char buffer[32];
  return std::isinf(x) ? "inf" : std::string(buffer, std::to_chars(buffer, buffer + 32, x).ptr);
}
std::string value(double x, const Bounds& b) { return b.contain(x) ? text(x) : "must be given"; }
std::string value(std::int64_t x, const Bounds& b) { return value(double(x), b); }
std::string value(bool x, const Bounds&) { return x ? "true" : "false"; }
std::string value(const Pair& x, const Bounds&) { return "(" + text(x.first) + ", " + text(x.second) + ")"; }
template <class Enum>
std::string value(Enum x, const Choices& c) { return std::string("`") + c.names[std::int64_t(x)] + "`"; }

std::string bounds(const Bounds& b) {
  if (std::isinf(b.low) && std::isinf(b.high)) return "finite";
  if (std::isinf(b.low)) return "(-inf, " + text(b.high) + (b.high_allowed ? "]" : ")");
  return (b.low_allowed ? "[" : "(") + text(b.low) + ", " + text(b.high) + (b.high_allowed ? "]" : ")");
}
std::string bounds(const Choices& c) {
  std::string out;
  for (std::size_t i = 0; i < c.count; ++i) out += (i == 0 ? "`" : ", `") + std::string(c.names[i]) + "`";
  return out;
}

template <class T, std::size_t Most>
std::string value(const List<T, Most>& x, const Bounds&) { return x.size == 0 ? "empty" : "must be given"; }

template <class Policy>
void print(const char* policy) {
  const auto row = [policy](const char* name, const std::string& is, const std::string& within) {
    std::printf("%s\t%s\t%s\t%s\n", policy, name, is.c_str(), within.c_str());
  };
  if constexpr (requires { Policy::slot_names; }) {
    double lr = 1e-3;
    if constexpr (requires { Policy::default_lr; }) lr = Policy::default_lr;
    row("lr", text(lr), "[0, inf)");
  }
  const typename Policy::Options o{};
  if constexpr (requires { Policy::slots(o); }) {
    row("#slots", std::to_string(__builtin_popcount(Policy::slots(o))),
        std::to_string(agmohd::detail::factor_count<Policy>()));
    std::string always, by_option;
    for (std::size_t s = 0; s < Policy::slot_names.size(); ++s) {
      std::string& to = (Policy::slots(o) >> s & 1) != 0 ? always : by_option;
      to += (to.empty() ? "`" : ", `") + std::string(Policy::slot_names[s]) + "`";
    }
    if constexpr (requires { Policy::factor_names; }) {
      by_option.clear();
      always += " (or averages";
      for (const char* name : Policy::factor_names) always += std::string(", `") + name + "`";
      always += ")";
    }
    row("#names", always, by_option);
  }
  Policy::fields.each([&](const auto& f, auto) {
    using Value = typename std::remove_cvref_t<decltype(f)>::value_type;
    const std::string within = std::is_same_v<Value, bool> ? "" : bounds(f.bounds);
    if constexpr (agmohd::detail::is_list<Value>) {
      row(f.name, value(f(o), f.bounds), "up to " + std::to_string(Value::most) + ", each " + within);
    } else {
      row(f.name, value(f(o), f.bounds), std::is_same_v<Value, Pair> ? "each " + within : within);
    }
  });
}
"""


class Policy:
    """What a header says of a policy: its options by name, as (default, meaning), and which of them are fields."""

    def __init__(self):
        self.options, self.same_as, self.has_fields = {}, None, False


def policies():
    """The policies by name, rule::Lion, with those of wrap/ and tools/."""
    found = {}
    for folder in (*FAMILIES, *WITHOUT_FIELDS):
        for path in sorted((INCLUDE / "agmohd" / folder).rglob("*.hpp")):
            outer, inside, statement = None, None, ""
            for line in path.read_text().splitlines():
                if begun := re.match(r"(?:struct|class) (\w+)[^;]*$", line):
                    outer = found.setdefault(f"{folder}::{begun[1]}", Policy())
                    inside = outer if begun[1].endswith("Options") else None
                elif outer is None:
                    continue
                elif re.match(r"  struct Options \{$", line):
                    inside = outer
                elif re.match(r"(  )?\};$", line):
                    inside = None
                elif same := re.match(r"  using Options = (?:typename )?(\w+)(?:::Options)?;", line):
                    outer.same_as = f"{folder}::{same[1]}"
                outer.has_fields = outer.has_fields or bool(re.search(r'\bfield\("', line))
                if inside is None or line.rstrip().endswith("{"):
                    continue
                if more := re.match(r"\s*///< (.*)", line):  # a comment that goes on
                    last = next(reversed(inside.options))
                    inside.options[last] = (inside.options[last][0], f"{inside.options[last][1]} {more[1]}")
                    continue
                code, _, comment = line.partition("///<")
                statement += " " + code.strip()
                if ";" not in code:
                    continue
                member = re.match(r"[\w:<>,.()\- ]+ (\w+)(?: = ([^;]+)|\{([^}]*)\})?;", statement.strip())
                statement = ""
                if member:
                    inside.options[member[1]] = (member[2] or member[3] or "", comment.strip())
    return found


def meaning(found, policy, option):
    """Of an option of a policy, its own or that of another one of its family inside it."""
    if option == "lr":
        return "learning rate"
    own = found.get(policy)
    while own is not None and option not in own.options and own.same_as:
        own = found[own.same_as]
    if own is not None and option in own.options:
        texts = {own.options[option][1]}
    else:
        family = policy.partition("::")[0] + "::"
        texts = {p.options[option][1] for name, p in found.items() if name.startswith(family) and option in p.options}
    if len(texts) != 1 or not min(texts):
        sys.exit(f"{policy}: the option {option} has no ///< comment beside it, or several: {sorted(texts)}")
    return min(texts)


def plain(policy):
    return re.sub(r"<.*>", "", policy)


def lines_of_program(compiler, source):
    """What a program prints, whose source needs the library's headers alone."""
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "program"
        command = [*compiler.split(), "-std=c++20", "-x", "c++", "-", "-I", str(INCLUDE), "-o", str(program)]
        subprocess.run(command, input=source, text=True, check=True)
        return subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()


def printed(compiler, names):
    """Rows (option, default, bounds) by policy, and bytes and names of the slots of rules, as the compiled policies say."""
    headers = [f"agmohd/{family}" for family in FAMILIES]
    includes = [path.relative_to(INCLUDE) for header in headers for path in sorted((INCLUDE / header).rglob("*.hpp"))]
    calls = [f'  print<{OF_SEVERAL.get(name, re.sub("<.*>", "<>", name))}>("{name}");' for name in names]
    source = "".join(f"#include <{i}>\n" for i in includes) + PROGRAM + "int main() {\n" + "\n".join(calls) + "\n}\n"
    lines = lines_of_program(compiler, source)
    rows, slots, states = {name: [] for name in names}, {}, {}
    for line in lines:
        policy, *row = line.split("\t")
        if row[0] == "#slots":
            slots[policy] = bytes_of_state(int(row[1]), int(row[2]))
        elif row[0] == "#names":
            states[policy] = (row[1] or "none by default") + (f"; {row[2]} by option" if row[2] else "")
        else:
            rows[policy].append([re.sub(r"e([+-])0", r"e\1", cell).replace("e+", "e") for cell in row])
    return rows, slots, states


def bytes_of_state(slots, factors):
    """Of a float32 parameter, of so many slots, in the place of one of which matrices, or rows, have averages."""
    if factors == 1:
        return f"{4 * (slots - 1)}, and 4 a row"
    more = f"{4 * (slots - 1)} + " if slots > 1 else ""
    of_matrices = f", of R x C matrices {more}{2 * factors} / R + {2 * factors} / C" if factors else ""
    return f"{4 * slots}{of_matrices}"


def table(head, rows):
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [re.sub(r"\|  (?=\|)", "| ", "| " + " | ".join(row) + " |") for row in (head, *cells)]
    return [lines[0], "|" + "---|" * len(head), *lines[1:]]


def table_of_options(names, found, rows):
    if plain(names[0]).partition("::")[0] in WITHOUT_FIELDS:
        head = ["option", "default", "meaning"]
        options = {}
        for name in names:
            own = found[name]
            options[name] = (found[own.same_as] if own.same_as else own).options
        out = {name: [[f"`{o}`", default, text] for o, (default, text) in options[name].items()] for name in names}
    else:
        head = ["option", "default", "bounds", "meaning"]
        out = {name: [[f"`{o}`", *row, meaning(found, plain(name), o)] for o, *row in rows[name]] for name in names}
        for row in (row for name in set(names) & set(OF_SEVERAL) for row in out[name]):
            row[2] = row[2].replace("up to 1,", "one less than S,")  # of the two in OF_SEVERAL
    if len(names) == 1:
        return table(head, out[names[0]])
    first = [[f"`{name}`" if i == 0 else "", *row] for name in names for i, row in enumerate(out[name])]
    return table(["policy", *head], first)


def table_of_optimizers():
    code = (INCLUDE / "agmohd" / "optimizers.hpp").read_text()
    rows = []
    for name, recipe in re.findall(r"^using (\w+) = Optimizer<(.*)>;", code, flags=re.M):
        own = [f"{name}{kind}" if f"using {name}{kind} =" in code else f"{name}::{kind}" for kind in ("Options", "ParamState")]
        rule = re.fullmatch(r"Recipe<rule::(\w+)>", recipe)
        kernels = f"`RULES {rule[1]}`" if rule else "in the default"
        rows.append([f"`agmohd::{name}`", f"`{recipe}`", *(f"`{o}`" for o in own), kernels])
    return table(["type", "recipe", "options", "state", "kernels"], rows)


def comment_of(rule):
    """The header of a rule, and what it says above it: its text, and the lines of its equations."""
    for path in sorted((INCLUDE / "agmohd" / "rule").glob("*.hpp")):
        if above := re.search(rf"((?:^///.*\n)+)struct {rule}\b[^;]*\{{", path.read_text(), flags=re.M):
            lines = [line[4:] for line in above[1].splitlines()]
            first = next((i for i, line in enumerate(lines) if line.startswith("- ")), len(lines))
            equations = [line[2:] for line in lines[:first] if line.startswith("  ")]
            return path.name, " ".join(line for line in lines if not line.startswith("  ")), equations
    sys.exit(f"rule::{rule} has no comment")


def table_around():
    """What AROUND names, with the equation and the sources in the comment above it."""
    rows = []
    for family, name, header, extra in AROUND:
        path = INCLUDE / "agmohd" / family / f"{header}.hpp"
        above = re.search(rf"((?:^///.*\n)+)(?:template .*\n)?(?:struct|class) {name}\b[^;]*\{{", path.read_text(), flags=re.M)
        if not above:
            sys.exit(f"{path.name}: {name} has no comment")
        lines = [line[4:] for line in above[1].splitlines()]
        first = next((i for i, line in enumerate(lines) if line.startswith("  ")), None)
        if first is None:
            sys.exit(f"the comment of {family}::{name} has no equation")
        last = next((i for i in range(first, len(lines)) if not lines[i].startswith("  ")), len(lines))
        equation = re.sub(r"\s+", " ", " ".join(lines[first:last]).replace("`", "")).strip().rstrip(",")
        text = " ".join(line for line in lines if not line.startswith("  "))
        sources = "; ".join(re.findall(r"\(([A-Z][^()]*\b\d{4}[^()]*)\)", text))
        policy = f"`{family}::{name}{'<R>' if family == 'rule' else ''}`"
        rows.append([policy, extra, f"`{equation}`", sources or "agmohd's own", f"`agmohd/{family}/{path.name}`"])
    return table(["name", "bytes more", "what it does", "source", "header"], rows)


def page_of_optimizers(rows, slots, states):
    code = (INCLUDE / "agmohd" / "optimizers.hpp").read_text()
    head, equations = [], []
    for name, recipe in sorted(re.findall(r"^using (\w+) = Optimizer<(.*)>;", code, flags=re.M), key=lambda x: x[0].lower()):
        if name.startswith("AGMOHD"):
            continue
        header, text, lines = comment_of(name)
        source = re.search(r"\(([A-Z][^()]*\b\d{4}[^()]*)\)", text)
        if not source:
            sys.exit(f"the comment of rule::{name} names no source (Author year)")
        peers = ", ".join(peer for peer, names in PEERS.items() if name in names)
        lr = dict((row[0], row[1]) for row in rows[f"rule::{name}"])["lr"]
        head.append([f"[`{name}`](#{name.lower()})", peers, slots[f"rule::{name}"], lr, source[1]])
        equations += ["", f"### {name}", "", *([*(f"    {line}" for line in lines), ""] if lines else [])]
        equations.append(
            f"Options: [`rule::{name}`](reference.md#rules-group). State, beside `step`: {states[f'rule::{name}']}. "
            f"Source: `agmohd/rule/{header}`."
        )
    return [
        "# All optimizers",
        "",
        "<!-- made by scripts/reference_tables.py from the headers -->",
        "",
        "Each is `agmohd::<name>`, a rule by itself. State: bytes of a float32 parameter with default options. Which to take is",
        "in [choosing](choosing.md), what each option means in the [reference](reference.md). `agmohd::AGMOHD` and `AGMOHDSGD`",
        "are AdamW and SGD with [hindrance detection](agmohd.md); `agmohd::LBFGS` is LibTorch's own, as trustformers-optim has one.",
        "Ranger, LookaheadAdam and the like are [`wrap::Lookahead`](reference.md#averages-lookahead-and-sam) around an optimizer; PyTorch's",
        "SparseAdam is `Adam` with sparse gradients.",
        "",
        "Not here: Muon (PyTorch, trustformers-optim) and other rules with matrix products; of trustformers-optim also what its README",
        "calls research (MicroAdam, BGE-Adam, HN-Adam, AdaFisher, AdaMax+, AMacP and others), AdaBound, AMSBound, AggMo and QHM, its",
        "quasi-Newton methods, and states of 8 and 4 bits.",
        "",
        *table(["optimizer", "also in", "state", "lr", "source"], head),
        "",
        "## Around a rule, or around an optimizer",
        "",
        "`rule::` policies stand around a rule R with the update u in a recipe, `wrap::` classes around an optimizer, or beside it. Bytes are",
        "those that they add to a float32 parameter. `SAM` takes the gradient at p + e, and with `adaptive` is ASAM. What R may be is in the",
        "[reference](reference.md#rules-group); `wrap::` is [there](reference.md#averages-lookahead-and-sam), too.",
        "",
        *table_around(),
        "",
        "## Equations",
        "",
        "g is the gradient after the transforms, p the parameter, t the number of the tensor's updates, b1 and b2 are `betas`.",
        *equations,
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()

    before = PAGE.read_text().splitlines()
    marked = [m[1].split() for m in (re.fullmatch(r"<!-- fields: (.+) -->", line) for line in before) if m]
    named = [name for names in marked for name in names]
    found = policies()
    lost = {name for name, p in found.items() if p.has_fields} - {plain(name) for name in named}
    if lost:
        sys.exit(f"docs/reference.md has no table of {', '.join(sorted(lost))}")
    rows, slots, states = printed(given.compiler, [n for n in named if n.partition("::")[0] in FAMILIES])

    after, skipping = [], False
    for line in before:
        skipping = skipping and line.startswith("|")
        if skipping:
            continue
        after.append(line)
        if fields := re.fullmatch(r"<!-- fields: (.+) -->", line):
            after += table_of_options(fields[1].split(), found, rows)
            skipping = True
        elif line == "<!-- optimizers.hpp: optimizers -->":
            after += table_of_optimizers()
            skipping = True
    differences = []
    for page, is_now, says in (
        (PAGE, before, after),
        (OPTIMIZERS, OPTIMIZERS.read_text().splitlines() if OPTIMIZERS.exists() else [], page_of_optimizers(rows, slots, states)),
    ):
        if given.write and is_now != says:
            page.write_text("\n".join(says) + "\n")
        differences += difflib.unified_diff(is_now, says, f"docs/{page.name}", "as the code says", lineterm="", n=0)
    print("\n".join(differences) if differences else f"{len(marked)} tables of options, docs/{OPTIMIZERS.name}: all right")
    if differences and not given.write:
        print("scripts/reference_tables.py --write updates the pages")
    return 1 if differences and not given.write else 0


if __name__ == "__main__":
    sys.exit(main())
