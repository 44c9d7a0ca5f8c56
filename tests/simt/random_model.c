/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/simt/random_model.h"

#include "base/philox.h"

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
