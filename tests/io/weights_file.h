/* SPDX-License-Identifier: Apache-2.0 */
/* Weight files for the suites that read and write them: a small model with all that a file can
 * hold, and what puts something else in the place of one value. */
#ifndef DRAE_TESTS_IO_WEIGHTS_FILE_H
#define DRAE_TESTS_IO_WEIGHTS_FILE_H

#include "support.h"

#include "io/weights.h"

#include <hdf5.h>

/* What the last call of this header or of a suite failed by. */
extern drae__err err;

/* Width 8, size 32, latent 5; every value of the file is other than its default. */
void make_model(drae__model *model, unsigned nets);

/* Fails unless b has what a has, of networks those in `nets`. */
void check_same(const drae__model *a, const drae__model *b, unsigned nets);

/* The generator of that model alone, written to path. */
void save_generator(const char *path, int deflate);

/* Loads it and lets go again; the line is in err. */
drae_status load(const char *path);

/* Fails unless loading is refused by a line with `part` in it; `what` goes before the message. */
void load_refused(const char *path, const char *what, const char *part);

/* The same with thresholds of known origin, and with fingerprints of what was seen; the caller
 * frees the model. */
void save_with_origin(const char *path, drae__model *model);

/* The same with maps of z for regions 0 and 2. */
void save_with_maps(const char *path, drae__model *model);

/* A generator of size 64 with maps in regions 0 to 2, filters in 0 and 1, and in 0 a head; region 1
 * had one that was taken away. */
void save_with_head(const char *path, drae__model *model);

/* Replaces an attribute of the file; n 1: a scalar; values NULL: takes it away. */
void set_attribute(const char *path, const char *name, hid_t type, size_t n, const void *values);

/* Replaces an array; rank 0: takes it away; values NULL: none are written. */
void replace_array(const char *path, const char *name, hid_t type, int rank, const hsize_t *dims,
                   const void *values, hid_t memory);

#endif
