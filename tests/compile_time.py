# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Prints what a unit that uses agmohd costs to compile, in seconds of processor time at -O1, beyond one that includes
LibTorch alone, which all find precompiled. Fails where a unit does not compile, or has code of an optimizer that
`extern template` leaves to another unit; how long it takes is for the reader.

    python3 compile_time.py COMPILER INCLUDE_DIR 'LIBTORCH_DIR|...'
"""

import platform
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

LIBTORCH = "#include <ATen/ATen.h>\n#include <torch/optim.h>\n#include <torch/serialize.h>\n"
STEP = """#include <agmohd/agmohd.hpp>
void step(const std::vector<at::Tensor>& parameters) {{
  agmohd::{0} optimizer(parameters, agmohd::{0}Options(1e-3));
  optimizer.step();
}}
"""
ELSEWHERE = """#include <agmohd/agmohd.hpp>
extern template class agmohd::Options<agmohd::recipe::{0}>;
extern template class agmohd::Optimizer<agmohd::recipe::{0}>;
""" + STEP
UNITS = {
    "LibTorch": "",
    "#include <agmohd/agmohd.hpp>": "#include <agmohd/agmohd.hpp>\n",
    "SGD, step()": STEP.format("SGD"),
    "AdamW, step()": STEP.format("AdamW"),
    "AGMOHD, step()": STEP.format("AGMOHD"),
    "AdamW, step(), extern template": ELSEWHERE.format("AdamW"),
    "AGMOHD, step(), extern template": ELSEWHERE.format("AGMOHD"),
}


def optimizer_code(compiled):
    """The functions of optimizers and of what they are made of that an object file defines."""
    listed = subprocess.run(["nm", "-C", "--defined-only", compiled], capture_output=True, text=True, check=True).stdout
    parts = r"(Optimizer|Binder|Devices|TensorExecutor)<|(checkpoint|cpu|cuda|monitor)::|make_\w*executor"
    return [line for line in listed.splitlines() if re.search(rf" [TVW] .*agmohd::({parts})", line)]


def user_seconds():
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


def main():
    compiler, include_dir, system_dirs = sys.argv[1:]
    flags = ["-std=c++20", "-O1", f"-I{include_dir}", *(f"-isystem{d}" for d in system_dirs.split("|"))]
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    print(f"{version}, {' '.join(flags[:2])}, {platform.machine()}")
    base = None
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "libtorch.hpp").write_text(LIBTORCH)
        precompile = ["-x", "c++-header", Path(folder, "libtorch.hpp"), "-o", Path(folder, "libtorch.hpp.gch")]
        subprocess.run([compiler, *flags, *precompile], check=True)
        flags += ["-Winvalid-pch", "-Werror=invalid-pch", "-include", Path(folder, "libtorch.hpp")]
        for name, text in UNITS.items():
            unit = Path(folder, "unit.cpp")
            unit.write_text(text)
            before = user_seconds()
            compiled = Path(folder, "unit.o")
            subprocess.run([compiler, *flags, "-c", unit, "-o", compiled], check=True)
            seconds = user_seconds() - before
            if "extern" in name and (code := optimizer_code(compiled)):
                sys.exit(f"{name}: the unit has code of its own:\n" + "\n".join(code))
            base = seconds if base is None else base
            print(f"{name:32} {seconds:5.1f} s, {seconds - base:5.1f} s beyond LibTorch", flush=True)


main()
