/* SPDX-License-Identifier: Apache-2.0 */
#include "line/template.h"

#include "model/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TAPS = 3 }; /* on either side of the middle: 3 standard deviations */

typedef struct moments {
    size_t n;
    double *mean; /* [size,size] */
    double *m2;   /* [size,size] sum of squared differences from the mean (Welford) */
} moments;

struct drae__template {
    int size;
    float taps[TAPS + 1];
    moments regions[DRAE__REGIONS_MAX];
    float *blurred; /* [size,size] */
    float *row;     /* [size,size] scratch */
};

drae_status drae__template_create(int size, drae__template **golden, drae__err *err) {
    *golden = NULL;
    if (size < 4 || size > 4096) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "a template of %d pixels a side", size);
    }
    drae__template *t = calloc(1, sizeof *t);
    size_t n = (size_t)size * (size_t)size;
    if (t != NULL) {
        t->size = size;
        t->blurred = calloc(n, sizeof *t->blurred);
        t->row = calloc(n, sizeof *t->row);
    }
    if (t == NULL || t->blurred == NULL || t->row == NULL) {
        drae__template_destroy(t);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a template");
    }
    double sum = 0.0;
    for (int i = -TAPS; i <= TAPS; i++) {
        sum += exp(-0.5 * i * i);
    }
    for (int i = 0; i <= TAPS; i++) {
        t->taps[i] = (float)(exp(-0.5 * i * i) / sum);
    }
    *golden = t;
    return DRAE_OK;
}

void drae__template_destroy(drae__template *golden) {
    if (golden != NULL) {
        for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
            free(golden->regions[r].mean);
            free(golden->regions[r].m2);
        }
        free(golden->blurred);
        free(golden->row);
        free(golden);
    }
}

static int clamp(int x, int high) {
    return x < 0 ? 0 : x > high ? high : x;
}

/* Into t->blurred; the border repeats. */
static void blur(drae__template *t, const uint8_t *patch) {
    int s = t->size;
    for (int y = 0; y < s; y++) {
        for (int x = 0; x < s; x++) {
            float sum = t->taps[0] * (float)patch[y * s + x];
            for (int k = 1; k <= TAPS; k++) {
                sum += t->taps[k] * ((float)patch[y * s + clamp(x - k, s - 1)] +
                                     (float)patch[y * s + clamp(x + k, s - 1)]);
            }
            t->row[y * s + x] = sum;
        }
    }
    for (int y = 0; y < s; y++) {
        for (int x = 0; x < s; x++) {
            float sum = t->taps[0] * t->row[y * s + x];
            for (int k = 1; k <= TAPS; k++) {
                sum += t->taps[k] *
                       (t->row[clamp(y - k, s - 1) * s + x] + t->row[clamp(y + k, s - 1) * s + x]);
            }
            t->blurred[y * s + x] = sum;
        }
    }
}

drae_status drae__template_add(drae__template *golden, int region, const uint8_t *patch,
                               drae__err *err) {
    moments *m = &golden->regions[region];
    size_t n = (size_t)golden->size * (size_t)golden->size;
    if (m->mean == NULL) {
        m->mean = calloc(n, sizeof *m->mean);
        m->m2 = calloc(n, sizeof *m->m2);
        if (m->mean == NULL || m->m2 == NULL) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the template of region %d",
                              region);
        }
    }
    blur(golden, patch);
    m->n++;
    for (size_t i = 0; i < n; i++) {
        double x = (double)golden->blurred[i];
        double before = x - m->mean[i];
        m->mean[i] += before / (double)m->n;
        m->m2[i] += before * (x - m->mean[i]);
    }
    return DRAE_OK;
}

size_t drae__template_count(const drae__template *golden, int region) {
    return golden->regions[region].n;
}

float drae__mean_of_largest(size_t n, float *values, size_t k) {
    /* Quickselect, the k largest to the front; three ways, so that many equal values are no worst
     * case. */
    size_t low = 0;
    size_t high = n;
    while (low < k && k < high) {
        float pivot = values[low + (high - low) / 2];
        size_t above = low;
        size_t below = high;
        for (size_t i = low; i < below;) {
            float v = values[i];
            if (v > pivot) {
                values[i++] = values[above];
                values[above++] = v;
            } else if (v < pivot) {
                values[i] = values[--below];
                values[below] = v;
            } else {
                i++;
            }
        }
        if (k <= above) {
            high = above;
        } else if (k >= below) {
            low = below;
        } else {
            break;
        }
    }
    double sum = 0.0;
    for (size_t i = 0; i < k; i++) {
        sum += (double)values[i];
    }
    return (float)(sum / (double)k);
}

float drae__template_score(drae__template *golden, int region, const uint8_t *patch, float *map) {
    const moments *m = &golden->regions[region];
    size_t n = (size_t)golden->size * (size_t)golden->size;
    if (m->n < 2) {
        memset(map, 0, n * sizeof *map);
        return NAN;
    }
    blur(golden, patch);
    for (size_t i = 0; i < n; i++) {
        double spread = sqrt(m->m2[i] / (double)(m->n - 1));
        double away = fabs((double)golden->blurred[i] - m->mean[i]);
        map[i] = (float)(away / (spread + (double)DRAE__TEMPLATE_FLOOR));
    }
    memcpy(golden->row, map, n * sizeof *map);
    size_t k = n / DRAE__TEMPLATE_SHARE > 0 ? n / DRAE__TEMPLATE_SHARE : 1;
    return drae__mean_of_largest(n, golden->row, k);
}
