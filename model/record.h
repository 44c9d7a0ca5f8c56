/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a patch beside its pixels: the hierarchy of the line (paper.md: batch > recipe >
 * station > product > run > frame > vial > region), its label and its defect. Stored as integer
 * columns of a data set, echoed in results, read by the decision rules.
 */
#ifndef DRAE_MODEL_RECORD_H
#define DRAE_MODEL_RECORD_H

#include <stdint.h>

/* The four regions of a vial, in the order of the patches of a vial. Data sets may use other
 * regions up to DRAE__REGIONS_MAX - 1. */
typedef enum drae__region {
    DRAE__REGION_FLAG = 0,   /* R0: label tab */
    DRAE__REGION_TOP = 1,    /* R1: top body */
    DRAE__REGION_LIQUID = 2, /* R2: liquid body */
    DRAE__REGION_BOTTOM = 3, /* R3: bottom */
    DRAE__REGIONS = 4
} drae__region;

#define DRAE__REGIONS_MAX 256

/* name in files, column type in files ("u8" or "i32"). A column that a file lacks reads as
 * DRAE__UNRECORDED in memory. */
#define DRAE__UNRECORDED INT32_MIN
#define DRAE__RECORD_COLUMNS(X)                                                                    \
    X(region, u8)                                                                                  \
    X(label, u8)  /* 0 good, 1 defective */                                                        \
    X(defect, u8) /* class code, 0 none; names in the attribute "defect_names" */                  \
    X(batch, i32)                                                                                  \
    X(recipe, i32)                                                                                 \
    X(station, i32)                                                                                \
    X(product, i32) /* the strip; files carry the same column as /strip too */                     \
    X(run, i32)                                                                                    \
    X(frame, i32) /* -1 the brightest, -2 the darkest over the frames of a run (rank images) */    \
    X(vial, i32)

typedef struct drae__record {
#define DRAE__RECORD_FIELD(name, type) int32_t name;
    DRAE__RECORD_COLUMNS(DRAE__RECORD_FIELD)
#undef DRAE__RECORD_FIELD
} drae__record;

/* Defect classes of synthetic strips; frozen numbers. */
#define DRAE__DEFECT_TABLE(X)                                                                      \
    X(NONE, 0, "none")                                                                             \
    X(PARTICLE, 1, "dark particle")                                                                \
    X(FIBRE, 2, "fibre")                                                                           \
    X(SCRATCH, 3, "scratch")                                                                       \
    X(CRACK, 4, "crack")                                                                           \
    X(DENT, 5, "dent")                                                                             \
    X(BURN, 6, "black spot or burn")                                                               \
    X(FLAG, 7, "incomplete flag or print")                                                         \
    X(LEVEL, 8, "wrong fill level")                                                                \
    X(BOTTOM, 9, "deformed bottom")                                                                \
    X(INCLUSION, 10, "inclusion")

typedef enum drae__defect {
#define DRAE__DEFECT_ENUM(name, code, text) DRAE__DEFECT_##name = code,
    DRAE__DEFECT_TABLE(DRAE__DEFECT_ENUM)
#undef DRAE__DEFECT_ENUM
        DRAE__DEFECTS
} drae__defect;

#endif
