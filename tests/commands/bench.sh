#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# drae bench on a small random network: what it prints, as a table and as JSON, not how long it took.
# The engine side has this command too.
# shellcheck source=tests/commands/lib.sh
source "$(dirname "$0")/lib.sh"
small=(--random-width 8 --size 32 --latent 8 --batch 3 --seconds 0 --period-ms 1)

ok "$DRAE" bench "${small[@]}" --threads 1
check "the network" grep -qE '^engine [0-9a-f]{12}: width 8, size 32, cpu f32, .* 1 threads, batch 3' stdout.txt
check "cycles back to back" grep -qE '^unpaced +1 cycles .* p99.9 [0-9.]+ ' stdout.txt
check "cycles one a period, and those that were late" grep -qE '^paced +1 cycles .* missed [01]$' stdout.txt
ok "$DRAE" bench "${small[@]}" --precision bf16 --kernels portable --heatmaps --layers --json
check "one object" test "$(wc -l <stdout.txt)" -eq 1
check "that begins with the network" \
    grep -q '^{"engine":"random","width":8,"size":32,"device":"cpu","precision":"bf16","kernels":"portable",' stdout.txt
check "has both modes" grep -qE '"unpaced":\{"cycles":1,.*"paced":\{"cycles":1,.*"missed":[01]\}' stdout.txt
check "and every layer" grep -qE '"layers":\[\{"layer":"encoder/stem",.*"score, maps",.*\}\]\}$' stdout.txt
check "each with numbers" sh -c '! grep -qE "nan|inf" stdout.txt'
ok "$DRAE" bench "${small[@]}" --layers --keep-warm-ms 0.1
check "layers as a table" grep -qE '^encoder/stem +[0-9.]+ +[0-9.]+ +[0-9]+ %$' stdout.txt
check "and their sum" grep -qE '^sum +[0-9.]+ ' stdout.txt
ok "$DRAE" bench "${small[@]}" --print-plan
check "the plan" grep -q 'encoder/stem' stdout.txt
check "in place of a run" sh -c '! grep -q cycles stdout.txt'
expect 2 'either --engine or --random-width' "$DRAE" bench
expect 2 'either --engine or --random-width' "$DRAE" bench --engine x --random-width 8
expect 2 'width' "$DRAE" bench --random-width 4
expect 3 'absent.drae' "$DRAE" bench --engine absent.drae
expect 1 'f16 is for cuda' "$DRAE" bench "${small[@]}" --precision f16
finish
