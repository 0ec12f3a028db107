#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""TensorBoard itself reads what monitor::TensorBoard writes, and finds the numbers of the CSV file beside it.

    tensorboard_check.py <tensorboard_sample> <folder of the virtual environment>

pip installs TensorBoard into the folder. Exits with 77 where it cannot.
"""

import csv
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

PACKAGES = ["tensorboard==2.20.0", "setuptools<81"]  # TensorBoard 2.20 imports pkg_resources
SCALARS = ["lr", "norm", "update_rms", "level", "clip_factor", "momentum", "lr_factor"]


def install(folder):
    """The interpreter that has TensorBoard, or nothing."""
    python, stamp = folder / "bin" / "python3", folder / "agmohd-stamp"
    if not (stamp.exists() and stamp.read_text() == str(PACKAGES)):
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], pip + PACKAGES):
            if subprocess.run(command).returncode != 0:
                return None
        stamp.write_text(str(PACKAGES))
    return python


def float32(text):
    return struct.unpack("f", struct.pack("f", float(text)))[0]


def check(sample):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sample, folder], check=True)
        rows = list(csv.DictReader(pathlib.Path(folder, "records.csv").open()))
        files = list(pathlib.Path(folder).glob("events.out.tfevents.*"))
        assert len(files) == 1 and len(rows) == 300, (files, len(rows))
        events = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0})
        events.Reload()

        for name in SCALARS + ["loss"]:
            wanted = [(int(r["step"]), float32(r[name])) for r in rows if not math.isnan(float(r[name]))]
            found = [(e.step, e.value) for e in events.Scalars("agmohd/" + name)]
            assert found == wanted, (name, found[:3], wanted[:3])
            assert all(e.wall_time > 1.7e9 for e in events.Scalars("agmohd/" + name))
        assert len(events.Scalars("agmohd/loss")) == 270
        assert [(e.step, e.value) for e in events.Scalars("validation/loss")] == [(300, 1.25)]
        texts = events.Tensors("agmohd/hindrance")
        assert [e.step for e in texts] == [100, 200, 300], texts
        assert b"explosion" in texts[0].tensor_proto.string_val[0], texts[0]
        assert events.Tensors("note")[0].tensor_proto.string_val == [b"n" * 200]
        assert "note" in events.PluginTagToContent("text")

        # The checksums are looked at: one wrong byte anywhere, and no event comes out whole.
        whole = files[0].read_bytes()
        files[0].write_bytes(whole[:-10] + bytes([whole[-10] ^ 1]) + whole[-9:])
        damaged = EventAccumulator(folder, size_guidance={"tensors": 0})
        damaged.Reload()
        assert "note" not in damaged.Tags()["tensors"], "a wrong checksum went unnoticed"
    print("TensorBoard reads", len(rows), "records of", len(SCALARS) + 1, "scalars: all right")


if __name__ == "__main__":
    if sys.argv[2:] == ["--installed"]:
        sys.exit(check(sys.argv[1]))
    interpreter = install(pathlib.Path(sys.argv[2]).resolve())
    if interpreter is None:
        sys.exit(77)
    sys.exit(subprocess.run([str(interpreter), __file__, sys.argv[1], "--installed"]).returncode)
