#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A process of a job dies: the job ends by itself, says which one, and leaves a checkpoint from
# which two processes go on.
#   lost_process.sh TEST_PROCESSES MPIRUN...
set -euo pipefail
program=$1
shift
folder=$(mktemp -d /tmp/drae-lost-XXXXXX)
trap 'rm -rf "$folder"' EXIT
"$program" set - "$folder/set.h5"
if "$@" "$program" die "$folder/run" "$folder/set.h5" >"$folder/log" 2>&1; then
    echo "a job that lost a process ended as if nothing had been"
    exit 1
fi
grep -qi 'rank 1' "$folder/log" || { echo "nobody said which process:"; cat "$folder/log"; exit 1; }
[ -f "$folder/run/checkpoint.h5" ] || { echo "no checkpoint"; exit 1; }
"$@" "$program" resume "$folder/run" "$folder/set.h5"
echo "lost_process: the job ended, and went on from its checkpoint"
