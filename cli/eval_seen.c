/* SPDX-License-Identifier: Apache-2.0 */
/* drae eval: that no patch of the data was seen in training or calibration, and where the
 * thresholds come from. */
#include "cli/eval.h"

#include "engine/engine.h"
#include "io/weights.h"

#include <stdio.h>
#include <stdlib.h>

/* Regions whose thresholds the report explains; drae info tells them all. */
#define ORIGINS 8

/* How many patches of the data one of the lists holds, and the first of them. */
static size_t count_seen(const drae__seen *seen, size_t n, const uint64_t *prints, size_t *first) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (drae__seen_has(seen, prints[i])) {
            *first = count == 0 ? i : *first;
            count++;
        }
    }
    return count;
}

static drae_status compare(drae__eval *e, const drae__model *model, const uint64_t *prints,
                           drae__err *err) {
    for (int by = 0; by < DRAE__SEENS; by++) {
        const drae__seen *seen = &model->seen[by];
        const char *name = drae__seen_name((drae__seen_by)by);
        size_t first = 0;
        size_t count = count_seen(seen, e->n, prints, &first);
        if (count > 0 && !e->o->overlap) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: patch %zu was in the %s data: evaluate on other products "
                              "(--allow-overlap takes it all the same, and records it)",
                              e->o->data.items[0], first, name);
        }
        if (seen->n == 0) {
            drae__eval_fact(e, "data", name, "not checked: the model lists no patches");
        } else if (count > 0) {
            drae__eval_fact(e, "data", name, "%zu patches in common, allowed", count);
        } else {
            drae__eval_fact(e, "data", name, "disjoint");
        }
    }
    return DRAE_OK;
}

static void tell_origins(drae__eval *e) {
    const drae__calibration *c = &e->engine->data.calibration;
    for (int r = 0; r < c->n_regions && r < ORIGINS; r++) {
        char name[32];
        char text[256];
        (void)snprintf(name, sizeof name, "region %d", r);
        drae__threshold_origin_text(&c->from[r], c->origin.unit, text, sizeof text);
        drae__eval_fact(e, "thresholds", name, "%s", text);
    }
    if (c->origin.version[0] != '\0') {
        drae__eval_fact(e, "thresholds", "calibration data", "%s", c->origin.data_hash);
        drae__eval_fact(e, "thresholds", "training data", "%s",
                        drae__disjoint_name(c->origin.disjoint));
    }
}

drae_status drae__eval_check_seen(drae__eval *e, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__model model = {0};
    uint8_t digest[32];
    uint64_t *prints = NULL;
    tell_origins(e);
    if (e->o->model == NULL) {
        drae__eval_fact(e, "data", "training",
                        "not checked: an engine file lists no patches, give --model");
        return DRAE_OK;
    }
    prints = calloc(e->n, sizeof *prints);
    if (prints == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu fingerprints", e->n);
    }
    DRAE__TRY(drae__weights_load(e->o->model, DRAE__WEIGHTS_SEEN, 0, &model, err));
    DRAE__TRY(drae__dataset_hash_patches(e->data, digest, prints, err));
    status = compare(e, &model, prints, err);
done:
    drae__model_free(&model);
    free(prints);
    return status;
}
