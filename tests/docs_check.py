#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Checks that what README.md and docs/ show can be pasted as it stands, and that their links and tables hold.

    docs_check.py                   checks
    docs_check.py --unit FILE       writes a program that compiles and runs the pages' C++, see unit()

A block below a comment that names a file, such as <!-- examples/hello.cpp -->, is that file byte for byte, without its
licence.

A cpp block is a whole file: it is below such a comment, or begins with a comment that names it, #pragma once or an
include. It is compiled

- by itself, where tests/package builds its page (PROJECTS),
- as the file that the comment above it names, or
- in the program of --unit, each block in a namespace of its own, where it sees no other block.

A block of that program sees the includes of the others, so its own are compared with the names that it uses. Examples
are compiled beside a precompiled header, so theirs are, too. The block of a test, which cannot be in a namespace,
stands in tests/ paragraph by paragraph.

A cmake block is a whole CMakeLists.txt of PROJECTS. A python block stands in a file that the tests run.
"""

import pathlib
import re
import sys
import textwrap
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROJECTS = {"README.md", "docs/existing_project.md", "docs/cuda.md", "docs/policies.md"}
EXAMPLES = "examples/*.[ch]pp"
LONGEST = 50  # lines of an example
TESTS = ("tests/**/*.cpp",)
PYTHON = ("examples/**/*.py", "tests/*.py", "python/**/*.py")
UNCHECKED = {"sh", "diff"}

# Which header of a block's own a name needs: the first pattern that matches the name decides, any of its headers serves.
TORCH, AGMOHD, RECIPES = "torch/torch.h", "agmohd/agmohd.hpp", "agmohd/recipes.hpp"
HEADERS = [
    (r"std::(printf|puts|fputs|fprintf|stderr)\b", {"cstdio"}),
    (r"std::(cout|cerr|clog|endl)\b", {"iostream"}),
    (r"std::(string|to_string)\b", {"string"}),
    (r"std::vector\b", {"vector"}),
    (r"std::getline\b", {"string"}),
    (r"std::[io]fstream\b", {"fstream"}),
    (r"std::(min|max|sort)\b", {"algorithm"}),
    (r"std::array\b", {"array", RECIPES}),
    (r"std::(unique_ptr|make_unique|shared_ptr|make_shared)\b", {"memory"}),
    (r"std::(move|pair)\b", {"utility"}),
    (r"std::(sqrt|nan|abs|isnan|isfinite|exp|log|pow)\b", {"cmath", RECIPES}),
    (r"std::u?int(8|16|32|64)_t\b", {"cstdint", TORCH, RECIPES}),
    (r"std::(atoll|exit)\b", {"cstdlib"}),
    (r"std::filesystem\b", {"filesystem"}),
    (r"at::cuda::CUDAGraph\b", {"ATen/cuda/CUDAGraph.h"}),
    (r"c10::cuda::CUDA(Stream)?Guard\b", {"c10/cuda/CUDAGuard.h"}),
    (r"c10::cuda::(CUDAStream|getStreamFromPool)\b", {"c10/cuda/CUDAStream.h"}),
    (r"(torch|at|c10)::", {TORCH}),
    (r"agmohd::monitor::(Watcher|CsvFile)\b", {"agmohd/monitor/watcher.hpp"}),
    (r"agmohd::wrap::(EMA|SWA|Warmup)\b", {"agmohd/wrap/ema.hpp"}),
    (r"agmohd::wrap::Lookahead\b", {"agmohd/wrap/lookahead.hpp"}),
    (r"agmohd::wrap::SAM\b", {"agmohd/wrap/sam.hpp"}),
    (r"agmohd::tools::Groups\b", {"agmohd/tools/groups.hpp"}),
    (r"agmohd::tools::(find_lr|FindLrOptions|LrCurve)\b", {"agmohd/tools/find_lr.hpp"}),
    (r"agmohd::monitor::Log\b", {"agmohd/monitor/log.hpp"}),
    (r"agmohd::monitor::TensorBoard\b", {"agmohd/monitor/tensorboard.hpp"}),
    (r"agmohd::cuda::Register\b", {"agmohd/cuda/register.cuh"}),
    (
        r"agmohd::(Recipe\b|recipe::|rule::|math::|hindrance::|momentum::|gradient::|schedule::(?!Scheduler\b)|storage::|recovery::"
        r"|(Rule|Hindrance|Momentum|Transform|TransformKind|Schedule|Storage|Recovery|Signals|Verdict|Blend|Pair|Now|Flag|Tally|Record)\b"
        r"|(describe|field|in|between|at_least|above|any|choices)\b|k[A-Z])",
        {RECIPES, AGMOHD},
    ),
    (r"agmohd::", {AGMOHD}),
]


def blocks(text):
    """Yields language, line, code and file (that the comment above names, or None) of each fenced block; the text
    without them comes last."""
    rest, language, code, start, file = [], None, [], 0, None
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.fullmatch(r"\s*```(\w*)\s*", line)
        if fence and language is None:
            language, code, start = fence[1], [], number
            above = re.fullmatch(r"<!-- (\S+/\S+) -->", rest[-1]) if rest else None
            file = rest.pop()[5:-4] if above else None
        elif fence:
            yield language, start, "\n".join(code), file
            language = None
        elif language is None:
            rest.append(line)
        else:
            code.append(line)
    if language is not None:
        yield "unclosed", start, "", None
    yield None, 0, "\n".join(rest), None


def without_comments(code):
    return re.sub(r'//[^\n]*|"(\\.|[^"\\\n])*"', '""', code)


class Block:
    """A cpp block: its own file name, its includes and what follows them."""

    def __init__(self, page, line, code, file=None):
        self.page, self.line, self.code, self.file = page, line, code, file
        lines = code.splitlines()
        named = re.fullmatch(r"// ([\w.]+\.(?:hpp|cpp|cu))", lines[0]) if lines else None
        self.name = named[1] if named else None
        self.includes = re.findall(r"^#include ([<\"][^>\"]+[>\"])", code, flags=re.M)
        body = [line for line in lines if not re.match(r"#include |#pragma once", line)]
        self.body = "\n".join(body).strip("\n")
        self.whole = file is not None or bool(lines) and bool(re.match(r"// [\w.]+\.(hpp|cpp|cu)$|#include |#pragma once", lines[0]))
        self.is_program = re.search(r"^int main\(", code, flags=re.M) is not None

    def missing_headers(self):
        have = {include[1:-1] for include in self.includes}
        code = without_comments(re.sub(r"^#.*$", "", self.code, flags=re.M))
        for name in sorted(set(re.findall(r"\b(?:std|torch|at|c10|agmohd)::[\w:]+", code))):
            found = next((headers for pattern, headers in HEADERS if re.match(pattern, name)), None)
            if found is None:
                yield f"{name} is in no row of HEADERS"
            elif not found & have:
                yield f"{name} needs #include <{sorted(found)[0]}>"
        if "AGMOHD_HD" in code and not have & {RECIPES, AGMOHD}:
            yield f"AGMOHD_HD needs #include <{RECIPES}>"


def paragraphs(code):
    return [part for part in re.split(r"\n\s*\n", code.strip("\n")) if part.strip()]


def stands_in(code, lines):
    """Whether the lines of `code` follow each other in `lines`, all indented by the same amount."""
    wanted = textwrap.dedent(code).splitlines()
    for first in range(len(lines) - len(wanted) + 1):
        if lines[first].strip() != wanted[0].strip():
            continue
        if textwrap.dedent("\n".join(lines[first : first + len(wanted)])).splitlines() == wanted:
            return True
    return False


def without_licence(text):
    return re.sub(r"\A((//|#) SPDX-[^\n]*\n)+\n*", "", text).removesuffix("\n")


def read(patterns):
    return [path.read_text() for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def pages():
    return [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(ROOT.glob("docs/**/*.md"))


def sort_blocks():
    """All cpp blocks, and those of them that the program of --unit compiles."""
    everything, ours = [], []
    for page in pages():
        name = str(page.relative_to(ROOT))
        for language, line, code, file in blocks(page.read_text()):
            if language != "cpp":
                continue
            block = Block(name, line, code, file)
            everything.append(block)
            elsewhere = file is not None or '"contract.hpp"' in block.includes or (block.name or "").endswith(".cu")
            first = not any(other.page == name and other.is_program for other in everything[:-1])
            built = name in ("README.md", "docs/existing_project.md") and block.is_program and first
            if not elsewhere and not built:
                ours.append(block)
    return everything, ours


def unit():
    """The program: every block in a namespace of its own, its main called by the program's."""
    _, ours = sort_blocks()
    headers = {block.name: block for block in ours if block.name and block.name.endswith(".hpp")}
    includes, parts, programs = set(), [], []
    for block in ours:
        includes.update(i for i in block.includes if i.startswith("<"))
        own = [i[1:-1] for i in block.includes if i.startswith('"')]
        space = re.sub(r"\W", "_", f"{pathlib.Path(block.page).stem}_{block.line}")
        body = block.body
        for header in own:
            includes.update(i for i in headers[header].includes if i.startswith("<"))
            body = headers[header].body + "\n" + body
        if block.is_program:
            assert body.endswith("\n}"), f"{block.page}:{block.line}: main is to be the last function of a block"
            body = re.sub(r"^int main\(", "int run(", body, flags=re.M)
            body = body[: -len("}")] + ("" if re.search(r"^  return [^\n]*\n}$", body, flags=re.M) else "  return 0;\n") + "}"
            arguments = "int argc, char**" in body
            programs.append((f"{block.page}:{block.line}", space, arguments))
        parts.append(f"namespace {space} {{\n{body}\n}}  // namespace {space}\n")
    lines = ["// Written by docs_check.py --unit from the blocks of the documentation.", "#include <cstdio>"]
    lines += [*(f"#include {i}" for i in sorted(includes)), "", *parts]
    lines += [
        "int main() {",
        "  int failed = 0;",
        "  const auto run = [&](const char* block, int (*program)()) {",
        "    torch::manual_seed(1);",
        '    std::printf("== %s\\n", block);',
        "    if (program() != 0) ++failed;",
        "  };",
    ]
    for where, space, arguments in programs:
        call = f"{space}::run" if not arguments else f"[] {{ return {space}::run(0, nullptr); }}"
        lines += [f'  run("{where}", {call});']
    lines += ['  std::printf("%d failed\\n", failed);', "  return failed == 0 ? 0 : 1;", "}", ""]
    return "\n".join(lines)


def anchors(text):
    """The ids that GitHub gives to headings."""
    plain = re.sub(r"```.*?```", "", text, flags=re.S)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", plain, flags=re.M)
    }


def broken_tables(text):
    """Yields what is wrong with tables: rows without a head, or with more or fewer cells than it."""
    cells, before = None, ""
    for line in [*text.splitlines(), ""]:
        if not line.startswith("|"):
            cells, before = None, line
            continue
        count = len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", line))) - 1
        if cells is None:
            cells = count
            if before.startswith("|") or not before.strip():
                head = line
        elif re.fullmatch(r"[|:\- ]+", line) or head is None:
            head = None
        else:
            yield f"the table row '{head[:60]}' has no line of dashes below it"
            head = None
        if count != cells:
            yield f"a table row has {count} cells instead of {cells}: {line[:60]}"


def check_examples():
    """Each is short, includes what it uses, and is in the README's list."""
    readme = (ROOT / "README.md").read_text()
    for path in sorted(ROOT.glob(EXAMPLES)):
        name = str(path.relative_to(ROOT))
        yield from (f"{name}: {what}" for what in Block(name, 1, path.read_text()).missing_headers())
        if len(path.read_text().splitlines()) > LONGEST:
            yield f"{name}: more than {LONGEST} lines"
        if path.suffix == ".cpp" and f"]({name})" not in readme:
            yield f"README.md: no link to {name}"


def check():
    problems, checked, links = [*check_examples()], 0, 0
    everything, ours = sort_blocks()
    python, tests = [text.splitlines() for text in read(PYTHON)], [text.splitlines() for text in read(TESTS)]
    for block in everything:
        where = f"{block.page}:{block.line}"
        if not block.whole:
            problems.append(f"{where}: this cpp block is no whole file: it begins without name and includes")
        problems += [f"{where}: {what}" for what in block.missing_headers()]
        if '"contract.hpp"' in block.includes:
            body = re.sub(r"\A//[^\n]*\n", "", block.body)
            if not all(any(stands_in(part, lines) for lines in tests) for part in paragraphs(body)):
                problems.append(f"{where}: a paragraph of this test stands in no file of tests/")
    names = {block.name for block in everything if block.name}
    for block in ours:
        for include in block.includes:
            if include.startswith('"') and include[1:-1] not in names:
                problems.append(f"{block.page}:{block.line}: no block is {include}")
    for page in pages():
        name = str(page.relative_to(ROOT))
        if re.search(r"^(<{7}|>{7}) ", page.read_text(), flags=re.M):
            problems.append(f"{name}: there are marks of a merge in it")
        for language, line, code, file in blocks(page.read_text()):
            where = f"{name}:{line}"
            checked += language is not None
            if file is not None:
                shown = ROOT / file
                if not shown.is_file() or without_licence(shown.read_text()) != code:
                    problems.append(f"{where}: this block is not {file}")
            if language is None:
                problems += [f"{name}: {what}" for what in broken_tables(code)]
                lonely = re.findall(r"^<!-- \S+ -->$", code, flags=re.M)
                problems += [f"{name}: no block is below {comment}" for comment in lonely]
                for target in re.findall(r"\]\(([^)\s]+)\)", code):
                    if re.match(r"[a-z]+:", target):
                        continue
                    links += 1
                    path, _, anchor = urllib.parse.unquote(target).partition("#")
                    to = (page.parent / path).resolve() if path else page
                    if not to.exists() or ROOT not in to.parents:
                        problems.append(f"{name}: the link {target} leads nowhere")
                    elif anchor and anchor not in anchors(to.read_text()):
                        problems.append(f"{name}: {target}: there is no such heading")
            elif language == "cmake":
                if name not in PROJECTS or "cmake_minimum_required(" not in code:
                    problems.append(f"{where}: this cmake block is no whole CMakeLists.txt that tests/package builds")
            elif language == "python":
                if not code.strip() or not any(stands_in(code, lines) for lines in python):
                    problems.append(f"{where}: this python block stands in no file that the tests run")
            elif language != "cpp" and language not in UNCHECKED:
                problems.append(f"{where}: a block of '{language}': expected cpp, cmake, python, sh or diff")
    if checked == 0 or links == 0:
        problems.append("no blocks or no links were found: the check itself is broken")
    print("\n".join(problems) if problems else f"{len(pages())} pages, {checked} blocks, {links} links: all right")
    return 1 if problems else 0


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "--unit":
        pathlib.Path(sys.argv[2]).write_text(unit())
    else:
        sys.exit(check())
