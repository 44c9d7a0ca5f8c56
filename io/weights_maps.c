/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of model.h5 beside the weights: maps of z, and fingerprints of the patches seen. */
#include "io/weights_private.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- maps of the normalised residual ---- */

/* The arrays of a region, in the order in which they lie in memory; filters may be absent. */
enum { FILTERS = 2, PARTS = 3 };
static const char *const part_names[PARTS] = {"mean", "scale", "filters"};

/* One array of a region, whose values lie in dst afterwards: a map, or the scales of the filters.
 */
static drae_status take_map(const drae__blob_file *file, const drae__blob *blob, bool filters,
                            int size, bool positive, float *dst, drae__err *err) {
    size_t side = (size_t)size / (filters ? DRAE__M_BLOCK : 1);
    size_t n = (filters ? DRAE__M_FILTERS : 1) * side * side;
    int first = filters ? 1 : 0;
    if (blob->rank != 2 + first || (filters && blob->dims[0] != DRAE__M_FILTERS) ||
        blob->dims[first] != side || blob->dims[first + 1] != side || blob->data == NULL ||
        (blob->type != DRAE__BLOB_F32 && blob->type != DRAE__BLOB_F64)) {
        char is[160];
        drae__blob_describe(blob, is);
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is %s, float32 [%s%zu,%zu] is expected",
                          drae__blob_file_path(file), blob->path, is, filters ? "16," : "", side,
                          side);
    }
    for (size_t i = 0; i < n; i++) {
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

/* The maps of the regions that have them; whatever else lies in /calibration is refused. */
drae_status drae__take_maps(const drae__blob_file *file, drae__model *model, drae__err *err) {
    static const char prefix[] = "/calibration";
    bool seen[DRAE__REGIONS_MAX][PARTS] = {{false}};
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
        for (int k = 0; k < PARTS && region >= 0 && region < c->n_regions; k++) {
            (void)snprintf(path, sizeof path, "/region%d/%s", region, part_names[k]);
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
            status = take_map(file, blob, part == FILTERS, model->arch.size, part != 0,
                              maps + (size_t)part * pixels, err);
        }
        if (status != DRAE_OK) {
            return status;
        }
        seen[region][part] = true;
    }
    for (int r = 0; r < c->n_regions; r++) {
        bool wanted = c->kind[r] == DRAE__SCORE_Z || seen[r][0] || seen[r][1] || seen[r][FILTERS];
        for (int k = 0; wanted && k < FILTERS; k++) {
            if (!seen[r][k]) {
                return drae__fail(err, DRAE_ERROR_FILE, "%s: %s/region%d/%s is missing",
                                  drae__blob_file_path(file), prefix, r, part_names[k]);
            }
        }
        if (seen[r][FILTERS]) {
            (void)drae__model_add_filters(model, r);
        }
    }
    return DRAE_OK;
}

drae_status drae__put_maps(drae__blob_writer *writer, const drae__model *model, int deflate,
                           drae__err *err) {
    const drae__calibration *c = &model->calibration;
    const size_t side = (size_t)model->arch.size;
    drae_status status = DRAE_OK;
    for (int k = 0; k < PARTS * c->n_regions && status == DRAE_OK; k++) {
        const int region = k / PARTS, part = k % PARTS;
        const float *maps = c->maps[region];
        if (maps != NULL && (part != FILTERS || c->filters[region] != NULL)) {
            const size_t blocks = side / DRAE__M_BLOCK;
            char path[64];
            (void)snprintf(path, sizeof path, "/calibration/region%d/%s", region, part_names[part]);
            drae__blob map = {.path = path,
                              .type = DRAE__BLOB_F32,
                              .rank = 2,
                              .dims = {side, side},
                              .data = maps + (size_t)part * side * side};
            if (part == FILTERS) {
                map.rank = 3;
                map.dims[0] = DRAE__M_FILTERS;
                map.dims[1] = map.dims[2] = blocks;
            }
            status = drae__blob_put(writer, &map, deflate, err);
        }
    }
    return status;
}

/* ---- patches seen ---- */

drae_status drae__take_seen(const drae__blob_file *file, drae__model *model, drae__err *err) {
    for (int by = 0; by < DRAE__SEENS; by++) {
        char path[32];
        (void)snprintf(path, sizeof path, "/seen/%s", drae__seen_name((drae__seen_by)by));
        const drae__blob *blob = drae__blob_find(file, path);
        if (blob == NULL) {
            continue;
        }
        size_t n = drae__blob_count(blob);
        const uint64_t *prints = blob->data;
        if (blob->type != DRAE__BLOB_U64 || blob->rank != 1 || n == 0 || prints == NULL) {
            char is[160];
            drae__blob_describe(blob, is);
            return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is %s, uint64 [n] is expected",
                              drae__blob_file_path(file), path, is);
        }
        for (size_t i = 1; i < n; i++) {
            if (prints[i] <= prints[i - 1]) {
                return drae__fail(err, DRAE_ERROR_FILE, "%s: %s: element %zu is not in order",
                                  drae__blob_file_path(file), path, i);
            }
        }
        uint64_t *copy = malloc(n * sizeof *copy);
        if (copy == NULL) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu fingerprints", n);
        }
        memcpy(copy, prints, n * sizeof *copy);
        free(model->seen[by].prints);
        model->seen[by] = (drae__seen){.n = n, .prints = copy};
    }
    return DRAE_OK;
}

drae_status drae__put_seen(drae__blob_writer *writer, const drae__model *model, int deflate,
                           drae__err *err) {
    drae_status status = DRAE_OK;
    for (int by = 0; by < DRAE__SEENS && status == DRAE_OK; by++) {
        const drae__seen *seen = &model->seen[by];
        if (seen->n > 0) {
            char path[32];
            (void)snprintf(path, sizeof path, "/seen/%s", drae__seen_name((drae__seen_by)by));
            const drae__blob blob = {.path = path,
                                     .type = DRAE__BLOB_U64,
                                     .rank = 1,
                                     .dims = {seen->n},
                                     .data = seen->prints};
            status = drae__blob_put(writer, &blob, deflate, err);
        }
    }
    return status;
}
