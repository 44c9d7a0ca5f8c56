/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this suite share: a rendered frame, and the cases of each file. */
#ifndef DRAE_TESTS_SYNTH_SUITES_H
#define DRAE_TESTS_SYNTH_SUITES_H

#include "synth/synth.h"

#include <check.h>

/* A frame with its mask, on the heap. */
typedef struct picture {
    uint8_t *pixels, *mask;
} picture;

/* Renders one frame of a product with exactly the defects given. */
picture picture_make(const drae__synth_config *config, int product, int run, int frame, bool moved,
                     const drae__synth_defect *defects, int n);
void picture_free(picture *p);

/* Two threads, seed 11, everything else the default. */
drae__synth_config test_config(void);

TCase *defect_cases(void);
TCase *driver_cases(void);
TCase *recipe_cases(void);

#endif
