#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The synthetic kits that the published table is compared on: 141 good and 120 defective products in
# 10 runs for R0, R1, products and runs; for R2 and R3 a kit of one frame with 2,400 and more defects
# a region, each on a vial of its own. Makes them, evaluates the engine beside the golden template, repeats the
# inspection of the first as Knapp's test, and writes OUT/kit.md.
#   scripts/benchmarks/kit.sh [--quick] OUT [ENGINE]
#   ENGINE      compiled engine; without it OUT/line.drae is made of weights/drae-w8.h5
#   --quick     a tenth of the products and 3 runs: tries the script, says nothing of the engine
#   DRAE=build/drae  the command; kits and reports that are there already are kept
# Patches: 52,200 and 43,000; at 150 patches/s of inference (w = 8, 2 cores) 11 minutes, and 6 to make
# the kits.
set -euo pipefail
quick=0
if [ "${1:-}" = --quick ]; then
    quick=1
    shift
fi
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    sed -n '3,14s/^# //p' "$0" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
drae=${DRAE:-$here/../../build/drae}
out=$1
engine=${2:-$out/line.drae}
good=141 bad=120 single=2150 template=100 runs=10
if [ "$quick" = 1 ]; then
    good=14 bad=12 single=60 template=20 runs=3
fi
mkdir -p "$out"

if [ $# -eq 1 ]; then
    "$drae" compile --model "$here/../../weights/drae-w8.h5" -o "$engine"
fi
make() { # FILE OPTION...: a kit, unless it is there
    local file=$1
    shift
    [ -f "$file" ] || "$drae" synth -o "$file" --frames 1 "$@"
}
make "$out/good.h5" --strips "$good" --runs "$runs" --defect-rate 0 --seed 21 --first-product 400000
make "$out/bad.h5" --strips "$bad" --runs "$runs" --defect-rate 1 --seed 21 --first-product 410000
make "$out/single.h5" --strips "$single" --runs 1 --defect-rate 1 --every-vial --seed 22 --first-product 420000
make "$out/template.h5" --strips "$template" --runs 1 --good-only --seed 23 --first-product 430000

if [ ! -f "$out/kit/report.html" ]; then
    "$drae" eval --engine "$engine" --data "$out/good.h5" "$out/bad.h5" --good "$out/template.h5" --out "$out/kit"
fi
if [ ! -f "$out/single/report.html" ]; then
    "$drae" eval --engine "$engine" --data "$out/single.h5" --good "$out/template.h5" --out "$out/single"
fi
if [ ! -f "$out/knapp/knapp.html" ]; then
    "$drae" knapp --scores "$out/kit/scores.csv" --out "$out/knapp"
fi
"$here/kit.py" "$out" >"$out/kit.md.tmp"
mv "$out/kit.md.tmp" "$out/kit.md"
cat "$out/kit.md"
