#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a bare Debian 12 machine to a verdict: sets up, builds, makes strips, trains for a short while
# to show it, then lets the shipped model inspect a fresh kit with defects. Under 15 minutes on 2
# cores. Pictures and results land in out/demo (or the folder named).
#   scripts/demo.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-out/demo}
start=$(date +%s)
step() {
    printf '\n== %s (%d s)\n' "$1" $(($(date +%s) - start))
}

step "1/6 set-up and build"
scripts/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release -j "$(nproc)" --target drae_command | tail -n 1
drae=build/drae
rm -rf "$out"
mkdir -p "$out"

step "2/6 strips of good products to learn from"
"$drae" synth -o "$out/good.h5" --strips 60 --runs 1 --frames 1 --defect-rate 0 --seed 1

step "3/6 a short training, to watch it learn"
"$drae" train --data "$out/good.h5" --out "$out/run" --config weights/train-demo.yaml --max-minutes 3

step "4/6 the shipped model, compiled for this CPU"
"$drae" compile --model weights/drae-w8.h5 -o "$out/line.drae"
"$drae" info "$out/line.drae"

step "5/6 a fresh kit: ten strips that the model never saw, each with a defect"
"$drae" synth -o "$out/kit.h5" --strips 10 --runs 1 --frames 1 --defect-rate 1 --seed 13 --first-product 300000

step "6/6 verdicts"
"$drae" inspect --engine "$out/line.drae" --data "$out/kit.h5" --out "$out/verdicts"

printf '\n== done in %d s. Look at:\n' $(($(date +%s) - start))
printf '   %-44s %s\n' \
    "$out/verdicts/" "contact sheets, overlays of rejects, results.jsonl" \
    "$out/run/" "previews, curves.svg and model.h5 of the short training"
