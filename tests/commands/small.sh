#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A model for the tests that need one and ask nothing of its scores: 32 pixels, width 8, one step. A
# CTest fixture: made once, $DRAE_SMALL names it.
# shellcheck source=tests/commands/lib.sh
source "$(dirname "$0")/lib.sh"
: "${DRAE_SMALL:?where it goes}"

ok kit good.h5 32 --strips 2 --runs 1 --frames 1 --good-only --seed 9
ok "$DRAE" train --quiet --data good.h5 --out run --width 8 --latent 8 --batch 4 --max-steps 1 \
    --w-adv 0 --w-enc 0
ok "$DRAE" info run/model.h5
check "the model is there" mv run/model.h5 "$DRAE_SMALL"
finish
