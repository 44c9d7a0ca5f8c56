#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the libFuzzer targets (engine file, HDF5 reader), a minute each unless told otherwise. A crash
# leaves its input in build-fuzz/ and fails the script.
#   scripts/fuzz.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
scripts/setup.sh --dev
cmake -S . -B build-fuzz -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DDRAE_FUZZ=ON >/dev/null
cmake --build build-fuzz --target fuzzers >build-fuzz/build.log 2>&1 || { tail -n 40 build-fuzz/build.log; exit 1; }
for target in build-fuzz/tests/fuzz/fuzz_*; do
    if [ ! -f "$target" ] || [ ! -x "$target" ]; then
        continue
    fi
    name=$(basename "$target")
    mkdir -p "build-fuzz/corpus/$name"
    # Inputs are short lists of edits: of any length from the start. A reader child may ask for any amount of
    # memory and die of it; what this process holds is bounded.
    if ! "$target" -max_total_time="$seconds" -max_len=512 -len_control=0 -timeout=60 \
        -rss_limit_mb=4096 -malloc_limit_mb=1000000 -print_final_stats=1 \
        -artifact_prefix="build-fuzz/$name-" "build-fuzz/corpus/$name" >"build-fuzz/$name.log" 2>&1; then
        tail -n 30 "build-fuzz/$name.log"
        echo "fuzz: $name found something" >&2
        exit 1
    fi
    value() { grep -oE "$1 *[0-9]+" "build-fuzz/$name.log" | tail -n 1 | grep -oE '[0-9]+$'; }
    echo "fuzz: $name: $(value stat::number_of_executed_units:) inputs in $seconds s," \
        "$(value stat::average_exec_per_sec:) a second, $(value cov:) edges, no crash"
done
