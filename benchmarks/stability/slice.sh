#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
# One slice of the full form on a machine with a GPU: small networks on the CPU, a larger GPT on the GPU beside them.
#   benchmarks/stability/slice.sh PROGRAM FOLDER MINUTES [ARGUMENT...]      e.g. ... --list final
# What FOLDER holds of earlier slices is not run again. No run begins after MINUTES; the last ends some seconds later.
# Honoured: GPU_PROCESSES (4; 0: no GPU), CPU_PROCESSES (the cores less those), GPU_ARGS.
set -euo pipefail
program=$1 folder=$2 minutes=$3
shift 3
gpu_processes=${GPU_PROCESSES:-4}
cpu_processes=${CPU_PROCESSES:-$(($(nproc) > gpu_processes ? $(nproc) - gpu_processes : 1))}
read -ra gpu <<< "${GPU_ARGS:---tasks gpt --width 96 --layers 4 --context 128 --batch 16 --steps 600}"
mkdir -p "$folder"
export OMP_NUM_THREADS=1

running=()
begin() { # NAME ARGUMENT...: plan, results and log of that name
  local name=$1
  shift
  "$program" "$@" --list-runs > "$folder/$name.plan"
  "$program" "$@" --minutes "$minutes" --out "$folder/$name.jsonl" 2> "$folder/$name.log" &
  running+=($!)
}

begin cpu --processes "$cpu_processes" --workers 1 "$@"
[ "$gpu_processes" -eq 0 ] || begin gpu --device cuda --processes "$gpu_processes" "$@" "${gpu[@]}"
status=0
for process in "${running[@]}"; do wait "$process" || status=1; done
tail -n 1 "$folder"/*.log
exit $status
