/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data of `drae calibrate`: good patches, labelled defects, the products and strips that they
 * belong to, and which products make the maps of z.
 */
#include "cli/calibrate.h"

#include "line/evaluation.h"
#include "line/hierarchy.h"
#include "line/normalise.h"
#include "line/tail.h"

#include <stdlib.h>
#include <string.h>

/* Synthetic defects that tell the scores apart, at most so many a region. */
#define SPOILED_MAX 400

static void free_set(drae__calibrate_set *set) {
    drae__source_close(set->source);
    free(set->patches);
    free(set->cluster);
    free(set->phi);
    free(set->z);
    free(set->m);
    free(set->prints);
}

void drae__calibrate_release(drae__calibrate *c) {
    drae__scorer_close(&c->scorer);
    free_set(&c->good);
    free_set(&c->defective);
    drae__model_free(&c->model);
    for (int i = 0; i < DRAE__REGIONS_MAX; i++) {
        free(c->regions[i].histogram);
        free(c->mean[i]);
        free(c->m2[i]);
    }
    free(c->strip);
    free(c->spoiled);
    free(c->phi_spoiled);
    free(c->z_spoiled);
    free(c->m_spoiled);
}

/* ---- patches ---- */

static drae_status open_set(drae__calibrate_set *set, const drae__text_list *paths, int size,
                            drae__err *err) {
    drae_status status = DRAE_OK;
    DRAE__TRY(drae__source_open(paths->items, paths->n, NULL, size, 0, &set->source, err));
    size_t total = drae__source_count(set->source);
    set->records = drae__source_records(set->source);
    set->patches = calloc(total, sizeof *set->patches);
    set->cluster = calloc(total, sizeof *set->cluster);
    set->phi = calloc(total, sizeof *set->phi);
    set->z = calloc(total, sizeof *set->z);
    set->prints = calloc(total, sizeof *set->prints);
    if (set->patches == NULL || set->cluster == NULL || set->phi == NULL || set->z == NULL ||
        set->prints == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", total);
        goto done;
    }
    status = drae__clusters_of(set->records, total, set->cluster, &set->n_clusters, err);
done:
    return status;
}

static bool is_rank_image(const drae__record *record) {
    return record->frame < 0 && record->frame != DRAE__UNRECORDED;
}

/* Good camera frames: what is labelled defective and the rank images of training are left out. */
static drae_status choose_good(drae__calibrate *c, drae__err *err) {
    drae__calibrate_set *good = &c->good;
    size_t total = drae__source_count(good->source);
    for (size_t i = 0; i < total; i++) {
        const drae__record *record = &good->records[i];
        if (record->label == 1) {
            c->n_defective++;
        } else if (is_rank_image(record)) {
            c->n_rank++;
        } else {
            good->patches[good->n++] = i;
            c->regions[record->region].n++;
            c->n_regions = record->region >= c->n_regions ? record->region + 1 : c->n_regions;
        }
    }
    if (good->n == 0) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: no good patch among %zu", c->o->data.items[0],
                          total);
    }
    for (int i = 0; i < c->n_regions; i++) {
        drae__calibrate_region *g = &c->regions[i];
        g->histogram = g->n > 0 ? calloc(1, sizeof *g->histogram) : NULL;
        if (g->n > 0 && g->histogram == NULL) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a histogram");
        }
    }
    return DRAE_OK;
}

static drae_status choose_defective(drae__calibrate *c, drae__err *err) {
    drae__calibrate_set *set = &c->defective;
    size_t total = drae__source_count(set->source);
    for (size_t i = 0; i < total; i++) {
        const drae__record *record = &set->records[i];
        if (record->label == 1 && !is_rank_image(record)) {
            set->patches[set->n++] = i;
            c->regions[record->region].n_labelled++;
        }
    }
    return set->n > 0 ? DRAE_OK
                      : drae__fail(err, DRAE_ERROR_FILE,
                                   "%s: none of %zu patches is labelled "
                                   "defective",
                                   c->o->defects.items[0], total);
}

/* ---- strips ---- */

/* The strip of every good patch, and how many strips show each region. */
static drae_status number_strips(drae__calibrate *c, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__hierarchy h = {0};
    drae__calibrate_set *good = &c->good;
    size_t total = drae__source_count(good->source);
    drae__record *records = calloc(good->n, sizeof *records);
    size_t *last = calloc(DRAE__REGIONS_MAX, sizeof *last);
    c->strip = calloc(total, sizeof *c->strip);
    if (records == NULL || last == NULL || c->strip == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", total);
        goto done;
    }
    for (size_t k = 0; k < good->n; k++) {
        records[k] = good->records[good->patches[k]];
    }
    DRAE__TRY(drae__hierarchy_create(records, good->n, &h, err));
    if (h.n_strips == 0) {
        status = drae__fail(err, DRAE_ERROR_FILE,
                            "%s: the data records no strips (product and vial of each patch): use "
                            "--false-reject, which is a rate a patch",
                            c->o->data.items[0]);
        goto done;
    }
    for (size_t s = 0; s < h.n_strips; s++) {
        for (size_t k = h.strips[s]; k < h.strips[s + 1]; k++) {
            int region = records[h.order[k]].region;
            c->strip[good->patches[h.order[k]]] = (uint32_t)s;
            c->regions[region].n_strips += last[region] != s + 1;
            last[region] = s + 1;
        }
    }
    c->n_strips = h.n_strips;
done:
    drae__hierarchy_free(&h);
    free(records);
    free(last);
    return status;
}

/* ---- opening ---- */

static size_t items_of(const drae__calibrate *c, int region) {
    return c->strip != NULL ? c->regions[region].n_strips : c->regions[region].n;
}

/* Fewest items from which a threshold could be set, if all were independent. */
static size_t items_needed(const drae__calibrate *c, int region) {
    if (c->regions[region].n_labelled >= DRAE__THRESHOLD_BY_COST_LEAST) {
        return DRAE__THRESHOLD_BY_COST_LEAST;
    }
    return c->o->small ? drae__samples_needed(c->rate) : drae__tail_needed(c->rate);
}

/* Known before hours of inference, so said before them. */
static drae_status check_sizes(const drae__calibrate *c, drae__err *err) {
    const char *items = c->strip != NULL ? "strips" : "patches";
    for (int i = 0; i < c->n_regions; i++) {
        size_t n = items_of(c, i);
        if (c->regions[i].n > 0 && n < items_needed(c, i)) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: region %d has %zu good %s; a false-reject rate of %g needs at "
                              "least %zu independent ones, and %zu to be measured without a model "
                              "of the tail (--small-sample takes %zu, with an open upper limit)",
                              c->o->data.items[0], i, n, items, c->rate, drae__tail_needed(c->rate),
                              drae__tail_needed_empirical(c->rate), drae__samples_needed(c->rate));
        }
    }
    return DRAE_OK;
}

drae_status drae__calibrate_open(drae__calibrate *c, drae__err *err) {
    drae_status status = DRAE_OK;
    const drae__calibrate_options *o = c->o;
    int n_present = 0;
    DRAE__TRY(open_set(&c->good, &o->data, c->model.arch.size, err));
    DRAE__TRY(choose_good(c, err));
    if (o->defects.n > 0) {
        DRAE__TRY(open_set(&c->defective, &o->defects, c->model.arch.size, err));
        DRAE__TRY(choose_defective(c, err));
    }
    c->rate = o->patch_rate;
    if (o->strip_rate > 0.0) {
        DRAE__TRY(number_strips(c, err));
        for (int i = 0; i < c->n_regions; i++) {
            n_present += c->regions[i].n > 0;
        }
        /* Each region may reject its share: together never more than was asked for. */
        c->rate = o->strip_rate / n_present;
    }
    status = check_sizes(c, err);
done:
    return status;
}

/* ---- which patches make maps ---- */

/* Patches that must be left for a threshold, whose items are patches or strips of several. */
static size_t patches_needed(const drae__calibrate *c, int i) {
    size_t n_items = items_of(c, i);
    size_t each = (c->regions[i].n + n_items - 1) / n_items;
    return items_needed(c, i) * each;
}

/* Tells which patches of a region make maps. */
static drae_status split_region(drae__calibrate *c, int i, bool *fits, drae__err *err) {
    drae__calibrate_region *g = &c->regions[i];
    const drae__calibrate_set *good = &c->good;
    size_t needed = patches_needed(c, i);
    size_t pixels = (size_t)c->model.arch.size * (size_t)c->model.arch.size;
    drae_status status = DRAE_OK;
    int32_t *products = calloc(2 * g->n, sizeof *products);
    bool *of_region = calloc(g->n, sizeof *of_region);
    size_t n = 0;
    if (products == NULL || of_region == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", g->n);
        goto done;
    }
    for (size_t k = 0; k < good->n; k++) {
        if (good->records[good->patches[k]].region == i) {
            products[n++] = good->records[good->patches[k]].product;
        }
    }
    if (!drae__split_for_maps(n, products, needed, DRAE__NORMALISE_LEAST, of_region,
                              products + n)) {
        if (strcmp(c->o->score, "z") == 0 || strcmp(c->o->score, "m") == 0) {
            status = drae__fail(err, DRAE_ERROR_FILE,
                                "%s: region %d has %zu good patches; z at a false-reject rate of "
                                "%g needs %zu and %d more of other products for its maps",
                                c->o->data.items[0], i, n, c->rate, needed, DRAE__NORMALISE_LEAST);
        }
        goto done;
    }
    n = 0;
    for (size_t k = 0; k < good->n; k++) {
        if (good->records[good->patches[k]].region == i) {
            fits[k] = of_region[n++];
            g->n_fits += fits[k];
        }
    }
    c->n_fits += g->n_fits;
    c->mean[i] = calloc(pixels, sizeof *c->mean[i]);
    c->m2[i] = calloc(pixels, sizeof *c->m2[i]);
    if (c->mean[i] == NULL || c->m2[i] == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the maps of region %d", i);
        goto done;
    }
    status = drae__scorer_measure(&c->model, i, err);
done:
    free(products);
    free(of_region);
    return status;
}

/* Puts the patches that make maps before the others, each in the order of the data. */
drae_status drae__calibrate_split(drae__calibrate *c, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__calibrate_set *good = &c->good;
    bool *fits = calloc(good->n, sizeof *fits);
    size_t *sorted = calloc(good->n, sizeof *sorted);
    if (fits == NULL || sorted == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", good->n);
        goto done;
    }
    for (int i = 0; i < c->n_regions; i++) {
        if (c->regions[i].n > 0) {
            DRAE__TRY(split_region(c, i, fits, err));
        }
    }
    size_t at[2] = {c->n_fits, 0};
    for (size_t k = 0; k < good->n; k++) {
        sorted[at[fits[k]]++] = good->patches[k];
    }
    memcpy(good->patches, sorted, good->n * sizeof *sorted);
    /* A defect for every patch that makes no maps, or for an even choice of them. */
    c->spoiled = calloc(good->n, sizeof *c->spoiled);
    c->phi_spoiled = calloc(good->n, sizeof *c->phi_spoiled);
    c->z_spoiled = calloc(good->n, sizeof *c->z_spoiled);
    if (c->spoiled == NULL || c->phi_spoiled == NULL || c->z_spoiled == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", good->n);
        goto done;
    }
    size_t seen[DRAE__REGIONS_MAX] = {0};
    for (size_t k = c->n_fits; k < good->n; k++) {
        int i = good->records[good->patches[k]].region;
        drae__calibrate_region *g = &c->regions[i];
        size_t left = g->n - g->n_fits;
        size_t every = left > SPOILED_MAX ? (left + SPOILED_MAX - 1) / SPOILED_MAX : 1;
        if (g->n_fits > 0 && drae__drawn(seen[i]++, every, left)) {
            c->spoiled[c->n_spoiled++] = good->patches[k];
            g->n_spoiled++;
        }
    }
done:
    free(fits);
    free(sorted);
    return status;
}
