/* SPDX-License-Identifier: Apache-2.0 */
/* One product: its static layers, rendered once and read by all its frames. */
#include "synth/strip.h"

#include "base/arena.h"
#include "synth/stream.h"

#include <omp.h>
#include <stdlib.h>

static float resin_scatter(const drae__synth_config *config) {
    drae__rng rng =
        drae__synth_rng(DRAE__SYNTH_MACHINE_SEED, config->batch, 0, 0, DRAE__TOPIC_BATCH, 0);
    float lot = drae__rng_range(&rng, 0.97f, 1.03f);
    return lot * (config->resin == 1 ? 1.35f : 1.0f);
}

static void render_layers(drae__synth_strip *strip, int threads) {
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static, 1)
        for (int v = 0; v < DRAE__SYNTH_VIALS; v++) {
            drae__vial_shape(&strip->config, strip->product, v, &strip->vials[v]);
            drae__lettering_draw(strip, v);
        }
#pragma omp for schedule(dynamic, 16)
        for (int row = 0; row < DRAE__SYNTH_HEIGHT; row++) {
            drae__plastic_row(strip, row);
        }
    }
}

drae_status drae__synth_create(const drae__synth_config *config, int product,
                               const drae__synth_defect *defects, int n, drae__synth_strip **out,
                               drae__err *err) {
    drae_status status = drae__synth_check(config, err);
    if (status != DRAE_OK) {
        return status;
    }
    if (product < 0 || product > DRAE__SYNTH_PRODUCT_MAX || n < 0 || n > DRAE__SYNTH_DEFECTS_MAX) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "product %d with %d defects: out of range",
                          product, n);
    }
    for (int i = 0; i < n; i++) {
        const drae__synth_defect *d = &defects[i];
        if (d->kind <= DRAE__DEFECT_NONE || d->kind >= DRAE__DEFECTS || d->vial < 0 ||
            d->vial >= DRAE__SYNTH_VIALS || d->region < 0 || d->region >= DRAE__REGIONS ||
            !(d->size_px >= 4.0f && d->size_px <= 40.0f) || d->x >= DRAE__SYNTH_WIDTH - 64 ||
            d->y < (d->x < 0.0f ? -1.0f : 64.0f) || d->y >= DRAE__SYNTH_HEIGHT - 64 ||
            (d->x >= 0.0f && d->x < 64.0f)) {
            return drae__fail(err, DRAE_ERROR_ARGUMENT,
                              "defect %d: class %d, vial %d, region %d, size %g px at (%g, %g): "
                              "out of range",
                              i, d->kind, d->vial, d->region, (double)d->size_px, (double)d->x,
                              (double)d->y);
        }
    }
    const size_t letters = (size_t)DRAE__SYNTH_VIALS * DRAE__LETTER_SIDE * DRAE__LETTER_SIDE;
    drae__synth_strip *strip = calloc(1, sizeof *strip);
    if (strip == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a strip");
    }
    strip->dry = drae__aligned_alloc(DRAE__SYNTH_PIXELS * sizeof(float));
    strip->wet = drae__aligned_alloc(DRAE__SYNTH_PIXELS * sizeof(float));
    strip->lettering = drae__aligned_alloc(letters * sizeof(float));
    strip->layers = calloc((size_t)(n > 0 ? n : 1), sizeof *strip->layers);
    if (strip->dry == NULL || strip->wet == NULL || strip->lettering == NULL ||
        strip->layers == NULL) {
        drae__synth_destroy(strip);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the layers of a strip");
    }
    strip->config = *config;
    strip->product = product;
    strip->scatter = resin_scatter(config);
    drae__rng tool = drae__synth_rng(DRAE__SYNTH_MACHINE_SEED, 0, 0, 0, DRAE__TOPIC_TOOL, 0);
    drae__rng own = drae__synth_rng(config->seed, product, 0, 0, DRAE__TOPIC_TEXTURE, 0);
    drae__noise_fill(&strip->tool, &tool);
    drae__noise_fill(&strip->own, &own);

    render_layers(strip, config->threads > 0 ? config->threads : omp_get_max_threads());
    strip->n_defects = n;
    for (int i = 0; i < n; i++) {
        strip->defects[i] = defects[i];
        drae__defect_prepare(strip, i);
    }
    *out = strip;
    return DRAE_OK;
}

void drae__synth_destroy(drae__synth_strip *strip) {
    if (strip != NULL) {
        free(strip->dry);
        free(strip->wet);
        free(strip->lettering);
        free(strip->layers);
        free(strip);
    }
}

int drae__synth_defects(const drae__synth_strip *strip, const drae__synth_defect **defects) {
    *defects = strip->defects;
    return strip->n_defects;
}
