#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""A test of agmohd_stability and report.py on very short runs.

usage: smoke.py PROGRAM FOLDER
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml


def expect(condition, what):
    if not condition:
        sys.exit(f"smoke.py: expected {what}")


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    out = folder / "runs.jsonl"

    def run(*arguments):
        done = subprocess.run([program, "--quick", "--steps", "60", *arguments], capture_output=True, text=True)
        expect(done.returncode == 0, f"success of {arguments}, not\n{done.stderr}")
        return done.stdout.splitlines()

    def lines():
        return [json.loads(line) for line in out.read_text().splitlines()]

    some = ["--methods", "adamw,clip,nanskip,skipstep-repaired,agmohd,agmohd-snapshots"]
    part = ["faults", "--tasks", "mlp", "--methods", "adamw,agmohd-snapshots"]
    keys = run(*part, "--list-runs")
    run(*part, "--minutes", "0", "--out", str(out))
    expect(not lines(), "no run to begin after its time")
    run(*part, "--processes", "2", "--workers", "1", "--out", str(out))
    expect(sorted(r["key"] for r in lines()) == sorted(set(keys)), "each run of the list once, from two processes")

    text = out.read_text()
    run(*part, "--out", str(out))
    expect(out.read_text() == text, "no run twice")
    out.write_text(text[:-40])  # as if stopped while writing
    run(*part, "--out", str(out))
    again = {r["key"] for r in map(parsed, out.read_text().splitlines()) if r}
    expect(again == set(keys), "the run that was cut short to be there again")
    out.write_text(text)

    run("faults", "--tasks", "mlp", "--only", "nan-gradient", "--out", str(out))
    for task in ("gpt", "vit"):
        run("faults", "--tasks", task, "--only", "nan-gradient", *some, "--out", str(out))
        run("clean", "--tasks", task, "--seeds", "2", "--methods", "clip,agmohd", "--out", str(out))
    run("lr", "--tasks", "mlp", "--only", "|60|0.0", "--out", str(out))
    run("ablation", "--tasks", "mlp", "--methods", "fixed-momentum,no-clip", "--out", str(out))
    clean = {}
    for r in lines():
        if r.get("fault") == "nan-gradient" and not r["method"].startswith("no-"):
            survives = r["method"].startswith(("nanskip", "agmohd", "fixed-")) or r["method"].endswith("-repaired")
            expect((r["final"] is not None) == survives, f"{r['key']} to {'survive' if survives else 'fail'}")
            if survives:
                expect(r["tally"]["skipped"] == 1, f"one skipped step in {r['key']}")
        if "fault" not in r and r["lr"] == r["reference_lr"]:
            clean[r["task"], r["seed"], r["method"]] = r
    for (task, seed, method), r in clean.items():
        if method == "agmohd" and set(r["tally"]) <= {"clipped"}:
            expect(r["final"] == clean[task, seed, "clip"]["final"], f"{r['key']} to be its base, bit for bit")

    check_calm(run, folder / "calm.jsonl")

    here = pathlib.Path(__file__).parent
    part = ["10", "--quick", "--steps", "60", "faults", "--only", "|60|0.001|", "--methods", "clip,agmohd"]
    cpu_alone = {**os.environ, "GPU_PROCESSES": "0"}
    subprocess.run([here / "slice.sh", program, folder / "slice", *part], check=True, env=cpu_alone)
    page = folder / "page.md"
    page.write_text("before\n<!-- report.py: begin -->\n<!-- report.py: end -->\nafter\n")
    files = [folder / "slice" / "cpu.jsonl", "--plan", folder / "slice" / "cpu.plan", "--page", page]
    subprocess.run([sys.executable, here / "report.py", *files], check=True)
    text = page.read_text()
    expect(" 0 of " in text and text.count("\n|") > 50 and text.endswith("after\n"), "a page with tables of all runs")
    subprocess.run([sys.executable, here / "report.py", out, "--out", folder / "report"], check=True)
    json.loads((folder / "report" / "report.json").read_text())
    calm = subprocess.run([sys.executable, here / "report.py", folder / "calm.jsonl"], check=True, capture_output=True, text=True).stdout
    for title in ("Legitimate events of the tuning list", "Events in detail: agmohd", "Tasks without noise", "within the bounds"):
        expect(title in calm, f"'{title}' in the report of {folder / 'calm.jsonl'}")
    part = ["--steps", "60", "--seeds", "1", "--tasks", "mlp", "--rates", "1e-3,3.16e-3"]
    one = {**os.environ, "PROCESSES": "1"}
    subprocess.run([here / "robustness.sh", program, folder / "robustness", *part], check=True, env=one, stdout=subprocess.DEVNULL)
    text = (folder / "robustness" / "robustness.md").read_text()
    for row in ("| clip |", "| prodigy-clip |", "| capped-tight |", "Advice on the learning rate, all runs"):
        expect(row in text, f"'{row}' in the tables of robustness.sh")
    charts = list((folder / "report").glob("*.svg"))
    expect(len(charts) > 20, "charts")
    for chart in charts:
        xml.parse(chart)


RARE = ("lazy penalty", "rare head", "part's weight")


def check_calm(run, out):
    """Legitimate events and tasks without noise."""
    small = ["mlp", "discriminator", "regression", "two-heads"]
    small += ["sine", "sine-batches", "by-heart", "by-heart-3e-3", "autoencoder", "poisson", "grid-world"]
    for tasks, methods in ((",".join(small), "clip,nanskip,agmohd"), ("gpt,vit", "clip,agmohd")):
        of = ["--tasks", tasks, "--methods", methods, "--out", str(out)]
        keys = run("events", "noisefree", *of, "--list-runs")
        expect(keys and len(keys) == len(set(keys)), "each run once")
        run("events", "noisefree", *of)
        run("clean", "--seeds", "1", *of)
    runs = [json.loads(line) for line in out.read_text().splitlines()]
    clip = {(r["task"], r.get("event")): r for r in runs if r["method"] == "clip"}
    for r in runs:
        expect(r["final"] is not None, f"{r['key']} to stay finite")
        if r["method"] == "nanskip":
            base = clip[r["task"], r.get("event")]
            expect(r["curve"] == base["curve"], f"{r['key']} to be what happens to clip, bit for bit")
        if "event" in r:
            lone = r["task"] in ("discriminator", "regression", "two-heads")
            if r["group"] != "rare domain":  # it may not come in so short a run
                expect(("rare" in r) == (r["group"] in RARE), f"a rare part in {r['key']}, or none")
            # A gradient that is clipped anyway may weigh more.
            if not lone and r["method"] == "clip" and r["group"] != "rare weight":
                expect(r["curve"] != clip[r["task"], None]["curve"], f"{r['key']} to differ from a run without an event")
        elif r["key"].endswith(":noise-free"):
            expect(r["largest_after_300"] >= r["last_100"], f"the largest loss of {r['key']} to be one")
    for experiment in ("faults", "events"):
        names = [{k.split("|")[-1] for k in run(experiment, "--list", l, "--list-runs")} - {""} for l in ("tuning", "final")]
        bare = [{n.split(":")[-1] for n in each} for each in names]
        expect(all(bare) and not bare[0] & bare[1], f"two lists of {experiment} that share nothing")


def parsed(line):
    try:
        return json.loads(line)
    except ValueError:
        return None


if __name__ == "__main__":
    main()
