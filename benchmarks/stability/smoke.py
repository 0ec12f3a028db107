#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""A test of agmohd_stability and report.py on very short runs.

usage: smoke.py PROGRAM FOLDER
"""

import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as xml


def expect(condition, what):
    if not condition:
        sys.exit(f"smoke.py: expected {what}")


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    out = folder / "runs.jsonl"

    def run(*arguments):
        done = subprocess.run([program, "--quick", "--steps", "60", *arguments], capture_output=True, text=True)
        expect(done.returncode == 0, f"success of {arguments}, not\n{done.stderr}")
        return done.stdout.splitlines()

    def lines():
        return [json.loads(line) for line in out.read_text().splitlines()]

    part = ["faults", "--tasks", "mlp"]
    keys = run(*part, "--list-runs")
    for shard in ("1/2", "2/2"):
        run(*part, "--shard", shard, "--out", str(out))
    found = {r["key"]: r for r in lines()}
    expect(len(keys) == len(set(keys)) and set(found) == set(keys), "each run of the list from the two shards")

    text = out.read_text()
    run(*part, "--out", str(out))
    expect(out.read_text() == text, "no run twice")
    out.write_text(text[:-40])  # as if stopped while writing
    run(*part, "--out", str(out))
    again = {r["key"] for r in map(parsed, out.read_text().splitlines()) if r}
    expect(again == set(keys), "the run that was cut short to be there again")
    out.write_text(text)

    for task in ("gpt", "vit"):
        run("faults", "--tasks", task, "--only", "nan-gradient", "--out", str(out))
        run("clean", "--tasks", task, "--seeds", "2", "--methods", "clip,agmohd", "--out", str(out))
    run("lr", "ablation", "--tasks", "mlp", "--only", "|60|0.0", "--out", str(out))
    clean = {}
    for r in lines():
        if r.get("fault") == "nan-gradient" and r["method"] in ("adamw", "clip", "nanskip", "agmohd"):
            survives = r["method"] in ("nanskip", "agmohd")
            expect((r["final"] is not None) == survives, f"{r['key']} to {'survive' if survives else 'fail'}")
            if survives:
                expect(r["tally"]["skipped"] == 1, f"one skipped step in {r['key']}")
        if "fault" not in r and r["lr"] == r["reference_lr"]:
            clean[r["task"], r["seed"], r["method"]] = r
    for (task, seed, method), r in clean.items():
        if method == "agmohd" and set(r["tally"]) <= {"clipped"}:
            expect(r["final"] == clean[task, seed, "clip"]["final"], f"{r['key']} to be its base, bit for bit")

    report = pathlib.Path(__file__).parent / "report.py"
    subprocess.run([sys.executable, report, out, "--out", folder / "report"], check=True)
    json.loads((folder / "report" / "report.json").read_text())
    charts = list((folder / "report").glob("*.svg"))
    expect(len(charts) > 20, "charts")
    for chart in charts:
        xml.parse(chart)
        chart.unlink()
    (folder / "report" / "report.json").unlink()
    (folder / "report").rmdir()


def parsed(line):
    try:
        return json.loads(line)
    except ValueError:
        return None


if __name__ == "__main__":
    main()
