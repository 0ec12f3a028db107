#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/gradient.md and docs/schedules.md that name every policy of their families, below the comments
<!-- all transforms --> and <!-- all schedules -->.

    policy_tables.py [--compiler g++] [--torch FOLDER]            fails where a page differs, and prints how
    policy_tables.py [--compiler g++] [--torch FOLDER] --write    updates the pages

Which policies there are, their options and their names for command lines are what the headers say; what a recipe reads
is what a program says that is compiled with them. What a policy does, its source and what it equals stand below. A
policy without such a row is an error, and so is a row without a policy, and a name of torch.optim.lr_scheduler, in its
FOLDER of Python files, that docs/schedules.md does not have.
"""

import argparse
import difflib
import pathlib
import re
import sys

from reference_tables import INCLUDE, ROOT, lines_of_program, plain, policies, table

# Name, what it does, source, what it equals.
TRANSFORMS = (
    ("ClipByNorm", "bounds the 2-norm of all gradients", "Pascanu et al. 2013, algorithm 1", "`clip_grad_norm_`; optax's `clip_by_global_norm`"),
    ("ClipByPNorm", "bounds their p-norm, p a whole number from 1 to 8", "", "`clip_grad_norm_` with `norm_type`"),
    ("ClipByMaxNorm", "bounds their largest magnitude by one factor for all", "", "`clip_grad_norm_` with `norm_type` infinity"),
    ("ClipByValue", "clamps every element", "", "`clip_grad_value_`; optax's `clip`"),
    ("AGC", "bounds the norm of each row by that of its parameters", "Brock et al. 2021, equation 3", "timm's `adaptive_clip_grad`; optax's `adaptive_grad_clip`"),
    ("AdaptiveClip", "`ClipByNorm`, and each tensor to the bound of the hindrance policy", "agmohd's own", ""),
    ("Choice", "`AdaptiveClip`, `ClipByNorm`, a bound of each tensor's norm, or `ClipByValue`, by run-time option", "", ""),
    ("Stabilize", "scales a tensor's gradient to its own past", "Huang et al. 2025, algorithm 1", "AdaClip and AdaGN of Stable-SPAM"),
    ("Normalize", "gives all gradients together one 2-norm", "Hazan et al. 2015, algorithm 1", "optax's `normalize_by_update_norm`"),
    ("NormalizeTensors", "gives each tensor's gradient one root mean square", "Yu et al. 2017", "torch's `rms_norm` over the tensor"),
    ("NormalizeToMedian", "gives each tensor's gradient the median of the tensors' norms", "agmohd's Python package", "that package's; numpy's `median`"),
    ("MedianFilter", "outliers of each tensor's gradient get the median magnitude, with their sign", "Iglewicz and Hoaglin 1993; agmohd's Python package, its sign mended", "the formula with torch's `median`"),
    ("Sign", "signs", "Bernstein et al. 2018, algorithm 1", "optax's `scale_by_sign`"),
    ("Centralize", "subtracts from each row its mean", "Yong et al. 2020, equation 1", "pytorch-optimizer's `centralize_gradient`"),
    ("Orthogonal", "removes from each tensor's gradient the part along the parameter, and keeps its norm", "Prieto et al. 2025, algorithm 1", "pytorch-optimizer's `OrthoGrad`"),
    ("Noise", "adds Gaussian noise that decays", "Neelakantan et al. 2015, equation 1", "optax's `add_noise`, but for the random numbers"),
    ("ZeroNonfinite", "NaN and infinities become 0; `optimizer.zeroed()` counts them", "", "`nan_to_num` with `nan`, `posinf` and `neginf` 0; optax's `zero_nans`, which keeps infinities"),
    ("Accumulate", "makes one update of several calls of `step()`", "", "optax's `MultiSteps`"),
    ("OnGroup<G, number>", "G for one parameter group", "", ""),
    ("None", "leaves the gradients alone", "", ""),
)
# Name, source, what it equals. Names without a library are those of torch.optim.lr_scheduler.
SCHEDULES = (
    ("Constant", "", "`ConstantLR` with `warmup_curve=constant`"),
    ("Linear", "", "`LinearLR`; transformers' `linear`"),
    ("Polynomial", "", "`PolynomialLR`; transformers' `polynomial`"),
    ("Exponential", "", "`ExponentialLR`; optax's `exponential_decay`"),
    ("InverseSqrt", "", "transformers' `inverse_sqrt`"),
    ("Noam", "Vaswani et al. 2017, equation 3", ""),
    ("Step", "", "`StepLR`"),
    ("MultiStep", "", "`MultiStepLR`, up to 16 milestones"),
    ("Piecewise", "", "up to 16 points, also from a file: `read_points`"),
    ("Cosine", "Loshchilov & Hutter 2017, equation 5", "`CosineAnnealingLR` until T_max; transformers' `cosine` with half a wave"),
    ("CosineRestarts", "Loshchilov & Hutter 2017, equation 5", "`CosineAnnealingWarmRestarts`"),
    ("Cyclical", "Smith 2017, figure 2", "`CyclicLR`, in its three modes"),
    ("OneCycle", "Smith & Topin 2019", "`OneCycleLR`"),
    ("WarmupStableDecay", "Hu et al. 2024; 1 - sqrt: Hägele et al. 2024", "transformers' `warmup_stable_decay`"),
    ("Trapezoid", "", "another name of `WarmupStableDecay`"),
    ("Warmup<S>", "", "transformers' warm-ups with `warmup_from_start`"),
    ("Restart<S>", "", "of `Cosine`: transformers' `cosine_with_restarts`; timm's cosine with `cycle_mul`, `cycle_decay`, `cycle_limit` and `lr_min` 0"),
    ("Sequence<S...>", "", "`SequentialLR`"),
    ("Product<S...>", "", "`ChainedScheduler`"),
    ("ByGroup<S...>", "", "`LambdaLR` with a function a group"),
    ("Scale<S>", "", ""),
    ("Plateau<S>", "", "`ReduceLROnPlateau`, on means of losses"),
    ("HindranceAware<S>", "agmohd's own", ""),
    ("Choice", "", "four of these by run-time option, in AGMOHD"),
)
# Headers that name a policy in another way than by a static_assert of its own.
ALSO = {"gradient": {"OnGroup"}, "schedule": {"WarmupStableDecay", "Trapezoid"}}
PARTS = {"StableDecay"}  # of other policies: nobody names them
IN_THE_PLACE_OF = {"schedule::WarmupStableDecay": "schedule::StableDecay", "schedule::Trapezoid": "schedule::StableDecay"}
INSIDE = {"schedule", "schedules", "after"}  # options of other policies within one

PROGRAM = r"""
#include <agmohd/gradient/gradient.hpp>
#include <cstdio>

using namespace agmohd;

template <class G>
const char* reads() {
  if (detail::accumulates<G>()) return "sums, in every call";
  if (has::row_factor<G>) return "p, g once more";
  if (has::row_shift<G>) return "g once more";
  if (has::projection<G>) return "p, g once more; p where something is measured";
  if (has::outliers<G>) return "g six times more, float64 twelve";
  return G::wants != kNothing ? "g" : "";
}
"""


def names_of(family, concept):
    """The policies of a family: those of which a header says that they are."""
    found = set(ALSO[family])
    for path in (INCLUDE / "agmohd" / family).glob("*.hpp"):
        found |= set(re.findall(rf"^static_assert\({concept}<(\w+)", path.read_text(), flags=re.M))
    return found - PARTS


def expect_same(family, rows, found):
    listed = {plain(row[0]) for row in rows}
    for name in sorted(found ^ listed):
        sys.exit(f"scripts/policy_tables.py: {family}::{name} " + ("has no row" if name in found else "is in no header"))


def reads(compiler, names):
    includes = "".join(f"#include <{p.relative_to(INCLUDE)}>\n" for p in sorted((INCLUDE / "agmohd/gradient").glob("*.hpp")))
    calls = "".join(f"  std::puts(reads<gradient::{name}>());\n" for name in names)
    source = includes + PROGRAM + "int main() {\n" + calls + "}\n"
    return dict(zip(names, lines_of_program(compiler, source)))


def options_of(found, policy):
    own = found.get(IN_THE_PLACE_OF.get(policy, policy))
    while own is not None and not own.options and own.same_as:
        own = found[own.same_as]
    return ", ".join(f"`{name}`" for name in own.options if name not in INSIDE) if own is not None else ""


def all_transforms(compiler, found):
    expect_same("gradient", TRANSFORMS, names_of("gradient", "Transform"))
    read = reads(compiler, [name for name, *_ in TRANSFORMS if "<" not in name])
    rows = [
        [f"`{name}`", does, options_of(found, f"gradient::{name}"), source, equals, read.get(name, "as G")]
        for name, does, source, equals in TRANSFORMS
    ]
    return table(["transform", "does", "options", "source", "equals", "reads"], rows)


def all_schedules(found):
    expect_same("schedule", SCHEDULES, names_of("schedule", "Schedule"))
    text = (INCLUDE / "agmohd/schedule/by_name.hpp").read_text()
    by_name = {policy: name for policy, name in re.findall(r'named<(?:Warmup<)?(\w+)>+\("(\w+)"\)', text)}
    bare = ", ".join(sorted(f"`{name}`" for name in re.findall(r'named<\w+>\("(\w+)"\)', text) if name not in ("wsd", "trapezoid")))
    rows = []
    for name, source, equals in SCHEDULES:
        word = f"`{by_name[name]}`" if name in by_name else f"with all but {bare}" if name == "Warmup<S>" else ""
        rows.append([f"`{name}`", word, options_of(found, f"schedule::{plain(name)}"), source, equals])
    lost = set(by_name) - {name for name, *_ in SCHEDULES}
    if lost:
        sys.exit(f"scripts/policy_tables.py: no row for {', '.join(sorted(lost))}")
    return table(["schedule", "by name", "options", "source", "equals"], rows)


def expect_all_of_torch(folder, page):
    named = re.search(r"^__all__ = \[(.*?)\]", (folder / "optim" / "lr_scheduler.py").read_text(), flags=re.M | re.S)
    names = re.findall(r'"(\w+)"', named[1])
    here = page[page.index("## From PyTorch") :]
    for name in names:
        if f"`{name}`" not in here:
            sys.exit(f"docs/schedules.md: `torch.optim.lr_scheduler.{name}` is not below From PyTorch")
    print(f"{len(names)} names of torch.optim.lr_scheduler: all have their rows")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--torch", default="", help="folders, |-separated, one of which may have optim/lr_scheduler.py below or above")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    found = policies()
    differences = []
    for page, mark, rows in (
        ("gradient", "<!-- all transforms -->", all_transforms(given.compiler, found)),
        ("schedules", "<!-- all schedules -->", all_schedules(found)),
    ):
        path = ROOT / "docs" / f"{page}.md"
        before = path.read_text().splitlines()
        at = before.index(mark) + 1
        end = next((i for i in range(at, len(before)) if not before[i].startswith("|")), len(before))
        after = [*before[:at], *rows, *before[end:]]
        if given.write and after != before:
            path.write_text("\n".join(after) + "\n")
        differences += difflib.unified_diff(before, after, f"docs/{page}.md", "as the code says", lineterm="", n=0)
    print("\n".join(differences) if differences else "docs/gradient.md, docs/schedules.md: all right")
    folders = [pathlib.Path(p) for p in given.torch.split("|") if p]
    places = [p for folder in folders for p in (folder, *folder.parents) if (p / "optim" / "lr_scheduler.py").exists()]
    if places:
        expect_all_of_torch(places[0], (ROOT / "docs" / "schedules.md").read_text())
    elif folders:
        print("names of torch.optim.lr_scheduler: not checked, as this LibTorch has no Python files")
    if differences and not given.write:
        print("scripts/policy_tables.py --write updates the pages")
    return 1 if differences and not given.write else 0


if __name__ == "__main__":
    sys.exit(main())
