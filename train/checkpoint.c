/* SPDX-License-Identifier: Apache-2.0 */
#include "train/checkpoint.h"

#include "io/weights.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND       "checkpoint"
#define VERSION    1
#define NAME       64
#define WHOLES     8 /* of /rng/position, in the order of to_wholes */
#define ADAM_STEPS 2

static const char *const moment_names[2] = {"m", "v"};

/* ---- writing ---- */

static void to_wholes(const drae__train_state *s, uint64_t seed, int64_t wholes[WHOLES]) {
    const int64_t values[WHOLES] = {(int64_t)seed, s->step,  s->epoch,     s->cursor,
                                    s->samples,    s->stale, s->best_step, s->best_samples};
    memcpy(wholes, values, sizeof values);
}

static drae_status put_array(drae__blob_writer *writer, const char *path, drae__blob_type type,
                             size_t count, const void *data, drae__err *err) {
    drae__blob blob = {.path = path, .type = type, .rank = 1, .dims = {count}, .data = data};
    return drae__blob_put(writer, &blob, 0, err);
}

static drae_status put_text(drae__blob_writer *writer, const char *path, const char *text,
                            drae__err *err) {
    drae__blob blob = {.path = path, .type = DRAE__BLOB_TEXT, .rank = 0, .data = text};
    return drae__blob_put(writer, &blob, 0, err);
}

static drae_status put_moments(drae__blob_writer *writer, const drae__trainer *t, drae__err *err) {
    drae_status status = DRAE_OK;
    for (int net = 0; net < DRAE__NETS; net++) {
        const float *const moments[2] = {t->adam.m[net], t->adam.v[net]};
        for (int i = 0; moments[0] != NULL && i < 2; i++) {
            char path[NAME];
            (void)snprintf(path, sizeof path, "/optimizer/%s/%s", drae__net_name((drae__net)net),
                           moment_names[i]);
            DRAE__TRY(put_array(writer, path, DRAE__BLOB_F32, t->model.params[net].total,
                                moments[i], err));
        }
    }
done:
    return status;
}

drae_status drae__checkpoint_write(const char *path, const drae__trainer *t,
                                   const drae__train_state *state, const char *data_hash,
                                   drae__err *err) {
    drae_status status = DRAE_OK;
    drae__blob_writer *writer = NULL;
    char *config = NULL;
    int64_t wholes[WHOLES];
    const int64_t steps[ADAM_STEPS] = {t->adam.t_gen, t->adam.t_disc};
    const int64_t version = VERSION;
    drae__model model = t->model; /* a view */
    (void)snprintf(model.provenance.data_hash, sizeof model.provenance.data_hash, "%s", data_hash);
    (void)snprintf(model.provenance.precision, sizeof model.provenance.precision, "%.7s",
                   t->config.run.precision);
    model.provenance.seed = (uint64_t)t->config.run.seed;
    model.provenance.steps = state->step;
    model.provenance.samples = state->samples;
    to_wholes(state, (uint64_t)t->config.run.seed, wholes);
    DRAE__TRY(drae__train_config_format(&t->config, &config, err));
    DRAE__TRY(drae__blob_create(path, KIND, &writer, err));
    DRAE__TRY(drae__weights_put(writer, &model, 0, err));
    DRAE__TRY(put_moments(writer, t, err));
    DRAE__TRY(put_array(writer, "/optimizer/steps", DRAE__BLOB_I64, ADAM_STEPS, steps, err));
    DRAE__TRY(put_array(writer, "/rng/position", DRAE__BLOB_I64, WHOLES, wholes, err));
    DRAE__TRY(put_array(writer, "/rng/best_con", DRAE__BLOB_F64, 1, &state->best_con, err));
    DRAE__TRY(put_text(writer, "/@train_config", config, err));
    drae__blob blob = {
        .path = "/@checkpoint_version", .type = DRAE__BLOB_I64, .rank = 0, .data = &version};
    DRAE__TRY(drae__blob_put(writer, &blob, 0, err));
    status = drae__blob_finish(writer, err);
    writer = NULL;
done:
    drae__blob_abandon(writer);
    free(config);
    return status;
}

/* ---- reading ---- */

static drae_status check_kind(const drae__blob_file *file, drae__err *err) {
    drae_status status = DRAE_OK;
    const drae__blob *blob = NULL;
    DRAE__TRY(drae__blob_need(file, "/@checkpoint_version", DRAE__BLOB_I64, 1, &blob, err));
    int64_t version = *(const int64_t *)blob->data;
    if (version != VERSION) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: checkpoint version %" PRId64 ", expected %d",
                            drae__blob_file_path(file), version, VERSION);
    }
done:
    return status;
}

static drae_status take_state(const drae__blob_file *file, drae__train_state *s, drae__err *err) {
    drae_status status = DRAE_OK;
    const drae__blob *blob = NULL;
    const char *path = drae__blob_file_path(file);
    DRAE__TRY(drae__blob_need(file, "/rng/position", DRAE__BLOB_I64, WHOLES, &blob, err));
    const int64_t *w = blob->data;
    for (int i = 0; i < WHOLES; i++) {
        if (w[i] < 0) {
            status = drae__fail(err, DRAE_ERROR_FILE, "%s: /rng/position[%d] is %" PRId64, path, i,
                                w[i]);
            goto done;
        }
    }
    drae__train_state next = {.step = w[1],
                              .epoch = w[2],
                              .cursor = w[3],
                              .samples = w[4],
                              .stale = w[5],
                              .best_step = w[6],
                              .best_samples = w[7]};
    DRAE__TRY(drae__blob_need(file, "/rng/best_con", DRAE__BLOB_F64, 1, &blob, err));
    next.best_con = *(const double *)blob->data;
    *s = next;
done:
    return status;
}

drae_status drae__checkpoint_peek(const char *path, const char *data_hash,
                                  drae__train_config *config, drae__train_state *state,
                                  drae__err *err) {
    static const char *const wanted[] = {"/rng"};
    drae_status status = DRAE_OK;
    drae__blob_file *file = NULL;
    const drae__blob *blob = NULL;
    DRAE__TRY(drae__blob_open(path, wanted, 1, SIZE_MAX, &file, err));
    DRAE__TRY(check_kind(file, err));
    DRAE__TRY(drae__blob_need(file, "/@train_config", DRAE__BLOB_TEXT, 1, &blob, err));
    drae__train_config then = drae__train_config_default();
    DRAE__TRY(drae__train_config_parse(path, blob->data, strlen(blob->data), &then, err));
    DRAE__TRY(drae__blob_need(file, "/@data_hash", DRAE__BLOB_TEXT, 1, &blob, err));
    if (strcmp(blob->data, data_hash) != 0) {
        status = drae__fail(err, DRAE_ERROR_ARGUMENT,
                            "%s was trained on other data (SHA-256 %.12s..., now %.12s...); give "
                            "the same files in the same order, or start a new run",
                            path, (const char *)blob->data, data_hash);
        goto done;
    }
    DRAE__TRY(take_state(file, state, err));
    *config = then;
done:
    drae__blob_close(file);
    return status;
}

static drae_status take_moments(const drae__blob_file *file, drae__trainer *t, drae__err *err) {
    drae_status status = DRAE_OK;
    for (int net = 0; net < DRAE__NETS; net++) {
        float *const moments[2] = {t->adam.m[net], t->adam.v[net]};
        size_t total = t->model.params[net].total;
        for (int i = 0; moments[0] != NULL && i < 2; i++) {
            char path[NAME];
            const drae__blob *blob = NULL;
            (void)snprintf(path, sizeof path, "/optimizer/%s/%s", drae__net_name((drae__net)net),
                           moment_names[i]);
            DRAE__TRY(drae__blob_need(file, path, DRAE__BLOB_F32, total, &blob, err));
            const float *values = blob->data;
            for (size_t k = 0; k < total; k++) {
                if (!isfinite(values[k])) {
                    status = drae__fail(err, DRAE_ERROR_FILE, "%s: %s: element %zu is not finite",
                                        drae__blob_file_path(file), path, k);
                    goto done;
                }
            }
            memcpy(moments[i], values, total * sizeof(float));
        }
    }
done:
    return status;
}

static bool same_arch(const drae__arch *a, const drae__arch *b) {
    return a->block == b->block && a->width == b->width && a->latent == b->latent &&
           a->size == b->size && a->slope == b->slope && a->bn_eps == b->bn_eps;
}

drae_status drae__checkpoint_read(const char *path, drae__trainer *t, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__blob_file *file = NULL;
    const drae__blob *blob = NULL;
    drae__model model;
    memset(&model, 0, sizeof model);
    unsigned nets = drae__trainer_nets(&t->config);
    DRAE__TRY(drae__blob_open(path, NULL, 0, SIZE_MAX, &file, err));
    DRAE__TRY(check_kind(file, err));
    DRAE__TRY(drae__weights_take(file, nets, nets, &model, err));
    if (!same_arch(&model.arch, &t->model.arch)) {
        status = drae__fail(
            err, DRAE_ERROR_FILE, "%s: width %d, latent %d, size %d, slope %g are not this run's",
            path, model.arch.width, model.arch.latent, model.arch.size, (double)model.arch.slope);
        goto done;
    }
    DRAE__TRY(take_moments(file, t, err));
    DRAE__TRY(drae__blob_need(file, "/optimizer/steps", DRAE__BLOB_I64, ADAM_STEPS, &blob, err));
    t->adam.t_gen = ((const int64_t *)blob->data)[0];
    t->adam.t_disc = ((const int64_t *)blob->data)[1];
    for (int net = 0; net < DRAE__NETS; net++) {
        if (t->model.data[net] != NULL) {
            memcpy(t->model.data[net], model.data[net], t->model.params[net].total * sizeof(float));
        }
    }
done:
    drae__model_free(&model);
    drae__blob_close(file);
    return status;
}
