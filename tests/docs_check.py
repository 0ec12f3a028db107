#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Every cpp, cmake and python block of the documentation stands, whole and up to common indentation, in a file that is
compiled or run by the tests, or is itself built by the package tests; every relative link and anchor leads somewhere.

    docs_check.py [<root of the repository>]
"""

import pathlib
import re
import sys
import textwrap
import urllib.parse

SOURCES = {
    "cpp": ("examples/**/*.[ch]pp", "examples/**/*.cu", "tests/*.[ch]pp", "tests/package/**/*.[ch]pp"),
    "python": ("examples/**/*.py", "tests/*.py"),
    "cmake": ("examples/**/CMakeLists.txt", "tests/**/CMakeLists.txt"),
}
UNCHECKED = {"sh"}
# Pages whose whole CMakeLists.txt and whole program tests/package builds as they stand there.
PROJECTS = {"README.md", "docs/existing_project.md"}
WHOLE = {"cpp": r"^int main\(", "cmake": r"^cmake_minimum_required\("}


def blocks(text):
    """Yields language, line and code of each fenced block; the text without them comes last."""
    rest, language, code, start = [], None, [], 0
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.fullmatch(r"\s*```(\w*)\s*", line)
        if fence and language is None:
            language, code, start = fence[1], [], number
        elif fence:
            yield language, start, "\n".join(code)
            language = None
        elif language is None:
            rest.append(line)
        else:
            code.append(line)
    if language is not None:
        yield "unclosed", start, ""
    yield None, 0, "\n".join(rest)


def stands_in(code, lines):
    """Whether the lines of `code` follow each other in `lines`, all indented by the same amount."""
    wanted = textwrap.dedent(code).splitlines()
    for first in range(len(lines) - len(wanted) + 1):
        if lines[first].strip() != wanted[0].strip():
            continue
        if textwrap.dedent("\n".join(lines[first : first + len(wanted)])).splitlines() == wanted:
            return True
    return False


def anchors(text):
    """The ids that GitHub gives to headings."""
    plain = re.sub(r"```.*?```", "", text, flags=re.S)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", plain, flags=re.M)
    }


def check(root):
    files = {
        language: [path.read_text().splitlines() for pattern in patterns for path in sorted(root.glob(pattern))]
        for language, patterns in SOURCES.items()
    }
    pages = [root / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(root.glob("docs/**/*.md"))
    problems, checked, links = [], 0, 0
    for page in pages:
        name = page.relative_to(root)
        for language, line, code in blocks(page.read_text()):
            if language is None:
                for target in re.findall(r"\]\(([^)\s]+)\)", code):
                    if re.match(r"[a-z]+:", target):
                        continue
                    links += 1
                    path, _, anchor = urllib.parse.unquote(target).partition("#")
                    to = (page.parent / path).resolve() if path else page
                    if not to.exists() or root not in to.parents:
                        problems.append(f"{name}: the link {target} leads nowhere")
                    elif anchor and anchor not in anchors(to.read_text()):
                        problems.append(f"{name}: {target}: there is no such heading")
            elif language in files:
                checked += 1
                if str(name) in PROJECTS and language in WHOLE and re.search(WHOLE[language], code, flags=re.M):
                    continue
                if not code.strip() or not any(stands_in(code, lines) for lines in files[language]):
                    problems.append(f"{name}:{line}: this {language} block stands in no compiled file")
            elif language not in UNCHECKED:
                problems.append(f"{name}:{line}: a block of '{language}': expected cpp, cmake, python or sh")
    if checked == 0 or links == 0:
        problems.append("no blocks or no links were found: the check itself is broken")
    print("\n".join(problems) if problems else f"{len(pages)} pages, {checked} code blocks, {links} links: all right")
    return 1 if problems else 0


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent.parent
    sys.exit(check(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else here))
