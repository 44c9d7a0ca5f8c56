/* SPDX-License-Identifier: Apache-2.0 */
/* z by matched filters against the oracle: from e that a test chose, and from the last layer on. */
#include "tests/simt/cuda_case.h"
#include "tests/simt/suites.h"

#include "kernels/matched.h"

#include <string.h>

#define RESULT DRAE__CUDA_RESULT

/* Regions: matched filters by either of two sets of scales, points, no maps. */
static const drae__cuda_region table[] = {{0, 1, -1, DRAE__CUDA_BY_Z, 1.0f, 0.0f},
                                          {1, 0, -1, DRAE__CUDA_BY_Z, 1.0f, 0.0f},
                                          {2, -1, -1, DRAE__CUDA_BY_Z, 1.0f, 0.0f},
                                          {-1, -1, -1, DRAE__CUDA_BY_PHI, 1.0f, 0.0f}};
#define MAPS    3
#define FILTERS 2

/* Roundings of a line: 9 values of r_1, each of two blurs of 11 roundings of numbers up to 1, and
 * the sum of 9 of at most 1. Other filters have fewer. */
#define FILTER_BOUND (9.0 * (2.0 * 11.0 + 3.0 + 9.0) * T_EPS)

typedef struct matched_case {
    int n, size;
    size_t plane;
    t_pair e, scales, maps;
    int32_t *regions;
    float *planes_device, *z_device, *partial_device, *result_device;
    drae__cuda_out_score op;
} matched_case;

static size_t tiles_of(int size) {
    size_t side = ((size_t)size + DRAE__CUDA_SCORE_TILE - 1) / DRAE__CUDA_SCORE_TILE;
    return side * side;
}

/* e: integers of at most 1, of which every filter makes numbers that f32 holds, or random ones;
 * scales powers of two then. Patch p takes region (first + p) % 4. */
static matched_case make_case(int n, int size, int first, bool exact) {
    matched_case k = {.n = n, .size = size, .plane = (size_t)size * (size_t)size};
    size_t pixels = (size_t)n * k.plane, n_scales = drae__m_scales(size);
    k.e = exact ? t_integers(pixels, 1, 1) : t_uniform(pixels, 1, -1.0f, 1.0f);
    k.scales = exact ? t_integers(FILTERS * n_scales, 2, 3)
                     : t_uniform(FILTERS * n_scales, 2, 0.01f, 0.5f);
    for (size_t i = 0; exact && i < k.scales.n; i++) {
        k.scales.f[i] = ldexpf(1.0f, (int)k.scales.f[i]);
        k.scales.d[i] = (double)k.scales.f[i];
    }
    k.maps = t_uniform(2 * MAPS * k.plane, 3, 0.02f, 0.06f);
    k.regions = (int32_t *)(void *)t_bytes((size_t)n * sizeof *k.regions);
    for (int p = 0; p < n; p++) {
        k.regions[p] = (first + p) % 4;
    }
    size_t planes = drae__cuda_planes(n, size);
    float *start = t_f32(planes); /* c2 and c3 are NaN */
    memcpy(start, k.e.f, pixels * sizeof *start);
    k.planes_device = cuda_upload(start, planes * sizeof *start);
    k.z_device = cuda_empty(pixels * sizeof(float));
    k.partial_device = cuda_empty(drae__cuda_out_score_partial(n, size) * sizeof(float));
    k.result_device = cuda_empty((size_t)n * RESULT * sizeof(float));
    k.op = (drae__cuda_out_score){
        .n = n,
        .size = size,
        .c = 8,
        .maps = cuda_upload(k.maps.f, k.maps.n * sizeof(float)),
        .filters = cuda_upload(k.scales.f, k.scales.n * sizeof(float)),
        .table = cuda_upload(table, sizeof table),
        .regions = cuda_upload(k.regions, (size_t)n * sizeof *k.regions),
        .planes = k.planes_device,
        .z = k.z_device,
        .partial = k.partial_device,
        .result = k.result_device,
    };
    return k;
}

static bool matched(const matched_case *k, size_t p) {
    return table[k->regions[p]].filters >= 0;
}

/* The oracle's m of patch p from e, and what f32 may be off; bound NULL: not wanted. */
static void expect(const matched_case *k, size_t p, const double *e, double *m, double *bound) {
    size_t blocks = (size_t)k->size / DRAE__M_BLOCK, set = (size_t)table[k->regions[p]].filters;
    const double *scales = k->scales.d + set * drae__m_scales(k->size);
    double *filters = t_f64(DRAE__M_FILTERS * k->plane);
    drae__ref_infer_m_filters(k->size, e, filters);
    drae__ref_infer_m(k->size, filters, scales, m);
    for (size_t i = 0; bound != NULL && i < k->plane; i++) {
        size_t row = i / (size_t)k->size / DRAE__M_BLOCK,
               column = i % (size_t)k->size / DRAE__M_BLOCK;
        double least = INFINITY;
        for (size_t f = 0; f < DRAE__M_FILTERS; f++) {
            least = fmin(least, scales[(f * blocks + row) * blocks + column]);
        }
        bound[i] = FILTER_BOUND / least + 3.0 * T_EPS * m[i];
    }
}

static void run_filters(const matched_case *k) {
    drae__err err = {{0}};
    cuda_done(drae__cuda_matched(&k->op, NULL, &err), &err);
}

/* The largest of each tile, wherever it was found. */
static void check_tiles(const matched_case *k, size_t p, const float *m) {
    size_t tiles = tiles_of(k->size), side = (size_t)k->size;
    size_t across = (side + DRAE__CUDA_SCORE_TILE - 1) / DRAE__CUDA_SCORE_TILE;
    float *partial = t_f32(tiles * DRAE__CUDA_SCORE_PARTIAL);
    cuda_download(partial, k->partial_device + p * tiles * DRAE__CUDA_SCORE_PARTIAL,
                  tiles * DRAE__CUDA_SCORE_PARTIAL * sizeof(float));
    for (size_t t = 0; t < tiles; t++) {
        const float *top = partial + t * DRAE__CUDA_SCORE_PARTIAL + 4;
        size_t y0 = t / across * DRAE__CUDA_SCORE_TILE, x0 = t % across * DRAE__CUDA_SCORE_TILE;
        for (size_t j = 0; j < DRAE__Z_TOP; j++) {
            size_t above = 0, same = 0;
            for (size_t i = 0; i < DRAE__CUDA_SCORE_TILE * DRAE__CUDA_SCORE_TILE; i++) {
                size_t y = y0 + i / DRAE__CUDA_SCORE_TILE, x = x0 + i % DRAE__CUDA_SCORE_TILE;
                if (y < side && x < side) {
                    above += m[y * side + x] > top[j];
                    same += m[y * side + x] == top[j];
                }
            }
            ck_assert_msg(above <= j && above + same > j,
                          "%s: place %zu of tile %zu of patch %zu is %.9g, which %zu exceed and "
                          "%zu equal",
                          t_name(), j, t, p, (double)top[j], above, same);
        }
    }
}

typedef struct shape {
    int n, size, first;
} shape;

/* One tile and part of one; tiles that end at the border and behind it; all kinds of regions. */
static const shape shapes[] = {{1, 16, 0}, {1, 32, 1}, {5, 48, 3}, {2, 80, 0}};
#define SHAPES ((int)(sizeof shapes / sizeof shapes[0]))

START_TEST(filters) {
    const shape *s = &shapes[_i / 2];
    bool exact = _i % 2 == 0;
    t_begin("matched filters of %d, size %d, first region %d, %s", s->n, s->size, s->first,
            exact ? "exact" : "bounded");
    matched_case k = make_case(s->n, s->size, s->first, exact);
    run_filters(&k);
    float *again = t_f32(k.plane);
    for (size_t p = 0; p < (size_t)s->n; p++) {
        t_pair m = t_result(k.plane);
        double *bound = t_f64(k.plane);
        cuda_download(m.f, k.z_device + p * k.plane, k.plane * sizeof(float));
        if (!matched(&k, p)) {
            for (size_t i = 0; i < k.plane; i++) {
                ck_assert_msg(isnan(m.f[i]), "%s: patch %zu has no filters", t_name(), p);
            }
            continue;
        }
        expect(&k, p, k.e.d + p * k.plane, m.d, bound);
        if (exact) {
            t_equal("m", m);
        } else {
            (void)t_within("m", m, bound);
        }
        check_tiles(&k, p, m.f);
        run_filters(&k);
        cuda_download(again, k.z_device + p * k.plane, k.plane * sizeof(float));
        t_equal_f32("m again", k.plane, again, m.f);
    }
    t_end();
}
END_TEST

/* A spot or a line of e seen by its own filter alone: the scales of all others are huge. */
START_TEST(each_filter) {
    t_begin("filter %d alone", _i);
    matched_case k = make_case(1, 48, 0, true);
    size_t blocks = (size_t)k.size / DRAE__M_BLOCK, one = blocks * blocks;
    for (size_t i = 0; i < k.scales.n; i++) {
        k.scales.d[i] = i % drae__m_scales(k.size) / one == (size_t)_i ? 0.5 : 0x1p60;
        k.scales.f[i] = (float)k.scales.d[i];
    }
    k.op.filters = cuda_upload(k.scales.f, k.scales.n * sizeof(float));
    run_filters(&k);
    t_pair m = t_result(k.plane);
    cuda_download(m.f, k.z_device, k.plane * sizeof(float));
    expect(&k, 0, k.e.d, m.d, NULL);
    t_equal("m", m);
    t_end();
}
END_TEST

/* What is not finite stays where it is, and spoils the score of its patch alone. */
START_TEST(not_finite) {
    static const float odd[] = {NAN, -NAN, INFINITY, -INFINITY};
    t_begin("matched filters of %g", (double)odd[_i]);
    matched_case k = make_case(2, 48, 0, false);
    k.e.f[1000] = odd[_i];
    float *start = t_f32(drae__cuda_planes(2, 48));
    memcpy(start, k.e.f, 2 * k.plane * sizeof *start);
    k.op.planes = cuda_upload(start, drae__cuda_planes(2, 48) * sizeof *start);
    run_filters(&k);
    float *m = t_f32(2 * k.plane), partial[DRAE__CUDA_SCORE_PARTIAL];
    cuda_download(m, k.z_device, 2 * k.plane * sizeof *m);
    for (size_t i = 0; i < 2 * k.plane; i++) {
        bool lost = i == 1000;
        ck_assert_msg(isnan(m[i]) == lost || (!lost && isinf(odd[_i]) && i < k.plane),
                      "%s: m of pixel %zu is %g", t_name(), i, (double)m[i]);
    }
    /* Pixel 1000 is (20, 40): the second tile. Bits of NaN lead. */
    cuda_download(partial, k.partial_device + DRAE__CUDA_SCORE_PARTIAL, sizeof partial);
    ck_assert_msg(isnan(partial[4]), "%s: the tile leads with %g", t_name(), (double)partial[4]);
    t_end();
}
END_TEST

/* The last layer, then filters, then the scores: e is B (X - X^) - mean of the X^ that was written,
 * every patch by its own region. */
START_TEST(from_the_last_layer) {
    t_begin("scores by matched filters");
    matched_case k = make_case(4, 48, 0, false);
    size_t n = 4, c = 8, pixels = n * k.plane;
    cuda_map src = cuda_map_values(4, 8, k.size, k.size, 11, 0);
    t_pair wei = t_uniform(9 * c, 12, -0.3f, 0.3f);
    uint8_t *image = t_bytes(pixels);
    for (size_t i = 0; i < pixels; i++) {
        image[i] = (uint8_t)(120.0 + 100.0 * sin(0.017 * (double)i));
    }
    double weights[DRAE__SSIM_SIDE];
    drae__ssim_weights(DRAE__SSIM_GAUSSIAN, weights);
    for (int i = 0; i < DRAE__SSIM_SIDE; i++) {
        k.op.weights[i] = (float)weights[i];
    }
    float bias = 0.1f, *recon_device = cuda_empty(pixels * sizeof(float));
    k.op.src = src.device;
    k.op.wei = cuda_upload(wei.f, wei.n * sizeof(float));
    k.op.bias = cuda_upload(&bias, sizeof bias);
    k.op.image = cuda_upload(image, pixels);
    k.op.recon = recon_device;
    k.op.planes = cuda_empty(drae__cuda_planes(4, k.size) * sizeof(float));
    drae__err err = {{0}};
    cuda_done(drae__cuda_out_score_run(&k.op, NULL, &err), &err);
    float *recon = t_f32(pixels), *z = t_f32(pixels), *result = t_f32(n * RESULT);
    cuda_download(recon, recon_device, pixels * sizeof *recon);
    cuda_download(z, k.z_device, pixels * sizeof *z);
    cuda_download(result, k.result_device, n * RESULT * sizeof *result);
    double *x = t_f64(k.plane), *y = t_f64(k.plane), *e = t_f64(k.plane), *zero = t_f64(k.plane);
    double *one = t_f64(k.plane), *found = t_f64(k.plane), *bound = t_f64(k.plane);
    for (size_t p = 0; p < n; p++) {
        const float *r = result + RESULT * p;
        const drae__cuda_region *region = &table[k.regions[p]];
        if (region->maps < 0) {
            ck_assert(isnan(r[3]));
            continue;
        }
        const double *mean = k.maps.d + 2 * k.plane * (size_t)region->maps;
        for (size_t i = 0; i < k.plane; i++) {
            x[i] = image[p * k.plane + i] / 255.0;
            y[i] = (double)recon[p * k.plane + i];
            zero[i] = -4.0; /* below all: the oracle's z is then signed */
            one[i] = 1.0;
            found[i] = (double)z[p * k.plane + i];
        }
        t_pair m = t_result(k.plane);
        m.f = z + p * k.plane;
        if (region->filters >= 0) {
            drae__ref_infer_z(k.size, x, y, zero, one, e);
            for (size_t i = 0; i < k.plane; i++) {
                e[i] = e[i] - 4.0 - mean[i];
            }
            expect(&k, p, e, m.d, bound);
            for (size_t i = 0; i < k.plane; i++) {
                bound[i] *= 2.0; /* e is rounded too: twelve times, of 17 values */
            }
        } else {
            drae__ref_infer_z(k.size, x, y, mean, mean + k.plane, m.d);
            for (size_t i = 0; i < k.plane; i++) {
                bound[i] = 50.0 * 12.0 * T_EPS * 2.0; /* as in test_score.c, scales of 0.02 */
            }
        }
        (void)t_within("z", m, bound);
        float top = (float)drae__ref_infer_top_mean(k.plane, found, DRAE__Z_TOP);
        ck_assert_msg(r[3] == top, "%s: patch %zu scores %.9g, its largest %.9g", t_name(), p,
                      (double)r[3], (double)top);
        t_near("verdict", (double)r[4], top > 1.0f ? DRAE__CUDA_REJECT : DRAE__CUDA_GOOD, 0.0);
    }
    t_end();
}
END_TEST

START_TEST(refusals) {
    drae__err err;
    drae__cuda_out_score op = {.n = 1, .size = 40, .c = 8};
    ck_assert_int_eq(drae__cuda_matched(&op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "size 40"));
    op.size = 48;
    op.n = 0;
    ck_assert_int_eq(drae__cuda_matched(&op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
}
END_TEST

Suite *suite_matched(void) {
    Suite *suite = suite_create("matched");
    TCase *tc = tcase_create("matched");
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, filters, 0, 2 * SHAPES);
    tcase_add_loop_test(tc, each_filter, 0, DRAE__M_FILTERS);
    tcase_add_loop_test(tc, not_finite, 0, 4);
    tcase_add_test(tc, from_the_last_layer);
    tcase_add_test(tc, refusals);
    return suite;
}
