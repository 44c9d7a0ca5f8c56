#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Trains, calibrates and evaluates categories of MVTec AD on the CPU; about 35 minutes a category on
# 2 cores. Every fifth good training image is kept from training and calibrates. The data's licence
# (CC BY-NC-SA) keeps it out of the product: nothing of it is copied into the tree.
# OUT/CATEGORY/report/report.html has the figures, beside those of the golden template.
#   scripts/benchmarks/mvtec.sh DATA OUT [CATEGORY...]     DATA holds bottle/, screw/, ...
#   DRAE=build/drae  the command; a finished step in OUT is not done again
#   PRECISION=f32    where the CPU does not multiply in bf16, as the configurations ask (AVX512-BF16, AMX)
#   SCORE=h          what calibrates: auto (default), or h for the head too (drae calibrate --help)
set -euo pipefail
if [ $# -lt 2 ]; then
    sed -n '3,11s/^# //p' "$0" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
drae=${DRAE:-$here/../../build/drae}
data=$1
out=$2
shift 2
[ $# -gt 0 ] || set -- bottle screw

for category in "$@"; do
    dir=$out/$category
    mkdir -p "$dir/train" "$dir/calib"
    if [ ! -f "$dir/calib.h5" ]; then
        i=0
        for image in "$data/$category"/train/good/*; do
            half=train
            [ $((i % 5)) -ne 4 ] || half=calib
            cp "$image" "$dir/$half/"
            i=$((i + 1))
        done
        "$drae" import -q --force -o "$dir/train.h5" --good "$dir/train"
        "$drae" import -q --force -o "$dir/test.h5" --layout mvtec --split test "$data/$category"
        "$drae" import -q --force -o "$dir/calib.h5" --good "$dir/calib"
    fi
    if [ ! -f "$dir/trained" ]; then
        resume=()
        [ ! -f "$dir/run/checkpoint.h5" ] || resume=(--resume)
        config=(--config "$here/$category.yaml")
        [ -z "${PRECISION:-}" ] || config+=(--precision "$PRECISION")
        [ ${#resume[@]} -eq 0 ] || config=()
        "$drae" train --data "$dir/train.h5" --out "$dir/run" "${config[@]}" "${resume[@]}"
        touch "$dir/trained"
    fi
    # 41 good images: 20 for the maps of z, 21 for a threshold at a false-reject rate of one in 20.
    "$drae" calibrate --model "$dir/run/model.h5" --data "$dir/calib.h5" -o "$dir/model.h5" --false-reject 0.05 --small-sample --score "${SCORE:-auto}"
    "$drae" compile --model "$dir/model.h5" --data "$dir/calib.h5" -o "$dir/line.drae"
    "$drae" inspect -q --engine "$dir/line.drae" --data "$dir/test.h5" --out "$dir/verdicts" --force
    "$drae" eval --engine "$dir/line.drae" --data "$dir/test.h5" --good "$dir/train.h5" --out "$dir/report"
done
