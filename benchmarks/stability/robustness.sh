#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
# How wide is the range of learning rates that work? Trains small networks with several methods at nine learning rates,
# half decades apart, on as many processes as there are cores, and prints the tables.
#   benchmarks/stability/robustness.sh PROGRAM FOLDER [ARGUMENT...]      e.g. ... --tasks mlp --seeds 1 --rates 1e-3,1e-2
# PROGRAM is agmohd_stability; arguments go to it. What FOLDER holds already is not run again: stop and start as you like.
# Honoured: PROCESSES (the cores), METHODS, SECONDS_A_RUN (of one core, for the estimate).
set -euo pipefail
program=$1 folder=$2
shift 2
here=$(dirname "$0")
processes=${PROCESSES:-$(nproc)}
methods=clip,agmohd,agmohd-stabilize,stableadamw-clip,schedulefree-clip,prodigy-clip,prodigy-safeguard
methods=${METHODS:-$methods,capped,capped-tight,agmohd-hold}
seconds=${SECONDS_A_RUN:-2.4}
mkdir -p "$folder"
export OMP_NUM_THREADS=1

arguments=(lr --steps 800 --seeds 3 --tasks mlp,gpt,vit --methods "$methods" "$@")
"$program" "${arguments[@]}" --list-runs > "$folder/plan"
runs=$(wc -l < "$folder/plan")
awk -v n="$runs" -v s="$seconds" -v p="$processes" \
  'BEGIN { printf "%d runs x %.1f s / %d processes: about %.0f s\n", n, s, p, n * s / p }' >&2
"$program" "${arguments[@]}" --processes "$processes" --workers 1 --out "$folder/runs.jsonl" 2> "$folder/log" || {
  tail -n 3 "$folder/log" >&2
  exit 1
}
python3 "$here/robustness.py" "$folder/runs.jsonl" | tee "$folder/robustness.md"
