#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that wants a GPU, on any machine that has one, nvcc, CMake and a C compiler.
#   scripts/gpu.sh build|test|sanitize|bench|peers OUT
# build     the engine side with the CUDA backend for this card, in build-gpu/
# test      kernel cases and backend on the device; a skip is a failure here
# sanitize  the kernel cases under compute-sanitizer memcheck, racecheck, initcheck, synccheck
# bench     cycles and layers at w = 16 and w = 128, twice, so that the spread is seen
# peers     the same shapes in PyTorch, where it is there
# Each part is under 9 minutes and on its own; build comes first. OUT gets PART.log and one line a result
# in summary.txt.
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
say() { echo "$part: $*" | tee -a "$out/summary.txt"; }
card=$(nvidia-smi --query-gpu=name,compute_cap,driver_version --format=csv,noheader | head -n 1) ||
    { say "no GPU: nvidia-smi finds none"; exit 4; }
case $part in
test | sanitize | bench)
    [ -x build-gpu/drae ] || { say "nothing is built: scripts/gpu.sh build comes first"; exit 1; } ;;
esac

case $part in
build)
    cap=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
    [ "$cap" = 90 ] && cap=90a
    cmake -S . -B build-gpu -DDRAE_CUDA=ON -DDRAE_TRAIN=OFF -DCMAKE_BUILD_TYPE=Release \
        -DDRAE_CUDA_ARCHITECTURES="$cap-real" >>"$log" 2>&1
    cmake --build build-gpu -j "$(nproc)" --target drae_command test_cuda_kernels test_cuda_backend \
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
    for run in 1 2; do
        for width in 16 128; do
            echo "== width $width, run $run, $card" >>"$log"
            timeout 110 build-gpu/drae bench --random-width "$width" --device cuda --seconds 8 --layers \
                >"$out/bench.part" 2>&1 || { cat "$out/bench.part"; rm "$out/bench.part"; say "w = $width: FAILED"; exit 1; }
            cat "$out/bench.part" >>"$log"
            say "w = $width, run $run: $(grep -m 1 '^unpaced' "$out/bench.part") | $(grep -m 1 '^paced' "$out/bench.part") | $card"
        done
    done
    rm -f "$out/bench.part"
    ;;
peers)
    python3 -c 'import torch; assert torch.cuda.is_available()' 2>>"$log" ||
        { say "PyTorch with CUDA is not there"; exit 77; }
    for width in 16 128; do
        timeout 250 python3 scripts/torch/bench_cuda.py --width "$width" >>"$log" 2>&1 ||
            { tail -n 5 "$log"; say "w = $width: FAILED"; exit 1; }
        grep "^w = $width" "$log" | while read -r line; do say "$line | $card"; done
    done
    ;;
esac
