/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cuda_tune.h"

#include "engine/cuda_table.h"

#include <math.h>
#include <string.h>

/* Seconds of an operation (or of the step that ends with it) by each kernel, INFINITY where not
 * tried. A block whose stem is made on the way is told apart. */
typedef struct times {
    double of[DRAE__PLAN_OPS][DRAE__CUDA_VARIANTS];
    double with_stem[DRAE__CUDA_VARIANTS];
} times;

typedef struct tuner {
    const drae__plan *plan;
    const drae__cuda_device *device;
    drae__cuda_timer timer;
    void *context;
    times found;
} tuner;

static const drae__cuda_variant tiles[] = {DRAE__CUDA_IGEMM_N16, DRAE__CUDA_IGEMM_N32,
                                           DRAE__CUDA_IGEMM_N64, DRAE__CUDA_IGEMM_N128};
static const drae__cuda_variant rows[] = {DRAE__CUDA_BLOCK_R1, DRAE__CUDA_BLOCK_R2};

#define N_TILES (sizeof tiles / sizeof tiles[0])
#define N_ROWS  (sizeof rows / sizeof rows[0])

/* Every convolution by conv_igemm, the stem alone; tiles of which more than half would be empty
 * give way to the widest that is not. */
static void all_tiles(const drae__plan *plan, drae__cuda_variant tile, drae__cuda_choices *c) {
    memset(c->of, 0, sizeof c->of);
    c->of[0] = DRAE__CUDA_STEM;
    for (int i = 1; i < plan->n_ops; i++) {
        if (plan->ops[i].kind == DRAE__OP_CONV) {
            drae__cuda_variant own = tile;
            while (own > DRAE__CUDA_IGEMM_N16 &&
                   drae__cuda_variant_tile(own) >= 2 * plan->ops[i].c_out) {
                own--;
            }
            c->of[i] = (uint8_t)own;
        }
    }
}

/* Blocks of so many rows where they fit, over choices that are there. */
static void all_rows(const tuner *t, drae__cuda_variant variant, bool stem, drae__cuda_choices *c) {
    size_t shared_max = t->device->shared_max;
    for (int i = 2; i < t->plan->n_ops; i++) {
        bool from_image = stem && i == 2;
        if (drae__cuda_block_takes(t->plan, i, from_image, variant, shared_max)) {
            c->of[i] = (uint8_t)variant;
            c->of[i - 1] = DRAE__CUDA_NONE;
            c->of[0] = from_image ? DRAE__CUDA_NONE : c->of[0];
        }
    }
}

/* Times one set of choices and keeps the least of each. */
static drae_status measure(tuner *t, const drae__cuda_choices *c, drae__err *err) {
    double seconds[DRAE__PLAN_OPS] = {0.0};
    drae_status status = t->timer(t->context, c, seconds, err);
    if (status != DRAE_OK) {
        return status;
    }
    for (int i = 0; i < t->plan->n_ops; i++) {
        bool with_stem = i == 2 && c->of[0] == DRAE__CUDA_NONE;
        double *at = with_stem ? &t->found.with_stem[c->of[i]] : &t->found.of[i][c->of[i]];
        *at = seconds[i] < *at ? seconds[i] : *at;
    }
    return DRAE_OK;
}

static drae_status measure_all(tuner *t, const drae__cuda_choices *table, drae__err *err) {
    drae_status status = measure(t, table, err);
    for (size_t k = 0; k < N_TILES && status == DRAE_OK; k++) {
        drae__cuda_choices c = *table;
        all_tiles(t->plan, tiles[k], &c);
        status = measure(t, &c, err);
    }
    for (size_t k = 0; k < 2 * N_ROWS && status == DRAE_OK; k++) {
        drae__cuda_choices c = *table;
        all_tiles(t->plan, DRAE__CUDA_IGEMM_N128, &c);
        all_rows(t, rows[k / 2], k % 2 == 0, &c);
        status = measure(t, &c, err);
    }
    return status;
}

/* The fastest of a list for one operation; own where nothing beats it by the margin. */
static drae__cuda_variant fastest(const double *seconds, const drae__cuda_variant *list, size_t n,
                                  drae__cuda_variant own) {
    drae__cuda_variant best = own;
    double least = seconds[own] * (1.0 - DRAE__CUDA_TUNE_MARGIN);
    for (size_t k = 0; k < n; k++) {
        if (seconds[list[k]] < least) {
            best = list[k];
            least = seconds[best];
        }
    }
    return best;
}

static drae__cuda_variant least_of(const double *seconds, const drae__cuda_variant *list,
                                   size_t n) {
    drae__cuda_variant best = list[0];
    for (size_t k = 1; k < n; k++) {
        best = seconds[list[k]] < seconds[best] ? list[k] : best;
    }
    return best;
}

/* One convolution alone. */
static void choose_conv(const tuner *t, int i, const drae__cuda_choices *table,
                        drae__cuda_choices *c) {
    drae__cuda_variant own = (drae__cuda_variant)table->of[i];
    const double *seconds = t->found.of[i];
    c->of[i] = (uint8_t)(drae__cuda_variant_tile(own) > 0 ? fastest(seconds, tiles, N_TILES, own)
                                                          : least_of(seconds, tiles, N_TILES));
}

static double seconds_of(const tuner *t, const drae__cuda_choices *c, int first, int last) {
    double sum = 0.0;
    for (int i = first; i <= last; i++) {
        bool with_stem = i == 2 && c->of[0] == DRAE__CUDA_NONE;
        if (t->plan->ops[i].kind == DRAE__OP_CONV && c->of[i] != DRAE__CUDA_NONE) {
            sum += with_stem ? t->found.with_stem[c->of[i]] : t->found.of[i][c->of[i]];
        }
    }
    return sum;
}

/* Takes what a candidate says of operations first..last where it beats what is there. */
static void take_faster(const tuner *t, int first, int last, const drae__cuda_choices *candidate,
                        drae__cuda_choices *c) {
    double is = seconds_of(t, c, first, last), would = seconds_of(t, candidate, first, last);
    if (would < is * (1.0 - DRAE__CUDA_TUNE_MARGIN)) {
        memcpy(c->of + first, candidate->of + first, (size_t)(last - first + 1));
    }
}

/* Operations first..last are a block, with the stem where first is 0. */
static void choose_block(const tuner *t, int first, int last, const drae__cuda_choices *table,
                         drae__cuda_choices *c) {
    drae__cuda_choices candidate = *c;
    memcpy(c->of + first, table->of + first, (size_t)(last - first + 1));
    for (int i = first; i <= last; i++) {
        if (table->of[i] != DRAE__CUDA_NONE && drae__cuda_variant_tile(table->of[i]) > 0) {
            choose_conv(t, i, table, c);
        }
        choose_conv(t, i, table, &candidate);
    }
    candidate.of[first] = first == 0 ? DRAE__CUDA_STEM : candidate.of[first];
    take_faster(t, first, last, &candidate, c);
    candidate.of[last - 1] = DRAE__CUDA_NONE;
    for (size_t k = 0; k < N_ROWS; k++) {
        candidate.of[last] = (uint8_t)rows[k];
        take_faster(t, first, last, &candidate, c);
    }
    candidate.of[first] = DRAE__CUDA_NONE;
    for (size_t k = 0; first == 0 && k < N_ROWS; k++) {
        candidate.of[last] = (uint8_t)rows[k];
        take_faster(t, first, last, &candidate, c);
    }
}

drae_status drae__cuda_tune(const drae__plan *plan, const drae__cuda_device *device,
                            drae__cuda_timer timer, void *context, drae__cuda_tuned *tuned,
                            drae__err *err) {
    tuner t = {.plan = plan, .device = device, .timer = timer, .context = context};
    drae__cuda_choices table;
    for (int v = 0; v < DRAE__CUDA_VARIANTS; v++) {
        t.found.with_stem[v] = INFINITY;
        for (int i = 0; i < DRAE__PLAN_OPS; i++) {
            t.found.of[i][v] = INFINITY;
        }
    }
    drae__cuda_table_choose(plan, device, &table);
    drae_status status = measure_all(&t, &table, err);
    if (status != DRAE_OK) {
        return status;
    }
    drae__cuda_choices *c = &tuned->choices;
    *c = table;
    choose_block(&t, 0, 2, &table, c);
    for (int i = 3; i < plan->n_ops; i++) {
        if (plan->ops[i].kind == DRAE__OP_CONV) {
            choose_block(&t, i, i + 1, &table, c);
            i++;
        }
    }
    tuned->table_s = seconds_of(&t, &table, 0, plan->n_ops - 1);
    tuned->tuned_s = seconds_of(&t, c, 0, plan->n_ops - 1);
    tuned->changed = 0;
    for (int i = 0; i < plan->n_ops; i++) {
        tuned->changed += c->of[i] != table.of[i];
    }
    return DRAE_OK;
}
