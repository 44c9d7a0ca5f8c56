/* SPDX-License-Identifier: Apache-2.0 */
#include "io/weights.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FORMAT 1

/* ---- attributes ---- */

typedef struct head {
    const drae__blob_file *file;
    drae__err *err;
} head;

static drae_status refuse(const head *h, const char *name, const char *expected) {
    return drae__fail(h->err, DRAE_ERROR_FILE, "%s: attribute '%s' must be %s",
                      drae__blob_file_path(h->file), name, expected);
}

/* The attribute of the root, NULL when absent. */
static const drae__blob *attribute(const head *h, const char *name) {
    char path[64];
    (void)snprintf(path, sizeof path, "/@%s", name);
    return drae__blob_find(h->file, path);
}

static bool integer_at(const drae__blob *blob, size_t i, int64_t *value) {
    if (blob->data == NULL) {
        return false;
    }
    switch (blob->type) {
    case DRAE__BLOB_U8:
        *value = ((const uint8_t *)blob->data)[i];
        return true;
    case DRAE__BLOB_I64:
        *value = ((const int64_t *)blob->data)[i];
        return true;
    case DRAE__BLOB_U64:
        *value = (int64_t)((const uint64_t *)blob->data)[i];
        return *value >= 0;
    default:
        return false;
    }
}

static drae_status get_integer(const head *h, const char *name, int64_t lo, int64_t hi,
                               int64_t *value) {
    const drae__blob *blob = attribute(h, name);
    if (blob == NULL) {
        return DRAE_OK;
    }
    int64_t got;
    if (drae__blob_count(blob) != 1 || !integer_at(blob, 0, &got) || got < lo || got > hi) {
        char expected[80];
        (void)snprintf(expected, sizeof expected, "one integer from %" PRId64 " to %" PRId64, lo,
                       hi);
        return refuse(h, name, expected);
    }
    *value = got;
    return DRAE_OK;
}

static drae_status get_int(const head *h, const char *name, int *value) {
    int64_t wide = *value;
    drae_status status = get_integer(h, name, INT32_MIN, INT32_MAX, &wide);
    *value = (int)wide;
    return status;
}

static drae_status get_number(const head *h, const char *name, double *value) {
    const drae__blob *blob = attribute(h, name);
    int64_t integer;
    if (blob == NULL) {
        return DRAE_OK;
    }
    if (drae__blob_count(blob) == 1 && blob->type == DRAE__BLOB_F64 && blob->data != NULL) {
        *value = *(const double *)blob->data;
        return DRAE_OK;
    }
    if (drae__blob_count(blob) == 1 && integer_at(blob, 0, &integer)) {
        *value = (double)integer;
        return DRAE_OK;
    }
    return refuse(h, name, "one number");
}

static drae_status get_text(const head *h, const char *name, const char **value) {
    const drae__blob *blob = attribute(h, name);
    if (blob == NULL) {
        return DRAE_OK;
    }
    if (drae__blob_count(blob) != 1 || blob->type != DRAE__BLOB_TEXT || blob->data == NULL) {
        return refuse(h, name, "one text");
    }
    *value = blob->data;
    return DRAE_OK;
}

/* A text that is kept in a field of its own. */
static drae_status get_short_text(const head *h, const char *name, char *dst, size_t n) {
    const char *text = "";
    drae_status status = get_text(h, name, &text);
    if (status != DRAE_OK) {
        return status;
    }
    if (strlen(text) >= n) {
        char expected[48];
        (void)snprintf(expected, sizeof expected, "a text of at most %zu bytes", n - 1);
        return refuse(h, name, expected);
    }
    memcpy(dst, text, strlen(text) + 1);
    return DRAE_OK;
}

static drae_status check_blocks(const head *h) {
    const drae__blob *blob = attribute(h, "blocks");
    if (blob == NULL) {
        return DRAE_OK;
    }
    bool good = blob->rank == 1 && blob->dims[0] == DRAE__STAGES;
    for (size_t i = 0; good && i < DRAE__STAGES; i++) {
        int64_t n;
        good = integer_at(blob, i, &n) && n == DRAE__BLOCKS_PER_STAGE;
    }
    return good ? DRAE_OK : refuse(h, "blocks", "[3,3,3,3], the only network of format 1");
}

static drae_status get_architecture(const head *h, drae__arch *arch, drae__ssim_window *window) {
    drae_status status = DRAE_OK;
    int64_t format = FORMAT;
    int64_t channels = 1;
    const char *name = "drae";
    const char *block = "preact";
    const char *ssim = "gaussian";
    *arch = drae__arch_default();
    DRAE__TRY(get_integer(h, "format", FORMAT, FORMAT, &format));
    DRAE__TRY(get_text(h, "arch", &name));
    if (strcmp(name, "drae") != 0) {
        status = refuse(h, "arch", "\"drae\"");
        goto done;
    }
    DRAE__TRY(get_text(h, "block", &block));
    if (strcmp(block, "preact") != 0) {
        status = refuse(h, "block", "\"preact\", the only block of this version");
        goto done;
    }
    DRAE__TRY(check_blocks(h));
    DRAE__TRY(get_integer(h, "channels", 1, 1, &channels));
    DRAE__TRY(get_int(h, "width", &arch->width));
    DRAE__TRY(get_int(h, "latent", &arch->latent));
    DRAE__TRY(get_int(h, "size", &arch->size));
    double slope = (double)arch->slope;
    double eps = (double)arch->bn_eps;
    DRAE__TRY(get_number(h, "slope", &slope));
    DRAE__TRY(get_number(h, "bn_eps", &eps));
    /* Out of float's range becomes infinite here and is refused by the check. */
    arch->slope = fabs(slope) <= (double)FLT_MAX ? (float)slope : INFINITY;
    arch->bn_eps = fabs(eps) <= (double)FLT_MAX ? (float)eps : INFINITY;
    DRAE__TRY(get_text(h, "ssim_window", &ssim));
    if (strcmp(ssim, "gaussian") != 0 && strcmp(ssim, "uniform") != 0) {
        status = refuse(h, "ssim_window", "\"gaussian\" or \"uniform\"");
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

static drae_status get_provenance(const head *h, drae__provenance *p) {
    drae_status status = DRAE_OK;
    const drae__blob *seed = attribute(h, "seed");
    DRAE__TRY(get_short_text(h, "data_hash", p->data_hash, sizeof p->data_hash));
    DRAE__TRY(get_short_text(h, "revision", p->revision, sizeof p->revision));
    DRAE__TRY(get_short_text(h, "precision", p->precision, sizeof p->precision));
    if (seed != NULL && seed->type == DRAE__BLOB_U64 && seed->data != NULL &&
        drae__blob_count(seed) == 1) {
        p->seed = *(const uint64_t *)seed->data; /* all 64 bits are used */
    } else {
        int64_t value = 0;
        DRAE__TRY(get_integer(h, "seed", INT64_MIN, INT64_MAX, &value));
        p->seed = (uint64_t)value;
    }
    DRAE__TRY(get_integer(h, "steps", -1, INT64_MAX, &p->steps));
    DRAE__TRY(get_integer(h, "samples", -1, INT64_MAX, &p->samples));
    status = get_number(h, "val_con", &p->val_con);
done:
    return status;
}

/* Numbers per region; NaN says "none". */
static drae_status get_regions(const head *h, const char *name, float *values, int *n) {
    const drae__blob *blob = attribute(h, name);
    if (blob == NULL) {
        return DRAE_OK;
    }
    size_t count = drae__blob_count(blob);
    if (blob->rank > 1 || count < 1 || count > DRAE__REGIONS_MAX || blob->data == NULL ||
        blob->type != DRAE__BLOB_F64) {
        return refuse(h, name, "1 to 256 floats, one a region");
    }
    for (size_t i = 0; i < count; i++) {
        double value = ((const double *)blob->data)[i];
        if (value < 0.0 || value > (double)FLT_MAX) {
            return refuse(h, name, "not negative and finite, or NaN where there is none");
        }
        values[i] = (float)value;
    }
    *n = (int)count;
    return DRAE_OK;
}

/* The score that decides, by name, one a region. */
static drae_status get_kinds(const head *h, drae__score_kind *kinds, int *n) {
    const drae__blob *blob = attribute(h, "scores");
    if (blob == NULL) {
        return DRAE_OK;
    }
    size_t count = drae__blob_count(blob);
    if (blob->rank > 1 || count < 1 || count > DRAE__REGIONS_MAX || blob->data == NULL ||
        blob->type != DRAE__BLOB_TEXT) {
        return refuse(h, "scores", "1 to 256 texts, one a region");
    }
    const char *text = blob->data;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, "phi") != 0 && strcmp(text, "z") != 0) {
            return refuse(h, "scores", "\"phi\" or \"z\" for each region");
        }
        kinds[i] = text[0] == 'z' ? DRAE__SCORE_Z : DRAE__SCORE_PHI;
        text += strlen(text) + 1;
    }
    *n = (int)count;
    return DRAE_OK;
}

static drae_status get_calibration(const head *h, drae__calibration *c) {
    int thresholds = 0;
    int anchors = 0;
    int kinds = 0;
    for (int i = 0; i < DRAE__REGIONS_MAX; i++) {
        c->threshold[i] = NAN;
        c->anchor[i] = NAN;
    }
    drae_status status = get_regions(h, "thresholds", c->threshold, &thresholds);
    if (status == DRAE_OK) {
        status = get_regions(h, "anchors", c->anchor, &anchors);
    }
    if (status == DRAE_OK) {
        status = get_kinds(h, c->kind, &kinds);
    }
    c->n_regions = thresholds > anchors ? thresholds : anchors;
    if (status == DRAE_OK && kinds > c->n_regions) {
        status = refuse(h, "scores", "as many as there are thresholds, or fewer");
    }
    return status;
}

drae_status drae__weights_take_head(const drae__blob_file *file, drae__model *model,
                                    drae__err *err) {
    const head h = {.file = file, .err = err};
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
        status = get_calibration(&h, &model->calibration);
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

/* ---- maps of the normalised residual ---- */

/* One of the two maps of a region, whose values lie in dst afterwards. */
static drae_status take_map(const drae__blob_file *file, const drae__blob *blob, int size,
                            bool positive, float *dst, drae__err *err) {
    size_t side = (size_t)size;
    if (blob->rank != 2 || blob->dims[0] != side || blob->dims[1] != side || blob->data == NULL ||
        (blob->type != DRAE__BLOB_F32 && blob->type != DRAE__BLOB_F64)) {
        char is[160];
        drae__blob_describe(blob, is);
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is %s, float32 [%d,%d] is expected",
                          drae__blob_file_path(file), blob->path, is, size, size);
    }
    for (size_t i = 0; i < side * side; i++) {
        double value = blob->type == DRAE__BLOB_F64 ? ((const double *)blob->data)[i]
                                                    : (double)((const float *)blob->data)[i];
        dst[i] = fabs(value) <= (double)FLT_MAX ? (float)value : NAN;
        if (isnan(dst[i]) || (positive && !(dst[i] > 0.0f))) {
            return drae__fail(err, DRAE_ERROR_FILE, "%s: %s: element %zu is %g, %s is expected",
                              drae__blob_file_path(file), blob->path, i, value,
                              positive ? "a number above 0" : "a number");
        }
    }
    return DRAE_OK;
}

/* Both maps of the regions that have them; whatever else lies in /calibration is refused. */
static drae_status take_maps(const drae__blob_file *file, drae__model *model, drae__err *err) {
    static const char prefix[] = "/calibration";
    bool seen[DRAE__REGIONS_MAX][2] = {{false}};
    size_t pixels = (size_t)model->arch.size * (size_t)model->arch.size;
    drae__calibration *c = &model->calibration;
    for (size_t i = 0; i < drae__blob_number(file); i++) {
        const drae__blob *blob = drae__blob_at(file, i);
        const char *name = blob->path + sizeof prefix - 1;
        if (strncmp(blob->path, prefix, sizeof prefix - 1) != 0 ||
            (name[0] != '\0' && name[0] != '/')) {
            continue;
        }
        char path[64];
        int region = -1;
        int part = -1;
        (void)sscanf(name, "/region%3d/", &region);
        for (int k = 0; k < 2 && region >= 0 && region < c->n_regions; k++) {
            (void)snprintf(path, sizeof path, "/region%d/%s", region, k == 0 ? "mean" : "scale");
            part = strcmp(name, path) == 0 ? k : part;
        }
        if (part < 0) {
            return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is no map of a calibrated region",
                              drae__blob_file_path(file), blob->path);
        }
        float *maps = model->maps[region];
        drae_status status =
            maps != NULL ? DRAE_OK : drae__model_add_maps(model, region, &maps, err);
        if (status == DRAE_OK) {
            status = take_map(file, blob, model->arch.size, part == 1, maps + (size_t)part * pixels,
                              err);
        }
        if (status != DRAE_OK) {
            return status;
        }
        seen[region][part] = true;
    }
    for (int r = 0; r < c->n_regions; r++) {
        bool wanted = c->kind[r] == DRAE__SCORE_Z || seen[r][0] || seen[r][1];
        for (int k = 0; wanted && k < 2; k++) {
            if (!seen[r][k]) {
                return drae__fail(err, DRAE_ERROR_FILE, "%s: %s/region%d/%s is missing",
                                  drae__blob_file_path(file), prefix, r, k == 0 ? "mean" : "scale");
            }
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
    DRAE__TRY(take_maps(file, &taken, err));
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
    const char *paths[DRAE__NETS + 1];
    size_t n = 0;
    for (int net = 0; net < DRAE__NETS; net++) {
        if ((want >> net & 1u) != 0) {
            (void)snprintf(names[n], sizeof names[n], "/%s", drae__net_name((drae__net)net));
            paths[n] = names[n];
            n++;
        }
    }
    if (n == 0) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s: no network is asked for", path);
    }
    paths[n++] = "/calibration";
    drae__blob_file *file = NULL;
    drae_status status = drae__blob_open(path, paths, n, SIZE_MAX, &file, err);
    if (status != DRAE_OK) {
        return status;
    }
    status = drae__weights_take(file, want, need, model, err);
    drae__blob_close(file);
    return status;
}
