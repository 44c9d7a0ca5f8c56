# SPDX-License-Identifier: Apache-2.0
# What the command tests share: run drae in a scratch folder, compare exit status, the one line on
# standard error, and files. Sourced with: source "$(dirname "$0")/lib.sh"; DRAE names the command.
# shellcheck shell=bash
set -uo pipefail
: "${DRAE:?the path of the drae command}"
scratch=$(mktemp -d)
trap 'chmod -R u+rwX "$scratch" 2>/dev/null; rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
cases=0
failures=0

fail() {
    echo "FAIL: $1"
    failures=$((failures + 1))
}

# expect STATUS PATTERN COMMAND...: the exit status, and a pattern that one line of standard error
# matches. A failure prints exactly one line there; a success prints none.
expect() {
    local want=$1 pattern=$2
    shift 2
    cases=$((cases + 1))
    "$@" >stdout.txt 2>stderr.txt </dev/null
    local got=$? lines
    if [ "$got" -ne "$want" ]; then
        fail "exit status $got, expected $want: $*"
        tail -n 3 stderr.txt
        return 1
    fi
    lines=$(wc -l <stderr.txt)
    if [ "$want" -ne 0 ] && [ "$lines" -ne 1 ]; then
        fail "$lines lines on standard error, expected one: $*"
        head -n 5 stderr.txt
        return 1
    fi
    if [ "$want" -eq 0 ] && [ "$lines" -ne 0 ]; then
        fail "standard error is not empty: $*"
        head -n 5 stderr.txt
        return 1
    fi
    if [ -n "$pattern" ] && ! grep -qE -- "$pattern" stderr.txt; then
        fail "standard error does not match '$pattern': $*"
        cat stderr.txt
        return 1
    fi
    return 0
}

# ok COMMAND...: succeeds and says nothing on standard error.
ok() {
    expect 0 '' "$@"
}

# check WHAT CONDITION...: a test(1) or any command that must succeed.
check() {
    local what=$1
    shift
    cases=$((cases + 1))
    "$@" || fail "$what"
}

# small_files KIB COMMAND...: runs it where no file may grow beyond KIB, as on a full disk.
small_files() (
    ulimit -f "$1"
    shift
    exec "$@"
)

# await PID CONDITION...: until it holds, or the process is gone. A minute is for a machine that has more
# to do: no test asks how long it took, and what follows sees what came of it.
await() {
    local pid=$1 _
    shift
    for _ in $(seq 1200); do
        "$@" >/dev/null 2>&1 && return
        kill -0 "$pid" 2>/dev/null || return
        sleep 0.05
    done
}

# kit FILE SIZE OPTION...: strips of drae synth, cut into patches of SIZE pixels a side, without masks;
# the frames are in FILE.frames, with the recipe. Its own data sets have 256: 16 times the work of 64.
kit() {
    local file=$1 size=$2
    shift 2
    "$DRAE" synth -q --frames-out "$file.frames" "$@" &&
        sed -i "s/^patch: .*/patch: {size: $size}/" "$file.frames/recipe.yaml" &&
        "$DRAE" import -q -o "$file" --layout frames --recipe "$file.frames/recipe.yaml" "$file.frames"
}

finish() {
    echo "$((cases - failures)) passed, $failures failed"
    [ "$cases" -gt 0 ] && [ "$failures" -eq 0 ]
    exit
}
