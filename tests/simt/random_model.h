/* SPDX-License-Identifier: Apache-2.0 */
/* Weights and images for tests of whole networks. */
#ifndef DRAE_TESTS_SIMT_RANDOM_MODEL_H
#define DRAE_TESTS_SIMT_RANDOM_MODEL_H

#include "engine/plan.h"
#include "model/model.h"

#include <stdint.h>

/* Fills the generator with random weights that keep the size of what passes through
 * (tests/golden/README.md has the rule). */
void t_random_model(drae__model *model, uint64_t seed);

/* The same in a model of its own, and the plan of the generator; a failure ends the test. */
void t_random_network(const drae__arch *arch, uint64_t seed, drae__model *model, drae__plan *plan);

/* Waves and noise, n images of size x size; freed by t_end. */
uint8_t *t_random_images(size_t n, int size);

#endif
