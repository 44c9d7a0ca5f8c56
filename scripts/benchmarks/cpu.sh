#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What docs/benchmarks/cpu.md wants from an idle machine and its peers do not cover: the layers of
# inference, cycles of 60 patches, the reader against the training step, synth by one and all cores,
# and training by two processes beside one of two threads. About 4 minutes on 2 cores.
#   scripts/benchmarks/cpu.sh OUT [BUILD [MPI_BUILD]]
# BUILD [build] holds drae and bench/, MPI_BUILD [none: left out] a drae built with -DDRAE_MPI=ON.
# OUT receives one file a measurement. Exit status: 0, 2 wrong usage, that of what failed.
set -euo pipefail
if [ "$#" -lt 1 ]; then
    sed -n '3,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
out="$1" build="${2:-$(dirname "$0")/../../build}" mpi="${3:-}"
mkdir -p "$out"
out="$(realpath "$out")" build="$(realpath "$build")"
say() { echo "$(date +%T) $*"; }
say "load $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) cores"

say "layers"
for width in 16 8; do
    "$build/bench/bench_infer" "$width" >"$out/layers-w$width.jsonl"
done

say "cycles of 60 patches, paced and not"
for width in 8 16; do
    "$build/drae" bench --random-width "$width" --heatmaps --seconds 10 --json \
        >"$out/cycle-w$width.json"
    "$build/drae" bench --random-width "$width" --heatmaps --seconds 5 --period-ms 0 --json \
        >"$out/unpaced-w$width.json"
done

say "synth by one thread and by all"
for threads in 1 0; do
    /usr/bin/env time -f '%e s, %U s of processors' -o "$out/synth-$threads.txt" \
        "$build/drae" synth -q -o "$out/kit-$threads.h5" --strips 16 --runs 1 --frames 2 \
        --threads "$threads"
done
cmp "$out/kit-1.h5" "$out/kit-0.h5"

say "a training step, and what the reader gives"
"$build/bench/bench_train_step" --width 16 --batch 32 --steps 3 >"$out/step.json"
# One file of 640 patches, opened as often as makes it larger than memory by its own count.
repeat=$(($(awk '/MemTotal/ {print $2}' /proc/meminfo) * 5 / 4 / (640 * 64)))
"$build/bench/bench_reader" "$out/kit-0.h5" --repeat "$repeat" --seconds 5 >"$out/reader.jsonl"

if [ -n "$mpi" ]; then
    say "16 patches a step by one process of two threads, then by two of one"
    common=(train --data "$out/kit-0.h5" --quiet --set validation.fraction=0 --set run.previews=0
        --set run.max_steps=6 --set run.seed=1)
    "$mpi/drae" "${common[@]}" --out "$out/one" --threads 2 --set run.batch=16
    OMP_WAIT_POLICY=passive mpirun --allow-run-as-root --oversubscribe -n 2 "$mpi/drae" "${common[@]}" \
        --out "$out/two" --threads 1 --set run.batch=8 --set run.sync_bn=true
fi
say "done, load $(cut -d' ' -f1-3 /proc/loadavg)"
