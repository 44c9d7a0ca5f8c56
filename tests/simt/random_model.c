/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/simt/random_model.h"

#include "base/philox.h"
#include "tests/kernels/testutil.h"

#include <check.h>
#include <math.h>

void t_random_model(drae__model *model, uint64_t seed) {
    const drae__params *params = &model->params[DRAE__NET_GENERATOR];
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_TEST, 2);
    for (size_t t = 0; t < params->n; t++) {
        const drae__param *p = &params->items[t];
        float mid = 0.0f, by = 0.1f;
        if (p->kind == DRAE__PARAM_GAMMA || p->kind == DRAE__PARAM_VAR) {
            mid = 1.0f;
            by = p->kind == DRAE__PARAM_GAMMA ? 0.25f : 0.5f;
        } else if (p->fan_in > 0) {
            by = sqrtf(3.0f / (float)p->fan_in);
        }
        for (size_t i = 0; i < p->count; i++) {
            model->data[DRAE__NET_GENERATOR][p->offset + i] =
                drae__rng_range(&rng, mid - by, mid + by);
        }
    }
}

void t_random_network(const drae__arch *arch, uint64_t seed, drae__model *model, drae__plan *plan) {
    drae__err err = {{0}};
    const drae__params *params = &model->params[DRAE__NET_GENERATOR];
    ck_assert_msg(drae__model_create(arch, 1u << DRAE__NET_GENERATOR, model, &err) == DRAE_OK, "%s",
                  err.text);
    t_random_model(model, seed);
    ck_assert_msg(drae__plan_create(arch, params, plan, &err) == DRAE_OK, "%s", err.text);
}

uint8_t *t_random_images(size_t n, int size) {
    size_t pixels = n * (size_t)size * (size_t)size;
    uint8_t *images = t_bytes(pixels);
    t_pair noise = t_uniform(pixels, 3, -20.0f, 20.0f);
    for (size_t i = 0; i < pixels; i++) {
        double row = (double)(i / (size_t)size), column = (double)(i % (size_t)size);
        images[i] = (uint8_t)(127.0 + 90.0 * sin(0.37 * row + 0.21 * column) + noise.d[i]);
    }
    return images;
}
