/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of model.h5 beside the weights: maps of z, and fingerprints of the patches seen. */
#include "io/weights_private.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- maps of the normalised residual ---- */

/* The arrays of a region, in the order in which they lie in memory; the last two may be absent, and
 * the head is not there without the filters. */
enum { SCALE = 1, FILTERS = 2, HEAD = 3, PARTS = 4 };
static const char *const part_names[PARTS] = {"mean", "scale", "filters", "head"};

/* The shape of an array, and the floats before it in a region's memory. */
static drae__blob part_shape(int part, int size, size_t *offset) {
    const size_t side = (size_t)size, blocks = side / DRAE__M_BLOCK;
    drae__blob shape = {.type = DRAE__BLOB_F32, .rank = 2, .dims = {side, side}};
    *offset = (size_t)(part < FILTERS ? part : FILTERS) * side * side;
    if (part == FILTERS) {
        shape.rank = 3;
        shape.dims[0] = DRAE__M_FILTERS;
        shape.dims[1] = shape.dims[2] = blocks;
    } else if (part == HEAD) {
        shape.rank = 1;
        shape.dims[0] = DRAE__H_WEIGHTS;
        *offset += drae__m_scales(size);
    }
    return shape;
}

/* One array of a region, whose values lie in its place behind `maps` afterwards. */
static drae_status take_map(const drae__blob_file *file, const drae__blob *blob, int part, int size,
                            float *maps, drae__err *err) {
    size_t offset;
    const drae__blob shape = part_shape(part, size, &offset);
    const bool positive = part == SCALE || part == FILTERS;
    bool fits = blob->rank == shape.rank && blob->data != NULL &&
                (blob->type == DRAE__BLOB_F32 || blob->type == DRAE__BLOB_F64);
    for (int k = 0; fits && k < shape.rank; k++) {
        fits = blob->dims[k] == shape.dims[k];
    }
    if (!fits) {
        char is[160], expected[160];
        drae__blob_describe(blob, is);
        drae__blob_describe(&shape, expected);
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is %s, %s is expected",
                          drae__blob_file_path(file), blob->path, is, expected);
    }
    const size_t n = drae__blob_count(&shape);
    float *dst = maps + offset;
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
        if (part == HEAD && !drae__h_takes(model->arch.size)) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: %s: a head takes patches of %d pixels and more, a multiple of "
                              "32, not %d",
                              drae__blob_file_path(file), blob->path, DRAE__H_LEAST,
                              model->arch.size);
        }
        if (part < 0) {
            return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is no map of a calibrated region",
                              drae__blob_file_path(file), blob->path);
        }
        float *maps = model->maps[region];
        drae_status status =
            maps != NULL ? DRAE_OK : drae__model_add_maps(model, region, &maps, err);
        if (status == DRAE_OK) {
            status = take_map(file, blob, part, model->arch.size, maps, err);
        }
        if (status != DRAE_OK) {
            return status;
        }
        seen[region][part] = true;
    }
    for (int r = 0; r < c->n_regions; r++) {
        bool wanted = c->kind[r] == DRAE__SCORE_Z || seen[r][0] || seen[r][1] || seen[r][FILTERS] ||
                      seen[r][HEAD];
        for (int k = 0; wanted && k < HEAD; k++) {
            if (!seen[r][k] && (k < FILTERS || seen[r][HEAD])) {
                return drae__fail(err, DRAE_ERROR_FILE, "%s: %s/region%d/%s is missing",
                                  drae__blob_file_path(file), prefix, r, part_names[k]);
            }
        }
        if (seen[r][FILTERS]) {
            (void)drae__model_add_filters(model, r);
        }
        if (seen[r][HEAD]) {
            (void)drae__model_add_head(model, r);
        }
    }
    return DRAE_OK;
}

drae_status drae__put_maps(drae__blob_writer *writer, const drae__model *model, int deflate,
                           drae__err *err) {
    const drae__calibration *c = &model->calibration;
    drae_status status = DRAE_OK;
    for (int k = 0; k < PARTS * c->n_regions && status == DRAE_OK; k++) {
        const int region = k / PARTS, part = k % PARTS;
        const float *maps = c->maps[region];
        if (maps != NULL && (part != FILTERS || c->filters[region] != NULL) &&
            (part != HEAD || c->head[region] != NULL)) {
            char path[64];
            size_t offset;
            (void)snprintf(path, sizeof path, "/calibration/region%d/%s", region, part_names[part]);
            drae__blob map = part_shape(part, model->arch.size, &offset);
            map.path = path;
            map.data = maps + offset;
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
