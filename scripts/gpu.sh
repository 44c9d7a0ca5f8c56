#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that wants a GPU, on any machine that has one, nvcc, CMake and a C compiler.
#   scripts/gpu.sh build|test|sanitize|bench|peers OUT
# build     the engine side with the CUDA backend for this card, in build-gpu/
# test      kernel cases and backend on the device; a skip is a failure here
# sanitize  the kernel cases under compute-sanitizer memcheck, racecheck, initcheck, synccheck
# bench     kernels and cycles at w = 16 and w = 128, twice, so that the spread is seen; the command's
#           own bench at w = 16
# peers     the same weights and patches in PyTorch and ONNX Runtime, where they are there
# Each part is under 9 minutes and on its own; build comes first. OUT gets PART.log, one line a result in
# summary.txt, and from bench and peers their JSON lines: 8 files. Exit status: 0 done, 1 something failed,
# 2 wrong usage, 4 no GPU, 77 what the part needs is not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
part=${1:?usage: scripts/gpu.sh build|test|sanitize|bench|peers OUT}
out=${2:?usage: scripts/gpu.sh build|test|sanitize|bench|peers OUT}
case $part in
build | test | sanitize | bench | peers) ;;
*) echo "gpu: unknown part \"$part\": build, test, sanitize, bench or peers" >&2; exit 2 ;;
esac
mkdir -p "$out"
out=$(cd "$out" && pwd)
log=$out/$part.log
export PATH=$PATH:/usr/local/cuda/bin DRAE_REQUIRE_GPU=1 CK_FORK=no CK_DEFAULT_TIMEOUT=0
: >"$log"
touch "$out/summary.txt" # a part that runs again replaces what it said
sed -i "/^$part: /d" "$out/summary.txt"
[ "$part" != peers ] || rm -f "$out/peers.jsonl"
work=$(mktemp)
trap 'rm -f "$work" "$work.log" "$work.onnx" "$work.onnx.data"' EXIT
say() { echo "$part: $*" | tee -a "$out/summary.txt"; }
card=$(nvidia-smi --query-gpu=name,compute_cap,driver_version --format=csv,noheader | head -n 1) ||
    { say "no GPU: nvidia-smi finds none"; exit 4; }
case $part in
test | sanitize | bench | peers)
    [ -x build-gpu/drae ] || { say "nothing is built: scripts/gpu.sh build comes first"; exit 1; } ;;
esac

case $part in
build)
    cap=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
    [ "$cap" = 90 ] && cap=90a
    cmake -S . -B build-gpu -DDRAE_CUDA=ON -DDRAE_TRAIN=OFF -DCMAKE_BUILD_TYPE=Release \
        -DDRAE_CUDA_ARCHITECTURES="$cap-real" >>"$log" 2>&1
    timeout 480 cmake --build build-gpu -j "$(nproc)" --target drae_command test_cuda_kernels test_cuda_backend bench_kernels_cuda \
        >>"$log" 2>&1 || { tail -n 30 "$log"; say "failed on $card"; exit 1; }
    say "done on $card, sm_$cap"
    ;;
test)
    for suite in kernels backend; do
        if timeout 240 "build-gpu/tests/cuda/test_cuda_$suite" >>"$log" 2>&1; then
            say "$suite: $(grep '^100%' "$log" | tail -n 1) on $card"
        else
            say "$suite: FAILED on $card"
            tail -n 20 "$log"
            failed=1
        fi
    done
    exit "${failed:-0}"
    ;;
sanitize)
    command -v compute-sanitizer >/dev/null || { say "compute-sanitizer is not installed"; exit 77; }
    for tool in memcheck racecheck initcheck synccheck; do
        if timeout 130 compute-sanitizer --tool "$tool" --error-exitcode 9 \
            build-gpu/tests/cuda/test_cuda_kernels >>"$log" 2>&1; then
            say "$tool: clean on $card"
        else
            say "$tool: FAILED or timed out on $card"
            grep -m 5 '=========' "$log" || true
            failed=1
        fi
    done
    exit "${failed:-0}"
    ;;
bench)
    # The machine, then every line of both runs.
    nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.limit --format=csv,noheader,nounits | head -n 1 |
        awk -F', ' -v commit="$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" '{
            printf "{\"bench\":\"machine\",\"card\":\"%s\",\"driver\":\"%s\",\"sm_mhz\":\"%s\",\"memory_mhz\":\"%s\",\"sm_mhz_max\":\"%s\",\"watts\":\"%s\",\"commit\":\"%s\"}\n",
                $1, $2, $3, $4, $5, $6, commit }' >"$out/bench.jsonl"
    for run in 1 2; do
        for width in 16 128; do
            samples=1000
            [ "$width" = 16 ] || samples=100
            timeout 110 build-gpu/bench/bench_kernels_cuda "$width" 256 60 "$samples" >"$work" 2>>"$log" ||
                { tail -n 5 "$log"; say "w = $width: FAILED"; exit 1; }
            sed "s/^{/{\"run\":$run,/" "$work" >>"$out/bench.jsonl"
            # what, by or pause, then the median and the share of the floor
            awk -v head="bench: w = $width, run $run" -v card="$card" '
                function field(name) { return match($0, "\"" name "\":[^,}]*") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3) : "" }
                /"what":"(cycle|paced)"/ {
                    kind = /"what":"cycle"/ ? "cycle by " field("by") : "paced, kept warm every " field("keep_warm_ms") " ms"
                    print head ", " kind ": median " field("median_ms") " ms, p99.9 " field("p99_9_ms") ", share of the floor " field("share") " | " card
                }' "$work" | tee -a "$out/summary.txt"
        done
    done
    timeout 60 build-gpu/drae bench --random-width 16 --device cuda --seconds 8 --layers --json >"$work" 2>>"$log" ||
        { tail -n 5 "$log"; say "drae bench: FAILED"; exit 1; }
    cat "$work" >>"$out/bench.jsonl"
    say "drae bench, w = 16: done | $card"
    ;;
peers)
    python3 -c 'import torch; assert torch.cuda.is_available()' 2>>"$log" ||
        { say "PyTorch with CUDA is not there"; exit 77; }
    for width in 16 128; do
        timeout 60 build-gpu/bench/bench_kernels_cuda --dump "$work" "$width" >>"$log" 2>&1 ||
            { tail -n 5 "$log"; say "w = $width: our own scores: FAILED"; exit 1; }
        # What was timed before something went wrong counts all the same.
        status=0
        timeout 200 python3 scripts/torch/bench_cuda.py "$work" --seconds 120 --json "$out/peers.jsonl" >"$work.log" 2>&1 ||
            status=$?
        cat "$work.log" >>"$log"
        while read -r line; do say "$line | $card"; done < <(grep '^w = ' "$work.log" || true)
        [ "$status" -eq 0 ] && continue
        tail -n 5 "$work.log"
        case $status in
        1) say "w = $width: FAILED: the scores of a peer differ from ours | $card" ;;
        124) say "w = $width: FAILED: a peer did not end in 200 s | $card" ;;
        *) say "w = $width: FAILED with $status | $card" ;;
        esac
        failed=1
    done
    exit "${failed:-0}"
    ;;
esac
