#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/kernels_cuda on the interpreter: its own checks pass, every step and every kind of cycle has
# a line; without a device and by wrong usage it ends as documented.
#   tests/simt/bench.sh BENCH_ON_SIMT BENCH
set -euo pipefail
on_simt=$1
bench=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "bench: $*" >&2; cat "$work/out" "$work/err" >&2; exit 1; }

"$on_simt" 8 32 2 2 5 >"$work/out" 2>"$work/err" || fail "ended with $?"
[ "$(grep -c '"what":"check"' "$work/out")" -eq 3 ] || fail "three checks are expected"
[ "$(grep -c '"what":"cycle"' "$work/out")" -eq 4 ] || fail "four kinds of cycles are expected"
[ "$(grep -c '"what":"copy"' "$work/out")" -eq 2 ] || fail "copies in and out are expected"
[ "$(grep -c '"what":"paced".*"keep_warm_ms":0[,.]' "$work/out")" -eq 2 ] || fail "paced cycles, idle and warm, are expected"
[ "$(grep '"what":"paced"' "$work/out" | grep -cE '"p95_ms":[0-9.]+,"p99_ms":[0-9.]+,"p99_9_ms":[0-9.]+,"max_ms":[0-9.]+,.*"missed":[0-9]+|"missed":[0-9]+.*"p99_ms":[0-9.]+,"p99_9_ms":')" -eq 2 ] ||
    fail "paced cycles without percentiles or deadlines"
# Width 8 at size 32: blocks of up to 64 channels are one step.
steps=$(grep -c '"what":"step"' "$work/out")
[ "$steps" -ge 20 ] || fail "$steps steps"
grep -q '"layer":"encoder/stage0/A/conv2","kernel":"resblock[^"]*+stem"' "$work/out" || fail "no first block"
! grep -vqE '^\{"bench":"kernels_cuda",.*\}$' "$work/out" || fail "a line that is no object"
! grep -qE 'nan|inf' "$work/out" || fail "a figure that is none"

# A head wants 64 pixels: its scores are checked before anything is written.
"$on_simt" --dump "$work/dump" 8 64 1 >"$work/out" 2>"$work/err" || fail "with a head it ended with $?"
[ "$(grep -c '"what":"check".*"by":"head"' "$work/out")" -eq 1 ] || fail "a check of the head is expected"
"$on_simt" --dump "$work/dump" 8 32 2 >"$work/out" 2>"$work/err" || fail "the dump ended with $?"
[ "$(head -n 1 "$work/dump")" = "drae-bench 1 width 8 size 32 latent 64 slope 0.200000003 batch 2" ] || fail "another head of the dump"
[ ! -e "$work/dump.part" ] || fail "a part of the dump is left"
status=0
"$on_simt" --dump "$work/absent/dump" 8 32 2 >"$work/out" 2>"$work/err" || status=$?
[ "$status" -eq 1 ] || fail "a dump that cannot be written ended with $status"
status=0
"$on_simt" 8 32 2 none >"$work/out" 2>"$work/err" || status=$?
[ "$status" -eq 2 ] || fail "wrong usage ended with $status"
grep -q '^usage: ' "$work/err" || fail "no usage"
status=0
"$bench" 8 32 2 2 >"$work/out" 2>"$work/err" || status=$?
[ "$status" -eq 4 ] || [ -e /dev/nvidiactl ] || fail "without a device it ended with $status"
[ "$status" -ne 4 ] || grep -qi 'no .*device' "$work/err" || fail "it does not say that there is no device"
echo "bench: $steps steps, four kinds of cycles, no device said"
