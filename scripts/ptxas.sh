#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles every kernel for every architecture and reads what ptxas says: a table of registers, shared
# memory and spills, and failure where a kernel spills or keeps a stack. No GPU needed.
#   scripts/ptxas.sh [TABLE] [ARCH...]      default: standard output, 80 86 89 90a
set -euo pipefail
cd "$(dirname "$0")/.."
table=${1:-/dev/stdout}
shift || true
archs=("$@")
[ "${#archs[@]}" -gt 0 ] || archs=(80 86 89 90a)
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
[ -x "$nvcc" ] || { echo "ptxas: nvcc is not installed" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for source in kernels/cuda/*.cu; do
    for arch in "${archs[@]}"; do
        "$nvcc" -std=c++17 -O3 -I. -Iinclude -Ikernels -Xptxas -v \
            -gencode "arch=compute_$arch,code=sm_$arch" -c "$source" -o "$work/o.o" 2>"$work/log" ||
            { cat "$work/log" >&2; exit 1; }
        c++filt <"$work/log" | awk -v arch="sm_$arch" '
            # "Compiling entry function NAME for", then the stack and spills, then the registers
            /Compiling entry function/ {
                name = $0
                sub(/.*function .(void )?/, "", name); sub(/. for .*/, "", name)
                gsub(/\(anonymous namespace\)::/, "", name)
                gsub(/\((int|bool|resblock_mode)\)/, "", name)
                sub(/\(.*/, "", name)
            }
            /bytes stack frame/ { stack = $1; spill = $5 + $9 }
            /Used [0-9]+ registers/ {
                regs = $0; sub(/.*Used /, "", regs); sub(/ .*/, "", regs)
                smem = $0; if (!sub(/.* ([0-9]+) bytes smem.*/, "&", smem)) smem = "0"
                else { sub(/ bytes smem.*/, "", smem); sub(/.* /, "", smem) }
                printf "%-62s %-7s %4d %6d %6d %6d\n", name, arch, regs, smem, stack, spill
            }' >>"$work/rows"
    done
done
{
    printf '%-62s %-7s %4s %6s %6s %6s\n' kernel arch regs smem stack spills
    sort "$work/rows"
} >"$work/table"
cat "$work/table" >"$table"
awk 'NR > 1 && ($(NF) > 0 || $(NF - 1) > 0) { print "ptxas: spills: " $0 > "/dev/stderr"; bad = 1 }
     END { exit bad }' "$work/table"
