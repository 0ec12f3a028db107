#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Compiles the CUDA units of a target again and lists, for each kernel, registers and bytes of spills; for each unit
compile seconds and the size of the object. Exits with 1 if a kernel spills.

usage: kernel_report.py [BUILD] [--target NAME]
"""

import argparse
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time


def compile_unit(entry, folder):
    """Seconds, bytes, and [kernel, architecture, registers, stack, stores, loads] of one unit."""
    words = shlex.split(entry["command"])
    compiler = next(i for i, word in enumerate(words) if os.path.basename(word) == "nvcc")
    words = words[compiler:]  # without ccache, which would take the object from its cache
    out = os.path.join(folder, "unit.o")
    words[words.index("-o") + 1] = out
    start = time.monotonic()
    done = subprocess.run(words + ["-Xptxas", "-v"], cwd=entry["directory"], capture_output=True, text=True)
    seconds = time.monotonic() - start
    if done.returncode:
        sys.exit(f"{entry['file']}: {done.stderr}")
    kernels, inside = [], None  # inside: the function whose properties come next
    for line in (done.stderr + done.stdout).splitlines():
        if found := re.search(r"Compiling entry function '(\w+)' for '(\w+)'", line):
            kernels.append([*found.groups(), 0, 0, 0, 0])
        elif found := re.search(r"Function properties for (\w+)", line):
            inside = found[1]
        elif kernels and (found := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+)", line)):
            # What a kernel calls, such as a decision that is taken once a step, is not the kernel.
            if inside == kernels[-1][0]:
                kernels[-1][3:] = map(int, found.groups())
        elif kernels and (found := re.search(r"Used (\d+) registers", line)):
            kernels[-1][2] = int(found[1])
    return seconds, os.path.getsize(out), kernels


def demangled(names):
    try:
        out = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return list(names)
    # The name with what tells instances apart, without namespaces and parameters.
    short = []
    for name in out.splitlines():
        name = re.sub(r"^void ", "", name.replace("(anonymous namespace)::", ""))
        name = re.sub(r"\(int\)|\(bool\)|\(unsigned int\)|\b(agmohd|cuda|bench|rule|hindrance|momentum)::", "", name)
        short.append(re.sub(r"\([^()]*(\([^()]*\)[^()]*)*\)$", "", name))
    return short


def show(table):
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        print("  ".join([row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]).rstrip())


def main():
    parser = argparse.ArgumentParser(description="Registers, spills, compile time and size of a target's kernels.")
    parser.add_argument("build", nargs="?", default="build")
    parser.add_argument("--target", default="agmohd_bench")
    arguments = parser.parse_args()
    commands = json.loads((pathlib.Path(arguments.build) / "compile_commands.json").read_text())
    units = [c for c in commands if c["file"].endswith(".cu") and f"/{arguments.target}.dir/" in c["command"]]
    if not units:
        sys.exit(f"kernel_report.py: {arguments.target} has no CUDA units in {arguments.build}")
    spills, summary = 0, [["unit", "seconds", "kB", "kernels"]]
    with tempfile.TemporaryDirectory() as folder:
        for unit in units:
            seconds, size, kernels = compile_unit(unit, folder)
            name = pathlib.Path(unit["file"]).stem
            summary.append([name, f"{seconds:.1f}", f"{size / 1e3:,.0f}", str(len(kernels))])
            table = [[name, "arch", "registers", "stack", "spill stores", "spill loads"]]
            for short, kernel in zip(demangled([k[0] for k in kernels]), kernels):
                table.append([short if len(short) <= 100 else short[:97] + "...", *map(str, kernel[1:])])
                spills += kernel[4] + kernel[5] > 0
            show(table)
            print(flush=True)
    show(summary)
    if spills:
        sys.exit(f"{spills} kernels spill registers")


if __name__ == "__main__":
    main()
