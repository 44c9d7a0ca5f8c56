/* SPDX-License-Identifier: Apache-2.0 */
#include "train/head.h"

#include "base/arena.h"
#include "base/philox.h"
#include "kernels/infer.h"
#include "kernels/matched.h"
#include "kernels/optim.h"
#include "train/head_defects.h"
#include "train/head_net.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define CROP     DRAE__HEAD_CROP
#define SIDE     (CROP / 2)
#define SQUARE   8     /* pixels a side that share a peak */
#define OFF_PEAK 8     /* pixels that a crop's middle may lie beside a peak */
#define DARK     60    /* grey level below which no defect is put: nothing would be seen */
#define PLACES   10    /* tries to find a lighter one */
#define TOP      4     /* outputs whose mean stands for a crop */
#define SMALL    16.0f /* pixels of mask that a crop counts as more than it has */
#define PATCH    0.5f  /* weight of a crop's own loss */
#define WARM     50    /* steps in which the learning rate rises */
#define BIAS     (-4.0f)

/* What one thread needs for a crop. */
typedef struct bench {
    float crop[DRAE__HEAD_PIXELS], other[DRAE__HEAD_PIXELS], recon[DRAE__HEAD_PIXELS];
    float mean[DRAE__HEAD_PIXELS], m[DRAE__HEAD_PIXELS]; /* of z; what the filters answer */
    float scales[DRAE__M_FILTERS * (CROP / DRAE__M_BLOCK) * (CROP / DRAE__M_BLOCK)];
    float *scratch; /* of the filters */
    uint8_t mask[DRAE__HEAD_PIXELS], half[SIDE * SIDE];
    drae__head_net net;
} bench;

typedef struct fit {
    int size;
    size_t n;
    const drae__head_patch *patches;
    const drae__infer_kernels *kernels;
    int threads;
    float *weights, *gradient, *m, *v;
    float *of_crop;                /* [BATCH,WEIGHTS] gradients */
    double loss[DRAE__HEAD_BATCH]; /* of each crop */
    bench *benches;                /* [threads] */
    float *planes;
} fit;

/* ---- crops ---- */

void drae__head_peaks(int size, const float *m, drae__head_patch *patch) {
    float value[DRAE__HEAD_PEAKS] = {0.0f};
    memset(patch->row, 0, sizeof patch->row);
    memset(patch->column, 0, sizeof patch->column);
    for (int square = 0; square < size / SQUARE * (size / SQUARE); square++) {
        int row = square / (size / SQUARE) * SQUARE, column = square % (size / SQUARE) * SQUARE;
        int best = row * size + column;
        for (int i = 0; i < SQUARE * SQUARE; i++) {
            int at = (row + i / SQUARE) * size + column + i % SQUARE;
            best = m[at] > m[best] ? at : best;
        }
        int place = DRAE__HEAD_PEAKS;
        while (place > 0 && m[best] > value[place - 1]) {
            place--;
            if (place + 1 < DRAE__HEAD_PEAKS) {
                value[place + 1] = value[place];
                patch->row[place + 1] = patch->row[place];
                patch->column[place + 1] = patch->column[place];
            }
        }
        if (place < DRAE__HEAD_PEAKS) {
            value[place] = m[best];
            patch->row[place] = (uint16_t)(best / size);
            patch->column[place] = (uint16_t)(best % size);
        }
    }
}

/* Corners lie on blocks of the filters' scales. */
static int random_corner(drae__rng *rng, int size) {
    return DRAE__M_BLOCK * (int)drae__rng_below(rng, (uint32_t)((size - CROP) / DRAE__M_BLOCK + 1));
}

static int corner_about(drae__rng *rng, int size, int middle) {
    int at = middle - CROP / 2 + (int)drae__rng_below(rng, 2 * OFF_PEAK + 1) - OFF_PEAK;
    at = at < 0 ? 0 : at > size - CROP ? size - CROP : at;
    return at / DRAE__M_BLOCK * DRAE__M_BLOCK;
}

static void cut(int size, const uint8_t *image, int row, int column, float *crop) {
    for (int i = 0; i < DRAE__HEAD_PIXELS; i++) {
        crop[i] = (float)image[(row + i / CROP) * size + column + i % CROP] / 255.0f;
    }
}

/* Planes and mask at half resolution of the crop, whose corner is (row, column). */
static void finish_crop(const fit *f, const drae__head_patch *patch, int row, int column,
                        bench *b) {
    const ptrdiff_t size = f->size, corner = row * size + column, blocks = size / DRAE__M_BLOCK;
    const int side = CROP / DRAE__M_BLOCK;
    const float *scale = patch->maps + size * size;
    for (int i = 0; i < DRAE__HEAD_PIXELS; i++) {
        const ptrdiff_t at = corner + i / CROP * size + i % CROP;
        b->crop[i] = (float)(int)(b->crop[i] * 255.0f + 0.5f) / 255.0f;
        b->recon[i] = (float)patch->recon[at] / 65535.0f;
        b->mean[i] = patch->maps[at];
    }
    for (int i = 0; i < DRAE__M_FILTERS * side * side; i++) {
        ptrdiff_t line = i / (side * side) * blocks + row / DRAE__M_BLOCK + i / side % side;
        b->scales[i] = scale[size * size + line * blocks + column / DRAE__M_BLOCK + i % side];
    }
    for (int i = 0; i < SIDE * SIDE; i++) {
        const uint8_t *p = b->mask + i / SIDE * 2 * CROP + i % SIDE * 2;
        b->half[i] = p[0] | p[1] | p[CROP] | p[CROP + 1];
    }
    f->kernels->m(CROP, b->crop, CROP, b->recon, CROP, b->mean, b->scales, b->m, b->scratch);
    f->kernels->head->input(CROP, b->crop, CROP, b->recon, CROP, patch->maps + corner,
                            scale + corner, size, b->m, b->net.t[0]);
}

/* Crop number `index` of a step into the bench: its planes, and its mask at half resolution. */
static void make_crop(const fit *f, uint64_t step, int index, bench *b) {
    drae__rng rng;
    drae__rng_init(&rng, 0, DRAE__PURPOSE_HEAD, step << 16 | (uint64_t)index);
    const drae__head_patch *patch = &f->patches[drae__rng_below(&rng, (uint32_t)f->n)];
    int row = random_corner(&rng, f->size), column = random_corner(&rng, f->size);
    const bool defect = index % 2 == 0, peak = index % 4 == 1;
    for (int i = 0; defect && i < PLACES &&
                    patch->image[(row + CROP / 2) * f->size + column + CROP / 2] <= DARK;
         i++) {
        row = random_corner(&rng, f->size);
        column = random_corner(&rng, f->size);
    }
    if (peak) {
        uint32_t which = drae__rng_below(&rng, DRAE__HEAD_PEAKS);
        row = corner_about(&rng, f->size, patch->row[which]);
        column = corner_about(&rng, f->size, patch->column[which]);
    }
    cut(f->size, patch->image, row, column, b->crop);
    memset(b->mask, 0, sizeof b->mask);
    if (defect) {
        const drae__head_patch *from = &f->patches[drae__rng_below(&rng, (uint32_t)f->n)];
        int top = random_corner(&rng, f->size), left = random_corner(&rng, f->size);
        cut(f->size, from->image, top, left, b->other);
        drae__head_defect(&rng, b->other, b->crop, b->mask, b->recon);
    }
    finish_crop(f, patch, row, column, b);
}

/* ---- the loss ---- */

static double log1p_exp(double v) {
    return v > 0.0 ? v + log1p(exp(-v)) : log1p(exp(v));
}

/* Loss of the outputs, its derivatives into d_o. */
static double loss_of(bench *b) {
    const int pixels = SIDE * SIDE;
    int top[TOP], positive = 0;
    double sum = 0.0, mean = 0.0;
    for (int i = 0; i < pixels; i++) {
        positive += b->half[i];
    }
    const double weight = 1.0 / ((double)positive + (double)SMALL);
    for (int i = 0; i < pixels; i++) {
        /* With s = o where the mask is 0 and -o where it is 1, p = sigmoid(s): p^2 softplus(s). */
        double turn = b->half[i] != 0 ? -1.0 : 1.0, s = turn * (double)b->net.o[i];
        double p = 1.0 / (1.0 + exp(-s)), bce = log1p_exp(s);
        sum += weight * p * p * bce;
        b->net.d_o[i] = (float)(turn * weight * p * p * (p + 2.0 * (1.0 - p) * bce));
    }
    for (int k = 0; k < TOP; k++) {
        top[k] = -1;
        for (int i = 0; i < pixels; i++) {
            bool taken = false;
            for (int j = 0; j < k; j++) {
                taken = taken || top[j] == i;
            }
            if (!taken && (top[k] < 0 || b->net.o[i] > b->net.o[top[k]])) {
                top[k] = i;
            }
        }
        mean += (double)b->net.o[top[k]] / TOP;
    }
    double turn = positive > 0 ? -1.0 : 1.0, s = turn * mean;
    for (int k = 0; k < TOP; k++) {
        b->net.d_o[top[k]] += (float)((double)PATCH * turn / (1.0 + exp(-s)) / TOP);
    }
    return sum + (double)PATCH * log1p_exp(s);
}

static double run_crop(const fit *f, bench *b, float *gradient) {
    drae__head_net_forward(&b->net, f->weights);
    double loss = loss_of(b);
    drae__head_net_backward(&b->net, f->weights, gradient);
    return loss;
}

/* ---- the fit ---- */

static void init_weights(float *weights) {
    drae__rng rng;
    drae__rng_init(&rng, 0, DRAE__PURPOSE_HEAD, UINT64_MAX);
    const float spread = 1.0f / sqrtf(3.0f * DRAE__H_PLANES * 9.0f);
    memset(weights, 0, DRAE__H_WEIGHTS * sizeof *weights);
    for (int l = 0; l < DRAE__H_LAYERS; l++) {
        for (int i = 0; i < DRAE__H_LAYER - DRAE__H_PLANES; i++) {
            weights[l * DRAE__H_LAYER + i] = spread * drae__rng_normal(&rng);
        }
    }
    for (int c = 0; c < DRAE__H_PLANES; c++) {
        weights[DRAE__H_LAYERS * DRAE__H_LAYER + c] =
            drae__rng_normal(&rng) / sqrtf(3.0f * DRAE__H_PLANES);
    }
    weights[DRAE__H_WEIGHTS - 1] = BIAS;
}

static double learning_rate(int step, int n_steps) {
    const double pi = 3.14159265358979323846;
    double part = (double)step / (double)n_steps, rise = fmin(1.0, (double)(step + 1) / WARM);
    return DRAE__HEAD_LR * (rise * 0.5 * (1.0 + cos(pi * part)) + 1.0 / 300.0);
}

static drae_status prepare(fit *f, drae__err *err) {
    const size_t of_net = drae__head_net_floats(SIDE);
    const size_t of_bench = (of_net + drae__m_scratch(CROP) + 15) / 16 * 16;
    const size_t n = (size_t)f->threads * of_bench + (DRAE__HEAD_BATCH + 3) * DRAE__H_WEIGHTS;
    f->benches = calloc((size_t)f->threads, sizeof *f->benches);
    f->planes = drae__aligned_alloc((n * sizeof(float) + 255) / 256 * 256);
    if (f->benches == NULL || f->planes == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to train the head");
    }
    memset(f->planes, 0, n * sizeof(float));
    float *at = f->planes;
    for (int i = 0; i < f->threads; i++, at += of_bench) {
        drae__head_net_lay_out(&f->benches[i].net, SIDE, f->kernels->head, at);
        f->benches[i].scratch = at + of_net;
    }
    f->gradient = at;
    f->m = f->gradient + DRAE__H_WEIGHTS;
    f->v = f->m + DRAE__H_WEIGHTS;
    f->of_crop = f->v + DRAE__H_WEIGHTS;
    return DRAE_OK;
}

/* One step; the loss of its batch. Crops are independent, and their gradients are added in their
 * order, so threads change no bit. */
static double take_step(fit *f, int step, int n_steps) {
#pragma omp parallel for schedule(dynamic) num_threads(f->threads)
    for (int i = 0; i < DRAE__HEAD_BATCH; i++) {
        bench *b = &f->benches[omp_get_thread_num()];
        make_crop(f, (uint64_t)step, i, b);
        f->loss[i] = run_crop(f, b, f->of_crop + (ptrdiff_t)i * DRAE__H_WEIGHTS);
    }
    double loss = 0.0;
    memset(f->gradient, 0, DRAE__H_WEIGHTS * sizeof *f->gradient);
    for (int i = 0; i < DRAE__HEAD_BATCH; i++) {
        loss += f->loss[i] / DRAE__HEAD_BATCH;
        for (int k = 0; k < DRAE__H_WEIGHTS; k++) {
            f->gradient[k] += f->of_crop[(ptrdiff_t)i * DRAE__H_WEIGHTS + k];
        }
    }
    drae__cpu_adam(DRAE__H_WEIGHTS, learning_rate(step, n_steps), 0.9, 0.999, 1e-8, step + 1,
                   1.0 / DRAE__HEAD_BATCH, f->gradient, f->m, f->v, f->weights);
    return loss;
}

drae_status drae__head_fit(int size, size_t n, const drae__head_patch *patches, int threads,
                           int n_steps, drae__head_step *after, void *context, float *weights,
                           drae__err *err) {
    drae_status status = DRAE_OK;
    fit f = {.size = size,
             .n = n,
             .patches = patches,
             .kernels = drae__infer_kernels_find("auto"),
             .threads = threads > 0 ? threads : omp_get_max_threads(),
             .weights = weights};
    if (n == 0 || n > UINT32_MAX || !drae__head_learns(size)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "the head learns from patches of %d pixels and more, a multiple of 32, "
                          "not %d",
                          CROP, size);
    }
    if (f.threads > DRAE__HEAD_BATCH) {
        f.threads = DRAE__HEAD_BATCH; /* a crop each */
    }
    DRAE__TRY(prepare(&f, err));
    init_weights(weights);
    for (int step = 0; step < n_steps; step++) {
        double loss = take_step(&f, step, n_steps);
        if (!isfinite(loss)) {
            status = drae__fail(err, DRAE_ERROR_NOT_FINITE,
                                "the head's loss is not a number at step %d", step);
            goto done;
        }
        if (after != NULL && !after(context, step, loss)) {
            status = drae__fail(err, DRAE_ERROR_INTERRUPTED,
                                "interrupted while the head learned; nothing was written");
            goto done;
        }
    }
done:
    free(f.planes);
    free(f.benches);
    return status;
}
