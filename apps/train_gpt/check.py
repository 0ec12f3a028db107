#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""The files of train_gpt: what an interrupt, a full disk, a wrong file or a damaged one leave, and how a run goes on.

    check.py <the program train_gpt>
"""

import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time
import zipfile

PROGRAM = sys.argv[1]
OPTIMIZERS = "torch-adamw adamw agmohd-sgd agmohd-adam agmohd".split()
TINY = "--layers 1 --heads 1 --width 16 --context 16 --batch 2 --sample 0 --threads 1 --warmup 2".split()


def run(folder, *options, **how):
    return subprocess.run([PROGRAM, *TINY, *options], cwd=folder, capture_output=True, text=True, **how)


def expect(done, code, *texts):
    everything = done.stdout + done.stderr
    assert done.returncode == code, (done.returncode, everything)
    for text in texts:
        assert text in everything, (text, everything)
    for raw in ("terminate", "frame #", "basic_filebuf", ".cpp:", "serialize"):
        assert raw not in everything, (raw, everything)


def rows(path):
    return [line.split(",") for line in path.read_text().splitlines()[1:]]


def wrong_arguments(folder):
    expect(run(folder, "--step", "5"), 2, "--step: no such option (--steps?)")
    expect(run(folder, "--step=5"), 2, "--step: no such option (--steps?)")
    expect(run(folder, "--none"), 2, "--none: no such option")
    expect(run(folder, "--data", str(folder)), 1, "--data", "is a folder")


def wrong_checkpoints(folder):
    records = folder / "train_gpt_records.csv"
    records.write_text("as it was\n")
    (folder / "text.pt").write_text("not a checkpoint")
    expect(run(folder, "--resume", "none.pt"), 1, "none.pt", "no such file")
    expect(run(folder, "--resume", "."), 1, "it is a folder")
    expect(run(folder, "--resume", "text.pt"), 1, "text.pt", "damaged, or no file of")
    assert records.read_text() == "as it was\n", "the records were touched"


def resumed_and_extended(folder):
    """The same as a run of that length, from the losses to the optimizer's records."""
    whole, parts = folder / "whole", folder / "parts"
    whole.mkdir()
    parts.mkdir()
    expect(run(whole, "--steps", "30", "--checkpoint", "c.pt"), 0)
    expect(run(parts, "--steps", "30", "--checkpoint", "c.pt"), 0)
    expect(run(parts, "--steps", "40", "--resume", "c.pt", "--checkpoint", "d.pt"), 0, "Resumed after step 30")
    losses = [[row[:2] for row in rows(part / "train_gpt.csv")] for part in (parts, whole)]
    assert losses[0][:30] == losses[1] and len(losses[0]) == 40, "the losses differ"
    records = rows(parts / "train_gpt_records.csv")
    assert [int(row[0]) for row in records] == list(range(1, 41)), "the records are not those of 40 steps"
    assert float(records[-1][3]) > 0, "the learning rate follows the new number of steps"
    expect(run(parts, "--steps", "20", "--resume", "c.pt"), 1, "beyond --steps 20")
    expect(run(parts, "--steps", "40", "--width", "32", "--resume", "c.pt"), 1, "--width 16, not 32")


def damaged(folder):
    """Every byte of the weights counts: LibTorch reads its files without checking their CRCs."""
    expect(run(folder, "--steps", "3", "--checkpoint", "c.pt"), 0)
    data = bytearray((folder / "c.pt").read_bytes())
    with zipfile.ZipFile(folder / "c.pt") as archive:
        tensors = [entry for entry in archive.infolist() if "/data/" in entry.filename and entry.file_size >= 64]
    noticed = 0
    for entry in tensors:
        name, extra = (int.from_bytes(data[entry.header_offset + at :][:2], "little") for at in (26, 28))
        at = entry.header_offset + 30 + name + extra + entry.file_size // 8 * 4 + 3  # an exponent
        data[at] ^= 0x40
        (folder / "bad.pt").write_bytes(data)
        done = run(folder, "--steps", "4", "--resume", "bad.pt")
        data[at] ^= 0x40
        if done.returncode == 0:
            assert "nan" not in done.stdout  # it is of the table of losses
        else:
            expect(done, 1, "bad.pt", "damaged")
            noticed += 1
    assert noticed >= len(tensors) - 3, (noticed, len(tensors))


def full_disk(folder):
    def small():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write fails
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = run(folder, "--steps", "6", "--checkpoint", "c.pt", "--checkpoint-every", "3", preexec_fn=small)
    expect(done, 1, "--checkpoint", "cannot write", "Validation")
    assert not list(folder.glob("c.pt*")), "litter"


def interrupted(folder, number):
    """Table, picture and, where it was asked for, a checkpoint are left; the exit code says which signal it was."""
    for checkpoint in ([], ["--checkpoint", "c.pt"]):
        command = [PROGRAM, *TINY, "--steps", "1000000", *checkpoint]
        child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        child.stdout.readline()  # the model is there
        child.stdout.readline()  # a step was taken
        time.sleep(0.2)
        child.send_signal(number)
        out, err = child.communicate(timeout=60)
        assert child.returncode == 128 + number, (child.returncode, out, err)
        assert "Interrupted." in out
        for name in ("train_gpt.csv", "train_gpt.svg"):
            assert (folder / name).stat().st_size > 100, name
            (folder / name).unlink()
        assert (folder / "c.pt").exists() == bool(checkpoint)


def not_a_number(folder):
    done = run(folder, "--steps", "4", "--optimizer", "torch-adamw", "--fault", "nan@2")
    expect(done, 1, "Validation: loss")


def schedules(folder):
    """By name they drive every optimizer; the table has their rates. A resumed run goes on with them."""
    for optimizer in OPTIMIZERS:
        how = "--optimizer", optimizer, "--schedule", "linear,end_factor=0.5", "--lr", "1e-3"
        expect(run(folder, "--steps", "10", *how), 0)
        rates = [float(row[2]) for row in rows(folder / "train_gpt.csv")]
        assert rates[:2] == [5e-4, 1e-3] and abs(rates[-1] - 5e-4) < 1e-4, (optimizer, rates)
    records = [float(row[3]) for row in rows(folder / "train_gpt_records.csv")]
    assert len(records) == 10 and abs(records[0] / rates[0] - 1) < 1e-6, records
    for name in ("constant", "wsd", "one_cycle", "noam,model_dim=16,noam_steps=2", "piecewise,points=0:1/9:0"):
        expect(run(folder, "--steps", "4", "--optimizer", "torch-adamw", "--warmup", "1", "--schedule", name), 0)
    whole, parts = folder / "whole", folder / "parts"
    whole.mkdir()
    parts.mkdir()
    chosen = "--schedule", "wsd", "--accumulate", "2", "--group-decay"
    for optimizer in ("agmohd", "torch-adamw"):
        chosen = (*chosen, "--optimizer", optimizer)
        expect(run(whole, "--steps", "12", *chosen), 0)
        expect(run(parts, "--steps", "6", *chosen, "--checkpoint", "c.pt"), 0)
        expect(run(parts, "--steps", "12", *chosen, "--resume", "c.pt"), 0)
        losses = [[row[1] for row in rows(part / "train_gpt.csv")] for part in (parts, whole)]
        assert losses[0][:3] == losses[1][:3] and len(losses[0]) == 12, losses
    other = "--resume", "c.pt", "--optimizer", "torch-adamw"
    expect(run(parts, "--steps", "12", *other), 1, "--schedule wsd, not cosine")
    expect(run(folder, "--schedule", "cosin"), 2, "--schedule: there is no schedule", "cosine")
    expect(run(folder, "--schedule", "step,size=3"), 2, "--schedule", "no option size", "step_size")
    expect(run(folder, "--schedule", "step,gamma"), 2, "--schedule", "name=value")


def group_decay(folder):
    """Embeddings decay by default, and not with it; norms and biases never do."""
    for optimizer in OPTIMIZERS:
        more = "--steps", "6", "--optimizer", optimizer, "--weight-decay", "0.5"
        expect(run(folder, *more), 0)
        with_embeddings = rows(folder / "train_gpt.csv")
        expect(run(folder, *more, "--group-decay"), 0)
        assert rows(folder / "train_gpt.csv") != with_embeddings, optimizer


def accumulated(folder):
    """The losses are means over all batches of a step, and those of torch's AdamW."""
    found = {}
    for optimizer in OPTIMIZERS:
        expect(run(folder, "--steps", "6", "--optimizer", optimizer, "--accumulate", "3"), 0, "a step takes 96 of them")
        found[optimizer] = [float(row[1]) for row in rows(folder / "train_gpt.csv")]
        assert len(found[optimizer]) == 6
    assert max(abs(a - b) for a, b in zip(found["adamw"], found["torch-adamw"])) < 1e-5, found
    assert found["agmohd"][0] == found["torch-adamw"][0], found
    expect(run(folder, "--accumulate", "0"), 2, "--accumulate: '0' is not allowed", "from 1 to")


def learning_rate(folder):
    for optimizer in OPTIMIZERS:
        done = run(folder, "--find-lr", "--steps", "30", "--optimizer", optimizer, "--accumulate", "2", "--group-decay")
        expect(done, 0, "valley: --lr", "steepest: --lr", "Losses of the test: train_gpt.svg")
        assert (folder / "train_gpt.svg").read_text().count("<polyline") == 2
        assert not (folder / "train_gpt.csv").exists(), "it trains nothing"
    expect(run(folder, "--find-lr", "--checkpoint", "c.pt"), 2, "--find-lr: takes neither")
    expect(run(folder, "--find-lr", "--steps", "9"), 2, "--steps: '9' is not allowed", "10 or more")


for case, *arguments in (
    (wrong_arguments,),
    (schedules,),
    (group_decay,),
    (accumulated,),
    (learning_rate,),
    (wrong_checkpoints,),
    (resumed_and_extended,),
    (damaged,),
    (full_disk,),
    (interrupted, signal.SIGINT),
    (interrupted, signal.SIGTERM),
    (not_a_number,),
):
    with tempfile.TemporaryDirectory() as scratch:
        case(pathlib.Path(scratch), *arguments)
    print("kept:", case.__name__, *arguments)
