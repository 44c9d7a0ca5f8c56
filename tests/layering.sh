#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who may include what (docs/decisions.md, "Rooms"): arrows go down only, a dependency has one room
# that may see it, public headers include nothing private. Prints each violation; fails on any.
#   tests/layering.sh [ROOT]
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"
bad=0
complain() {
    echo "layering: $1"
    bad=1
}

# room: the rooms whose headers its files may include
declare -A may=(
    [base]="base"
    [kernels]="base kernels"
    [model]="base kernels model"
    [line]="base kernels model line"
    [engine]="base kernels model line engine"
    [io]="base kernels model line io"
    [synth]="base model synth"
    [train]="base kernels model io train"
    [cli]="base model line engine io synth train cli"
)
for room in "${!may[@]}"; do
    [ -d "$room" ] || continue
    while IFS=: read -r file line text; do
        header=$(sed -E 's/.*#include +"([^"]+)".*/\1/' <<<"$text")
        target=${header%%/*}
        [ "$target" = drae ] && continue
        if [ "$target" = "$header" ] || ! grep -qw -- "$target" <<<"${may[$room]}"; then
            complain "$file:$line: $room may not include \"$header\""
        fi
    done < <(grep -rnE --include='*.c' --include='*.h' --include='*.cu' --include='*.cuh' \
        '^ *#include +"' "$room" || true)
done

# dependency headers: pattern, the only place that may include them
only() {
    local what=$1 pattern=$2 allowed=$3
    while IFS=: read -r file line _; do
        [[ $file =~ $allowed ]] || complain "$file:$line: only $allowed may see $what"
    done < <(grep -rnE --include='*.c' --include='*.h' "^ *#include +[<\"]($pattern)" \
        base model kernels line engine io synth train cli include || true)
}
only HDF5 'hdf5|H5' '^io/'
only oneDNN 'dnnl|oneapi' '^kernels/onednn/'
only images 'spng|tiff|turbojpeg|png' '^io/'
only YAML 'cyaml|yaml' '^io/'
only JSON 'jansson' '^io/'
only zlib 'zlib' '^io/'
only MPI 'mpi' '^train/'
only OpenMP 'omp' '^(kernels/(cpu|onednn)|engine|train|synth|line|io|cli)/'
only CUDA 'cuda|cublas|cudnn' '^(kernels/cuda/|(engine|train)/backend_cuda)'

while IFS=: read -r file line text; do
    grep -qE '#include +(<[a-z]+\.h>|"drae/[a-z_]+\.h")' <<<"$text" ||
        complain "$file:$line: a public header may include only the C library and drae/"
done < <(grep -rnE '^ *#include' include || true)

[ "$bad" -eq 0 ] && echo "layering: every include goes down"
exit "$bad"
