#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# On a terminal: bars are drawn, errors begin on a clean line, the time left knows of limits. script(1)
# lends the terminal.
# shellcheck source=tests/commands/lib.sh
source "$(dirname "$0")/lib.sh"
command -v script >/dev/null || exit 77

# on_terminal COMMAND: a line of shell; what the terminal got is in screen.txt, the status returned.
on_terminal() {
    script -qefc "$1" screen.txt >/dev/null </dev/null
}

drawn() {
    grep -qE '\[#*\.*\] +[0-9]+ %|[0-9]+ [a-z]+  [0-9.]+/s' screen.txt
}

# The same; Ctrl-C once a bar stands there.
interrupted() {
    rm -f screen.txt
    script -qefc "echo \$\$ >pid; exec $1" screen.txt >/dev/null </dev/null &
    local terminal=$!
    await "$terminal" drawn
    kill -INT "$(cat pid)"
    wait "$terminal"
}

# A bar stood there, and was wiped before what follows the name of the command.
clean_error() { # COMMAND PATTERN
    check "$1: a bar was drawn" drawn
    check "$1: the error begins on a clean line" grep -qP "(^|\r *\r)drae $1: .*$2" screen.txt
}

ok "$DRAE" synth -q --frames-out frames --strips 5 --runs 1 --frames 1 --good-only --seed 9
sed -i 's/^patch: .*/patch: {size: 32}/' frames/recipe.yaml
mkdir photos
cp frames/b*.png photos/
ok "$DRAE" import -q --size 32 -o small.h5 photos
truncate -s 9000 photos/b000_p000004_r00_f00.png

interrupted "$DRAE synth -o long.h5 --strips 5000"
check "synth: interrupted" test $? -eq 5
clean_error synth 'interrupted after'

on_terminal "$DRAE import --tile -o bad.h5 photos"
check "import: a bad image ends it" test $? -eq 3
clean_error import 'p000004'
on_terminal "$DRAE import --tile -o bad.h5 --skip-bad photos"
check "import: --skip-bad goes on" test $? -eq 0
clean_error import 'passed over: photos/b000_p000004'

# The folder vanishes below a run that has begun, so its next checkpoint fails.
train="$DRAE train --data small.h5 --width 8 --latent 8 --batch 2 --threads 1 --epochs 1000000"
logged() {
    test "$(wc -l <gone/log.jsonl)" -ge 5
}
{
    await $$ logged
    while [ -e gone ]; do
        rm -rf gone 2>/dev/null # again where a file came meanwhile
    done
} &
on_terminal "$train --out gone --checkpoint-minutes 0.02"
# 1 where the checkpoint cannot be written, 3 where it just was and the log is gone for the curves.
check "train: a folder that is gone ends it" grep -qx '[13]' <<<$?
wait
clean_error train 'gone/'
on_terminal "$train --out run --max-minutes 0.05"
check "train: the time left is that of --max-minutes" grep -qE '0:0[0-3] left' screen.txt
check "train: and never more" sh -c "! grep -oE '[0-9:]+ left' screen.txt | grep -vqE '^0:0[0-3] left'"

ok "$DRAE" compile --model "${DRAE_SMALL:?the model that small.sh makes}" -o line.drae
for i in $(seq 10 39); do # enough for a bar
    ln frames/b000_p000000_r00_f00.png "frames/b000_p0000${i}_r00_f00.png"
done
head -c 9000 frames/b000_p000004_r00_f00.png >frames/b000_p000099_r00_f00.png
on_terminal "$DRAE inspect --engine line.drae --data frames --recipe frames/recipe.yaml --out out"
check "inspect: a bad frame ends it" test $? -eq 3
clean_error inspect 'p000099'
finish
