#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What drae says of itself, and how it refuses what it does not understand.
# shellcheck source=tests/commands/lib.sh
source "$(dirname "$0")/lib.sh"

ok "$DRAE"
check "drae alone lists its commands" grep -q '^  inspect ' stdout.txt
ok "$DRAE" --help
ok "$DRAE" --version
expect 2 "'frobnicate' is not a command" "$DRAE" frobnicate
commands=$("$DRAE" | awk '/^  [a-z]+ /{print $1}')
for command in $commands; do
    ok "$DRAE" "$command" --help
    check "$command --help has examples" grep -q '^examples:' stdout.txt
    check "$command --help shows an example that starts with drae" grep -qE "^ +drae $command" stdout.txt
    # shellcheck disable=SC2016
    check "no line of $command --help is wider than 110 columns" \
        awk 'length($0) > 110 {exit 1}' stdout.txt
    expect 2 "unknown option '--no-such-option'" "$DRAE" "$command" --no-such-option
done
ok bash "$DRAE_SOURCE/scripts/man.sh" "$DRAE" man
check "a page a command" test "$(find man -name 'drae-*.1' | wc -l)" -eq "$(wc -w <<<"$commands")"

# ---- input that is not there, output that cannot be written --------------------------------------
expect 3 'absent' "$DRAE" import -q -o x.h5 absent
expect 3 'absent.h5' "$DRAE" info absent.h5
expect 3 'absent.h5' "$DRAE" train --quiet --data absent.h5 --out x
expect 3 'absent.h5' "$DRAE" calibrate -q --model absent.h5 --data absent.h5 -o x.h5
expect 3 'absent.h5' "$DRAE" compile --model absent.h5 -o x.drae
expect 3 'absent.drae' "$DRAE" inspect -q --engine absent.drae --data absent.h5 --out x
expect 3 'absent.drae' "$DRAE" bench --engine absent.drae
check "nothing is written" test ! -e x -a ! -e x.h5 -a ! -e x.drae
model=${DRAE_SMALL:?the model that small.sh makes}
expect 1 'nowhere/x.drae' "$DRAE" compile --model "$model" -o nowhere/x.drae
finish
