#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""A run that was lost and resumed, twice, leaves the log and the loss of one that was not.

    check.py <the program>
"""

import pathlib
import subprocess
import sys
import tempfile

program = sys.argv[1]
with tempfile.TemporaryDirectory() as scratch:
    whole, parts = pathlib.Path(scratch, "whole"), pathlib.Path(scratch, "parts")

    def run(folder, *steps):
        folder.mkdir(exist_ok=True)
        done = subprocess.run([program, folder, *steps], capture_output=True, text=True, check=True)
        assert not done.stderr, done.stderr
        return done.stdout.splitlines()

    expected = run(whole)
    run(parts, "37")  # its checkpoint is of step 20
    assert run(parts, "133")[0] == "resumed after step 20"
    resumed = run(parts)
    assert resumed[0] == "resumed after step 120", resumed
    assert resumed[1:] == expected, (resumed, expected)
    logs = [(folder / "records.csv").read_text() for folder in (whole, parts)]
    assert logs[0] == logs[1], "the logs differ"
    assert len(logs[0].splitlines()) == 201
