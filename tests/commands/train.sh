#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# drae train as a person runs it: interrupted, killed, resumed, traced; bad configuration and bad data.
# Networks of 32 pixels keep it short.
# shellcheck source=tests/commands/lib.sh
source "$(dirname "$0")/lib.sh"

ok kit tiles.h5 32 --strips 4 --runs 1 --frames 2 --good-only --seed 9
common=(--quiet --data tiles.h5 --width 8 --latent 8 --batch 4 --seed 3)

# ---- the same weights, straight through or in pieces --------------------------------------------
ok "$DRAE" train "${common[@]}" --out straight --max-steps 6
check "model, checkpoint, log, curves, settings" test -s straight/model.h5 -a -s straight/checkpoint.h5 \
    -a -s straight/log.jsonl -a -s straight/curves.svg -a -s straight/config.yaml
check "a preview" test -n "$(find straight -name 'preview-*.png')"
ok "$DRAE" train "${common[@]}" --out again --max-steps 6
check "the same run again gives the same model, byte for byte" cmp straight/model.h5 again/model.h5
ok "$DRAE" train "${common[@]}" --out pieces --max-steps 2
ok "$DRAE" train "${common[@]}" --out pieces --max-steps 4 --resume
ok "$DRAE" train "${common[@]}" --out pieces --max-steps 6 --resume
check "resumed twice: the same model" cmp straight/model.h5 pieces/model.h5
check "the log counts every step once" \
    test "$(grep -c '"epoch":' pieces/log.jsonl)" -eq 6

# ---- Ctrl-C and kill -9 -------------------------------------------------------------------------
stepped() { # FOLDER: some steps are done, some saved
    test -s "$1/checkpoint.h5" && grep -q '"step":3,' "$1/log.jsonl"
}
interrupt() { # SIGNAL FOLDER: starts a long run, waits for some steps, sends the signal
    "$DRAE" train "${common[@]}" --out "$2" --epochs 1000 --checkpoint-minutes 0.01 >stdout.txt 2>stderr.txt &
    local run=$!
    await "$run" stepped "$2"
    kill "-$1" "$run"
    wait "$run"
}
last_step() {
    tail -n 1 "$1/log.jsonl" | grep -oE '"step":[0-9]+' | grep -oE '[0-9]+'
}
interrupt INT stopped
check "Ctrl-C ends with status 5" test $? -eq 5
ok "$DRAE" info stopped/checkpoint.h5
ok "$DRAE" train "${common[@]}" --out stopped --resume --epochs 1000 --max-steps \
    "$(($(last_step stopped) + 1))"
interrupt KILL killed 2>/dev/null
ok "$DRAE" info killed/checkpoint.h5
ok "$DRAE" train "${common[@]}" --out killed --resume --epochs 1000 --max-steps "$(($(last_step killed) + 2))"

# ---- what does not fit is refused by name -------------------------------------------------------
expect 2 'width' "$DRAE" train --quiet --data tiles.h5 --out straight --resume --width 16
expect 3 'absent.h5' "$DRAE" train --quiet --data absent.h5 --out no
expect 2 '--data and --out are needed' "$DRAE" train --out no
expect 2 '--data and --out are needed' "$DRAE" train --data tiles.h5
expect 2 'width' "$DRAE" train "${common[@]}" --out no --width 12
expect 4 'cuda' "$DRAE" train "${common[@]}" --out no --device cuda
printf 'width: 8\nlearning_rait: 3\n' >typo.yaml
expect 3 'typo.yaml' "$DRAE" train --quiet --data tiles.h5 --out no --config typo.yaml
expect 3 'absent.yaml' "$DRAE" train --quiet --data tiles.h5 --out no --config absent.yaml
expect 1 'proc' "$DRAE" train "${common[@]}" --out /proc/none
cp tiles.h5 cut.h5
truncate -s 20000 cut.h5
expect 3 'cut.h5' "$DRAE" train --quiet --data cut.h5 --out no
check "what was refused leaves no model" test ! -e no/model.h5

# ---- two processes on one output ----------------------------------------------------------------
"$DRAE" train "${common[@]}" --out shared --epochs 1000 >/dev/null 2>&1 &
first=$!
await "$first" test -s shared/log.jsonl
expect 1 'another process' "$DRAE" train "${common[@]}" --out shared --max-steps 1
kill -INT "$first"
wait "$first"

# ---- full disk ----------------------------------------------------------------------------------
expect 1 'disk/' small_files 200 "$DRAE" train "${common[@]}" --out disk --max-steps 2
check "nothing half-written stands under a final name" test ! -e disk/model.h5
check "no temporary file is left" test -z "$(find disk -name '*.tmp')"

# ---- one traced step ----------------------------------------------------------------------------
ok "$DRAE" train "${common[@]}" --out traced --init straight/model.h5 --trace-step 1 --trace trace.h5
ok "$DRAE" info trace.h5
finish
