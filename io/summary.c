/* SPDX-License-Identifier: Apache-2.0 */
#include "io/summary.h"

#include <stdlib.h>
#include <string.h>

/* What names a frame, most significant first. */
static const int32_t *key_of(const drae__record *record, int32_t key[4]) {
    key[0] = record->batch;
    key[1] = record->product;
    key[2] = record->run;
    key[3] = record->frame;
    return key;
}

static int compare(const void *a, const void *b) {
    int32_t p[4];
    int32_t q[4];
    (void)key_of(*(const drae__record *const *)a, p);
    (void)key_of(*(const drae__record *const *)b, q);
    for (int i = 0; i < 4; i++) {
        if (p[i] != q[i]) {
            return p[i] < q[i] ? -1 : 1;
        }
    }
    return 0;
}

drae_status drae__dataset_summarize(const drae__dataset *dataset, drae__summary *summary,
                                    drae__err *err) {
    const drae__record *records = drae__dataset_records(dataset);
    size_t n = drae__dataset_count(dataset);
    const drae__record **order = malloc(n * sizeof *order);
    if (order == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to sum up %zu patches", n);
    }
    memset(summary, 0, sizeof *summary);
    summary->patches = n;
    for (size_t i = 0; i < n; i++) {
        const drae__record *r = &records[i];
        order[i] = r;
        if (r->label != 0) {
            summary->defective++;
            summary->region_defective[r->region]++;
        } else {
            summary->good++;
            summary->region_good[r->region]++;
        }
        summary->defect[r->defect]++;
    }
    qsort(order, n, sizeof *order, compare);
    for (size_t i = 0; i < n; i++) {
        int32_t key[4];
        int32_t before[4];
        (void)key_of(order[i], key);
        if (i > 0) {
            (void)key_of(order[i - 1], before);
        }
        bool new_product = i == 0 || key[0] != before[0] || key[1] != before[1];
        summary->products += new_product;
        summary->frames += new_product || key[2] != before[2] || key[3] != before[3];
    }
    free(order);
    return DRAE_OK;
}
