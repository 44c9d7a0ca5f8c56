/* SPDX-License-Identifier: Apache-2.0 */
#include "small.h"

#include "base/philox.h"

#include <check.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT_COLUMN(name, type) +1
#define ALL_COLUMNS              ((1u << (0 DRAE__RECORD_COLUMNS(COUNT_COLUMN))) - 1u)

static char folder[64];

const char *s_make_folder(void) {
    (void)snprintf(folder, sizeof folder, "/tmp/drae-train-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    return folder;
}

static int take_away(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

void s_remove_folder(void) {
    (void)nftw(folder, take_away, 8, FTW_DEPTH | FTW_PHYS);
}

const char *s_path(const char *name) {
    static char paths[8][160];
    static int next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void draw(int size, uint64_t index, uint8_t *patch) {
    drae__rng rng;
    drae__rng_init(&rng, 7, DRAE__PURPOSE_TEST, index);
    float phase = drae__rng_range(&rng, 0.0f, 6.28f);
    float fy = drae__rng_range(&rng, 0.2f, 0.4f), fx = drae__rng_range(&rng, 0.1f, 0.2f);
    for (int i = 0; i < size * size; i++) {
        float wave = sinf(fy * (float)(i / size) + fx * (float)(i % size) + phase);
        float level = 128.0f + 70.0f * wave + drae__rng_range(&rng, -6.0f, 6.0f);
        patch[i] = (uint8_t)lrintf(level);
    }
}

void s_make_set(const char *path, int size, size_t n, size_t per_product, size_t defective) {
    drae__err err = {{0}};
    drae__dataset_writer *writer = NULL;
    drae__dataset_format format = {
        .size = size, .columns = ALL_COLUMNS, .deflate = 1, .title = "small", .max_patches = n};
    uint8_t *patch = malloc((size_t)size * (size_t)size);
    ck_assert_ptr_nonnull(patch);
    ck_assert_msg(drae__dataset_create(path, &format, &writer, &err) == DRAE_OK, "%s", err.text);
    for (size_t i = 0; i < n; i++) {
        drae__record record = {.label = defective != 0 && i % defective == defective - 1,
                               .product = (int32_t)(i / per_product)};
        draw(size, i, patch);
        ck_assert_int_eq(drae__dataset_append(writer, 1, patch, NULL, &record, &err), DRAE_OK);
    }
    ck_assert_msg(drae__dataset_finish(writer, &err) == DRAE_OK, "%s", err.text);
    free(patch);
}

drae__train_config s_config(void) {
    drae__train_config config = drae__train_config_default();
    config.model.width = 8;
    config.model.latent = 8;
    config.run.batch = 4;
    config.run.threads = 1; /* no waiting for a second one where the machine is busy */
    config.run.previews = 0;
    return config;
}
