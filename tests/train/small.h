/* SPDX-License-Identifier: Apache-2.0 */
/* Small data sets and scratch folders for the suites of train/. */
#ifndef DRAE_TESTS_TRAIN_SMALL_H
#define DRAE_TESTS_TRAIN_SMALL_H

#include "io/dataset.h"
#include "io/train_config.h"

/* A fresh folder below /tmp, removed with everything in it by s_remove_folder. */
const char *s_make_folder(void);
void s_remove_folder(void);
/* "<folder>/<name>" in one of a few static buffers. */
const char *s_path(const char *name);

/* n smooth striped patches of size x size, `per_product` a product, every `defective`-th (0: none)
 * labelled defective. */
void s_make_set(const char *path, int size, size_t n, size_t per_product, size_t defective);

/* Width 8, latent 8, batch 4, 1 thread, validation on: seconds for a run of 50 steps at size 32.
 */
drae__train_config s_config(void);

#endif
