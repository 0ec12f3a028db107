#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Times a step of PyTorch's clip_grad_norm_ and AdamW on the shapes of agmohd_bench. Needs torch only.

Rows: clip + AdamW(fused=True), clip + AdamW(foreach=True), the same without clipping, and on CUDA the fused ones
captured in a CUDA graph. All rows of a lineup are timed in turn, in rounds; --out writes JSON in the layout of Google
Benchmark's, which table.py and chart.py merge with that of agmohd_bench.
"""

import argparse
import datetime
import json
import statistics
import sys
import time

import torch


def gpt2(blocks, w):
    block = [(w,), (w,), (3 * w, w), (3 * w,), (w, w), (w,), (w,), (w,), (4 * w, w), (4 * w,), (w, 4 * w), (w,)]
    return [(50257, w), (1024, w)] + block * blocks + [(w,), (w,)]


SHAPES = {
    "gpt2_124m": lambda: gpt2(12, 768),
    "gpt2_xl": lambda: gpt2(48, 1600),
    "gpt2_4x512": lambda: gpt2(4, 512),
    "2000x1000": lambda: [(1000,)] * 2000,
    "10000x64": lambda: [(64,)] * 10000,
}
DTYPES = {"": torch.float32, "_bf16": torch.bfloat16, "_f64": torch.float64}


class Adam:
    """One row: its own optimizer on shared parameters and gradients."""

    def __init__(self, params, clip, capturable=False, **how):
        # As in agmohd_bench the bound is above the norm, so that clipping leaves the gradients as they are.
        self.bound = 0.02 * sum(p.numel() for p in params) ** 0.5 if clip else None
        self.params, self.foreach = params, True if params[0].is_cuda or "foreach" in how else None
        self.optimizer = torch.optim.AdamW(params, lr=1e-4, weight_decay=1e-2, capturable=capturable, **how)

    def __call__(self):
        if self.bound is not None:
            torch.nn.utils.clip_grad_norm_(self.params, self.bound, foreach=self.foreach)
        self.optimizer.step()


def captured(step):
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def replay(_alive=step):  # the graph works on the optimizer's state
        graph.replay()

    return replay


def timed(step, count, cuda):
    """Seconds of `count` steps: on the device, until the calls have returned, on the host's clock."""
    if not cuda:
        start = time.perf_counter()
        for _ in range(count):
            step()
        return (time.perf_counter() - start,) * 3
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    start = time.perf_counter()
    for _ in range(count):
        step()
    host = time.perf_counter() - start
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3, host, time.perf_counter() - start


def copy_rate(to, source, cuda):
    return 2 * 3 * to.nbytes / timed(lambda: to.copy_(source), 3, cuda)[0]


def measure(device, name, rounds):
    """Yields the entries of one lineup."""
    cuda = device == "cuda"
    base = next((s for s in DTYPES if s and name.endswith(s)), "")
    shapes, dtype = SHAPES[name.removesuffix(base)](), DTYPES[base]
    torch.manual_seed(1)
    params = []
    for shape in shapes:
        p = torch.empty(shape, device=device, dtype=dtype).normal_(0, 0.02).requires_grad_()
        p.grad = torch.empty_like(p).normal_(0, 0.01)
        params.append(p)
    elements, size = sum(p.numel() for p in params), params[0].element_size()

    steps = {}
    for clip, prefix, words in ((True, "pytorch_clip_", "clip_grad_norm_ + "), (False, "pytorch_", "")):
        needed = (8 if clip else 7) * size
        steps[prefix + "fused_adamw"] = (f"PyTorch, {words}AdamW(fused=True)", needed, Adam(params, clip, fused=True))
        steps[prefix + "foreach_adamw"] = (f"PyTorch, {words}AdamW(foreach=True)", needed, Adam(params, clip, foreach=True))
        if cuda:
            step = Adam(params, clip, capturable=True, fused=True)
            steps[prefix + "fused_adamw_graph"] = (f"PyTorch, {words}AdamW(fused=True), CUDA graph", needed, captured(step))

    source = torch.empty(2**28, device=device).uniform_()
    to = torch.zeros_like(source)
    counts = {}
    for row, (_, _, step) in steps.items():
        for _ in range(2):
            step()
        once = min(timed(step, 1, cuda)[2] for _ in range(3))
        counts[row] = min(max(round((0.05 if cuda else 0.25) / once), 1), 20000)
    found = {row: [] for row in steps}
    copies = []
    order = list(steps)
    for turn in range(rounds):
        copies.append(copy_rate(to, source, cuda))
        for row in order[turn % len(order) :] + order[: turn % len(order)]:
            step = steps[row][2]
            step()
            seconds = timed(step, counts[row], cuda)
            found[row].append([s / counts[row] for s in seconds])

    for row, (what, needed, _) in steps.items():
        run_name = f"{device}/{name}/{row}"
        samples = []
        for (whole, host, wall), copy in zip(found[row], copies):
            rate = needed * elements / whole
            samples.append(
                {
                    "real_time": whole * 1e3,
                    "cpu_time": host * 1e3,
                    "bytes_a_parameter": needed,
                    "GB/s": rate / 1e9,
                    "share_of_copy": rate / copy,
                    "copy_GB/s": copy / 1e9,
                    "wall_ms": wall * 1e3,
                    "host_ms": host * 1e3,
                    "host_us_a_tensor": host * 1e6 / len(params),
                    "steps": counts[row],
                    "parameters": elements,
                    "tensors": len(params),
                }
            )
        for aggregate, of in (("median", statistics.median), ("min", min), ("max", max)):
            yield {
                "name": f"{run_name}_{aggregate}",
                "run_name": run_name,
                "run_type": "aggregate",
                "repetitions": rounds,
                "aggregate_name": aggregate,
                "aggregate_unit": "time",
                "iterations": rounds,
                "time_unit": "ms",
                "label": what,
                **{key: of(sample[key] for sample in samples) for key in samples[0]},
            }


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--shapes",
        default="",
        metavar="NAMES",
        help=f"separated by commas: {', '.join(SHAPES)}, each also with _bf16 or _f64; default: gpt2_124m,2000x1000 "
        "and on CUDA gpt2_124m_bf16,gpt2_xl,10000x64",
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", metavar="FILE", help="where the JSON goes; default: the standard output")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("peers.py: this PyTorch finds no CUDA device")
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    names = arguments.shapes or "gpt2_124m,2000x1000" + (",gpt2_124m_bf16,gpt2_xl,10000x64" * (arguments.device == "cuda"))
    for name in names.split(","):
        if name.removesuffix("_bf16").removesuffix("_f64") not in SHAPES:
            parser.error(f"there are no shapes {name}")

    context = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "processor": processor(),
        "threads": str(torch.get_num_threads()),
        "libtorch": torch.__version__,
    }
    if arguments.device == "cuda":
        context |= {"gpu": torch.cuda.get_device_name(0), "cuda": torch.version.cuda}
    entries = []
    for name in names.split(","):
        print(f"{arguments.device}/{name}", file=sys.stderr)
        entries += measure(arguments.device, name, arguments.rounds)
        if arguments.device == "cuda":
            torch.cuda.empty_cache()
    text = json.dumps({"context": context, "benchmarks": entries}, indent=1)
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
