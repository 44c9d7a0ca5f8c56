#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# drae import and drae info: images and frames into data sets, what they say, what they refuse.
# shellcheck source=tests/commands/lib.sh
source "$(dirname "$0")/lib.sh"

fact() { # NAME VALUE: a line of info, or of its JSON
    check "info says $1: $2" grep -qE "^ *\"?$1\"?: $2,?\$" stdout.txt
}

ok "$DRAE" synth -q --strips 2 --runs 1 --frames 1 --defect-rate 1 --seed 5 --frames-out frames

# ---- frames ----
ok "$DRAE" import -q -o frames.h5 --layout frames --recipe frames/recipe.yaml frames
ok "$DRAE" info frames.h5
fact kind 'data set'
fact patches 40
fact products 2
fact frames 2
fact vial yes
ok "$DRAE" info frames.h5 --json
fact patches 40
fact vial true
check "the hash has 64 digits" grep -qE '"data_hash": "[0-9a-f]{64}"' stdout.txt
ok "$DRAE" info frames.h5 --json --quick
check "--quick leaves the hash out" sh -c '! grep -q data_hash stdout.txt'
ok "$DRAE" import -q -o again.h5 --layout frames --recipe frames/recipe.yaml frames
check "same frames, same bytes" cmp -s frames.h5 again.h5
expect 2 'needs --recipe' "$DRAE" import -o x.h5 --layout frames frames
expect 2 'goes with --layout frames' "$DRAE" import -o x.h5 --recipe frames/recipe.yaml frames
expect 3 'nowhere.yaml' "$DRAE" import -q -o x.h5 --layout frames --recipe nowhere.yaml frames

# ---- folders ----
mkdir photos
cp frames/b000*.png photos/
ok "$DRAE" import -q -o tiles.h5 --tile --size 96 --region 7 --defective photos
ok "$DRAE" info tiles.h5
fact size 96
fact good 0
fact '  1 defective' '[0-9]+'
ok "$DRAE" import -q -o small.h5 --size 32 --black 20 --white 200 photos
ok "$DRAE" info small.h5
fact patches 2
fact size 32

# ---- MVTec ----
mkdir -p cat/train/good cat/test/good cat/test/dent cat/ground_truth/dent
cp photos/b000_p000000_r00_f00.png cat/train/good/000.png
cp photos/b000_p000000_r00_f00.png cat/test/good/000.png
cp photos/b000_p000001_r00_f00.png cat/test/dent/000.png
cp photos/b000_p000001_r00_f00.png cat/ground_truth/dent/000_mask.png
ok "$DRAE" import -q -o train.h5 --layout mvtec --split train cat
ok "$DRAE" import -q -o test.h5 --layout mvtec --split test cat
ok "$DRAE" info train.h5
fact patches 1
fact masks no
ok "$DRAE" info test.h5
fact defective 1
fact masks yes
fact '1 dent' 1
expect 3 'train/good' "$DRAE" import -q -o x.h5 --layout mvtec frames

# ---- what is wrong ----
expect 2 'give -o FILE' "$DRAE" import photos
expect 2 'name folders or files' "$DRAE" import -o x.h5
expect 2 'contradict' "$DRAE" import -o x.h5 --good --defective photos
expect 2 'less than --white' "$DRAE" import -o x.h5 --black 9 --white 9 photos
expect 2 '' "$DRAE" import -o x.h5 --size 8 photos
expect 3 'nowhere' "$DRAE" import -q -o x.h5 nowhere
for kind in empty corrupt text other-size; do
    case $kind in
    empty) : >photos/bad.png ;;
    corrupt) head -c 2000 photos/b000_p000000_r00_f00.png >photos/bad.png ;;
    text) echo "no picture" >photos/bad.png ;;
    other-size) cp frames/mark-a.png photos/bad.png ;;
    esac
    expect 3 'bad.png' "$DRAE" import -q -o x.h5 photos
    check "$kind: nothing is written" test ! -e x.h5
    "$DRAE" import -q -o skipped.h5 --force --skip-bad photos >stdout.txt 2>stderr.txt
    check "$kind: --skip-bad goes on" test $? -eq 0
    check "$kind: --skip-bad names it" grep -q 'passed over: photos/bad.png' stderr.txt
    check "$kind: the rest is there" grep -q '2 patches' stdout.txt
done
rm photos/bad.png
expect 1 'nowhere/x.h5' "$DRAE" import -q -o nowhere/x.h5 photos
cp train.h5 kept.h5
expect 2 'kept.h5: is there already; --force' "$DRAE" import -q --tile -o kept.h5 photos
check "an older file is spared" cmp train.h5 kept.h5
expect 1 'kept.h5' small_files 100 "$DRAE" import -q --deflate 0 --tile -o kept.h5 --force photos
check "a full disk spares the older file" cmp train.h5 kept.h5
for i in $(seq 100); do ln -s 000.png "cat/train/good/l$i.png"; done
"$DRAE" import -q --tile --size 64 -o stop.h5 cat/train/good >stdout.txt 2>stderr.txt &
victim=$!
await "$victim" compgen -G 'stop.h5*'
kill -INT "$victim"
wait "$victim"
check "Ctrl-C ends with status 5" test $? -eq 5
check "in one line" test "$(wc -l <stderr.txt)" -eq 1
check "and leaves no file" test -z "$(find . -name 'stop.h5*')"
check "no temporary files are left" sh -c '! ls ./*.tmp 2>/dev/null | grep -q .'

# ---- info on what it does not know ----
expect 2 'name one file' "$DRAE" info
expect 2 'name one file' "$DRAE" info train.h5 test.h5
expect 3 'No such file' "$DRAE" info nowhere.h5
expect 3 'not a regular file' "$DRAE" info photos
expect 3 'not an HDF5 file' "$DRAE" info frames/mark-a.png
head -c 3000 test.h5 >cut.h5
expect 3 'cut.h5' "$DRAE" info cut.h5
: >empty.h5
expect 3 'empty' "$DRAE" info empty.h5
finish
