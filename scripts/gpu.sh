#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
# On a machine with a GPU: builds, tests, sanitizes and measures the CUDA lanes, and tests the package.
#   scripts/gpu.sh [-o FOLDER] [build|test|sanitize|bench|all]...     (default: all)
# Results (JSON, tables, charts, logs) go to FOLDER, default build-gpu/results. Honoured: TORCH_CUDA_ARCH_LIST (default:
# the GPU that is here), CMAKE_ARGS (further arguments of the configuration), BENCH_ARGS (of the benchmark program),
# PEERS_ARGS (of benchmarks/peers.py), PYTHON (one with torch, for peers.py).
set -euo pipefail
cd "$(dirname "$0")/.."

# The small subset of cuda_test that compute-sanitizer, which is slow, runs.
sanitize_filter='*Sanitize*'

build="build-gpu"
out="$build/results"
stages=()
while [ $# -gt 0 ]; do
  case $1 in
    -o) out=${2:?-o needs a folder}; shift ;;
    build | test | sanitize | bench) stages+=("$1") ;;
    all) stages+=(build test sanitize bench) ;;
    *) echo "scripts/gpu.sh [-o FOLDER] [build|test|sanitize|bench|all]..., not '$1'" >&2; exit 2 ;;
  esac
  shift
done
[ ${#stages[@]} -gt 0 ] || stages=(build test sanitize bench)
mkdir -p "$build" "$out"

machine() {
  nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv,noheader
  nvcc --version | tail -n 2
  c++ --version | head -n 1
  cmake --version | head -n 1
  nproc
}

build() {
  # shellcheck disable=SC2086
  cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" \
    -DAGMOHD_CUDA=ON -DAGMOHD_SECOND_LIBTORCH= ${CMAKE_ARGS:-}
  cmake --build $build --target gpu
}

run_tests() {
  ctest --test-dir $build -L gpu --output-on-failure --no-tests=error 2>&1 | tee "$out/ctest.log"
  ctest --test-dir $build -L package -j 4 --output-on-failure --no-tests=error 2>&1 | tee "$out/package.log"
}

sanitize() {
  local program=$build/tests/cuda_test
  $program --gtest_list_tests --gtest_filter="$sanitize_filter" | grep -q '^  ' ||
    { echo "no test of $program matches $sanitize_filter" >&2; return 1; }
  for tool in memcheck racecheck; do
    compute-sanitizer --tool $tool --error-exitcode 1 $program --need-gpu --gtest_filter="$sanitize_filter" \
      2>&1 | tee "$out/$tool.log"
  done
}

bench() {
  local python=${PYTHON:-python3} rules="$out/rules.md"
  $build/benchmarks/agmohd_rules_bench | tee "$rules"
  $build/benchmarks/agmohd_rules_bench gpt2_124m | tee "$out/rules_124m.md"
  # shellcheck disable=SC2086
  $build/benchmarks/agmohd_bench --benchmark_filter='^cuda/' --benchmark_out="$out/bench.json" \
    --benchmark_out_format=json ${BENCH_ARGS:-}
  local files=("$out/bench.json")
  if $python -c 'import torch' 2>/dev/null; then
    $python benchmarks/rules_peers.py < "$rules" | tee "$out/rules_peers.md"
    # shellcheck disable=SC2086
    $python benchmarks/peers.py --device cuda --out "$out/peers.json" ${PEERS_ARGS:-}
    files+=("$out/peers.json")
  else
    echo "$python has no torch: PyTorch's rows are left out" >&2
  fi
  python3 benchmarks/table.py "${files[@]}" | tee "$out/table.md"
  python3 benchmarks/chart.py "${files[@]}" --out "$out/step.svg"
  python3 benchmarks/chart.py "${files[@]}" --value share --only gpt2 --out "$out/share.svg"
}

machine | tee "$out/machine.txt"
for stage in "${stages[@]}"; do
  echo "== $stage"
  start=$SECONDS
  case $stage in
    build) build ;;
    test) run_tests ;;
    sanitize) sanitize ;;
    bench) bench ;;
  esac
  echo "== $stage took $((SECONDS - start)) s"
done
