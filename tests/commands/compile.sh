#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Engines for cuda, compiled on a machine that need not have a card.
# shellcheck source=tests/commands/lib.sh
source "$(dirname "$0")/lib.sh"
model=${DRAE_SMALL:?the model that small.sh makes}

# ---- same model, same bytes, and what the file says of itself -------------------------------------
ok "$DRAE" compile --model "$model" -o a.drae --device cuda
check "the gate says that it emulated f16" grep -q 'score error of the emulated f16 kernels' stdout.txt
check "the default architecture" grep -q '^for cuda, sm_86, kernels of the table$' stdout.txt
ok "$DRAE" compile --model "$model" -o b.drae --device cuda --precision f16 --arch sm_86
check "the same bytes again" cmp -s a.drae b.drae
ok "$DRAE" compile --model "$model" -o c.drae --device cuda --arch sm_90
check "other bytes for another architecture" test "$(cmp a.drae c.drae | wc -l)" -eq 1
# 256 pixels and a head, emulated: minutes under sanitizers, where the suites of engine/ compile small ones.
if [ "${DRAE_SANITIZED:-0}" -eq 0 ]; then
    models=("$DRAE_SOURCE"/weights/*.h5)
    ok "$DRAE" compile --model "${models[0]}" -o shipped.drae --device cuda --arch sm_90 --print-plan
    check "the plan names a card" grep -qE '^plan for (H200|the device at hand), sm_90' stdout.txt
    check "the model that ships is scored by matched filters" grep -qE '^matched filters .* matched ' stdout.txt
    check "the plan has floor and prediction" grep -qE '^cycle of 60, not measured: floor .* predicted' stdout.txt
    kib=$(($(stat -c %s shipped.drae) / 1024)) # what is read of the model is smaller
    expect 1 'x.drae' small_files $((kib - 8)) "$DRAE" compile --model "${models[0]}" -o x.drae --device cuda
    check "nothing half-written" test -z "$(find . -name 'x.drae*')"
fi
ok "$DRAE" info a.drae
check "info: f16 was emulated" grep -q 'for cuda sm_86, f16, batch 60, not verified on a device: f16 emulated' stdout.txt
ok "$DRAE" info --json a.drae
check "info --json" grep -q '"device":"cuda","arch":"sm_86","precision":"f16","batch":60,"verified":false,"gate":"emulated"' stdout.txt

# ---- a plan file: kernels other than the table's, reproduced byte for byte --------------------------
{
    printf 'drae-plan 1\narch sm_89\nnetwork width 8 latent 8 size 32\nencoder/stem stem\n'
    for half in encoder decoder; do
        for s in 0 1 2 3; do
            [ "$half" = decoder ] && s=$((3 - s))
            for block in A B C; do
                second=conv2
                [ "$half$block" = decoderC ] && second=convt
                printf '%s igemm-128x16\n' "$half/stage$s/$block/conv1" "$half/stage$s/$block/$second"
            done
        done
    done
} >tiles.plan
ok "$DRAE" compile --model "$model" -o d.drae --device cuda --plan tiles.plan
check "kernels of the plan" grep -q '^for cuda, sm_89, kernels of the plan$' stdout.txt
ok "$DRAE" compile --model "$model" -o e.drae --device cuda --plan tiles.plan --arch sm_89 --print-plan
check "the same bytes by the same plan" cmp -s d.drae e.drae
check "the plan's kernels in the text" grep -q 'encoder/stage0/B/conv1 .*igemm-128x16' stdout.txt
ok "$DRAE" compile --model "$model" -o f.drae --device cuda --arch sm_89
check "other bytes than by the table" test "$(cmp d.drae f.drae | wc -l)" -eq 1
expect 1 'sm_89, the engine is for sm_80' "$DRAE" compile --model "$model" -o x.drae --device cuda --plan tiles.plan --arch sm_80
sed 's/conv1 igemm-128x16/conv1 igemm-128x17/' tiles.plan >bad.plan
expect 3 'bad.plan: line 5 of the plan' "$DRAE" compile --model "$model" -o x.drae --device cuda --plan bad.plan
expect 3 'absent.plan' "$DRAE" compile --model "$model" -o x.drae --device cuda --plan absent.plan
expect 3 'not a plan' "$DRAE" compile --model "$model" -o x.drae --device cuda --plan stdout.txt

# ---- what cannot be had ----------------------------------------------------------------------------
if ! command -v nvidia-smi >/dev/null; then
    expect 4 'measuring kernels' "$DRAE" compile --model "$model" -o x.drae --device cuda --tune x.plan
    expect 4 'no CUDA|without CUDA|cuda' "$DRAE" inspect -q --engine a.drae --data absent.h5 --out x
fi
expect 1 'bf16.* f16 alone' "$DRAE" compile --model "$model" -o x.drae --device cuda --precision bf16
expect 1 'f16 is for cuda' "$DRAE" compile --model "$model" -o x.drae --precision f16
expect 2 'go with --device cuda' "$DRAE" compile --model "$model" -o x.drae --arch sm_86
expect 2 'either --tune or --plan' "$DRAE" compile --model "$model" -o x.drae --device cuda --tune x --plan x
check "nothing is written by what was refused" test ! -e x.drae -a ! -e x.plan -a ! -e x

# ---- a plan without a model ------------------------------------------------------------------------
ok "$DRAE" bench --random-width 128 --device cuda --arch sm_80 --print-plan
check "the plan of a random network" grep -q '^plan for A100 40 GB, sm_80' stdout.txt
expect 2 'goes with' "$DRAE" bench --random-width 16 --arch sm_80
finish
