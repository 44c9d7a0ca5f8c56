/* SPDX-License-Identifier: Apache-2.0 */
/* Root attributes of model.h5 that calibration writes: thresholds, and where they come from. */
#include "io/weights_private.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- reading ---- */

/* Numbers per region; NaN says "none". */
static drae_status get_regions(const drae__head *h, const char *name, float *values, int *n) {
    const drae__blob *blob = drae__attribute(h, name);
    if (blob == NULL) {
        return DRAE_OK;
    }
    size_t count = drae__blob_count(blob);
    if (blob->rank > 1 || count < 1 || count > DRAE__REGIONS_MAX || blob->data == NULL ||
        blob->type != DRAE__BLOB_F64) {
        return drae__attribute_refuse(h, name, "1 to 256 floats, one a region");
    }
    for (size_t i = 0; i < count; i++) {
        double value = ((const double *)blob->data)[i];
        if (value < 0.0 || value > (double)FLT_MAX) {
            return drae__attribute_refuse(h, name,
                                          "not negative and finite, or NaN where there is none");
        }
        values[i] = (float)value;
    }
    *n = (int)count;
    return DRAE_OK;
}

/* The score that decides, by name, one a region. */
static drae_status get_kinds(const drae__head *h, drae__score_kind *kinds, int *n) {
    const drae__blob *blob = drae__attribute(h, "scores");
    if (blob == NULL) {
        return DRAE_OK;
    }
    size_t count = drae__blob_count(blob);
    if (blob->rank > 1 || count < 1 || count > DRAE__REGIONS_MAX || blob->data == NULL ||
        blob->type != DRAE__BLOB_TEXT) {
        return drae__attribute_refuse(h, "scores", "1 to 256 texts, one a region");
    }
    const char *text = blob->data;
    for (size_t i = 0; i < count; i++) {
        int kind = 0;
        while (kind < DRAE__SCORE_KINDS &&
               strcmp(text, drae__score_name((drae__score_kind)kind)) != 0) {
            kind++;
        }
        if (kind == DRAE__SCORE_KINDS) {
            return drae__attribute_refuse(h, "scores",
                                          "the name of a score (\"phi\", \"z\") for each region");
        }
        kinds[i] = (drae__score_kind)kind;
        text += strlen(text) + 1;
    }
    *n = (int)count;
    return DRAE_OK;
}

/* One of the names of an enumeration, whose values are 0..n-1. */
static int value_of(const char *text, const char *(*name)(int), int n) {
    int value = 0;
    while (value < n && strcmp(text, name(value)) != 0) {
        value++;
    }
    return value;
}

static const char *method_name(int value) {
    return drae__method_name((drae__threshold_method)value);
}

static const char *unit_name(int value) {
    return drae__rate_unit_name((drae__rate_unit)value);
}

static const char *disjoint_name(int value) {
    return drae__disjoint_name((drae__disjoint)value);
}

static drae_status take_enum(const drae__head *h, const char *attribute, const char *(*name)(int),
                             int n, int *value) {
    const char *text = name(0);
    drae_status status = drae__attribute_text(h, attribute, &text);
    if (status == DRAE_OK) {
        *value = value_of(text, name, n);
        if (*value == n) {
            status = drae__attribute_refuse(h, attribute, "a name that docs/formats.md lists");
        }
    }
    return status;
}

/* As many values as there are regions, of one type; NULL when absent, or when *status says why. */
static const void *take_list(const drae__head *h, const char *name, drae__blob_type type, int n,
                             drae_status *status) {
    const drae__blob *blob = *status == DRAE_OK ? drae__attribute(h, name) : NULL;
    if (blob == NULL) {
        return NULL;
    }
    if (blob->rank > 1 || drae__blob_count(blob) != (size_t)n || blob->data == NULL ||
        blob->type != type) {
        *status = drae__attribute_refuse(h, name, "as many as there are thresholds");
        return NULL;
    }
    return blob->data;
}

static drae_status take_origins(const drae__head *h, drae__calibration *c) {
    drae_status status = DRAE_OK;
    const int n = c->n_regions;
    const double *undecided = take_list(h, "undecided", DRAE__BLOB_F64, n, &status);
    const char *method = take_list(h, "threshold_method", DRAE__BLOB_TEXT, n, &status);
    const double *low = take_list(h, "threshold_low", DRAE__BLOB_F64, n, &status);
    const double *high = take_list(h, "threshold_high", DRAE__BLOB_F64, n, &status);
    const double *rate = take_list(h, "threshold_rate", DRAE__BLOB_F64, n, &status);
    const double *effect = take_list(h, "threshold_effect", DRAE__BLOB_F64, n, &status);
    const int64_t *good = take_list(h, "threshold_good", DRAE__BLOB_I64, n, &status);
    const int64_t *products = take_list(h, "threshold_products", DRAE__BLOB_I64, n, &status);
    const int64_t *defective = take_list(h, "threshold_defective", DRAE__BLOB_I64, n, &status);
    if (status != DRAE_OK) {
        goto done;
    }
    for (int r = 0; r < n; r++) {
        drae__threshold_origin *from = &c->from[r];
        if (undecided != NULL) {
            if (!(undecided[r] >= 0.0) ||
                (undecided[r] > 0.0 && !(undecided[r] < (double)c->threshold[r]))) {
                status = drae__attribute_refuse(h, "undecided", "0, or below the threshold");
                goto done;
            }
            c->undecided[r] = (float)undecided[r];
        }
        if (method == NULL) {
            continue;
        }
        int value = value_of(method, method_name, DRAE__METHODS);
        if (value == DRAE__METHODS) {
            status = drae__attribute_refuse(h, "threshold_method", "methods of docs/formats.md");
            goto done;
        }
        method += strlen(method) + 1;
        from->method = (drae__threshold_method)value;
        from->low = low != NULL ? low[r] : 0.0;
        from->high = high != NULL ? high[r] : (double)INFINITY;
        from->rate = rate != NULL ? rate[r] : 0.0;
        from->effect = effect != NULL ? effect[r] : 0.0;
        from->n_good = good != NULL ? (uint64_t)good[r] : 0;
        from->n_products = products != NULL ? (uint64_t)products[r] : 0;
        from->n_defective = defective != NULL ? (uint64_t)defective[r] : 0;
        const char *wrong = drae__threshold_origin_wrong(from);
        if (wrong != NULL || (good != NULL && good[r] < 0) ||
            (products != NULL && products[r] < 0) || (defective != NULL && defective[r] < 0)) {
            status = drae__fail(h->err, DRAE_ERROR_FILE, "%s: region %d: %s",
                                drae__blob_file_path(h->file), r,
                                wrong != NULL ? wrong : "a number of patches is negative");
            goto done;
        }
    }
done:
    return status;
}

static drae_status take_origin(const drae__head *h, drae__calibration_origin *o) {
    drae_status status = DRAE_OK;
    int unit = 0;
    int disjoint = 0;
    DRAE__TRY(take_enum(h, "calibration_unit", unit_name, DRAE__RATE_UNITS, &unit));
    DRAE__TRY(take_enum(h, "calibration_disjoint", disjoint_name, DRAE__DISJOINTS, &disjoint));
    o->unit = (drae__rate_unit)unit;
    o->disjoint = (drae__disjoint)disjoint;
    DRAE__TRY(drae__attribute_number(h, "calibration_rate", &o->rate));
    DRAE__TRY(drae__attribute_number(h, "calibration_undecided_rate", &o->undecided_rate));
    DRAE__TRY(drae__attribute_number(h, "calibration_cost_miss", &o->cost_miss));
    DRAE__TRY(drae__attribute_number(h, "calibration_cost_reject", &o->cost_reject));
    DRAE__TRY(
        drae__attribute_short_text(h, "calibration_data_hash", o->data_hash, sizeof o->data_hash));
    DRAE__TRY(drae__attribute_short_text(h, "calibration_defects_hash", o->defects_hash,
                                         sizeof o->defects_hash));
    DRAE__TRY(drae__attribute_short_text(h, "calibration_version", o->version, sizeof o->version));
    const char *wrong = drae__calibration_origin_wrong(o);
    if (wrong != NULL) {
        status = drae__fail(h->err, DRAE_ERROR_FILE, "%s: calibration: %s",
                            drae__blob_file_path(h->file), wrong);
    }
done:
    return status;
}

drae_status drae__take_calibration(const drae__head *h, drae__calibration *c) {
    drae_status status = DRAE_OK;
    int thresholds = 0;
    int anchors = 0;
    int kinds = 0;
    for (int i = 0; i < DRAE__REGIONS_MAX; i++) {
        c->threshold[i] = NAN;
        c->anchor[i] = NAN;
    }
    DRAE__TRY(get_regions(h, "thresholds", c->threshold, &thresholds));
    DRAE__TRY(get_regions(h, "anchors", c->anchor, &anchors));
    DRAE__TRY(get_kinds(h, c->kind, &kinds));
    c->n_regions = thresholds > anchors ? thresholds : anchors;
    if (kinds > c->n_regions) {
        status = drae__attribute_refuse(h, "scores", "as many as there are thresholds, or fewer");
        goto done;
    }
    DRAE__TRY(take_origins(h, c));
    DRAE__TRY(take_origin(h, &c->origin));
done:
    return status;
}

/* ---- writing ---- */

static drae_status put_list(drae__blob_writer *writer, const char *path, drae__blob_type type,
                            int n, const void *values, drae__err *err) {
    const drae__blob blob = {
        .path = path, .type = type, .rank = 1, .dims = {(size_t)n}, .data = values};
    return drae__blob_put(writer, &blob, 0, err);
}

/* Names of every region, one after the other. */
static drae_status put_names(drae__blob_writer *writer, const char *path,
                             const drae__calibration *c,
                             const char *(*name)(const drae__calibration *, int), drae__err *err) {
    char names[(DRAE__SCORE_NAME_MAX + 1) * DRAE__REGIONS_MAX];
    size_t n = 0;
    for (int r = 0; r < c->n_regions; r++) {
        size_t length = strlen(name(c, r)) + 1;
        memcpy(names + n, name(c, r), length);
        n += length;
    }
    return put_list(writer, path, DRAE__BLOB_TEXT, c->n_regions, names, err);
}

static const char *score_of(const drae__calibration *c, int r) {
    return drae__score_name(c->kind[r]);
}

static const char *method_of(const drae__calibration *c, int r) {
    return drae__method_name(c->from[r].method);
}

static drae_status put_origins(drae__blob_writer *writer, const drae__calibration *c,
                               drae__err *err) {
    drae_status status = DRAE_OK;
    double low[DRAE__REGIONS_MAX], high[DRAE__REGIONS_MAX];
    double rate[DRAE__REGIONS_MAX], effect[DRAE__REGIONS_MAX];
    int64_t good[DRAE__REGIONS_MAX], products[DRAE__REGIONS_MAX], defective[DRAE__REGIONS_MAX];
    const int n = c->n_regions;
    for (int r = 0; r < n; r++) {
        const drae__threshold_origin *from = &c->from[r];
        low[r] = from->low;
        high[r] = from->high;
        rate[r] = from->rate;
        effect[r] = from->effect;
        good[r] = (int64_t)from->n_good;
        products[r] = (int64_t)from->n_products;
        defective[r] = (int64_t)from->n_defective;
    }
    DRAE__TRY(put_names(writer, "/@threshold_method", c, method_of, err));
    DRAE__TRY(put_list(writer, "/@threshold_low", DRAE__BLOB_F64, n, low, err));
    DRAE__TRY(put_list(writer, "/@threshold_high", DRAE__BLOB_F64, n, high, err));
    DRAE__TRY(put_list(writer, "/@threshold_rate", DRAE__BLOB_F64, n, rate, err));
    DRAE__TRY(put_list(writer, "/@threshold_effect", DRAE__BLOB_F64, n, effect, err));
    DRAE__TRY(put_list(writer, "/@threshold_good", DRAE__BLOB_I64, n, good, err));
    DRAE__TRY(put_list(writer, "/@threshold_products", DRAE__BLOB_I64, n, products, err));
    DRAE__TRY(put_list(writer, "/@threshold_defective", DRAE__BLOB_I64, n, defective, err));
done:
    return status;
}

static drae_status put_origin(drae__blob_writer *writer, const drae__calibration_origin *o,
                              drae__err *err) {
    drae_status status = DRAE_OK;
    DRAE__TRY(drae__put_text(writer, "/@calibration_unit", drae__rate_unit_name(o->unit), err));
    DRAE__TRY(
        drae__put_text(writer, "/@calibration_disjoint", drae__disjoint_name(o->disjoint), err));
    DRAE__TRY(drae__put_number(writer, "/@calibration_rate", o->rate, err));
    DRAE__TRY(drae__put_number(writer, "/@calibration_undecided_rate", o->undecided_rate, err));
    DRAE__TRY(drae__put_number(writer, "/@calibration_cost_miss", o->cost_miss, err));
    DRAE__TRY(drae__put_number(writer, "/@calibration_cost_reject", o->cost_reject, err));
    if (o->data_hash[0] != '\0') {
        DRAE__TRY(drae__put_text(writer, "/@calibration_data_hash", o->data_hash, err));
    }
    if (o->defects_hash[0] != '\0') {
        DRAE__TRY(drae__put_text(writer, "/@calibration_defects_hash", o->defects_hash, err));
    }
    DRAE__TRY(drae__put_text(writer, "/@calibration_version", o->version, err));
done:
    return status;
}

/* What says nothing is left out, so that a model without it stays as it was. */
drae_status drae__put_calibration(drae__blob_writer *writer, const drae__calibration *c,
                                  drae__err *err) {
    drae_status status = DRAE_OK;
    const int n = c->n_regions;
    bool named = false;
    bool band = false;
    for (int r = 0; r < n; r++) {
        named = named || c->kind[r] != DRAE__SCORE_PHI || c->maps[r] != NULL;
        band = band || c->undecided[r] > 0.0f;
    }
    if (n == 0) {
        return DRAE_OK;
    }
    DRAE__TRY(put_list(writer, "/@thresholds", DRAE__BLOB_F32, n, c->threshold, err));
    DRAE__TRY(put_list(writer, "/@anchors", DRAE__BLOB_F32, n, c->anchor, err));
    if (named) {
        DRAE__TRY(put_names(writer, "/@scores", c, score_of, err));
    }
    if (band) {
        DRAE__TRY(put_list(writer, "/@undecided", DRAE__BLOB_F32, n, c->undecided, err));
    }
    if (c->origin.version[0] != '\0') {
        DRAE__TRY(put_origins(writer, c, err));
        DRAE__TRY(put_origin(writer, &c->origin, err));
    }
done:
    return status;
}
