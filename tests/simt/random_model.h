/* SPDX-License-Identifier: Apache-2.0 */
/* Weights for tests of whole networks. */
#ifndef DRAE_TESTS_SIMT_RANDOM_MODEL_H
#define DRAE_TESTS_SIMT_RANDOM_MODEL_H

#include "model/model.h"

#include <stdint.h>

/* Fills the generator with random weights that keep the size of what passes through
 * (tests/golden/README.md has the rule). */
void t_random_model(drae__model *model, uint64_t seed);

#endif
