#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the shared library exports is what engine/exports.txt lists, no more and no less.
#   tests/engine/symbols.sh SOURCE_ROOT LIBRARY
set -euo pipefail
root=$1 library=$2
found=$(nm -D --defined-only "$library" | awk '{print $3}' | sort)
listed=$(grep -v '^#' "$root/engine/exports.txt" | sort)
if ! diff <(echo "$listed") <(echo "$found"); then
    echo "symbols: < is listed in engine/exports.txt, > is exported; a change is a new interface"
    exit 1
fi
echo "symbols: $(wc -l <<<"$found") exported, as listed"
