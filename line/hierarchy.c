/* SPDX-License-Identifier: Apache-2.0 */
#include "line/hierarchy.h"

#include "drae/line.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- levels ---- */

static int compare_values(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a;
    int32_t y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Inserts in order; the lists are short. */
static drae_status add_level(drae__levels *levels, int32_t value, int most, const char *column,
                             drae__err *err) {
    if (levels->n > 0 &&
        bsearch(&value, levels->values, (size_t)levels->n, sizeof value, compare_values) != NULL) {
        return DRAE_OK;
    }
    if (levels->n == most) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "column %s: more than %d different values; a strip has at most that many",
                          column, most);
    }
    if (levels->values == NULL) {
        levels->values = calloc((size_t)most, sizeof *levels->values);
        if (levels->values == NULL) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for column %s", column);
        }
    }
    int at = levels->n;
    while (at > 0 && levels->values[at - 1] > value) {
        levels->values[at] = levels->values[at - 1];
        at--;
    }
    levels->values[at] = value;
    levels->n++;
    return DRAE_OK;
}

int drae__level(const drae__levels *levels, int32_t value) {
    const int32_t *found =
        bsearch(&value, levels->values, (size_t)levels->n, sizeof value, compare_values);
    return found == NULL ? -1 : (int)(found - levels->values);
}

/* ---- order ---- */

static int compare_products(const drae__record *a, const drae__record *b) {
    const int32_t x[4] = {a->batch, a->recipe, a->station, a->product};
    const int32_t y[4] = {b->batch, b->recipe, b->station, b->product};
    for (int i = 0; i < 4; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}

static int compare_strips(const drae__record *a, const drae__record *b) {
    int order = compare_products(a, b);
    return order != 0 ? order : compare_values(&a->run, &b->run);
}

static int compare_pointers(const void *a, const void *b) {
    const drae__record *x = *(const drae__record *const *)a;
    const drae__record *y = *(const drae__record *const *)b;
    int order = compare_strips(x, y);
    return order != 0 ? order : (x > y) - (x < y); /* one array: the index decides */
}

static drae_status sort_by_strip(const drae__record *records, drae__hierarchy *h, drae__err *err) {
    bool sorted = true;
    for (size_t i = 0; i < h->n; i++) {
        h->order[i] = i;
        sorted = sorted && (i == 0 || compare_strips(&records[i - 1], &records[i]) <= 0);
    }
    if (sorted) {
        return DRAE_OK;
    }
    const drae__record **pointers = calloc(h->n, sizeof *pointers);
    if (pointers == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to order %zu patches", h->n);
    }
    for (size_t i = 0; i < h->n; i++) {
        pointers[i] = &records[i];
    }
    qsort(pointers, h->n, sizeof *pointers, compare_pointers);
    for (size_t i = 0; i < h->n; i++) {
        h->order[i] = (size_t)(pointers[i] - records);
    }
    free(pointers);
    return DRAE_OK;
}

static void find_bounds(const drae__record *records, drae__hierarchy *h) {
    size_t strips = 0;
    size_t products = 0;
    for (size_t i = 0; i < h->n; i++) {
        const drae__record *now = &records[h->order[i]];
        const drae__record *before = i > 0 ? &records[h->order[i - 1]] : NULL;
        if (before == NULL || compare_products(before, now) != 0) {
            h->products[products++] = strips;
        }
        if (before == NULL || compare_strips(before, now) != 0) {
            h->strips[strips++] = i;
        }
    }
    h->strips[strips] = h->n;
    h->products[products] = strips;
    h->n_strips = strips;
    h->n_products = products;
    for (size_t p = 0; p < products; p++) {
        size_t runs = h->products[p + 1] - h->products[p];
        h->n_runs = runs > h->n_runs ? runs : h->n_runs;
    }
}

/* ---- frames ---- */

static drae_status number_frames(const drae__record *records, bool has_frame, drae__hierarchy *h,
                                 drae__err *err) {
    if (has_frame) {
        for (size_t i = 0; i < h->n; i++) {
            h->frame_of[i] = drae__level(&h->frames, records[i].frame);
        }
        return DRAE_OK;
    }
    size_t n_places = (size_t)h->vials.n * (size_t)h->regions.n;
    int32_t *seen = calloc(n_places, sizeof *seen);
    if (seen == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to number frames");
    }
    drae_status status = DRAE_OK;
    for (size_t s = 0; s < h->n_strips && status == DRAE_OK; s++) {
        memset(seen, 0, n_places * sizeof *seen);
        for (size_t i = h->strips[s]; i < h->strips[s + 1] && status == DRAE_OK; i++) {
            const drae__record *r = &records[h->order[i]];
            size_t place = (size_t)drae__level(&h->vials, r->vial) * (size_t)h->regions.n +
                           (size_t)drae__level(&h->regions, r->region);
            int32_t frame = seen[place]++;
            h->frame_of[h->order[i]] = frame;
            status = add_level(&h->frames, frame, DRAE_STRIP_FRAMES_MAX, "frame (by count)", err);
        }
    }
    free(seen);
    return status;
}

drae_status drae__hierarchy_create(const drae__record *records, size_t n,
                                   drae__hierarchy *hierarchy, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__hierarchy h = {.n = n};
    bool has_strips = true;
    bool has_frame = true;
    for (size_t i = 0; i < n; i++) {
        has_strips = has_strips && records[i].product != DRAE__UNRECORDED &&
                     records[i].vial != DRAE__UNRECORDED;
        has_frame = has_frame && records[i].frame != DRAE__UNRECORDED;
    }
    h.order = calloc(n, sizeof *h.order);
    h.strips = calloc(n + 1, sizeof *h.strips);
    h.products = calloc(n + 1, sizeof *h.products);
    h.frame_of = calloc(n, sizeof *h.frame_of);
    if (h.order == NULL || h.strips == NULL || h.products == NULL || h.frame_of == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", n);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        h.order[i] = i;
        DRAE__TRY(add_level(&h.regions, records[i].region, DRAE_STRIP_REGIONS_MAX, "region", err));
        if (has_strips) {
            DRAE__TRY(add_level(&h.vials, records[i].vial, DRAE_STRIP_VIALS_MAX, "vial", err));
        }
        if (has_strips && has_frame) {
            DRAE__TRY(add_level(&h.frames, records[i].frame, DRAE_STRIP_FRAMES_MAX, "frame", err));
        }
    }
    if (has_strips) {
        DRAE__TRY(sort_by_strip(records, &h, err));
        find_bounds(records, &h);
        DRAE__TRY(number_frames(records, has_frame, &h, err));
    }
    *hierarchy = h;
    h = (drae__hierarchy){0};
done:
    drae__hierarchy_free(&h);
    return status;
}

void drae__hierarchy_free(drae__hierarchy *hierarchy) {
    free(hierarchy->order);
    free(hierarchy->strips);
    free(hierarchy->products);
    free(hierarchy->frame_of);
    free(hierarchy->frames.values);
    free(hierarchy->vials.values);
    free(hierarchy->regions.values);
    *hierarchy = (drae__hierarchy){0};
}

int drae__vote_needed(int n_runs) {
    return (7 * n_runs + 9) / 10;
}
