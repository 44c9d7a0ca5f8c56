#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every public header compiles alone, as C11 and as C++17, pedantic, without anything else of drae.
#   tests/engine/headers.sh SOURCE_ROOT CC
set -euo pipefail
root=$1 cc=$2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
n=0
for header in "$root"/include/drae/*.h; do
    echo "#include \"drae/$(basename "$header")\"" >"$out/one.c"
    "$cc" -std=c11 -pedantic -Wall -Wextra -Werror -fsyntax-only -I"$root/include" "$out/one.c"
    "$cc" -x c++ -std=c++17 -pedantic -Wall -Wextra -Werror -fsyntax-only -I"$root/include" \
        "$out/one.c"
    n=$((n + 1))
done
[ "$n" -ge 4 ] || { echo "only $n headers"; exit 1; }
echo "headers: $n, each as C11 and C++17"
