#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# drae inspect and calibrate: verdicts and their files, and how bad input, full disks, signals and
# two processes end. Networks of 96 and 64 pixels keep it short.
# shellcheck source=tests/commands/lib.sh
source "$(dirname "$0")/lib.sh"

# ---- material: frames of synthetic strips, as data sets of 96-pixel patches -------------------
ok "$DRAE" synth -q --frames-out frames --strips 1 --runs 1 --frames 2 --defect-rate 0 --seed 5
ok kit kit.h5 64 --strips 2 --runs 2 --frames 1 --defect-rate 0.6 --seed 5
sed -i 's/^patch: .*/patch: {size: 64}/' frames/recipe.yaml
mkdir photos
cp frames/*_f00.png photos/
ok "$DRAE" import -q --tile --size 96 -o tiles.h5 photos
ok "$DRAE" import -q --tile --size 96 --region 3 -o tiles3.h5 photos
ok "$DRAE" train --quiet --data tiles.h5 --out run --width 8 --latent 8 --batch 4 --max-steps 2 \
    --w-adv 0 --w-enc 0
ok "$DRAE" compile --model run/model.h5 -o raw.drae

# ---- calibrate ---------------------------------------------------------------------------------
ok "$DRAE" calibrate -q --model run/model.h5 --data tiles.h5 -o cal.h5 --score phi --false-reject 0.01 \
    --small-sample --allow-overlap
ok "$DRAE" calibrate -q --model run/model.h5 --data tiles.h5 -o cal1.h5 --score phi \
    --false-reject 0.01 --threads 1 --small-sample --allow-overlap
check "calibration does not depend on threads" cmp cal.h5 cal1.h5
expect 3 'region 0 has [0-9]+ good patches; .* needs at least 100000 independent' \
    "$DRAE" calibrate -q --model run/model.h5 --data tiles.h5 -o no.h5 --false-reject 0.000001
expect 3 'tiles.h5: patch [0-9]+ was in the training data' \
    "$DRAE" calibrate -q --model run/model.h5 --data tiles.h5 -o no.h5 --score phi --false-reject 0.05 --small-sample
expect 2 'colon' "$DRAE" calibrate --model run/model.h5 --data tiles.h5 -o no.h5 --defects kit.h5 --cost 3
expect 2 'above the false-reject rate' \
    "$DRAE" calibrate --model run/model.h5 --data tiles.h5 -o no.h5 --undecided 0.001
expect 3 'absent.h5' "$DRAE" calibrate -q --model absent.h5 --data tiles.h5 -o no.h5
expect 3 'absent.h5' "$DRAE" calibrate -q --model run/model.h5 --data absent.h5 -o no.h5
expect 3 'kit.h5.* 64 ' "$DRAE" calibrate -q --model run/model.h5 --data kit.h5 -o no.h5
expect 2 'false-reject' "$DRAE" calibrate --model run/model.h5 --data tiles.h5 -o no.h5 --false-reject 2
expect 2 '--model is missing' "$DRAE" calibrate --data tiles.h5 -o no.h5
expect 2 '--data is missing' "$DRAE" calibrate --model run/model.h5 -o no.h5
expect 2 '-o is missing' "$DRAE" calibrate --model run/model.h5 --data tiles.h5
expect 1 'cannot create' "$DRAE" calibrate -q --model run/model.h5 --data tiles.h5 -o /proc/none/no.h5 \
    --small-sample --allow-overlap --false-reject 0.05
check "a refused calibration writes nothing" test ! -e no.h5
ok "$DRAE" compile --model cal.h5 -o line.drae
expect 2 'score' "$DRAE" calibrate --model run/model.h5 --data tiles.h5 -o no.h5 --score best

# ---- the normalised residual ---------------------------------------------------------------------
mkdir two
cp frames/*_f0[01].png two/
ok "$DRAE" import -q --tile --size 96 -o two.h5 two
ok "$DRAE" calibrate --model run/model.h5 --data two.h5 -o z.h5 --score z --false-reject 0.05 \
    --small-sample --allow-overlap
check "the table tells what each score finds" grep -qE '^0 +z .* [0-9]+ / [0-9]+ of [0-9]+$' stdout.txt
ok "$DRAE" calibrate -q --model run/model.h5 --data two.h5 -o z1.h5 --score z --false-reject 0.05 --threads 1 \
    --small-sample --allow-overlap
check "maps do not depend on threads" cmp z.h5 z1.h5
ok "$DRAE" calibrate --model run/model.h5 --data two.h5 -o h.h5 --score h --head-steps 3 --false-reject 0.05 \
    --small-sample --allow-overlap
check "the table tells what head and filters find" \
    grep -qE '^region 0: of [0-9]+ synthetic defects the filters find [0-9]+, the head [0-9]+: z is by the (head|filters)$' stdout.txt
# So few steps teach little: which of both finds more depends on the machine.
read -r filters head by < <(sed -nE 's/^region 0: of .* filters find ([0-9]+), the head ([0-9]+): z is by the (.*)$/\1 \2 \3/p' stdout.txt)
wanted=filters
grep -qE '^0 +z ' stdout.txt && [ "$head" -gt "$filters" ] && wanted=head
check "z is by the head ($head) where it finds more than the filters ($filters)" test "$by" = "$wanted"
ok "$DRAE" calibrate -q --model run/model.h5 --data two.h5 -o h1.h5 --score h --head-steps 3 --false-reject 0.05 \
    --threads 1 --small-sample --allow-overlap
check "nor does a calibration that tries a head" cmp h.h5 h1.h5
ok "$DRAE" compile --model h.h5 -o h.drae
ok "$DRAE" info h.drae
check "the engine has the head, if it is by the head" \
    test "$(grep -c 'and head of z' stdout.txt)" -eq "$([ "$wanted" = head ] && echo 1 || echo 0)"
ok "$DRAE" inspect -q --engine h.drae --data two.h5 --out headed --heatmaps none
# ---- new thresholds for a calibration that stays -------------------------------------------------
ok "$DRAE" synth -q --frames-out later --strips 1 --runs 1 --frames 1 --defect-rate 0 --seed 6
rm later/mark*.png
ok "$DRAE" import -q --tile --size 96 -o later.h5 later
ok "$DRAE" calibrate --model z.h5 --data later.h5 -o kept.h5 --keep --false-reject 0.1 --small-sample --allow-overlap
check "z decides still, at another threshold" test "$(grep -cE '^0 +z .* not tried$' stdout.txt)" -eq 1
check "the table says what stays" grep -q '^scores, maps and heads are those that the model had$' stdout.txt
"$DRAE" info z.h5 | grep -E '^    (threshold|rate|good):' >before.txt
"$DRAE" info kept.h5 | grep -E '^    (threshold|rate|good):' >after.txt
check "the file has the new threshold and where it comes from" \
    test "$(grep -c 'rate: 0.1' after.txt)" -ge 1 -a "$(diff before.txt after.txt | grep -c '^> .*threshold')" -ge 1
ok "$DRAE" compile --model z.h5 -o z.drae
ok "$DRAE" compile --model kept.h5 -o kept.drae
ok "$DRAE" inspect -q --engine z.drae --data later.h5 --out by_z --heatmaps none
ok "$DRAE" inspect -q --engine kept.drae --data later.h5 --out by_kept --heatmaps none
scores() { grep -oE '"phi":[^,]*,"z":[^,]*' "$1/results.jsonl"; }
check "the scores are the same" cmp <(scores by_z) <(scores by_kept)
check "and are there" test "$(scores by_z | wc -l)" -ge 1
expect 3 'two.h5: patch [0-9]+ belongs to the calibration that is kept' \
    "$DRAE" calibrate -q --model z.h5 --data two.h5 -o no.h5 --keep --false-reject 0.1 --small-sample --allow-overlap
expect 3 'later.h5: patch [0-9]+ belongs to the calibration that is kept' \
    "$DRAE" calibrate -q --model kept.h5 --data later.h5 -o no.h5 --keep --false-reject 0.1 --small-sample --allow-overlap
expect 3 'run/model.h5: has no calibration to keep' \
    "$DRAE" calibrate -q --model run/model.h5 --data later.h5 -o no.h5 --keep --false-reject 0.1 --small-sample
expect 2 'leave out --score' "$DRAE" calibrate --model z.h5 --data later.h5 -o no.h5 --keep --score h

expect 3 'region 0 has [0-9]+ good patches; z at .* more of other products' \
    "$DRAE" calibrate -q --model run/model.h5 --data tiles.h5 -o no.h5 --score z --false-reject 0.05 --small-sample --allow-overlap
ok "$DRAE" calibrate --model run/model.h5 --data tiles.h5 -o auto.h5 --false-reject 0.05 --small-sample --allow-overlap
check "one product makes no maps: phi decides, a line says so" grep -q 'too few good patches for z, phi decides' stdout.txt
ok "$DRAE" info z.h5
check "info names the score" grep -q 'score: z' stdout.txt
ok "$DRAE" compile --model z.h5 -o z.drae
check "compile tells the error of z" grep -q 'z error' stdout.txt
ok "$DRAE" info z.drae
check "info of the engine names the score" grep -qE 'region 0 +z, .*with maps of z' stdout.txt
ok "$DRAE" inspect -q --engine z.drae --data two.h5 --out z --heatmaps none --maps z.maps.h5
check "results tell both scores and which decides" \
    grep -qE '"kind":"z","phi":[0-9.e-]+,"z":[0-9.e-]+,"type":"patch"' z/results.jsonl
check "z is the score" test -z "$(sed -nE 's/.*"score":([^,]*),.*"z":([^,]*),.*/\1 \2/p' z/results.jsonl | awk '$1 != $2')"
ok "$DRAE" inspect -q --engine line.drae --data two.h5 --out phi --heatmaps none
check "phi is the same where z decides" \
    cmp <(grep -o '"phi":[^,]*' z/results.jsonl) <(grep -o '"phi":[^,]*' phi/results.jsonl)
check "without maps z is not told" test -z "$(grep '"z":' phi/results.jsonl)"

# ---- a whole inspection ------------------------------------------------------------------------
ok "$DRAE" inspect --engine line.drae --data tiles.h5 --out all --heatmaps all
n=$(grep -c '"type":"patch"' all/results.jsonl)
check "one line a patch, in index order" \
    test "$(sed -nE 's/^\{"index":([0-9]+),.*/\1/p' all/results.jsonl | sort -nc 2>&1; sed -nE 's/^\{"index":([0-9]+),.*/\1/p' all/results.jsonl | sort -nu | wc -l)" = "$n"
check "index counts from 0" grep -q '^{"index":0,"region":0,"score":' all/results.jsonl
check "an overlay a patch" test "$(find all/patches -name 'patch-*.png' | wc -l)" -eq "$n"
check "a sheet for every 60 patches" test "$(find all/sheets -name 'sheet-*.png' | wc -l)" -eq $(((n + 59) / 60))
check "no partial file is left" test ! -e all/results.partial.jsonl
check "no temporary file is left" test -z "$(find all -name '*.tmp')"
check "at most 1 % of the calibration patches is rejected" \
    test "$(grep -c '"reject":true' all/results.jsonl)" -le $((n / 100))
check "and some are" grep -q '"reject":true,"reason":"score above threshold"' all/results.jsonl
check "the table names the errors" grep -q 'missed defects' stdout.txt

ok "$DRAE" inspect -q --engine line.drae --data tiles.h5 --out one --threads 1 --heatmaps none
check "results do not depend on threads" cmp all/results.jsonl one/results.jsonl
check "--heatmaps none draws no overlay" test ! -e one/patches
check "--quiet is quiet" test ! -s stdout.txt

ok "$DRAE" inspect -q --engine raw.drae --data tiles.h5 --out raw --heatmaps rejects
check "without calibration threshold and reject are null" \
    test "$(grep -c '"threshold":null,"reject":null' raw/results.jsonl)" -eq "$n"
check "and nothing counts as rejected" test -z "$(find raw/patches -name '*.png')"
check "raw and calibrated scores are the same" \
    cmp <(grep -o '"score":[^,]*' raw/results.jsonl) <(grep -o '"score":[^,]*' all/results.jsonl)

# ---- an output folder that is taken ------------------------------------------------------------
ok "$DRAE" inspect -q --engine line.drae --data tiles.h5 --out raw
check "results of an earlier inspection are replaced" cmp raw/results.jsonl all/results.jsonl
mkdir foreign
echo precious >foreign/letter.txt
expect 2 'foreign: holds other files' "$DRAE" inspect -q --engine line.drae --data tiles.h5 --out foreign
check "and stays as it was" test "$(ls foreign)" = letter.txt
ok "$DRAE" inspect -q --engine line.drae --data tiles.h5 --out foreign --force
check "--force keeps what lay there" grep -q precious foreign/letter.txt
if command -v flock >/dev/null; then
    flock raw/.lock sleep 600 &
    holder=$!
    await "$holder" sh -c '! flock -n raw/.lock true'
    expect 1 'another process' "$DRAE" inspect -q --engine line.drae --data tiles.h5 --out raw
    check "results of the first are not touched" cmp raw/results.jsonl all/results.jsonl
    pkill -P "$holder"
    wait "$holder" 2>/dev/null
fi
echo file >plain
expect 1 'plain' "$DRAE" inspect -q --engine line.drae --data tiles.h5 --out plain/out
expect 1 '/proc' "$DRAE" inspect -q --engine line.drae --data tiles.h5 --out /proc/none

# ---- bad input ---------------------------------------------------------------------------------
expect 2 '--engine is missing' "$DRAE" inspect --data tiles.h5 --out no
expect 2 '--data is missing' "$DRAE" inspect --engine line.drae --out no
expect 2 '--out is missing' "$DRAE" inspect --engine line.drae --data tiles.h5
expect 2 'heatmaps some' "$DRAE" inspect --engine line.drae --data tiles.h5 --out no --heatmaps some
expect 3 'absent.drae' "$DRAE" inspect --engine absent.drae --data tiles.h5 --out no
expect 3 'plain' "$DRAE" inspect --engine plain --data tiles.h5 --out no
head -c 100000 line.drae >cut.drae
expect 3 'cut.drae' "$DRAE" inspect --engine cut.drae --data tiles.h5 --out no
expect 3 'absent.h5' "$DRAE" inspect --engine line.drae --data absent.h5 --out no
expect 3 'plain' "$DRAE" inspect --engine line.drae --data plain --out no
expect 3 'kit.h5.* 64 ' "$DRAE" inspect --engine line.drae --data kit.h5 --out no
expect 3 'patch 0 has region 3; .* regions 0\.\.0' "$DRAE" inspect --engine line.drae --data tiles3.h5 --out no
mkdir empty
expect 3 'empty: no .png' "$DRAE" inspect --engine line.drae --data empty --out no
expect 2 'one folder' "$DRAE" inspect --engine line.drae --data tiles.h5 --recipe frames/recipe.yaml --out no
check "input that is refused leaves no folder" test ! -e no
expect 3 'photos/.*\.png: [0-9]+ x [0-9]+ pixels, the engine takes patches of 96 x 96' \
    "$DRAE" inspect -q --engine line.drae --data photos --out wrong_size

# ---- bad files in a folder -------------------------------------------------------------------------
# le N VALUE...: integers of N bytes, low byte first.
le() {
    local bytes=$1 value i
    shift
    for value; do
        for ((i = 0; i < bytes; i++, value /= 256)); do
            printf "\\x$(printf %02x $((value % 256)))"
        done
    done
}
# tiff SIDE FILE: a gray square.
tiff() {
    local side=$1 tag
    {
        printf 'II*\0'
        le 4 8
        le 2 9
        for tag in 256:"$side" 257:"$side" 258:8 259:1 262:1 273:122 277:1 278:"$side" 279:$((side * side)); do
            le 2 "${tag%:*}" 4
            le 4 1 "${tag#*:}"
        done
        le 4 0
        head -c $((side * side)) /dev/zero | tr '\0' '\200'
    } >"$2"
}
mkdir bad bad/g_folder.png
tiff 96 bad/a_good.tif
tiff 64 bad/b_small.tif
: >bad/c_empty.png
head -c 5000 bad/a_good.tif >bad/d_cut.tif
echo 'no image' >bad/e_text.jpg
tiff 96 bad/f_good.tif
expect 3 'b_small.tif: 64 x 64 pixels' "$DRAE" inspect -q --engine line.drae --data bad --out bad_stop
check "without --skip-bad a bad file stops the run" test ! -e bad_stop/results.jsonl
"$DRAE" inspect --engine line.drae --data bad --skip-bad --out bad_skip --heatmaps all >stdout.txt 2>stderr.txt
check "--skip-bad goes on, with status 0" test $? -eq 0
for name in b_small.tif:'64 x 64 pixels' c_empty.png:'the file is empty' d_cut.tif:damaged e_text.jpg:neither g_folder.png:.; do
    check "a line says why: $name" \
        test "$(grep -cE "^drae inspect: passed over, rejected: bad/${name%%:*}: .*${name#*:}" stderr.txt)" -eq 1
    check "rejected, with the reason: $name" test "$(grep '"score":null' bad_skip/results.jsonl |
        grep '"reject":true,"reason":"image missing or not readable"' | grep -c "\"file\":\"${name%%:*}\"")" -eq 1
done
check "and nothing else is said" test "$(wc -l <stderr.txt)" -eq 5
check "the good ones have scores, in their places" \
    test "$(grep '"score":[0-9]' bad_skip/results.jsonl | grep -oE '"index":[0-9]+' | tr '\n' ' ')" = '"index":0 "index":5 '
check "the summary counts what was skipped" \
    grep -q '"patches_without_result":5,"files_skipped":5' bad_skip/summary.json
check "so does the table" grep -q '^5 files could not be read' stdout.txt
check "two overlays, one sheet" \
    test "$(find bad_skip/patches bad_skip/sheets -name '*.png' | wc -l)" -eq 3
ok "$DRAE" inspect -q --engine line.drae --data tiles.h5 --out all
check "nothing skipped counts as 0" grep -q '"files_skipped":0' all/summary.json
expect 2 'tiles.h5 is a data set' "$DRAE" inspect -q --engine line.drae --data tiles.h5 --out no --skip-bad

# ---- patch images: overlays make 8-bit PNGs of any size; the engine's own are cut from frames ---
ok "$DRAE" train --quiet --data kit.h5 --out big --width 8 --latent 8 --batch 2 --max-steps 1 \
    --w-adv 0 --w-enc 0
ok "$DRAE" calibrate -q --model big/model.h5 --data kit.h5 -o big.h5 --score phi --false-reject 0.1 --small-sample --allow-overlap
ok "$DRAE" compile --model big.h5 -o big.drae
ok "$DRAE" inspect --engine big.drae --data kit.h5 --out strips
check "vials, strips and products of two strips in two runs" \
    test "$(for t in patch vial strip product; do grep -c "\"type\":\"$t\"" strips/results.jsonl; done | tr '\n' ' ')" = "80 20 4 2 "
check "a sheet a strip and run" test "$(find strips/sheets -name 'strip-*.png' | wc -l)" -eq 4
expect 2 '--vote 1/2' "$DRAE" inspect -q --engine big.drae --data kit.h5 --out no --vote 1/2
expect 2 '--vote 7/10x' "$DRAE" inspect -q --engine big.drae --data kit.h5 --out no --vote 7/10x
expect 2 'has 2 runs' "$DRAE" inspect -q --engine big.drae --data kit.h5 --out no --vote 1/1
ok "$DRAE" inspect -q --engine big.drae --data kit.h5 --out vote --vote 7/10 --heatmaps none
check "eight runs that never came reject the product" \
    test "$(grep '"type":"product"' vote/results.jsonl | grep -c '"reject":true,"reason":"no result"')" -eq 2

ok "$DRAE" inspect -q --engine big.drae --data frames --recipe frames/recipe.yaml --out cut --heatmaps none --maps maps.h5
check "frames are cut into the patches of two looks at a strip" test "$(grep -c '"type":"patch"' cut/results.jsonl)" -eq 40
check "maps are written" test -s maps.h5
# A strip that lies farther off than the recipe searches: no part, no result, reject.
ok "$DRAE" synth -q --frames-out far --strips 1 --runs 1 --frames 2 --frame-shift 36 --first-product 7 \
    --defect-rate 0 --seed 6
sed 's/search_px: [0-9]*/search_px: 4/' frames/recipe.yaml >frames/narrow.yaml
cp far/*_p000007_*.png frames/
"$DRAE" inspect --engine big.drae --data frames --recipe frames/narrow.yaml --out lost >stdout.txt 2>stderr.txt
check "frames without their part are a result, not a failure" test $? -eq 0
check "a line a frame says why" \
    test "$(grep -cE '^drae inspect: b000_p000007_r00_f0[01]\.png: part not found: ' stderr.txt)" -eq 2 -a \
    "$(wc -l <stderr.txt)" -eq 2
check "a frame without its part rejects its vials, and no others" \
    test "$(grep '"type":"vial"' lost/results.jsonl | grep '"reason":"part not found' | grep -c '"product":7')" -eq 5
check "its patches have no score" test "$(grep -c '"score":null.*"reject":true,"reason":"part not found' lost/results.jsonl)" -eq 40
check "the summary counts them" grep -q '"patches_without_result":40' lost/summary.json
rm frames/*_p000007_*_f01.png
ok "$DRAE" inspect -q --engine big.drae --data frames --recipe frames/recipe.yaml --out gap --heatmaps none
check "a frame that is missing rejects its vials" \
    test "$(grep '"type":"vial"' gap/results.jsonl | grep '"product":7' | grep -c '"reject":true')" -eq 5
first=b000_p000007_r00_f00.png
: >frames/$first
expect 3 "$first" "$DRAE" inspect -q --engine big.drae --data frames --recipe frames/recipe.yaml --out zero
head -c 20000 far/$first >frames/$first
expect 3 "$first" "$DRAE" inspect -q --engine big.drae --data frames --recipe frames/recipe.yaml --out half
"$DRAE" inspect -q --engine big.drae --data frames --recipe frames/recipe.yaml --out half --skip-bad --heatmaps none \
    >stdout.txt 2>stderr.txt
check "a damaged frame is skipped when asked for" test $? -eq 0
check "with one line" test "$(grep -c "^drae inspect: passed over, rejected: frames/$first: " stderr.txt)" -eq 1 -a \
    "$(wc -l <stderr.txt)" -eq 1
check "all its patches are rejected" \
    test "$(grep -c '"reject":true,"reason":"image missing or not readable".*"type":"patch","batch":0,"product":7' half/results.jsonl)" -eq 20
check "and its strip" \
    test "$(grep '"type":"strip"' half/results.jsonl | grep '"product":7' | grep -c '"reject":true')" -eq 1
check "other products keep their scores" test "$(grep -c '"score":[0-9]' half/results.jsonl)" -eq 40
expect 3 "absent" "$DRAE" inspect -q --engine big.drae --data absent --recipe frames/recipe.yaml --out no

# ---- full disk, interruption -------------------------------------------------------------------
expect 1 'disk/' small_files 40 "$DRAE" inspect -q --engine big.drae --data kit.h5 --out disk
check "nothing stands under a final name" test ! -e disk/results.jsonl -a ! -e disk/summary.json
check "no temporary file is left on a full disk" test -z "$(find disk -name '*.tmp')"

mapfile -t many < <(yes kit.h5 | head -n 60)
"$DRAE" inspect -q --engine big.drae --data "${many[@]}" --out stop --heatmaps none >/dev/null 2>stderr.txt &
victim=$!
await "$victim" test -s stop/results.partial.jsonl
kill -INT "$victim"
wait "$victim"
check "Ctrl-C ends with status 5" test $? -eq 5
check "and says where the rest is" grep -q 'interrupted after .*results.partial.jsonl' stderr.txt
check "no whole file is claimed" test ! -e stop/results.jsonl
done=$(grep -oE 'after [0-9]+' stderr.txt | grep -oE '[0-9]+')
check "every patch that was inspected has its line" test "$(wc -l <stop/results.partial.jsonl)" -eq "$done"
finish
