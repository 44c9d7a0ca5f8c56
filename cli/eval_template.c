/* SPDX-License-Identifier: Apache-2.0 */
/* drae eval: the golden template and its thresholds. */
#include "cli/eval.h"

#include "io/progress.h"
#include "line/choose.h"
#include "line/statistics.h"

#include <math.h>
#include <stdlib.h>

static bool is_good(const drae__record *r) {
    return r->label != 1 && (r->frame >= 0 || r->frame == DRAE__UNRECORDED);
}

/* Threshold of a region from the products that the template has not seen. */
static drae_status set_template_threshold(drae__eval *e, int region, size_t n, float *scores,
                                          drae__err *err) {
    /* A sample that cannot carry the rate: its largest score, which is stricter. */
    double rate = e->o->template_rate;
    rate = n < drae__samples_needed(rate) ? 1.0 / (double)n : rate;
    return drae__threshold_from_good(n, scores, rate < 1.0 ? rate : 0.5,
                                     &e->scores[e->golden_score].threshold[region], NULL, err);
}

/* One of two neighbouring products makes the template, the other its thresholds. */
drae_status drae__eval_template(drae__eval *e, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t n = drae__dataset_count(e->good);
    const drae__record *records = drae__dataset_records(e->good);
    size_t n_clusters = 0;
    drae__progress progress;
    uint32_t *cluster = calloc(n, sizeof *cluster), *rank = calloc(n, sizeof *rank);
    bool *good = calloc(n, sizeof *good), *half = calloc(n, sizeof *half);
    float *scores = calloc(n, sizeof *scores);
    float *of_region = calloc(n, sizeof *of_region);
    drae__progress_begin(&progress, "good patches", n, e->o->quiet);
    if (cluster == NULL || rank == NULL || good == NULL || half == NULL || scores == NULL ||
        of_region == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", n);
        goto done;
    }
    DRAE__TRY(drae__template_create(e->size, &e->golden, err));
    DRAE__TRY(drae__clusters_of(records, n, cluster, &n_clusters, err));
    for (size_t i = 0; i < n; i++) {
        good[i] = is_good(&records[i]);
    }
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        drae__halve_region(n, records, r, good, cluster, n_clusters, half, rank);
    }
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            if (!good[i] || half[i] != (pass == 0)) {
                continue;
            }
            if (drae__interrupted) {
                status = drae__eval_interrupted(i, n, "good patches", err);
                goto done;
            }
            DRAE__TRY(drae__dataset_read(e->good, &i, 1, e->patches, err));
            if (pass == 0) {
                DRAE__TRY(drae__template_add(e->golden, records[i].region, e->patches, err));
            } else {
                scores[i] = drae__template_score(e->golden, records[i].region, e->patches, e->map);
            }
            drae__progress_update(&progress, (size_t)pass * n / 2 + i / 2, NULL);
        }
    }
    for (int r = 0; r < e->report.n_regions; r++) {
        int region = e->report.regions[r];
        size_t count = 0;
        for (size_t i = 0; i < n; i++) {
            if (records[i].region == region && good[i] && !half[i] && isfinite(scores[i])) {
                of_region[count++] = scores[i];
            }
        }
        if (drae__template_count(e->golden, region) < 2) {
            status =
                drae__fail(err, DRAE_ERROR_FILE,
                           "%s: region %d has %zu good patches for the template; at least 2 are "
                           "needed, and 2 more of other products for its threshold",
                           e->o->good.items[0], region, drae__template_count(e->golden, region));
            goto done;
        }
        if (count == 0) {
            status = drae__fail(err, DRAE_ERROR_FILE,
                                "%s: region %d shows one product; at least 2 are needed, one makes "
                                "the template, the other its threshold",
                                e->o->good.items[0], region);
            goto done;
        }
        DRAE__TRY(set_template_threshold(e, region, count, of_region, err));
    }
    drae__eval_fact(e, "template", "rate", "%g", e->o->template_rate);
    drae__eval_fact(e, "template", "split",
                    "one of two neighbouring products of a region, drawn, makes the template, the "
                    "other its thresholds");
done:
    drae__progress_end(&progress, n);
    free(cluster);
    free(rank);
    free(good);
    free(half);
    free(scores);
    free(of_region);
    return status;
}
