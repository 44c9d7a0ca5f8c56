#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From frame to verdict: the same strips, lying as drawn and shifted and turned within the search
# window, found by the recipe's fixture, get the same verdicts. docs/recipe.md has the figures of a
# larger run.
# shellcheck source=tests/commands/lib.sh
source "$(dirname "$0")/lib.sh"

models=("$DRAE_SOURCE"/weights/*.h5)
model=${models[0]}
strips=6
moved=(--frame-shift 20 --frame-turn 1)

# ---- thresholds from good patches that were cut as the line cuts them ---------------------------
ok "$DRAE" synth -q --frames-out good --strips 8 --runs 1 --frames 1 --good-only --seed 12 \
    --first-product 200000 "${moved[@]}"
ok "$DRAE" import -q -o good.h5 --layout frames --recipe good/recipe.yaml good
ok "$DRAE" calibrate -q --model "$model" --data good.h5 -o cal.h5 --score phi --false-reject 0.025 \
    --small-sample
ok "$DRAE" compile --model cal.h5 -o line.drae

# ---- the same strips twice ----------------------------------------------------------------------
kit=(--strips "$strips" --runs 1 --frames 1 --defect-rate 0.5 --seed 21 --first-product 400000)
ok "$DRAE" synth -q --frames-out still "${kit[@]}"
ok "$DRAE" synth -q --frames-out moved "${kit[@]}" "${moved[@]}"
for k in still moved; do
    ok "$DRAE" inspect -q --engine line.drae --data $k --recipe $k/recipe.yaml --out $k.out --heatmaps none
    grep '"type":"patch"' $k.out/results.jsonl |
        sed -E 's/.*"score":([^,]*),"threshold":([^,]*),"reject":([^,]*),.*/\1 \2 \3/' >$k.txt
    check "$k: every patch of every strip has a verdict" \
        test "$(grep -cE '^0\.[0-9]+ 0\.[0-9]+ (true|false)$' $k.txt)" -eq $((strips * 20))
done
check "the frames differ" sh -c '! cmp -s still/b000_p400000_r00_f00.png moved/b000_p400000_r00_f00.png'
check "some patches are rejected" grep -q true still.txt

# Scores move by a small part of what they spread; verdicts differ for a few patches at most, and
# only where the score lay at its threshold.
paste -d' ' still.txt moved.txt | awk '
    {d = $4 - $1; sum += $1; square += $1 * $1; dd += d * d; n++
     if ($3 != $6) {flips++; far += ($1 - $2 > 0.002 || $2 - $1 > 0.002)}}
    END {spread = sqrt(square / n - (sum / n) ^ 2)
         printf "%d patches: scores spread %.5f, moving changes them by %.5f (rms), %d flips, %d far from the threshold\n",
             n, spread, sqrt(dd / n), flips, far
         exit !(sqrt(dd / n) < 0.1 * spread && flips <= 4 && far == 0)}' >compare.txt
check "moving a part changes scores little: $(cat compare.txt)" test "${PIPESTATUS[1]}" -eq 0
cat compare.txt
strip_verdicts() {
    grep '"type":"strip"' "$1.out/results.jsonl" | grep -oE '"product":[0-9]+|"reject":(true|false)' | paste - -
}
check "at most one strip of $strips at its threshold changes sides" \
    test "$(diff <(strip_verdicts still) <(strip_verdicts moved) | grep -c '^<')" -le 1

# ---- labelled defects: their masks are outlined on the overlays -----------------------------------
ok "$DRAE" synth -q -o masked.h5 --strips 1 --runs 1 --frames 1 --defect-rate 1 --seed 5
ok "$DRAE" inspect -q --engine line.drae --data masked.h5 --out masked --heatmaps all
check "an overlay a patch, with its mask" test "$(find masked/patches -name '*.png' | wc -l)" -eq 20
finish
