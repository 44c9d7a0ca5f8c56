/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSIM and its gradient in f32, numerically safe, one image per task.
 *
 * Sum and difference. With u = x + y and d = x - y the map needs two means and two variances
 * instead of five moments:
 *     s = (1 - a)(1 - b),  a = md^2 / A,  A = (mu^2 + md^2) / 2 + C1
 *                          b = vd  / B,   B = (vu + vd) / 2 + C2
 * because 2 mx my + C1 = A - md^2 and 2 sxy + C2 = B - vd. 1 - s = a + b - a b is summed, so that
 * the score of equal images is exactly 1 and small differences keep their digits.
 *
 * Variances are separable without cancellation by the law of total variance: down the columns
 *     m_j = sum_i w_i u_ij,  v_j = sum_i w_i (u_ij - m_j)^2,   then along the row
 *     mu  = sum_j w_j m_j,   vu  = sum_j w_j (v_j + (m_j - mu)^2),
 * each of the two passes relative to the value in the middle of its window, so that only local
 * contrast is squared. A flat bright patch is as exact as a dark one.
 *
 * Gradient. ds/dy_q = sum over p of w(p,q) (T_p + G_p (u_q - mu_p) + H_p (d_q - md_p)), with
 *     T = s_mu - s_md,  G = 2 s_vu,  H = -2 s_vd          (dy acts on u with +1 and on d with -1)
 *     s_mu = (1-b) mu md^2/A^2,          s_md = (1-b) (md/A) (md^2/A - 2)
 *     s_vu = (1-a) vd / (2 B^2),         s_vd = (1-a) (vd/(2B) - 1) / B
 * Again separable: with k_j = u in row q of the image at the middle of column j's window,
 *     sum_p w G (u_q - mu_p) = sum_j w_j (G'_j (u_q - k_j) - sum_i w_i G_ij (mu_ij - k_j)),
 *     G'_j = sum_i w_i G_ij: differences of neighbours only.
 *
 * Rows stream: a ring of 11 image rows, a ring of 11 map rows; everything of an image stays in the
 * L2 cache. UNIFORM's zero padding is a frame of PAD zero pixels around the image ("padded" rows
 * and columns below). No FMA contraction: the result does not depend on the instruction set.
 */
#include "kernels/ssim.h"

#include "kernels/cpu/isa.h"

#include <omp.h>
#include <string.h>

#define TAPS   DRAE__SSIM_SIDE
#define MIDDLE ((TAPS - 1) / 2)
#define HALO   (TAPS - 1)
/* A row has MARGIN floats in front (k is read at negative columns, where G is zero) and room for
 * a vector that starts anywhere in it. */
#define MARGIN 16
#define V      DRAE__LANES

/* Rows of scratch, in this order. */
enum {
    ROW_U = 0,            /* x + y, ring */
    ROW_D = ROW_U + TAPS, /* x - y, ring */
    ROW_M_U = ROW_D + TAPS,
    ROW_V_U,
    ROW_M_D,
    ROW_V_D,               /* column means and variances */
    ROW_E,                 /* 1 - s */
    ROW_T,                 /* ring of T; position of map column p is p + HALO */
    ROW_G = ROW_T + TAPS,  /* ring of G */
    ROW_MU = ROW_G + TAPS, /* ring of mu */
    ROW_H = ROW_MU + TAPS, /* ring of H */
    ROW_MD = ROW_H + TAPS, /* ring of md */
    ROW_CT = ROW_MD + TAPS,
    ROW_CG,
    ROW_CH, /* column sums of the gradient */
    ROWS
};

typedef struct frame {
    int size, pad, padded, side;
    size_t stride; /* floats between rows of scratch */
    float *rows;
    float w[TAPS];
} frame;

static size_t stride_of(int size) {
    size_t padded = (size_t)size + 2 * MIDDLE;
    return (MARGIN + padded + HALO + 2 * V + V - 1) / V * V;
}

size_t drae__cpu_ssim_scratch_bytes(int size) {
    return ROWS * stride_of(size) * sizeof(float);
}

DRAE__BODY float *row_of(const frame *f, int row) {
    return f->rows + (size_t)row * f->stride + MARGIN;
}

/* The ring's row for index i of the image or map, i >= -TAPS. */
DRAE__BODY float *ring_of(const frame *f, int first, int i) {
    return row_of(f, first + (i + TAPS) % TAPS);
}

/* ---- phase 1: a row of x and y becomes a row of u and d ---- */

DRAE__BODY void load_row(const frame *f, int r, const float *x, const float *y) {
    float *u = ring_of(f, ROW_U, r), *d = ring_of(f, ROW_D, r);
    int row = r - f->pad;
    if (row < 0 || row >= f->size) {
        memset(u, 0, (size_t)f->padded * sizeof *u);
        memset(d, 0, (size_t)f->padded * sizeof *d);
        return;
    }
    const float *xr = x + (size_t)row * (size_t)f->size, *yr = y + (size_t)row * (size_t)f->size;
    u += f->pad;
    d += f->pad;
#pragma omp simd
    for (int j = 0; j < f->size; j++) {
        u[j] = xr[j] + yr[j];
        d[j] = xr[j] - yr[j];
    }
}

/* ---- phase 2: columns of 11 rows become column means and variances ---- */

DRAE__BODY void column_moments(const frame *f, int ring, int top, float *mean, float *var) {
    const float *rows[TAPS];
    for (int i = 0; i < TAPS; i++) {
        rows[i] = ring_of(f, ring, top + i);
    }
    for (int j = 0; j < f->padded; j += V) {
        drae__v16 middle = DRAE__LOAD16(rows[MIDDLE] + j), m = {0}, q = {0};
        for (int i = 0; i < TAPS; i++) {
            drae__v16 t = DRAE__LOAD16(rows[i] + j) - middle;
            drae__v16 wt = f->w[i] * t;
            m += wt;
            q += wt * t;
        }
        DRAE__STORE16(mean + j, middle + m);
        DRAE__STORE16(var + j, q - m * m);
    }
}

/* ---- phase 3: along the row, window moments, the map, its derivatives ---- */

typedef struct window_moments {
    drae__v16 mean, var;
} window_moments;

#define ROW_MOMENTS(f, mean_row, var_row, j, result)                                               \
    do {                                                                                           \
        drae__v16 middle_ = DRAE__LOAD16((mean_row) + (j) + MIDDLE), m_ = {0}, q_ = {0};           \
        for (int k_ = 0; k_ < TAPS; k_++) {                                                        \
            drae__v16 t_ = DRAE__LOAD16((mean_row) + (j) + k_) - middle_;                          \
            drae__v16 wt_ = (f)->w[k_] * t_;                                                       \
            m_ += wt_;                                                                             \
            q_ += wt_ * t_ + (f)->w[k_] * DRAE__LOAD16((var_row) + (j) + k_);                      \
        }                                                                                          \
        (result).mean = middle_ + m_;                                                              \
        (result).var = q_ - m_ * m_;                                                               \
    } while (0)

DRAE__BODY void map_row(const frame *f, int r, int gradient) {
    const float *m_u = row_of(f, ROW_M_U), *v_u = row_of(f, ROW_V_U);
    const float *m_d = row_of(f, ROW_M_D), *v_d = row_of(f, ROW_V_D);
    float *e = row_of(f, ROW_E);
    float *t = ring_of(f, ROW_T, r) + HALO, *g = ring_of(f, ROW_G, r) + HALO;
    float *h = ring_of(f, ROW_H, r) + HALO;
    float *mu = ring_of(f, ROW_MU, r) + HALO, *md = ring_of(f, ROW_MD, r) + HALO;
    const float c1 = (float)DRAE__SSIM_C1, c2 = (float)DRAE__SSIM_C2;
    for (int j = 0; j < f->side; j += V) {
        window_moments u, d;
        ROW_MOMENTS(f, m_u, v_u, j, u);
        ROW_MOMENTS(f, m_d, v_d, j, d);
        drae__v16 inv_a = 1.0f / (0.5f * (u.mean * u.mean + d.mean * d.mean) + c1);
        drae__v16 inv_b = 1.0f / (0.5f * (u.var + d.var) + c2);
        drae__v16 ratio = d.mean * inv_a; /* md / A */
        drae__v16 a = d.mean * ratio, b = d.var * inv_b;
        DRAE__STORE16(e + j, a + b - a * b);
        if (gradient) {
            drae__v16 s_m = (1.0f - b) * (u.mean * ratio * ratio - ratio * (a - 2.0f));
            drae__v16 rest = (1.0f - a) * inv_b;
            DRAE__STORE16(t + j, s_m);
            DRAE__STORE16(g + j, rest * b);
            DRAE__STORE16(h + j, rest * (2.0f - b));
            DRAE__STORE16(mu + j, u.mean);
            DRAE__STORE16(md + j, d.mean);
        }
    }
    if (gradient) {
        /* What the last vector wrote beyond the map has no part in the gradient. */
        size_t over = (size_t)((f->side + V - 1) / V * V - f->side) * sizeof(float);
        memset(t + f->side, 0, over);
        memset(g + f->side, 0, over);
        memset(h + f->side, 0, over);
        memset(mu + f->side, 0, over);
        memset(md + f->side, 0, over);
    }
}

/* A row below the map: it takes no part in the gradient. */
DRAE__BODY void blank_row(const frame *f, int r) {
    static const int rings[] = {ROW_T, ROW_G, ROW_MU, ROW_H, ROW_MD};
    for (int i = 0; i < 5; i++) {
        memset(ring_of(f, rings[i], r) + HALO, 0, (size_t)f->side * sizeof(float));
    }
}

/* Sum of a row of 1 - s, in double, in fixed order; the map too where it is wanted. */
DRAE__BODY double sum_row(const frame *f, float *map) {
    const float *e = row_of(f, ROW_E);
    drae__v8d acc = {0};
    int j = 0;
    for (; j + 8 <= f->side; j += 8) {
        acc += __builtin_convertvector(DRAE__LOAD8(e + j), drae__v8d);
    }
    double sum = 0.0;
    for (; j < f->side; j++) {
        sum += (double)e[j];
    }
    for (int l = 0; l < 8; l++) {
        sum += acc[l];
    }
    for (j = 0; map != NULL && j < f->side; j++) {
        map[j] = 1.0f - e[j];
    }
    return sum;
}

/* ---- phase 4: 11 map rows become a row of the gradient ---- */

DRAE__BODY void gradient_columns(const frame *f, int q) {
    const float *t[TAPS], *g[TAPS], *h[TAPS], *mu[TAPS], *md[TAPS];
    for (int i = 0; i < TAPS; i++) {
        int r = q - HALO + i;
        t[i] = ring_of(f, ROW_T, r);
        g[i] = ring_of(f, ROW_G, r);
        h[i] = ring_of(f, ROW_H, r);
        mu[i] = ring_of(f, ROW_MU, r);
        md[i] = ring_of(f, ROW_MD, r);
    }
    const float *ku = ring_of(f, ROW_U, q) - MIDDLE, *kd = ring_of(f, ROW_D, q) - MIDDLE;
    float *ct = row_of(f, ROW_CT), *cg = row_of(f, ROW_CG), *ch = row_of(f, ROW_CH);
    for (int j = 0; j < f->side + 2 * HALO; j += V) {
        drae__v16 at = {0}, ag = {0}, ah = {0};
        drae__v16 u = DRAE__LOAD16(ku + j), d = DRAE__LOAD16(kd + j);
        for (int i = 0; i < TAPS; i++) {
            drae__v16 wg = f->w[i] * DRAE__LOAD16(g[i] + j);
            drae__v16 wh = f->w[i] * DRAE__LOAD16(h[i] + j);
            ag += wg;
            ah += wh;
            at += f->w[i] * DRAE__LOAD16(t[i] + j) - wg * (DRAE__LOAD16(mu[i] + j) - u) -
                  wh * (DRAE__LOAD16(md[i] + j) - d);
        }
        DRAE__STORE16(ct + j, at);
        DRAE__STORE16(cg + j, ag);
        DRAE__STORE16(ch + j, ah);
    }
}

DRAE__BODY void gradient_row(const frame *f, int q, float scale, float *dy) {
    const float *u = ring_of(f, ROW_U, q) + f->pad, *d = ring_of(f, ROW_D, q) + f->pad;
    const float *ct = row_of(f, ROW_CT) + f->pad, *cg = row_of(f, ROW_CG) + f->pad;
    const float *ch = row_of(f, ROW_CH) + f->pad;
    float *out = row_of(f, ROW_E);
    for (int j = 0; j < f->size; j += V) {
        drae__v16 uq = DRAE__LOAD16(u + j), dq = DRAE__LOAD16(d + j), acc = {0};
        for (int k = 0; k < TAPS; k++) {
            drae__v16 du = uq - DRAE__LOAD16(u + j + k - MIDDLE);
            drae__v16 dd = dq - DRAE__LOAD16(d + j + k - MIDDLE);
            acc += f->w[k] * (DRAE__LOAD16(ct + j + k) + DRAE__LOAD16(cg + j + k) * du +
                              DRAE__LOAD16(ch + j + k) * dd);
        }
        DRAE__STORE16(out + j, scale * acc);
    }
    memcpy(dy, out, (size_t)f->size * sizeof *dy);
}

/* ---- an image ---- */

typedef struct image {
    drae__ssim_window window;
    int size;
    float scale;
    const float *x, *y;
    float *map; /* or NULL */
    float *dy;  /* or NULL */
    float *scratch;
} image;

DRAE__BODY void ssim_image_body(const image *im, float *score) {
    frame f = {.size = im->size, .rows = im->scratch};
    f.pad = im->window == DRAE__SSIM_GAUSSIAN ? 0 : MIDDLE;
    f.padded = f.size + 2 * f.pad;
    f.side = f.padded - HALO;
    f.stride = stride_of(f.size);
    double weights[TAPS];
    drae__ssim_weights(im->window, weights);
    for (int i = 0; i < TAPS; i++) {
        f.w[i] = (float)weights[i];
    }
    memset(im->scratch, 0, drae__cpu_ssim_scratch_bytes(f.size));
    double sum = 0.0, count = (double)f.side * (double)f.side;
    float each = (float)((double)im->scale / count);
    int gradient = im->dy != NULL;
    int last = gradient ? f.padded + HALO : f.padded;
    for (int r = 0; r < last; r++) {
        if (r < f.padded) {
            load_row(&f, r, im->x, im->y);
        }
        int q = r - HALO; /* the map row that is complete now, and the gradient row */
        if (q < 0) {
            continue;
        }
        if (q < f.side) {
            column_moments(&f, ROW_U, q, row_of(&f, ROW_M_U), row_of(&f, ROW_V_U));
            column_moments(&f, ROW_D, q, row_of(&f, ROW_M_D), row_of(&f, ROW_V_D));
            map_row(&f, q, gradient);
            sum += sum_row(&f, im->map != NULL ? im->map + (size_t)q * (size_t)f.side : NULL);
        } else {
            blank_row(&f, q);
        }
        if (gradient && q >= f.pad && q < f.pad + f.size) {
            gradient_columns(&f, q);
            gradient_row(&f, q, each, im->dy + (size_t)(q - f.pad) * (size_t)f.size);
        }
    }
    *score = (float)(1.0 - sum / count);
}
DRAE__CLONES(ssim_image, (const image *im, float *score), (im, score))

static void ssim_images(const image *first, int n, float *score, void *scratch) {
    size_t pixels = (size_t)first->size * (size_t)first->size;
    size_t side = (size_t)drae__ssim_map_side(first->window, first->size);
    size_t room = drae__cpu_ssim_scratch_bytes(first->size) / sizeof(float);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < n; i++) {
        image im = *first;
        im.x += (size_t)i * pixels;
        im.y += (size_t)i * pixels;
        im.map = im.map != NULL ? im.map + (size_t)i * side * side : NULL;
        im.dy = im.dy != NULL ? im.dy + (size_t)i * pixels : NULL;
        im.scratch = (float *)scratch + (size_t)omp_get_thread_num() * room;
        ssim_image(&im, &score[i]);
    }
}

void drae__cpu_ssim(drae__ssim_window window, int n, int size, const float *x, const float *y,
                    float *score, float *map, void *scratch) {
    image first = {.window = window, .size = size, .x = x, .y = y, .map = map};
    ssim_images(&first, n, score, scratch);
}

void drae__cpu_ssim_grad(drae__ssim_window window, int n, int size, float scale, const float *x,
                         const float *y, float *score, float *dy, void *scratch) {
    image first = {.window = window, .size = size, .scale = scale, .x = x, .y = y, .dy = dy};
    ssim_images(&first, n, score, scratch);
}
