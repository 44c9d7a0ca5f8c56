/* SPDX-License-Identifier: Apache-2.0 */
#include "io/weights.h"

#include "io/weights_private.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FORMAT 1

static drae_status check_blocks(const drae__head *h) {
    const drae__blob *blob = drae__attribute(h, "blocks");
    if (blob == NULL) {
        return DRAE_OK;
    }
    bool good = blob->rank == 1 && blob->dims[0] == DRAE__STAGES;
    for (size_t i = 0; good && i < DRAE__STAGES; i++) {
        int64_t n;
        good = drae__blob_integer(blob, i, &n) && n == DRAE__BLOCKS_PER_STAGE;
    }
    return good ? DRAE_OK
                : drae__attribute_refuse(h, "blocks", "[3,3,3,3], the only network of format 1");
}

static drae_status get_architecture(const drae__head *h, drae__arch *arch,
                                    drae__ssim_window *window) {
    drae_status status = DRAE_OK;
    int64_t format = FORMAT;
    int64_t channels = 1;
    const char *name = "drae";
    const char *block = "preact";
    const char *ssim = "gaussian";
    *arch = drae__arch_default();
    DRAE__TRY(drae__attribute_integer(h, "format", FORMAT, FORMAT, &format));
    DRAE__TRY(drae__attribute_text(h, "arch", &name));
    if (strcmp(name, "drae") != 0) {
        status = drae__attribute_refuse(h, "arch", "\"drae\"");
        goto done;
    }
    DRAE__TRY(drae__attribute_text(h, "block", &block));
    if (strcmp(block, "preact") != 0) {
        status = drae__attribute_refuse(h, "block", "\"preact\", the only block of this version");
        goto done;
    }
    DRAE__TRY(check_blocks(h));
    DRAE__TRY(drae__attribute_integer(h, "channels", 1, 1, &channels));
    DRAE__TRY(drae__attribute_int(h, "width", &arch->width));
    DRAE__TRY(drae__attribute_int(h, "latent", &arch->latent));
    DRAE__TRY(drae__attribute_int(h, "size", &arch->size));
    double slope = (double)arch->slope;
    double eps = (double)arch->bn_eps;
    DRAE__TRY(drae__attribute_number(h, "slope", &slope));
    DRAE__TRY(drae__attribute_number(h, "bn_eps", &eps));
    /* Out of float's range becomes infinite here and is refused by the check. */
    arch->slope = fabs(slope) <= (double)FLT_MAX ? (float)slope : INFINITY;
    arch->bn_eps = fabs(eps) <= (double)FLT_MAX ? (float)eps : INFINITY;
    DRAE__TRY(drae__attribute_text(h, "ssim_window", &ssim));
    if (strcmp(ssim, "gaussian") != 0 && strcmp(ssim, "uniform") != 0) {
        status = drae__attribute_refuse(h, "ssim_window", "\"gaussian\" or \"uniform\"");
        goto done;
    }
    *window = ssim[0] == 'u' ? DRAE__SSIM_UNIFORM : DRAE__SSIM_GAUSSIAN;
    status = drae__arch_check(arch, h->err);
    if (status != DRAE_OK) {
        status = drae__err_prefix(h->err, DRAE_ERROR_FILE, "%s: attribute",
                                  drae__blob_file_path(h->file));
    }
done:
    return status;
}

static drae_status get_provenance(const drae__head *h, drae__provenance *p) {
    drae_status status = DRAE_OK;
    const drae__blob *seed = drae__attribute(h, "seed");
    DRAE__TRY(drae__attribute_short_text(h, "data_hash", p->data_hash, sizeof p->data_hash));
    DRAE__TRY(drae__attribute_short_text(h, "revision", p->revision, sizeof p->revision));
    DRAE__TRY(drae__attribute_short_text(h, "precision", p->precision, sizeof p->precision));
    if (seed != NULL && seed->type == DRAE__BLOB_U64 && seed->data != NULL &&
        drae__blob_count(seed) == 1) {
        p->seed = *(const uint64_t *)seed->data; /* all 64 bits are used */
    } else {
        int64_t value = 0;
        DRAE__TRY(drae__attribute_integer(h, "seed", INT64_MIN, INT64_MAX, &value));
        p->seed = (uint64_t)value;
    }
    DRAE__TRY(drae__attribute_integer(h, "steps", -1, INT64_MAX, &p->steps));
    DRAE__TRY(drae__attribute_integer(h, "samples", -1, INT64_MAX, &p->samples));
    status = drae__attribute_number(h, "val_con", &p->val_con);
done:
    return status;
}

drae_status drae__weights_take_head(const drae__blob_file *file, drae__model *model,
                                    drae__err *err) {
    const drae__head h = {.file = file, .err = err};
    drae__arch arch;
    drae__ssim_window window = DRAE__SSIM_GAUSSIAN;
    drae_status status = get_architecture(&h, &arch, &window);
    if (status != DRAE_OK) {
        return status;
    }
    status = drae__model_create(&arch, 0, model, err);
    if (status != DRAE_OK) {
        return status;
    }
    model->ssim_window = window;
    status = get_provenance(&h, &model->provenance);
    if (status == DRAE_OK) {
        status = drae__take_calibration(&h, &model->calibration);
    }
    if (status != DRAE_OK) {
        drae__model_free(model);
    }
    return status;
}

/* ---- tensors ---- */

static drae_status bad_value(const char *path, size_t i, double value, drae__err *err) {
    if (isnan(value)) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: element %zu is NaN", path, i);
    }
    return drae__fail(err, DRAE_ERROR_FILE, "%s: element %zu is %s", path, i,
                      value < 0.0 && isfinite(value) ? "negative"
                      : value < 0.0                  ? "-infinite"
                                                     : "infinite");
}

/* Copies the values of a tensor, whose shape has been checked. */
static drae_status take_values(const drae__blob *blob, const drae__param *p, float *dst,
                               drae__err *err) {
    bool wide = blob->type == DRAE__BLOB_F64;
    const float *narrow = blob->data;
    const double *doubles = blob->data;
    for (size_t i = 0; i < p->count; i++) {
        double value = wide ? doubles[i] : (double)narrow[i];
        if (!(fabs(value) <= (double)FLT_MAX) || (p->kind == DRAE__PARAM_VAR && value < 0.0)) {
            return bad_value(blob->path, i, value, err);
        }
        dst[i] = (float)value;
    }
    return DRAE_OK;
}

static drae_status take_tensor(const drae__blob_file *file, const drae__blob *blob,
                               const drae__params *params, float *data, bool *seen,
                               drae__err *err) {
    const char *net = drae__net_name(params->net);
    const drae__param *p = drae__params_find(params, blob->path + 1 + strlen(net) + 1);
    if (p == NULL) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is no tensor of the network",
                          drae__blob_file_path(file), blob->path);
    }
    bool fits = blob->rank == p->rank;
    for (int i = 0; fits && i < p->rank; i++) {
        fits = blob->dims[i] == p->dims[i];
    }
    if (!fits || blob->data == NULL ||
        (blob->type != DRAE__BLOB_F32 && blob->type != DRAE__BLOB_F64)) {
        char is[160];
        char want[160];
        drae__blob expected = {.type = DRAE__BLOB_F32, .rank = p->rank};
        memcpy(expected.dims, p->dims, sizeof p->dims);
        drae__blob_describe(blob, is);
        drae__blob_describe(&expected, want);
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is %s%s, %s is expected",
                          drae__blob_file_path(file), blob->path, is,
                          blob->data == NULL ? " without values" : "", want);
    }
    seen[p - params->items] = true;
    drae_status status = take_values(blob, p, data + p->offset, err);
    return status == DRAE_OK ? status
                             : drae__err_prefix(err, status, "%s", drae__blob_file_path(file));
}

static drae_status take_net(const drae__blob_file *file, drae__net net, bool needed,
                            drae__model *model, drae__err *err) {
    enum { TENSORS_MAX = 512 };
    const drae__params *params = &model->params[net];
    bool seen[TENSORS_MAX] = {false};
    char prefix[32];
    size_t n = (size_t)snprintf(prefix, sizeof prefix, "/%s", drae__net_name(net));
    bool any = false;
    for (size_t i = 0; i < drae__blob_number(file); i++) {
        const drae__blob *blob = drae__blob_at(file, i);
        if (strncmp(blob->path, prefix, n) != 0 || strchr(blob->path, '@') != NULL) {
            continue;
        }
        if (blob->path[n] == '\0') {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: %s is not a group (links are not followed)",
                              drae__blob_file_path(file), prefix);
        }
        if (blob->path[n] != '/') {
            continue;
        }
        drae_status status = any ? DRAE_OK : drae__model_add(model, net, err);
        any = true;
        if (status == DRAE_OK) {
            status = take_tensor(file, blob, params, model->data[net], seen, err);
        }
        if (status != DRAE_OK) {
            return status;
        }
    }
    if (!any) {
        return !needed ? DRAE_OK
                       : drae__fail(err, DRAE_ERROR_FILE, "%s: has no network %s",
                                    drae__blob_file_path(file), prefix);
    }
    for (size_t t = 0; t < params->n; t++) {
        if (!seen[t]) {
            return drae__fail(err, DRAE_ERROR_FILE, "%s: tensor %s/%s is missing",
                              drae__blob_file_path(file), prefix, params->items[t].path);
        }
    }
    return DRAE_OK;
}

drae_status drae__weights_take(const drae__blob_file *file, unsigned want, unsigned need,
                               drae__model *model, drae__err *err) {
    drae__model taken;
    drae_status status = drae__weights_take_head(file, &taken, err);
    if (status != DRAE_OK) {
        return status;
    }
    DRAE__TRY(drae__take_maps(file, &taken, err));
    if ((want & DRAE__WEIGHTS_SEEN) != 0) {
        DRAE__TRY(drae__take_seen(file, &taken, err));
    }
    for (int net = 0; net < DRAE__NETS; net++) {
        if ((want >> net & 1u) != 0) {
            DRAE__TRY(take_net(file, (drae__net)net, (need >> net & 1u) != 0, &taken, err));
        }
    }
done:
    if (status != DRAE_OK) {
        drae__model_free(&taken);
        return status;
    }
    *model = taken;
    return DRAE_OK;
}

drae_status drae__weights_load(const char *path, unsigned want, unsigned need, drae__model *model,
                               drae__err *err) {
    char names[DRAE__NETS][32];
    const char *paths[DRAE__NETS + 2];
    size_t n = 0;
    for (int net = 0; net < DRAE__NETS; net++) {
        if ((want >> net & 1u) != 0) {
            (void)snprintf(names[n], sizeof names[n], "/%s", drae__net_name((drae__net)net));
            paths[n] = names[n];
            n++;
        }
    }
    if (n == 0 && (want & DRAE__WEIGHTS_SEEN) == 0) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s: no network is asked for", path);
    }
    paths[n++] = "/calibration";
    if ((want & DRAE__WEIGHTS_SEEN) != 0) {
        paths[n++] = "/seen";
    }
    drae__blob_file *file = NULL;
    drae_status status = drae__blob_open(path, paths, n, SIZE_MAX, &file, err);
    if (status != DRAE_OK) {
        return status;
    }
    status = drae__weights_take(file, want, need, model, err);
    drae__blob_close(file);
    return status;
}
