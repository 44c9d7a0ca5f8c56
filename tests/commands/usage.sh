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
for command in synth import info train calibrate compile inspect bench; do
    ok "$DRAE" "$command" --help
    check "$command --help has examples" grep -q '^examples:' stdout.txt
    check "$command --help shows an example that starts with drae" grep -qE "^ +drae $command" stdout.txt
    # shellcheck disable=SC2016
    check "no line of $command --help is wider than 110 columns" \
        awk 'length($0) > 110 {exit 1}' stdout.txt
    expect 2 "unknown option '--no-such-option'" "$DRAE" "$command" --no-such-option
done
ok bash "$DRAE_SOURCE/scripts/man.sh" "$DRAE" man
check "a page a command" test "$(find man -name 'drae-*.1' | wc -l)" -eq 8
finish
