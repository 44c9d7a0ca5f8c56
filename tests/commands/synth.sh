#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# drae synth: what it writes, the same bytes again, and how it ends when it is asked for nonsense, cannot
# write, or is interrupted.
# shellcheck source=tests/commands/lib.sh
source "$(dirname "$0")/lib.sh"
small=(--strips 2 --runs 1 --frames 1 --seed 5)

nothing_but() { # FOLDER FILE...: what lies there, hidden files included
    local folder=$1
    shift
    test "$(cd "$folder" && find . -mindepth 1 | sort | tr '\n' ' ')" = "$(printf '%s\n' "$@" | sort | sed 's|^|./|' | tr '\n' ' ')"
}

# ---- what it writes -----------------------------------------------------------------------------
mkdir a b
ok "$DRAE" synth -o a/kit.h5 --frames-out a/frames "${small[@]}" --defect-rate 1
check "it says what it made" grep -qE '^2 strips, 40 patches, [1-9][0-9]* of them defective$' stdout.txt
check "frames, recipe, marks and labels" nothing_but a kit.h5 frames frames/b000_p000000_r00_f00.png \
    frames/b000_p000001_r00_f00.png frames/recipe.yaml frames/mark-a.png frames/mark-b.png \
    frames/labels.csv frames/defects.csv
ok "$DRAE" synth -q -o b/kit.h5 "${small[@]}" --defect-rate 1 --threads 1
check "same seed, same bytes, with or without frames, for any threads" cmp a/kit.h5 b/kit.h5
check "--quiet is quiet" test ! -s stdout.txt
expect 2 'b/kit.h5: is there already; --force' "$DRAE" synth -q -o b/kit.h5 "${small[@]}" --good-only
check "an older kit is spared" cmp a/kit.h5 b/kit.h5
expect 2 'a/frames: holds files' "$DRAE" synth -q --frames-out a/frames -o b/new.h5 "${small[@]}"
check "nothing is written beside it" test ! -e b/new.h5
ok "$DRAE" synth -q -o b/kit.h5 "${small[@]}" --good-only --force
check "--force replaces it" sh -c '! cmp -s a/kit.h5 b/kit.h5'
mkdir b/empty
ok "$DRAE" synth -q --frames-out b/empty "${small[@]}" --good-only
ok "$DRAE" synth -q --frames-out b/empty "${small[@]}" --good-only --force

ok "$DRAE" synth -o b/every.h5 "${small[@]}" --defect-rate 1 --every-vial
check "a defect on every vial" grep -qE '^2 strips, 40 patches, 1[0-9] of them defective$' stdout.txt

# ---- bad usage ----------------------------------------------------------------------------------
expect 2 '' "$DRAE" synth
for bad in '--strips 0' '--strips many' '--strips 1.5' '--strips -3' '--runs 0' '--frames 1e3' \
    '--defect-rate 1.1' '--defect-rate nan' '--seed -1' '--seed 18446744073709551616' '--batch 1000000' \
    '--frame-shift 41' '--frame-turn 4' '--illumination-drift 0.6' '--resin 2' '--threads -1'; do
    # shellcheck disable=SC2086
    expect 2 "${bad%% *}" "$DRAE" synth -o x.h5 $bad
done
expect 2 'needs a value' "$DRAE" synth -o x.h5 --strips
expect 2 "unexpected argument 'kit.h5'" "$DRAE" synth kit.h5
expect 2 'contradict|exclude|good-only' "$DRAE" synth -o x.h5 --good-only --defect-rate 0.5
expect 2 'search' "$DRAE" synth --frames-out x --frame-shift 38 --frame-turn 3
expect 2 'product' "$DRAE" synth -o x.h5 --strips 1000000 --first-product 16000000
check "what was refused left nothing" test ! -e x.h5 -a ! -e x

# ---- unwritable ---------------------------------------------------------------------------------
expect 1 'nowhere/x.h5' "$DRAE" synth -q -o nowhere/x.h5 "${small[@]}"
expect 1 '/proc/none' "$DRAE" synth -q --frames-out /proc/none "${small[@]}"
echo plain >plain
expect 1 'plain' "$DRAE" synth -q --frames-out plain/frames "${small[@]}"
expect 1 'plain' "$DRAE" synth -q --frames-out plain "${small[@]}"
mkdir taken.h5
expect 1 'taken.h5' "$DRAE" synth -q -o taken.h5 "${small[@]}"
check "a folder in the way stays" test -d taken.h5

# ---- full disk ----------------------------------------------------------------------------------
mkdir full
cp a/kit.h5 full/kit.h5
expect 1 'full/kit.h5' small_files 100 "$DRAE" synth -q -o full/kit.h5 --force "${small[@]}"
check "the older kit survives a full disk, nothing else lies there" nothing_but full kit.h5
check "byte for byte" cmp a/kit.h5 full/kit.h5
expect 1 'full/frames/b000_p000000' small_files 100 "$DRAE" synth -q --frames-out full/frames "${small[@]}"
check "no half frame and no labels of a part of the kit" \
    nothing_but full/frames recipe.yaml mark-a.png mark-b.png

# ---- Ctrl-C -------------------------------------------------------------------------------------
"$DRAE" synth -q -o stop.h5 --frames-out stop --strips 5000 --seed 5 >stdout.txt 2>stderr.txt &
victim=$!
await "$victim" test -e stop/b000_p000001_r00_f00.png
kill -INT "$victim"
wait "$victim"
check "Ctrl-C ends with status 5" test $? -eq 5
check "and says that there is no data set" grep -qE 'interrupted after [0-9]+ patches, no data set written' stderr.txt
check "in one line" test "$(wc -l <stderr.txt)" -eq 1
check "which is true" test ! -e stop.h5
check "no temporary file is left" test -z "$(find . -name '*.tmp*')"
finish
