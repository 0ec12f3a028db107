# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Chains of headers in which each includes all of the one before: that a header compiles alone is shown as well by a
unit that includes those before it first, and a unit for each costs 10 seconds. Prints a chain a line.

    python3 chains.py INCLUDE_DIR HEADER...
"""

import re
import sys
from pathlib import Path

root = Path(sys.argv[1]).resolve()
closures = {}


def closure(path):
    """What the header includes of the library, and what that does."""
    if path not in closures:
        closures[path] = found = set()
        for name in re.findall(r'^#include "([^"]+)"', path.read_text(), re.M):
            other = (path.parent / name).resolve()
            if other.exists():  # else a message to who lacks C++20
                found |= {other} | closure(other)
    return closures[path]


left = sorted(((root / name).resolve() for name in sys.argv[2:]), key=lambda path: (-len(closure(path)), path))
while left:
    chain = [left.pop(0)]
    for path in list(left):
        if path in closure(chain[-1]):
            chain.append(path)
            left.remove(path)
    print(" ".join(str(path.relative_to(root)) for path in reversed(chain)))
