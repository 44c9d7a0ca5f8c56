/* SPDX-License-Identifier: Apache-2.0 */
/* Scores by the head, from the last layer of the network on: its input, its map, the largest. */
#include "tests/simt/head_case.h"
#include "tests/simt/suites.h"

#include "kernels/head.h"
#include "kernels/matched.h"

#include <string.h>

#define C      DRAE__H_PLANES
#define LAST   (DRAE__H_LAYERS - 1)
#define RESULT DRAE__CUDA_RESULT

typedef struct whole_case {
    int n, size;
    size_t plane;
    t_pair maps, scales, weights;
    int32_t *regions;
    uint8_t *image;
    float *recon_device, *z_device, *result_device;
    uint16_t *map_device[2];
    float *recon, *z, *result;
    drae__cuda_out_score op;
} whole_case;

static whole_case make_whole(int n, int size, int first) {
    whole_case k = {.n = n, .size = size, .plane = (size_t)size * (size_t)size};
    const size_t c = 8, pixels = (size_t)n * k.plane, n_scales = drae__m_scales(size);
    k.maps = t_uniform(2 * HEAD_SETS * k.plane, 3, 0.2f, 0.4f); /* mean, then scale */
    k.scales = t_uniform(HEAD_SETS * n_scales, 2, 0.5f, 2.0f);
    k.weights = cuda_values(HEAD_SETS * DRAE__H_WEIGHTS, 4, 0);
    for (size_t i = 0; i < k.weights.n; i++) {
        bool layer = i % DRAE__H_WEIGHTS < (size_t)(DRAE__H_LAYERS * DRAE__H_LAYER);
        k.weights.f[i] = drae__f16_value(drae__f16_of(k.weights.f[i] * (layer ? 0.01f : 0.5f)));
        k.weights.d[i] = (double)k.weights.f[i];
    }
    k.regions = head_regions(n, first);
    k.image = t_bytes(pixels);
    for (size_t i = 0; i < pixels; i++) {
        k.image[i] = (uint8_t)(120.0 + 100.0 * sin(0.017 * (double)i));
    }
    cuda_map src = cuda_map_values(n, (int)c, size, size, 11, 0);
    t_pair wei = t_uniform(9 * c, 12, -0.3f, 0.3f);
    const float bias = 0.1f;
    k.recon_device = cuda_empty(pixels * sizeof(float));
    k.z_device = cuda_empty(pixels * sizeof(float));
    k.result_device = cuda_empty((size_t)n * RESULT * sizeof(float));
    size_t map = drae__cuda_head_elems((size_t)n, size) * sizeof(uint16_t);
    k.map_device[0] = cuda_empty(map);
    k.map_device[1] = cuda_empty(map);
    k.op = (drae__cuda_out_score){
        .n = n,
        .size = size,
        .c = (int)c,
        .src = src.device,
        .wei = cuda_upload(wei.f, wei.n * sizeof(float)),
        .bias = cuda_upload(&bias, sizeof bias),
        .image = cuda_upload(k.image, pixels),
        .maps = cuda_upload(k.maps.f, k.maps.n * sizeof(float)),
        .filters = cuda_upload(k.scales.f, k.scales.n * sizeof(float)),
        .heads = head_upload(k.weights.f),
        .table = cuda_upload(head_table, sizeof head_table),
        .regions = cuda_upload(k.regions, (size_t)n * sizeof *k.regions),
        .planes = cuda_empty(drae__cuda_planes(n, size) * sizeof(float)),
        .head_maps = {k.map_device[0], k.map_device[1]},
        .recon = k.recon_device,
        .z = k.z_device,
        .partial = cuda_empty(drae__cuda_out_score_partial(n, size) * sizeof(float)),
        .result = k.result_device,
    };
    double weights[DRAE__SSIM_SIDE];
    drae__ssim_weights(DRAE__SSIM_GAUSSIAN, weights);
    for (int i = 0; i < DRAE__SSIM_SIDE; i++) {
        k.op.weights[i] = (float)weights[i];
    }
    k.recon = t_f32(pixels);
    k.z = t_f32(pixels);
    k.result = t_f32((size_t)n * RESULT);
    return k;
}

static void run_whole(whole_case *k) {
    drae__err err = {{0}};
    const size_t pixels = (size_t)k->n * k->plane;
    cuda_done(drae__cuda_out_score_run(&k->op, NULL, &err), &err);
    cuda_download(k->recon, k->recon_device, pixels * sizeof *k->recon);
    cuda_download(k->z, k->z_device, pixels * sizeof *k->z);
    cuda_download(k->result, k->result_device, (size_t)k->n * RESULT * sizeof *k->result);
}

/* The oracle's input of patch p from the X^ that was written, and what its f16 may be off. */
static void input_of(const whole_case *k, size_t p, double *input, double *bound) {
    const drae__cuda_region *region = &head_table[k->regions[p]];
    const double *mean = k->maps.d + 2 * k->plane * (size_t)region->maps;
    const double *scales = k->scales.d + drae__m_scales(k->size) * (size_t)region->filters;
    double *x = t_f64(k->plane), *y = t_f64(k->plane), *e = t_f64(k->plane);
    double *low = t_f64(k->plane), *one = t_f64(k->plane), *m = t_f64(k->plane);
    double *filters = t_f64(DRAE__M_FILTERS * k->plane);
    for (size_t i = 0; i < k->plane; i++) {
        x[i] = k->image[p * k->plane + i] / 255.0;
        y[i] = (double)k->recon[p * k->plane + i];
        low[i] = -4.0; /* below all: the oracle's z is then signed */
        one[i] = 1.0;
    }
    drae__ref_infer_z(k->size, x, y, low, one, e);
    for (size_t i = 0; i < k->plane; i++) {
        e[i] = e[i] - 4.0 - mean[i];
    }
    drae__ref_infer_m_filters(k->size, e, filters);
    drae__ref_infer_m(k->size, filters, scales, m);
    drae__ref_head_input(k->size, x, y, mean, mean + k->plane, m, input);
    for (size_t i = 0; i < 4 * k->plane; i++) {
        /* Half a place of f16; f32 of a line's 9 values over a scale of 0.5 and 8, and the rest of
         * numbers up to 20, is below 1e-5. */
        bound[i] = T_EPS_F16 * fabs(input[i]) + 1e-5;
    }
}

/* The oracle's o of patch p, and what it may be off: what a map is off goes through a layer times
 * its weights, and half a place of f16 is added. */
static void expect(const whole_case *k, size_t p, double *h, double *bound) {
    const int side = k->size / 2;
    const size_t pixels = k->plane / 4, n = C * pixels;
    const double *w = k->weights.d + (ptrdiff_t)head_table[k->regions[p]].head * DRAE__H_WEIGHTS;
    double *input = t_f64(n), *off = t_f64(n), *carried = t_f64(n), *t = t_f64(n), *by = t_f64(n);
    double *o = t_f64(pixels), *spare = t_f64(DRAE__REF_HEAD_PLANES * n);
    double *size = t_f64(DRAE__H_WEIGHTS);
    input_of(k, p, input, off);
    drae__ref_head(side, input, w, o, NULL, NULL, spare);
    for (size_t i = 0; i < DRAE__H_WEIGHTS; i++) {
        bool layer = i < (size_t)(DRAE__H_LAYERS * DRAE__H_LAYER);
        size[i] = layer && i % DRAE__H_LAYER < (size_t)(C * C * 9) ? fabs(w[i]) : 0.0;
    }
    for (int l = 0; l < DRAE__H_LAYERS; l++) {
        head_layer_of(side, l, off, size, carried,
                      by); /* sums of |w| off, and off itself from 1 on */
        head_layer_of(side, l, input, w, t, by);
        for (size_t i = 0; i < n; i++) {
            off[i] = carried[i] + by[i] + (l < LAST ? T_EPS_F16 * fabs(t[i]) + T_TINY_F16 : 0.0);
        }
        memcpy(input, t, n * sizeof *t);
    }
    head_last_of(side, w, t, off, h, bound);
    for (size_t i = 0; i < k->plane; i++) {
        size_t at = i / (size_t)k->size / 2 * (size_t)side + i % (size_t)k->size / 2;
        ck_assert(fabs(h[i] - head_h(o[at])) <= 1e-9 * h[i]); /* both are the oracle's */
    }
}

static void check_whole(whole_case *k, size_t p) {
    const float *r = k->result + RESULT * p;
    const drae__cuda_region *region = &head_table[k->regions[p]];
    if (region->maps < 0) {
        ck_assert(isnan(r[3]));
        return;
    }
    double *found = t_f64(k->plane), *bound = t_f64(k->plane);
    t_pair h = t_result(k->plane);
    memcpy(h.f, k->z + p * k->plane, k->plane * sizeof *h.f);
    for (size_t i = 0; i < k->plane; i++) {
        found[i] = (double)h.f[i];
    }
    if (region->head >= 0) {
        expect(k, p, h.d, bound);
        (void)t_within("h", h, bound);
    }
    double top =
        drae__ref_infer_top_mean(k->plane, found, region->head >= 0 ? DRAE__H_TOP : DRAE__Z_TOP);
    t_near("score", (double)r[3], top, 2.0 * T_EPS * top);
    t_near("verdict", (double)r[4], r[3] > HEAD_THRESHOLD ? DRAE__CUDA_REJECT : DRAE__CUDA_GOOD,
           0.0);
}

/* Every kind of region in one batch; the same bits again. */
START_TEST(from_the_last_layer) {
    static const struct { int n, size, first; } wholes[] = {{5, 64, 0}, {1, 96, 1}};
    t_begin("scores by the head of %d, size %d", wholes[_i].n, wholes[_i].size);
    whole_case k = make_whole(wholes[_i].n, wholes[_i].size, wholes[_i].first);
    const size_t n = (size_t)k.n, pixels = n * k.plane;
    run_whole(&k);
    for (size_t p = 0; p < n; p++) {
        check_whole(&k, p);
    }
    float *z = t_f32(pixels), *result = t_f32(n * RESULT);
    memcpy(z, k.z, pixels * sizeof *z);
    memcpy(result, k.result, n * RESULT * sizeof *result);
    k.op.z = NULL; /* the map is not asked for */
    run_whole(&k);
    ck_assert_mem_eq(k.result, result, n * RESULT * sizeof *result);
    k.op.z = k.z_device;
    run_whole(&k);
    ck_assert_mem_eq(k.z, z, pixels * sizeof *z);
    t_end();
}
END_TEST

/* Layer 0 the identity, the others nothing: their maps are L of the input. Its planes one by one,
 * and o is 20 d of a pixel's first phase. */
static void pass_input(whole_case *k) {
    memset(k->weights.f, 0, k->weights.n * sizeof *k->weights.f);
    for (ptrdiff_t set = 0; set < HEAD_SETS; set++) {
        float *w = k->weights.f + set * DRAE__H_WEIGHTS;
        for (int c = 0; c < C; c++) {
            w[(c * C + c) * 9 + 4] = 1.0f;
        }
        w[DRAE__H_LAYERS * DRAE__H_LAYER] = 1.0f;
    }
    k->op.heads = head_upload(k->weights.f);
}

START_TEST(planes_of_the_input) {
    t_begin("the input of the head");
    whole_case k = make_whole(2, 64, 0);
    pass_input(&k);
    run_whole(&k);
    const size_t pixels = k.plane / 4;
    for (size_t p = 0; p < 2; p++) {
        /* Every layer leaves L of the input: the map that is written last is the second to last. */
        cuda_map t = cuda_map_result(1, C, 32, 32);
        double *bound = t_f64(C * pixels);
        t.device = k.map_device[1] + p * C * pixels;
        input_of(&k, p, t.d, bound);
        for (size_t i = 0; i < C * pixels; i++) {
            double low = (double)DRAE__H_SLOPE * t.d[i];
            t.d[i] = t.d[i] > low ? t.d[i] : low;
        }
        cuda_map_check("L of the input", &t, bound);
        for (size_t i = 0; i < pixels; i++) {
            double h = head_h(t.d[i]);
            t_near("h", (double)k.z[p * k.plane + (i / 32 * 64 + i % 32) * 2], h,
                   2.0 * bound[i] + 1e-6 * h);
        }
    }
    t_end();
}
END_TEST

/* A spread of next to nothing: the normalised residual leaves f16, the score stays a number. X^
 * that is none spoils its patch alone. */
START_TEST(extremes) {
    t_begin("extremes of the head");
    whole_case k = make_whole(2, 64, 0);
    pass_input(&k);
    for (ptrdiff_t set = 0; set < HEAD_SETS; set++) { /* o is the residual over its spread */
        float *out = k.weights.f + set * DRAE__H_WEIGHTS + DRAE__H_LAYERS * DRAE__H_LAYER;
        out[0] = 0.0f;
        out[4] = 1.0f;
    }
    k.op.heads = head_upload(k.weights.f);
    const size_t at = 20 * 64 + 30;
    k.maps.f[at] = -1.0f;
    k.maps.f[k.plane + at] = 1e-20f;
    k.op.maps = cuda_upload(k.maps.f, k.maps.n * sizeof(float));
    run_whole(&k);
    ck_assert_msg(k.z[at] == 65505.0f && k.z[at + 65] == 65505.0f, "%s: h is %g", t_name(),
                  (double)k.z[at]);
    ck_assert(isfinite(k.result[3]) && k.result[3] > 65505.0f / 8.0f && k.result[4] == 0.0f);
    ck_assert(isfinite(k.result[RESULT + 3]) && k.result[RESULT + 3] < 100.0f);
    uint16_t *src = (uint16_t *)(void *)t_bytes(2 * k.plane * 8 * sizeof *src);
    memset(src, 0, 2 * k.plane * 8 * sizeof *src);
    src[at * 8] = 0x7E00;
    k.op.src = cuda_upload(src, 2 * k.plane * 8 * sizeof *src);
    run_whole(&k);
    ck_assert(isnan(k.z[at]) && isnan(k.result[3]) && k.result[4] == (float)DRAE__CUDA_REJECT);
    ck_assert(isfinite(k.result[RESULT + 3]));
    t_end();
}
END_TEST

Suite *suite_head_score(void) {
    Suite *suite = suite_create("head score");
    TCase *tc = tcase_create("head score");
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, from_the_last_layer, 0, 2);
    tcase_add_test(tc, planes_of_the_input);
    tcase_add_test(tc, extremes);
    return suite;
}
