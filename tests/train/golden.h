/* SPDX-License-Identifier: Apache-2.0 */
/* Golden files of tests/golden and the rule that fills weights and inputs (its README.md). */
#ifndef DRAE_TESTS_TRAIN_GOLDEN_H
#define DRAE_TESTS_TRAIN_GOLDEN_H

#include "model/model.h"

#include <stddef.h>
#include <stdint.h>

/* u(path, i) in [0,1), a multiple of 2^-24. */
double g_u(const char *path, size_t i);

/* All tensors of the networks that the model holds. */
void g_fill_model(drae__model *model);

/* The inputs of a step for n images of side `size`; each array [n,size,size], beta [n]. */
typedef struct g_inputs {
    size_t n;
    int size;
    float *x, *x_star, *mask, *noise, *beta;
} g_inputs;
g_inputs g_make_inputs(size_t n, int size);
void g_free_inputs(g_inputs *inputs);

typedef struct g_line {
    char *key;
    double *values;
    size_t n;
} g_line;

typedef struct g_file {
    g_line *lines;
    size_t n;
} g_file;

/* tests/golden/<name>.txt; fails the test when it cannot be read. */
g_file g_read(const char *name);
void g_free(g_file *file);
/* Fails the test when the key is absent. */
const g_line *g_find(const g_file *file, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
double g_number(const g_file *file, const char *key);

#endif
