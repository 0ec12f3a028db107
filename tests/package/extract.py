#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Writes what a page of the documentation tells its reader to write, word for word: its first whole CMakeLists.txt,
its first whole program under the name that the CMakeLists.txt has for it, its first command of g++ as build.sh, and
what has the name of its file in a comment above it or in its first line.

    extract.py PAGE FOLDER [PROGRAM]      PROGRAM: a file to take in place of the page's program
"""

import pathlib
import re
import sys

page, folder = map(pathlib.Path, sys.argv[1:3])
blocks = re.findall(r"^(?:<!-- \S+/(\S+) -->\n)?```(\w+)\n(.*?)^```$", page.read_text(), flags=re.M | re.S)


def first(language, pattern):
    return next((code for _, name, code in blocks if name == language and re.search(pattern, code, flags=re.M)), None)


cmake, program, command = first("cmake", "^cmake_minimum_required"), first("cpp", r"^int main\("), first("sh", r"^g\+\+ ")
source = re.search(r"add_executable\(\S+ ([^\s)]+)", cmake)[1] if cmake else "hello.cpp"
if len(sys.argv) > 3:
    program = pathlib.Path(sys.argv[3]).read_text()
folder.mkdir(parents=True, exist_ok=True)
named = [(file, code) for file, _, code in blocks if file]
named += [(match[1], code) for _, _, code in blocks if (match := re.match(r"// ([\w.]+)\n", code))]
for name, text in (*named, ("CMakeLists.txt", cmake), (source, program), ("build.sh", command)):
    if text is not None:
        (folder / name).write_text(text)
