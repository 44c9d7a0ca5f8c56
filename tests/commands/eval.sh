#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# drae eval and knapp: the reports agree with scores.csv, files are whole or not there, bad input,
# full disks and signals end as they should. Networks of 64 pixels and one step: their figures mean nothing.
# shellcheck source=tests/commands/lib.sh
source "$(dirname "$0")/lib.sh"

ok kit good.h5 64 --strips 3 --runs 1 --frames 2 --defect-rate 0 --seed 3
ok kit other.h5 64 --strips 4 --runs 1 --frames 1 --defect-rate 0 --seed 4
ok kit kit.h5 64 --strips 3 --runs 2 --frames 1 --defect-rate 0.7 --seed 5
ok kit single.h5 64 --strips 2 --runs 1 --frames 1 --defect-rate 0.7 --seed 6
ok "$DRAE" train --quiet --data good.h5 --out run --width 8 --latent 8 --batch 4 --max-steps 1 \
    --w-adv 0 --w-enc 0
# Four strips are a small sample, and calibrate says so on standard error.
check "a calibration" "$DRAE" calibrate -q --model run/model.h5 --data other.h5 -o cal.h5 --false-reject 0.1 --small-sample 2>/dev/null
ok "$DRAE" compile --model cal.h5 -o line.drae
ok "$DRAE" compile --model run/model.h5 -o raw.drae

# ---- a whole evaluation ------------------------------------------------------------------------
ok "$DRAE" eval --engine line.drae --data kit.h5 --good other.h5 --out report --rounds 200
check "the table names the errors" grep -q 'missed defects' stdout.txt
for file in report.html report.json scores.csv; do
    check "$file is there" test -s "report/$file"
done
check "no temporary file is left" test -z "$(find report -name '*.tmp')"
check "one line a patch and a head" test "$(wc -l <report/scores.csv)" -eq 121

# Column numbers by name, and the counts of report.json recomputed from scores.csv.
column() {
    head -n 1 report/scores.csv | tr -d '\r' | tr ',' '\n' | grep -nx "$1" | cut -d: -f1
}
region=$(column region) label=$(column label) reject=$(column reject) phi=$(column phi)
check "every score is there" test -n "$phi"
check "the template is there" test -n "$(column template)"
count() {
    awk -F, -v r="$1" -v g="$region" -v l="$label" -v x="$reject" -v want="$2" \
        'NR > 1 && $g == r && $l $x == want { n++ } END { print n + 0 }' report/scores.csv
}
for r in 0 1 2 3; do
    good=$(($(count $r 00) + $(count $r 01))) bad=$(($(count $r 10) + $(count $r 11)))
    want="\"level\":\"patch\",\"region\":$r,\"name\":\"R$r [a-z ]*\",\"n_good\":$good,\"n_bad\":$bad,\"missed\":$(count $r 10),\"false_rejects\":$(count $r 01),"
    check "region $r: report.json agrees with scores.csv" grep -q "$want" report/report.json
done
for level in patch vial strip product; do
    check "level $level" grep -q "\"level\":\"$level\"" report/report.json
done
for key in accuracy tpr tnr balanced auroc aupr f1max image template provenance; do
    check "report.json has $key" grep -q "\"$key\":" report/report.json
done
check "html without network or script" \
    test "$(grep -cE 'https?://|<script|<link|@import|url\(' report/report.html)" -eq 0
check "html has plots and pictures" grep -q 'data:image/png;base64' report/report.html
check "no path of this machine" test "$(grep -c "$scratch" report/report.html report/report.json | grep -vc ':0$')" -eq 0

# ---- the same again ----------------------------------------------------------------------------
ok "$DRAE" eval -q --engine line.drae --data kit.h5 --good other.h5 --out again --rounds 200 --threads 1
check "--quiet is quiet" test ! -s stdout.txt
for file in report.html report.json scores.csv; do
    check "$file does not depend on threads" cmp "report/$file" "again/$file"
done
ok "$DRAE" eval --model cal.h5 --data kit.h5 --out model --rounds 200
# One step teaches nothing, and the model, unlike its engine, tells its validation loss.
check "a model that has learned little: a warning" grep -q '^warning: cal.h5: the model has learned' stdout.txt
check "report.json carries it" grep -q '"caution":"the model has learned' model/report.json
check "report.html carries it" grep -q 'class="warn".*Do not rely.*the model has learned' model/report.html
check "an engine does not tell: no caution" grep -q '"caution":null' report/report.json
check "a model scores as its engine" \
    cmp <(cut -d, -f1,"$phi" report/scores.csv) <(cut -d, -f1,"$phi" model/scores.csv)
ok "$DRAE" eval -q --engine raw.drae --data single.h5 --out raw --rounds 200
# Masks, which the data sets of drae synth itself have, of 256 pixels.
models=("$DRAE_SOURCE"/weights/*.h5)
ok "$DRAE" synth -q -o masked.h5 --strips 1 --runs 1 --frames 1 --defect-rate 1 --seed 5
for threads in 1 2; do
    ok "$DRAE" eval -q --model "${models[0]}" --data masked.h5 --out "masked$threads" --rounds 200 --threads "$threads"
done
check "figures of pixels" grep -qE '"pixel":.*"n_bad_pixels":[1-9].*"aupro":' masked1/report.json
check "which do not depend on threads" cmp masked1/report.json masked2/report.json
check "without thresholds nothing counts" grep -q '"n_good":0,"n_bad":0' raw/report.json

# ---- what is refused ---------------------------------------------------------------------------
expect 2 'either --engine or --model' "$DRAE" eval --data kit.h5 --out no
expect 2 'either --engine or --model' "$DRAE" eval --engine line.drae --model cal.h5 --data kit.h5 --out no
expect 2 '--data is missing' "$DRAE" eval --engine line.drae --out no
expect 2 '--out is missing' "$DRAE" eval --engine line.drae --data kit.h5
expect 2 'majority' "$DRAE" eval -q --engine line.drae --data kit.h5 --out no --vote 1/2
expect 3 'absent.h5' "$DRAE" eval -q --engine line.drae --data absent.h5 --out no
expect 3 'absent.drae' "$DRAE" eval -q --engine absent.drae --data kit.h5 --out no
expect 3 'trained on this data' "$DRAE" eval -q --engine line.drae --data good.h5 --out no
ok kit one.h5 64 --strips 1 --runs 1 --frames 2 --defect-rate 0 --seed 7
expect 3 'one.h5: region 0 .*at least 2 are needed' "$DRAE" eval -q --engine line.drae --data kit.h5 --good one.h5 --out no_template
check "every patch names its product" grep -q '"n_without_product":0,' report/report.json
expect 3 'is the data that is evaluated' "$DRAE" eval -q --engine line.drae --data kit.h5 --good kit.h5 --out no
printf '\x89PNG\r\n\x1a\n' >image.png
expect 3 'this is a PNG image; drae import' "$DRAE" eval -q --engine line.drae --data image.png --out no
expect 3 'not an engine file.*this is a PNG image' "$DRAE" eval -q --engine image.png --data kit.h5 --out no
expect 3 'this is an engine' "$DRAE" eval -q --engine line.drae --data line.drae --out no
expect 3 'this is an HDF5 file; drae info' "$DRAE" eval -q --engine cal.h5 --data kit.h5 --out no
expect 3 'not a data set .drae info' "$DRAE" eval -q --engine line.drae --data cal.h5 --out no
expect 3 'this is a folder; drae import' "$DRAE" eval -q --engine line.drae --data report --out no
check "what is refused writes nothing" test ! -e no
mkdir inspected
touch inspected/results.jsonl
expect 2 'results of drae inspect' "$DRAE" eval -q --engine line.drae --data kit.h5 --out inspected
check "and the results stay alone" test "$(ls -A inspected)" = results.jsonl
expect 1 'cannot write|cannot create' small_files 20 "$DRAE" eval -q --engine line.drae --data single.h5 --out full --rounds 200
check "a full disk leaves no part of a file" test -z "$(find full -name report.html 2>/dev/null; find full -name '*.tmp' 2>/dev/null)"

# ---- a signal ----------------------------------------------------------------------------------
mapfile -t many < <(yes kit.h5 | head -n 60)
"$DRAE" eval -q --engine line.drae --data "${many[@]}" --out stopped --threads 1 >/dev/null 2>stop.txt &
runner=$!
await "$runner" test -e stopped/.lock
kill -INT "$runner"
wait "$runner"
check "Ctrl-C ends with 5" test $? -eq 5
check "and says that nothing was written" grep -q 'interrupted after .* nothing was written' stop.txt
check "and nothing was, not even the folder" test ! -e stopped

# ---- knapp -------------------------------------------------------------------------------------
ok "$DRAE" knapp --engine line.drae --data kit.h5 --out knapp
check "a line a vial" test "$(wc -l <knapp/units.csv)" -eq 16
check "knapp.html without network or script" \
    test "$(grep -cE 'https?://|<script|<link|@import|url\(' knapp/knapp.html)" -eq 0
check "with a plot of the units" grep -q '[0-9]* units labelled good' knapp/knapp.html
check "and without people no verdict about them" grep -q 'No figures of people were given' knapp/knapp.html
check "rejection probabilities" grep -q '"detection":{"value":' knapp/knapp.json
product=$(sed -n 2p knapp/units.csv | cut -d, -f2)
printf 'rejects,product,vial,inspections\n9,%s,0,10\n8,%s,0,10\n0,%s,1,10\n' "$product" "$product" "$product" >people.csv
ok "$DRAE" knapp -q --engine line.drae --data kit.h5 --out knapp --manual people.csv
check "two inspectors of one unit add up" grep -q "^[-0-9]*,$product,0,.*,20,17,0.85,reject" knapp/units.csv
# The labels of the page's rows and their shares of wrong inspections: never rising.
check "units that are judged wrongly come first" awk 'NR > 1 && $1 > last {bad = 1} {last = $1} END {exit bad || NR < 2}' \
    <(grep -oE '<td class="l">(good|defective)</td><td>[0-9]+ of [0-9]+' knapp/knapp.html |
        sed -E 's/.*>(good|defective)<.*>([0-9]+) of ([0-9]+)/\1 \2 \3/' | awk '{print $1 == "good" ? $2 / $3 : 1 - $2 / $3}')
check "efficiency beside people" grep -q '"efficiency":{"value":' knapp/knapp.json
check "on the page too" grep -q 'Machine beside people' knapp/knapp.html
check "and the unit's own row" grep -q '<td>17 of 20</td><td class="l">reject</td>' knapp/knapp.html
ok "$DRAE" knapp -q --scores report/scores.csv --out from_scores --manual people.csv
check "what eval has inspected is not inspected again: the same units" cmp knapp/units.csv from_scores/units.csv
check "and the page says where they are from" grep -q "$(sha256sum report/scores.csv | cut -c1-64)" from_scores/knapp.html
expect 2 'leave out --engine' "$DRAE" knapp --scores report/scores.csv --data kit.h5 --out no
expect 2 '--out is missing' "$DRAE" knapp --scores report/scores.csv
expect 3 'region 0 has no threshold' "$DRAE" knapp -q --scores raw/scores.csv --out no
expect 3 'people.csv: line 1 names no column region' "$DRAE" knapp -q --scores people.csv --out no
expect 3 'one run' "$DRAE" knapp -q --engine line.drae --data single.h5 --out no
expect 3 'no threshold' "$DRAE" knapp -q --engine raw.drae --data kit.h5 --out no
printf 'product,inspections\n1,2\n' >bad.csv
expect 3 'no column rejects' "$DRAE" knapp -q --engine line.drae --data kit.h5 --out knapp --manual bad.csv
printf 'product,vial,inspections,rejects\n%s,0,10,11\n' "$product" >bad.csv
expect 3 'line 2: 11 rejects of 10' "$DRAE" knapp -q --engine line.drae --data kit.h5 --out knapp --manual bad.csv
printf 'product,vial,inspections,rejects\n99999999,0,10,1\n' >bad.csv
expect 3 'kit has 0 units of product 99999999' "$DRAE" knapp -q --engine line.drae --data kit.h5 --out knapp --manual bad.csv

# ---- drift -------------------------------------------------------------------------------------
ok kit many.h5 64 --strips 20 --runs 1 --frames 1 --defect-rate 0 --seed 8
ok "$DRAE" drift --engine line.drae --calibration many.h5 --data many.h5 -o drift.json
check "what is the same has not changed" grep -q '^{"format":1,"changed":false' drift.json
check "score, brightness and contrast of every region" test "$(grep -o '"ks_p":1,' drift.json | wc -l)" -eq 12
check "and the table says so" grep -q 'no change found' stdout.txt
expect 3 'at least 20 products' "$DRAE" drift -q --engine line.drae --calibration other.h5 --data kit.h5 -o no.json
expect 2 '--calibration and --data' "$DRAE" drift --engine line.drae --data kit.h5 -o no.json
check "a refused comparison writes nothing" test ! -e no.json
finish
