/* SPDX-License-Identifier: Apache-2.0 */
/* The last layer and the scores in one pass, and maps, against the oracle: X^ from the features in
 * double, then every score in double from the X^ that the device wrote. */
#include "tests/simt/cuda_case.h"
#include "tests/simt/suites.h"

#include "base/philox.h"

#include <string.h>

static uint8_t *bytes(size_t n, uint64_t seed) {
    uint8_t *p = t_bytes(n);
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_TEST, 1);
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)(2 + drae__rng_below(&rng, 252));
    }
    return p;
}

/* What the features say of the image. */
typedef enum picture { PICTURE_RANDOM, PICTURE_NEAR, PICTURE_FLAT, PICTURE_SAME } picture;

typedef struct shape {
    int n, size, c;
    drae__ssim_window window;
    picture kind;
} shape;

static const shape shapes[] = {
    {1, 11, 8, DRAE__SSIM_GAUSSIAN, PICTURE_RANDOM},
    {1, 11, 8, DRAE__SSIM_UNIFORM, PICTURE_RANDOM},
    {3, 16, 16, DRAE__SSIM_GAUSSIAN, PICTURE_RANDOM},
    {2, 32, 16, DRAE__SSIM_UNIFORM, PICTURE_NEAR},
    {2, 32, 16, DRAE__SSIM_GAUSSIAN, PICTURE_SAME},
    {1, 48, 24, DRAE__SSIM_GAUSSIAN, PICTURE_NEAR},
    {1, 48, 40, DRAE__SSIM_UNIFORM, PICTURE_FLAT},
    {1, 64, 16, DRAE__SSIM_GAUSSIAN, PICTURE_FLAT},
    {1, 43, 24, DRAE__SSIM_UNIFORM, PICTURE_RANDOM},
    {1, 75, 32, DRAE__SSIM_GAUSSIAN, PICTURE_NEAR},
    {1, 16, 72, DRAE__SSIM_GAUSSIAN, PICTURE_RANDOM},
    {1, 33, 128, DRAE__SSIM_GAUSSIAN, PICTURE_NEAR},
};

#define SHAPES ((int)(sizeof shapes / sizeof shapes[0]))
#define MAPS   2
#define RESULT DRAE__CUDA_RESULT

typedef struct score_case {
    const shape *s;
    size_t plane, pixels;
    uint8_t *image;
    t_pair maps; /* [MAPS,2,size,size] */
    t_pair recon;
    float *recon_device, *z_device, *result_device;
    int32_t *regions;
    drae__cuda_out_score op;
} score_case;

/* Patch p takes maps 1, 0, none, in turn: region 2 has none. */
static const drae__cuda_region table[] = {{0, -1, -1, DRAE__CUDA_BY_Z, 1.0f, 0.0f},
                                          {1, -1, -1, DRAE__CUDA_BY_PHI, 1.0f, 0.0f},
                                          {-1, -1, -1, DRAE__CUDA_BY_PHI, 1.0f, 0.0f}};

static int32_t region_of(size_t p) {
    static const int32_t turns[] = {1, 0, 2};
    return turns[p % 3];
}

/* Features that make X^ what the picture wants: the logit in two f16 halves on channels 0 and 1,
 * their taps 1 at the middle and 0 elsewhere; the other channels noise. RANDOM: all noise. */
static void fill_features(const score_case *k, cuda_map *src, t_pair *wei) {
    size_t c = (size_t)k->s->c;
    t_pair noise = t_uniform(k->pixels, 9, -0.02f, 0.02f);
    for (size_t i = 0; k->s->kind != PICTURE_RANDOM && i < 18; i++) {
        wei->f[i] = i % 9 == 4 ? 1.0f : 0.0f;
        wei->d[i] = (double)wei->f[i];
    }
    for (size_t i = 0; k->s->kind != PICTURE_RANDOM && i < k->pixels; i++) {
        double y = k->image[i] / 255.0 + (k->s->kind == PICTURE_SAME ? 0.0 : noise.d[i]);
        y = y < 0.004 ? 0.004 : y > 0.996 ? 0.996 : y;
        float logit = (float)log(y / (1.0 - y)), hi = drae__f16_value(drae__f16_of(logit));
        float parts[2] = {hi, drae__f16_value(drae__f16_of(logit - hi))};
        for (size_t ch = 0; ch < 2; ch++) {
            src->d[(i / k->plane * c + ch) * k->plane + i % k->plane] = (double)parts[ch];
            src->host[i * c + ch] = drae__f16_of(parts[ch]);
        }
    }
    /* Where the picture is made by two channels, the others must not add to it. */
    for (size_t i = 18; k->s->kind != PICTURE_RANDOM && i < wei->n; i++) {
        wei->f[i] *= 1e-6f;
        wei->d[i] = (double)wei->f[i];
    }
}

static score_case make_case(const shape *s) {
    score_case k = {.s = s, .plane = (size_t)s->size * (size_t)s->size};
    size_t n = (size_t)s->n, c = (size_t)s->c;
    k.pixels = n * k.plane;
    k.image = bytes(k.pixels, 5);
    for (size_t i = 0; s->kind == PICTURE_FLAT && i < k.pixels; i++) {
        k.image[i] = 240;
    }
    cuda_map src = cuda_map_values(s->n, s->c, s->size, s->size, 1, 0);
    /* Of the whole f32: a weight does not fit into f16. */
    t_pair wei = t_uniform(9 * c, 2, -0.3f, 0.3f), bias = t_uniform(1, 3, -0.1f, 0.1f);
    bias.f[0] = s->kind == PICTURE_RANDOM ? bias.f[0] : 0.0f;
    bias.d[0] = (double)bias.f[0];
    fill_features(&k, &src, &wei);
    float *packed = t_f32(9 * c);
    for (size_t i = 0; i < 9 * c; i++) {
        packed[i % 9 * c + i / 9] = wei.f[i];
    }
    k.maps = t_uniform(2 * MAPS * k.plane, 4, -0.05f, 0.05f);
    for (size_t i = 0; i < k.maps.n; i++) {
        k.maps.f[i] = i / k.plane % 2 == 1 ? 0.05f + fabsf(k.maps.f[i]) : k.maps.f[i];
        k.maps.d[i] = (double)k.maps.f[i];
    }
    k.regions = (int32_t *)(void *)t_bytes(n * sizeof *k.regions);
    for (size_t p = 0; p < n; p++) {
        k.regions[p] = region_of(p);
    }
    k.recon = t_result(k.pixels);
    for (size_t p = 0; p < n; p++) {
        drae__ref_infer_out(s->c, s->size, s->size, src.d + p * k.plane * c, wei.d, bias.d[0],
                            k.recon.d + p * k.plane);
    }
    k.recon_device = cuda_empty(k.pixels * sizeof(float));
    k.z_device = cuda_empty(k.pixels * sizeof(float));
    k.result_device = cuda_empty(n * DRAE__CUDA_RESULT * sizeof(float));
    k.op = (drae__cuda_out_score){
        .n = s->n,
        .size = s->size,
        .c = s->c,
        .window = s->window,
        .src = cuda_upload(src.host, k.pixels * c * sizeof(uint16_t)),
        .wei = cuda_upload(packed, 9 * c * sizeof(float)),
        .bias = cuda_upload(bias.f, sizeof(float)),
        .image = cuda_upload(k.image, k.pixels),
        .maps = cuda_upload(k.maps.f, k.maps.n * sizeof(float)),
        .table = cuda_upload(table, sizeof table),
        .regions = cuda_upload(k.regions, n * sizeof *k.regions),
        .recon = k.recon_device,
        .z = k.z_device,
        .partial = cuda_empty(drae__cuda_out_score_partial(s->n, s->size) * sizeof(float)),
        .result = k.result_device,
    };
    double weights[DRAE__SSIM_SIDE];
    drae__ssim_weights(s->window, weights);
    for (int i = 0; i < DRAE__SSIM_SIDE; i++) {
        k.op.weights[i] = (float)weights[i];
    }
    return k;
}

static void run(const score_case *k, float *result) {
    drae__err err = {{0}};
    cuda_done(drae__cuda_out_score_run(&k->op, NULL, &err), &err);
    cuda_download(result, k->result_device, (size_t)k->s->n * DRAE__CUDA_RESULT * sizeof(float));
}

/* z of one patch and the mean of its largest. */
static void check_z(const score_case *k, size_t p, const double *x, const double *y, float top) {
    float *z = t_f32(k->plane);
    double *want = t_f64(k->plane), *got = t_f64(k->plane);
    cuda_download(z, k->z_device + p * k->plane, k->plane * sizeof(float));
    const double *mean = k->maps.d + 2 * k->plane * (size_t)table[k->regions[p]].maps;
    drae__ref_infer_z(k->s->size, x, y, mean, mean + k->plane, want);
    for (size_t i = 0; i < k->plane; i++) {
        /* 25 terms of at most 1, weights that sum to 1, over a scale of at least 0.05. */
        t_near("z", (double)z[i], want[i], 20.0 * 12.0 * T_EPS * 2.0);
        got[i] = (double)z[i];
    }
    ck_assert_msg(top == (float)drae__ref_infer_top_mean(k->plane, got, DRAE__Z_TOP),
                  "%s: the mean of the largest of patch %zu is %.9g, expected %.9g", t_name(), p,
                  (double)top, drae__ref_infer_top_mean(k->plane, got, DRAE__Z_TOP));
}

static void check_maps(const score_case *k, const float *result) {
    static const float anchors[] = {0.05f, 0.1f, 0.2f};
    static const uint8_t by_z[] = {1, 0, 0};
    size_t n = (size_t)k->s->n;
    const drae__cuda_maps maps = {
        .n = k->s->n,
        .size = k->s->size,
        .image = k->op.image,
        .recon = k->recon_device,
        .result = k->result_device,
        .anchors = cuda_upload(anchors, sizeof anchors),
        .z = k->z_device,
        .by_z = cuda_upload(by_z, sizeof by_z),
        .residual = cuda_empty(k->pixels * sizeof(float)),
        .heat = cuda_empty(k->pixels),
        .heat_fixed = cuda_empty(k->pixels),
    };
    drae__err err = {{0}};
    cuda_done(drae__cuda_maps_write(&maps, NULL, &err), &err);
    float *residual = t_f32(k->pixels), *z = t_f32(k->pixels);
    uint8_t *heat = t_bytes(k->pixels), *heat_fixed = t_bytes(k->pixels);
    cuda_download(residual, maps.residual, k->pixels * sizeof(float));
    cuda_download(z, k->z_device, k->pixels * sizeof(float));
    cuda_download(heat, maps.heat, k->pixels);
    cuda_download(heat_fixed, maps.heat_fixed, k->pixels);
    for (size_t i = 0; i < n * k->plane; i++) {
        size_t p = i / k->plane;
        double r = fabs(k->image[i] / 255.0 - (double)k->recon.f[i]);
        t_near("residual", (double)residual[i], r, 2e-7);
        float lo = result[DRAE__CUDA_RESULT * p + 1], hi = result[DRAE__CUDA_RESULT * p + 2];
        double h = hi > lo ? 255.0 * (double)((residual[i] - lo) / (hi - lo)) : 0.0;
        double shown = by_z[p] != 0 ? (double)z[i] : (double)residual[i];
        double f = 255.0 * fmin(shown / (double)anchors[p], 1.0);
        t_near("heat", (double)heat[i], h, 0.5 + 1e-3);
        t_near("heat_fixed", (double)heat_fixed[i], f, 0.5 + 1e-3);
    }
}

START_TEST(score) {
    const shape *s = &shapes[_i];
    t_begin("score of %d, size %d, %d channels, window %d, picture %d", s->n, s->size, s->c,
            (int)s->window, (int)s->kind);
    score_case k = make_case(s);
    size_t n = (size_t)s->n;
    float *got = t_f32(n * DRAE__CUDA_RESULT), *again = t_f32(n * DRAE__CUDA_RESULT);
    run(&k, got);
    cuda_download(k.recon.f, k.recon_device, k.pixels * sizeof(float));
    /* 9 c terms up to 0.3 (RANDOM) or two up to 6, through a slope of at most 1/4; what is left of
     * a weight after two halves; expf within 2 ulp. */
    double terms = 9.0 * (double)s->c;
    (void)t_within_all("recon", k.recon, 0.25 * (0.3 * terms + 6.0) * terms * T_EPS + 8.0 * T_EPS);
    double *x = t_f64(k.plane), *y = t_f64(k.plane);
    for (size_t p = 0; p < n; p++) {
        const float *r = got + DRAE__CUDA_RESULT * p;
        double least = 1e9, greatest = -1e9;
        for (size_t i = 0; i < k.plane; i++) {
            x[i] = k.image[p * k.plane + i] / 255.0;
            y[i] = (double)k.recon.f[p * k.plane + i];
            least = fmin(least, fabs(x[i] - y[i]));
            greatest = fmax(greatest, fabs(x[i] - y[i]));
        }
        double phi = drae__ref_infer_phi(s->window, s->size, x, y);
        t_near("phi", (double)r[0], phi, 2e-6 + 2e-5 * phi);
        t_near("least", (double)r[1], least, 2e-7);
        t_near("greatest", (double)r[2], greatest, 2e-7);
        if (table[k.regions[p]].maps >= 0) {
            check_z(&k, p, x, y, r[3]);
        } else {
            ck_assert_msg(isnan(r[3]), "%s: z of patch %zu, which has no maps, is %g", t_name(), p,
                          (double)r[3]);
        }
    }
    check_maps(&k, got);

    /* The same bits again with nothing written but the result, and without maps. */
    k.op.recon = k.op.z = NULL;
    run(&k, again);
    t_equal_f32("result", n * DRAE__CUDA_RESULT, got, again);
    k.op.table = NULL;
    k.op.regions = NULL;
    k.op.maps = NULL;
    run(&k, again);
    for (size_t p = 0; p < n; p++) {
        t_equal_f32("phi, least, greatest", 3, got + RESULT * p, again + RESULT * p);
        ck_assert(isnan(again[RESULT * p + 3]));
        t_near("verdict", (double)again[RESULT * p + 4], DRAE__CUDA_UNDECIDED, 0.0);
    }
    t_end();
}
END_TEST

/* What is not finite must not hide: z of a scale that makes it so, and features. */
START_TEST(not_finite) {
    t_begin("scores of what is not finite, %d", _i);
    score_case k = make_case(&shapes[3]);
    float *got = t_f32(2 * DRAE__CUDA_RESULT);
    if (_i == 0) {
        float *maps = t_f32(k.maps.n);
        memcpy(maps, k.maps.f, k.maps.n * sizeof *maps);
        maps[2 * k.plane + 77] = INFINITY; /* mean of maps 1, which patch 0 takes */
        k.op.maps = cuda_upload(maps, k.maps.n * sizeof *maps);
        run(&k, got);
        ck_assert(isnan(got[3]) && isfinite(got[0]));
        ck_assert(isfinite(got[RESULT + 3]));
    } else {
        uint16_t *src = (uint16_t *)(void *)t_bytes(k.pixels * 16 * sizeof *src);
        memset(src, 0, k.pixels * 16 * sizeof *src);
        src[16 * 500] = 0x7E00; /* NaN */
        k.op.src = cuda_upload(src, k.pixels * 16 * sizeof *src);
        run(&k, got);
        ck_assert(isnan(got[0]) && isnan(got[3]));
        ck_assert(isfinite(got[RESULT]) && isfinite(got[RESULT + 3]));
    }
    t_end();
}
END_TEST

/* Whether the score of the only patch is the mean of the largest of its z. */
static void check_top(const score_case *k) {
    float got[DRAE__CUDA_RESULT], *z = t_f32(k->plane);
    run(k, got);
    cuda_download(z, k->z_device, k->plane * sizeof(float));
    double *all = t_f64(k->plane);
    for (size_t i = 0; i < k->plane; i++) {
        all[i] = (double)z[i];
    }
    float want = (float)drae__ref_infer_top_mean(k->plane, all, DRAE__Z_TOP);
    ck_assert_msg(got[3] == want, "%s: %.9g, expected %.9g", t_name(), (double)got[3],
                  (double)want);
}

/* More tiles than one round of the last reduction takes, the largest values in the first and in the
 * last of them. */
START_TEST(many_tiles) {
    t_begin("the largest z of many tiles");
    static const shape s = {1, 352, 8, DRAE__SSIM_GAUSSIAN, PICTURE_RANDOM};
    score_case k = make_case(&s);
    float *scale = k.maps.f + 3 * k.plane;
    for (size_t i = 0; i < k.plane; i++) {
        scale[i] = i < 4 || i >= k.plane - 4 ? 1e-3f : 1.0f;
    }
    k.op.maps = cuda_upload(k.maps.f, k.maps.n * sizeof(float));
    check_top(&k);
    t_end();
}
END_TEST

/* Values of the same bits, in one thread (pixels of a tile 288 apart), in one warp, and in two. */
START_TEST(equal_values) {
    t_begin("equal z, %d", _i);
    static const shape s = {1, 32, 8, DRAE__SSIM_GAUSSIAN, PICTURE_RANDOM};
    static const size_t pairs[][2] = {{3, 291}, {3, 4}, {3, 400}};
    score_case k = make_case(&s);
    for (size_t i = 0; i < 2; i++) {
        k.maps.f[2 * k.plane + pairs[_i][i]] = 1e8f; /* mean, beside which X - X^ is nothing */
        k.maps.f[3 * k.plane + pairs[_i][i]] = 1.0f; /* scale */
    }
    k.op.maps = cuda_upload(k.maps.f, k.maps.n * sizeof(float));
    check_top(&k);
    t_end();
}
END_TEST

/* Thresholds above, at, one place below and far below the score, with bands and without: each score
 * deciding. What is not finite is rejected whatever the limits say. */
START_TEST(verdicts) {
    t_begin("verdicts by score %d", _i);
    static const shape s = {1, 32, 8, DRAE__SSIM_GAUSSIAN, PICTURE_NEAR};
    score_case k = make_case(&s);
    float got[RESULT];
    run(&k, got);
    const float own = _i == DRAE__CUDA_BY_Z ? got[3] : got[0];
    const float below = nextafterf(own, 0.0f);
    const struct {
        float threshold, undecided;
        int verdict;
    } limits[] = {
        {NAN, 0.0f, DRAE__CUDA_UNDECIDED},  {2.0f * own, 0.0f, DRAE__CUDA_GOOD},
        {own, 0.0f, DRAE__CUDA_GOOD},       {below, 0.0f, DRAE__CUDA_REJECT},
        {2.0f * own, own, DRAE__CUDA_GOOD}, {2.0f * own, below, DRAE__CUDA_UNDECIDED},
        {own, below, DRAE__CUDA_UNDECIDED}, {below, 0.5f * below, DRAE__CUDA_REJECT},
        {INFINITY, 0.0f, DRAE__CUDA_GOOD},
    };
    ck_assert(own > 0.0f);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        drae__cuda_region row = {0, -1, -1, _i, limits[i].threshold, limits[i].undecided};
        k.op.table = cuda_upload(&row, sizeof row);
        k.op.regions = cuda_upload(&(int32_t){0}, sizeof(int32_t));
        k.op.maps = cuda_upload(k.maps.f + 2 * k.plane, 2 * k.plane * sizeof(float));
        run(&k, got);
        ck_assert_msg(got[4] == (float)limits[i].verdict, "%s: limits %zu: verdict %g, expected %d",
                      t_name(), i, (double)got[4], limits[i].verdict);
    }
    uint16_t *src = (uint16_t *)(void *)t_bytes(k.pixels * 8 * sizeof *src);
    memset(src, 0x7E, k.pixels * 8 * sizeof *src); /* NaN */
    k.op.src = cuda_upload(src, k.pixels * 8 * sizeof *src);
    for (int i = 0; i < 2; i++) {
        drae__cuda_region row = {0, -1, -1, _i, i == 0 ? NAN : INFINITY, 0.0f};
        k.op.table = cuda_upload(&row, sizeof row);
        run(&k, got);
        t_near("verdict of what is not finite", (double)got[4], DRAE__CUDA_REJECT, 0.0);
    }
    t_end();
}
END_TEST

START_TEST(refusals) {
    drae__err err;
    drae__cuda_out_score op = {.n = 1, .size = 10, .c = 8};
    ck_assert_int_eq(drae__cuda_out_score_run(&op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    op = (drae__cuda_out_score){.n = 1, .size = 32, .c = 12};
    ck_assert_int_eq(drae__cuda_out_score_run(&op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    op = (drae__cuda_out_score){.n = 1, .size = 4096, .c = 128};
    ck_assert_int_eq(drae__cuda_out_score_run(&op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    drae__cuda_maps maps = {.n = 0, .size = 32};
    ck_assert_int_eq(drae__cuda_maps_write(&maps, NULL, &err), DRAE_ERROR_UNSUPPORTED);
}
END_TEST

Suite *suite_score(void) {
    Suite *suite = suite_create("score");
    TCase *tc = tcase_create("score");
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, score, 0, SHAPES);
    tcase_add_loop_test(tc, not_finite, 0, 2);
    tcase_add_test(tc, many_tiles);
    tcase_add_loop_test(tc, equal_values, 0, 3);
    tcase_add_loop_test(tc, verdicts, DRAE__CUDA_BY_PHI, DRAE__CUDA_BY_Z + 1);
    tcase_add_test(tc, refusals);
    return suite;
}
