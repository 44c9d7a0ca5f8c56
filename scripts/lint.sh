#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Format, layering and, with --tidy, the clang-tidy list over every source that the build compiles.
#   scripts/lint.sh [--tidy] [--fix]
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t sources < <(git ls-files '*.c' '*.h')
mode=(--dry-run --Werror)
for arg in "$@"; do [ "$arg" = --fix ] && mode=(-i); done
clang-format "${mode[@]}" "${sources[@]}"
echo "lint: ${#sources[@]} files formatted"
tests/layering.sh
for arg in "$@"; do
    [ "$arg" = --tidy ] || continue
    [ -f build/compile_commands.json ] || cmake --preset release >/dev/null
    tidy() { xargs -P "$(nproc)" -n 4 clang-tidy -p build --quiet "$@"; }
    git ls-files 'base/*.c' 'model/*.c' 'kernels/*.c' 'engine/*.c' 'line/*.c' 'io/*.c' 'synth/*.c' \
        'train/*.c' 'cli/*.c' | grep -vx base/error.c |
        tidy --extra-arg=-include --extra-arg="$PWD/scripts/tidy.h"
    tidy <<<base/error.c
    echo "lint: clang-tidy has nothing to say"
done
