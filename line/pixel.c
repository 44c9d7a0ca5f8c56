/* SPDX-License-Identifier: Apache-2.0 */
#include "line/pixel.h"

#include "base/size.h"
#include "line/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bins: 32 powers of two from 2^-20 up, each in equal steps; bin 0 also holds what is smaller, the
 * last what is larger. Scores in use span 1e-4 (a residual of a fortieth of a grey level) to some
 * hundreds (standard deviations). */
enum {
    OCTAVES = 32,
    FINE_BITS = 11,
    FINE_BINS = OCTAVES << FINE_BITS,
    COARSE_BITS = 4,
    COARSE_BINS = OCTAVES << COARSE_BITS,
    EXPONENT_LOW = -20
};

typedef struct coarse {
    uint32_t good[COARSE_BINS];
    uint32_t defective[COARSE_BINS];
    float overlap[COARSE_BINS];
    uint32_t n_defects;
} coarse;

struct drae__pixels {
    size_t n_clusters;
    int size;
    uint64_t n_defects;
    uint64_t good[FINE_BINS];
    uint64_t defective[FINE_BINS];
    double overlap[FINE_BINS]; /* sum of 1 / area of the defect that a pixel belongs to */
    coarse *clusters;          /* [n_clusters] */
    int32_t *labels;           /* [size,size] */
    int32_t *stack;            /* [size,size] */
    uint32_t *areas;           /* [size * size / 2 + 2] by label */
};

/* ---- connected defects ---- */

int drae__components(int size, const uint8_t *mask, int32_t *labels, int32_t *stack) {
    size_t n = (size_t)size * (size_t)size;
    int found = 0;
    memset(labels, 0, n * sizeof *labels);
    for (size_t start = 0; start < n; start++) {
        if (mask[start] == 0 || labels[start] != 0) {
            continue;
        }
        found++;
        size_t depth = 0;
        labels[start] = found;
        stack[depth++] = (int32_t)start;
        while (depth > 0) {
            int32_t at = stack[--depth];
            int x = at % size;
            int y = at / size;
            for (int v = y > 0 ? y - 1 : y; v <= y + 1 && v < size; v++) {
                for (int u = x > 0 ? x - 1 : x; u <= x + 1 && u < size; u++) {
                    int32_t next = v * size + u;
                    if (mask[next] != 0 && labels[next] == 0) {
                        labels[next] = found;
                        stack[depth++] = next;
                    }
                }
            }
        }
    }
    return found;
}

/* ---- streaming ---- */

drae_status drae__pixels_create(size_t n_clusters, int size, drae__pixels **pixels,
                                drae__err *err) {
    *pixels = NULL;
    if (size < 1 || size > 4096 || n_clusters == 0) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "pixels of %zu clusters, side %d", n_clusters,
                          size);
    }
    drae__pixels *p = calloc(1, sizeof *p);
    size_t n = (size_t)size * (size_t)size;
    if (p != NULL) {
        p->n_clusters = n_clusters < DRAE__PIXEL_CLUSTERS ? n_clusters : DRAE__PIXEL_CLUSTERS;
        p->size = size;
        p->clusters = calloc(p->n_clusters, sizeof *p->clusters);
        p->labels = calloc(n, sizeof *p->labels);
        p->stack = calloc(n, sizeof *p->stack);
        p->areas = calloc(n + 1, sizeof *p->areas);
    }
    if (p == NULL || p->clusters == NULL || p->labels == NULL || p->stack == NULL ||
        p->areas == NULL) {
        drae__pixels_destroy(p);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to count pixels");
    }
    *pixels = p;
    return DRAE_OK;
}

void drae__pixels_destroy(drae__pixels *pixels) {
    if (pixels != NULL) {
        free(pixels->clusters);
        free(pixels->labels);
        free(pixels->stack);
        free(pixels->areas);
        free(pixels);
    }
}

/* A positive float's bits grow with its value: exponent, then mantissa, less the lowest exponent.
 */
static uint32_t fine_bin(float value) {
    uint32_t bits;
    if (!(value > 0.0f)) {
        return isnan(value) ? FINE_BINS - 1 : 0;
    }
    memcpy(&bits, &value, sizeof bits);
    const uint32_t lowest = (uint32_t)(EXPONENT_LOW + 127) << FINE_BITS;
    uint32_t bin = bits >> (23 - FINE_BITS);
    if (bin < lowest) {
        return 0;
    }
    return bin - lowest < FINE_BINS ? bin - lowest : FINE_BINS - 1;
}

/* The lower edge of a bin: a threshold at which the bin counts as above. */
static double bin_edge(uint32_t bin) {
    double octave = (double)(bin >> FINE_BITS) + EXPONENT_LOW;
    double within = (double)(bin & ((1u << FINE_BITS) - 1u)) / (double)(1u << FINE_BITS);
    return bin == 0 ? 0.0 : ldexp(1.0 + within, (int)octave);
}

void drae__pixels_add(drae__pixels *p, size_t cluster, const float *map, const uint8_t *mask) {
    size_t n = (size_t)p->size * (size_t)p->size;
    coarse *c = &p->clusters[cluster % p->n_clusters];
    int n_defects = mask != NULL ? drae__components(p->size, mask, p->labels, p->stack) : 0;
    memset(p->areas, 0, ((size_t)n_defects + 1) * sizeof *p->areas);
    for (size_t i = 0; i < n && n_defects > 0; i++) {
        p->areas[p->labels[i]]++;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t bin = fine_bin(map[i]);
        uint32_t wide = bin >> (FINE_BITS - COARSE_BITS);
        if (n_defects > 0 && p->labels[i] != 0) {
            double share = 1.0 / (double)p->areas[p->labels[i]];
            p->defective[bin]++;
            p->overlap[bin] += share;
            c->defective[wide]++;
            c->overlap[wide] += (float)share;
        } else {
            p->good[bin]++;
            c->good[wide]++;
        }
    }
    p->n_defects += (uint64_t)n_defects;
    c->n_defects += (uint32_t)n_defects;
}

/* ---- figures ---- */

typedef struct curve {
    double auroc, aupr, f1max, aupro_30, aupro_05;
    size_t f1max_bin;
} curve;

/* The part of a trapezium between x1 and x2 that lies left of limit. */
static double area_below(double x1, double x2, double y1, double y2, double limit) {
    if (x1 >= limit) {
        return 0.0;
    }
    if (x2 > limit) {
        y2 = y1 + (y2 - y1) * (limit - x1) / (x2 - x1);
        x2 = limit;
    }
    return 0.5 * (y1 + y2) * (x2 - x1);
}

/* From the highest bin down; each array [n]. */
static void trace(size_t n, const double *good, const double *defective, const double *overlap,
                  double n_defects, curve *k) {
    double n_good = 0.0;
    double n_defective = 0.0;
    for (size_t i = 0; i < n; i++) {
        n_good += good[i];
        n_defective += defective[i];
    }
    *k = (curve){.f1max = -1.0};
    double fp = 0.0;
    double tp = 0.0;
    double pro = 0.0;
    for (size_t i = n; i-- > 0;) {
        if (good[i] == 0.0 && defective[i] == 0.0) {
            continue;
        }
        double x1 = fp / n_good;
        double y1 = pro / n_defects;
        k->auroc += defective[i] * (n_good - fp - good[i] + 0.5 * good[i]);
        fp += good[i];
        tp += defective[i];
        pro += overlap[i];
        k->aupr += defective[i] * (tp / (tp + fp));
        double f1 = 2.0 * tp / (tp + fp + n_defective);
        if (f1 > k->f1max) {
            k->f1max = f1;
            k->f1max_bin = i;
        }
        double y2 = pro / n_defects < 1.0 ? pro / n_defects : 1.0;
        k->aupro_30 += area_below(x1, fp / n_good, y1, y2, 0.3);
        k->aupro_05 += area_below(x1, fp / n_good, y1, y2, 0.05);
    }
    bool both = n_good > 0.0 && n_defective > 0.0;
    k->auroc = both ? k->auroc / (n_good * n_defective) : NAN;
    k->aupr = both ? k->aupr / n_defective : NAN;
    k->f1max = both ? k->f1max : NAN;
    k->aupro_30 = both ? k->aupro_30 / 0.3 : NAN;
    k->aupro_05 = both ? k->aupro_05 / 0.05 : NAN;
}

/* Sums of the coarse counts, weighted by how often each cluster was drawn. */
static void trace_draw(const drae__pixels *p, const uint32_t *weights, curve *k) {
    double good[COARSE_BINS] = {0};
    double defective[COARSE_BINS] = {0};
    double overlap[COARSE_BINS] = {0};
    double n_defects = 0.0;
    for (size_t c = 0; c < p->n_clusters; c++) {
        double w = weights != NULL ? (double)weights[c] : 1.0;
        if (w == 0.0) {
            continue;
        }
        const coarse *from = &p->clusters[c];
        n_defects += w * (double)from->n_defects;
        for (size_t i = 0; i < COARSE_BINS; i++) {
            good[i] += w * (double)from->good[i];
            defective[i] += w * (double)from->defective[i];
            overlap[i] += w * (double)from->overlap[i];
        }
    }
    trace(COARSE_BINS, good, defective, overlap, n_defects, k);
}

static double clamp01(double x) {
    return x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
}

/* The interval of the coarse draws, moved to the fine value: both say how far a draw strays. */
static drae__interval moved(double value, double coarse_value, size_t n, double *draws,
                            double confidence) {
    drae__interval interval = drae__bootstrap_interval(coarse_value, n, draws, confidence);
    /* Draws that all say the same know nothing: one cluster, or perfect separation. */
    bool unknown = interval.low >= interval.high || (interval.low == 0.0 && interval.high == 1.0);
    if (isnan(value) || isnan(coarse_value) || unknown) {
        return (drae__interval){value, 0.0, 1.0};
    }
    return (drae__interval){value, clamp01(value + interval.low - coarse_value),
                            clamp01(value + interval.high - coarse_value)};
}

drae_status drae__pixels_measure(const drae__pixels *p, size_t rounds, uint64_t seed,
                                 double confidence, drae__pixel_figures *figures, drae__err *err) {
    enum { AUROC, AUPR, F1MAX, AUPRO_30, AUPRO_05, N_FIGURES };
    drae_status status = DRAE_OK;
    curve fine;
    curve wide;
    double *good = calloc(2 * (size_t)FINE_BINS, sizeof *good);
    double *draws = calloc(N_FIGURES * rounds + 1, sizeof *draws);
    uint32_t *weights = calloc(p->n_clusters, sizeof *weights);
    uint8_t *stratum = calloc(p->n_clusters, 1);
    if (good == NULL || draws == NULL || weights == NULL || stratum == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu draws of pixels", rounds);
        goto done;
    }
    double *defective = good + FINE_BINS;
    drae__pixel_figures f = {.n_defects = p->n_defects};
    for (size_t i = 0; i < FINE_BINS; i++) {
        good[i] = (double)p->good[i];
        defective[i] = (double)p->defective[i];
        f.n_good += p->good[i];
        f.n_defective += p->defective[i];
    }
    trace(FINE_BINS, good, defective, p->overlap, (double)p->n_defects, &fine);
    trace_draw(p, NULL, &wide);
    for (size_t c = 0; c < p->n_clusters; c++) {
        stratum[c] = p->clusters[c].n_defects > 0;
    }
    for (size_t r = 0; r < rounds; r++) {
        curve draw;
        drae__bootstrap_draw(p->n_clusters, stratum, seed, r, weights);
        trace_draw(p, weights, &draw);
        draws[AUROC * rounds + r] = draw.auroc;
        draws[AUPR * rounds + r] = draw.aupr;
        draws[F1MAX * rounds + r] = draw.f1max;
        draws[AUPRO_30 * rounds + r] = draw.aupro_30;
        draws[AUPRO_05 * rounds + r] = draw.aupro_05;
    }
    f.auroc = moved(fine.auroc, wide.auroc, rounds, draws + AUROC * rounds, confidence);
    f.aupr = moved(fine.aupr, wide.aupr, rounds, draws + AUPR * rounds, confidence);
    f.f1max = moved(fine.f1max, wide.f1max, rounds, draws + F1MAX * rounds, confidence);
    f.aupro_30 = moved(fine.aupro_30, wide.aupro_30, rounds, draws + AUPRO_30 * rounds, confidence);
    f.aupro_05 = moved(fine.aupro_05, wide.aupro_05, rounds, draws + AUPRO_05 * rounds, confidence);
    f.f1max_threshold = isnan(fine.f1max) ? NAN : bin_edge((uint32_t)fine.f1max_bin);
    *figures = f;
done:
    free(good);
    free(draws);
    free(weights);
    free(stratum);
    return status;
}
