/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patches and their verdicts out of the scores.csv of drae eval (docs/eval.md), so that what was
 * inspected once need not be again. Of its columns these are read, in any order:
 *     region,product,run,vial,label,reject    whole numbers; reject empty: no threshold
 *     reason                                  of a reject, may be absent or empty: the score
 *     batch,recipe,station,frame,defect       may be absent or empty: not recorded
 */
#ifndef DRAE_IO_SCORED_H
#define DRAE_IO_SCORED_H

#include "base/error.h"
#include "model/record.h"

#include <stddef.h>
#include <stdint.h>

typedef struct drae__scored {
    size_t n;
    drae__record *records;
    uint8_t *reasons;   /* [n] drae_reason */
    uint8_t digest[32]; /* SHA-256 of the file */
} drae__scored;

/* ERROR_FILE naming the line, ERROR_MEMORY. Free with drae__scored_free, which is safe on a zeroed
 * struct. */
drae_status drae__scored_read(const char *path, drae__scored *scored, drae__err *err);
void drae__scored_free(drae__scored *scored);

#endif
