/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSIM and its gradient against the oracle, above all where single precision usually fails: flat
 * bright patches, equal images, images that differ by one grey level.
 */
#include "tests/kernels/suites.h"
#include "tests/kernels/testutil.h"

#include "kernels/ssim.h"

#include <math.h>
#include <string.h>

/* Every map value, whatever the image: the safe form loses a few rounding errors, no more. */
#define MAP_BOUND 1e-6
/* Of the gradient, relative to its largest value. */
#define GRADIENT_BOUND 1e-5

typedef enum kind {
    NOISE,        /* x and y independent in [0, 1] */
    SIMILAR,      /* y = x plus 1 % */
    BRIGHT_GRAIN, /* 250/255 plus a grey level of noise, y independent */
    BRIGHT_STEPS, /* x flat 250/255, y flat 250/255 with single grey levels off */
    FLAT_SHIFT,   /* x flat 250/255, y flat 240/255 */
    OPPOSED,      /* y = 1 - x */
    DARK,         /* both near 0 */
    EDGE,         /* half black, half white; y shifted by a pixel */
    KINDS
} kind;

static const char *const kind_names[KINDS] = {"noise", "similar", "bright grain", "bright steps",
                                              "shift", "opposed", "dark",         "edge"};

typedef struct pair_images {
    t_pair x, y;
} pair_images;

static float clip(float v) {
    return v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v;
}

static void put(t_pair p, size_t i, float v) {
    p.f[i] = clip(v);
    p.d[i] = (double)p.f[i];
}

static pair_images make(kind k, int n, int size) {
    size_t total = (size_t)n * (size_t)size * (size_t)size;
    t_pair a = t_uniform(total, 11, 0.0f, 1.0f), b = t_uniform(total, 12, 0.0f, 1.0f);
    pair_images p = {t_result(total), t_result(total)};
    const float level = 250.0f / 255.0f, grey = 1.0f / 255.0f;
    for (size_t i = 0; i < total; i++) {
        int col = (int)(i % (size_t)size);
        float u = a.f[i], v = b.f[i];
        float x[KINDS] = {u, u,         level + grey * (u - 0.5f),   level, level,
                          u, 0.01f * u, col < size / 2 ? 0.0f : 1.0f};
        float y[KINDS] = {v,
                          u + 0.01f * (v - 0.5f),
                          level + grey * (v - 0.5f),
                          v > 0.9f ? level + grey : level,
                          240.0f / 255.0f,
                          1.0f - u,
                          0.01f * v,
                          col < size / 2 + 1 ? 0.0f : 1.0f};
        put(p.x, i, x[k]);
        put(p.y, i, y[k]);
    }
    return p;
}

static void *scratch_for(int size) {
    return t_bytes(4 * drae__cpu_ssim_scratch_bytes(size));
}

static const int sizes[] = {11, 12, 15, 16, 17, 26, 27, 32, 43, 48};
#define N_SIZES (int)(sizeof sizes / sizeof sizes[0])

static void compare(drae__ssim_window window, kind k, int size) {
    t_begin("ssim window=%d size=%d %s", (int)window, size, kind_names[k]);
    size_t pixels = (size_t)size * (size_t)size;
    size_t side = (size_t)drae__ssim_map_side(window, size);
    pair_images p = make(k, 1, size);
    t_pair map = t_result(side * side), dy = t_result(pixels);
    void *scratch = scratch_for(size);
    float *score = t_f32(1), *again = t_f32(1);
    drae__cpu_ssim(window, 1, size, p.x.f, p.y.f, score, map.f, scratch);
    double expected = drae__ref_ssim(window, size, p.x.d, p.y.d, map.d);
    t_within_all("map", map, MAP_BOUND);
    t_near("score", (double)score[0], expected, MAP_BOUND);

    drae__cpu_ssim_grad(window, 1, size, 1.0f, p.x.f, p.y.f, again, dy.f, scratch);
    t_equal_f32("score beside the gradient", 1, again, score);
    drae__ref_ssim_bwd(window, size, p.x.d, p.y.d, dy.d);
    double largest = 0.0;
    for (size_t i = 0; i < pixels; i++) {
        largest = fmax(largest, fabs(dy.d[i]));
    }
    t_within_all("gradient", dy, GRADIENT_BOUND * largest + 1e-9);
    t_end();
}

START_TEST(matches_the_oracle) {
    for (int k = 0; k < KINDS; k++) {
        compare(DRAE__SSIM_GAUSSIAN, (kind)k, sizes[_i]);
        compare(DRAE__SSIM_UNIFORM, (kind)k, sizes[_i]);
    }
}
END_TEST

/* The size of the product, oracle sampled by the map's rows that it computes anyway: score only. */
START_TEST(full_size) {
    const int size = 256;
    t_begin("ssim full size");
    pair_images p = make(BRIGHT_STEPS, 1, size);
    void *scratch = scratch_for(size);
    float *score = t_f32(1);
    for (int w = 0; w < 2; w++) {
        drae__cpu_ssim((drae__ssim_window)w, 1, size, p.x.f, p.y.f, score, NULL, scratch);
        double expected = drae__ref_ssim((drae__ssim_window)w, size, p.x.d, p.y.d, NULL);
        t_near("score", (double)score[0], expected, 2e-7);
    }
    t_end();
}
END_TEST

START_TEST(equal_images_score_one) {
    const int size = 40;
    for (int k = 0; k < KINDS; k++) {
        for (int w = 0; w < 2; w++) {
            t_begin("ssim equal %s window=%d", kind_names[k], w);
            pair_images p = make((kind)k, 1, size);
            float *score = t_f32(1), *dy = t_f32((size_t)(size * size));
            drae__cpu_ssim_grad((drae__ssim_window)w, 1, size, 50.0f, p.x.f, p.x.f, score, dy,
                                scratch_for(size));
            ck_assert_float_eq(score[0], 1.0f);
            for (int i = 0; i < size * size; i++) {
                ck_assert_msg(fabsf(dy[i]) < 1e-9f, "%s: gradient[%d] = %g", t_name(), i,
                              (double)dy[i]);
            }
            t_end();
        }
    }
}
END_TEST

START_TEST(opposed_images_score_below_zero) {
    const int size = 32;
    t_begin("ssim opposed");
    pair_images p = make(OPPOSED, 1, size);
    float *score = t_f32(1);
    drae__cpu_ssim(DRAE__SSIM_GAUSSIAN, 1, size, p.x.f, p.y.f, score, NULL, scratch_for(size));
    ck_assert_msg(score[0] < -0.5f && score[0] >= -1.0f, "score %g", (double)score[0]);
    t_end();
}
END_TEST

typedef struct batch {
    drae__ssim_window window;
    int n, size;
    float scale;
    const float *x, *y;
    float *score, *dy;
    void *scratch;
} batch;

static void run_batch(void *context) {
    const batch *b = context;
    drae__cpu_ssim_grad(b->window, b->n, b->size, b->scale, b->x, b->y, b->score, b->dy,
                        b->scratch);
}

/* A batch is its images one by one, for any thread count; scale multiplies the gradient. */
START_TEST(images_are_independent) {
    const int n = 5, size = 24;
    const size_t pixels = (size_t)size * (size_t)size;
    t_begin("ssim batch window=%d", _i);
    pair_images p = make(SIMILAR, n, size);
    batch one = {.window = (drae__ssim_window)_i, .n = n, .size = size, .scale = 1.0f};
    one.x = p.x.f;
    one.y = p.y.f;
    one.scratch = scratch_for(size);
    batch two = one, twice = one, single = one;
    batch *all[] = {&one, &two, &twice, &single};
    for (size_t i = 0; i < 4; i++) {
        all[i]->score = t_f32((size_t)n);
        all[i]->dy = t_f32((size_t)n * pixels);
    }
    t_threads(1, run_batch, &one);
    t_threads(2, run_batch, &two);
    t_equal_f32("score", (size_t)n, one.score, two.score);
    t_equal_f32("gradient", (size_t)n * pixels, one.dy, two.dy);
    twice.scale = 2.0f;
    run_batch(&twice);
    for (size_t i = 0; i < (size_t)n * pixels; i++) {
        ck_assert_msg(twice.dy[i] == 2.0f * one.dy[i], "%s: scale, element %zu", t_name(), i);
    }
    for (int i = 0; i < n; i++) {
        batch b = single;
        b.n = 1;
        b.x += (size_t)i * pixels;
        b.y += (size_t)i * pixels;
        b.score += i;
        b.dy += (size_t)i * pixels;
        run_batch(&b);
    }
    t_equal_f32("score alone", (size_t)n, one.score, single.score);
    t_equal_f32("gradient alone", (size_t)n * pixels, one.dy, single.dy);
    t_end();
}
END_TEST

/* ---- the oracle's gradient ---- */

typedef struct gradient_case {
    drae__ssim_window window;
    int size;
    const double *x;
} gradient_case;

static double score_of(const double *y, void *context) {
    const gradient_case *g = context;
    return drae__ref_ssim(g->window, g->size, g->x, y, NULL);
}

START_TEST(derivatives) {
    const int size = 13;
    for (int w = 0; w < 2; w++) {
        t_begin("ssim derivatives window=%d", w);
        pair_images p = make(_i == 0 ? NOISE : BRIGHT_GRAIN, 1, size);
        gradient_case g = {(drae__ssim_window)w, size, p.x.d};
        double *dy = t_f64((size_t)(size * size));
        drae__ref_ssim_bwd(g.window, size, p.x.d, p.y.d, dy);
        for (size_t i = 0; i < (size_t)(size * size); i += 3) {
            t_near("dy", dy[i], t_derivative(score_of, &g, p.y.d, i, 1e-4), 1e-8);
        }
        t_end();
    }
}
END_TEST

START_TEST(weights_sum_to_one) {
    for (int w = 0; w < 2; w++) {
        double weights[DRAE__SSIM_SIDE], sum = 0.0;
        drae__ssim_weights((drae__ssim_window)w, weights);
        for (int i = 0; i < DRAE__SSIM_SIDE; i++) {
            sum += weights[i];
            ck_assert_double_eq(weights[i], weights[DRAE__SSIM_SIDE - 1 - i]);
        }
        ck_assert_double_eq_tol(sum, 1.0, 1e-15);
    }
}
END_TEST

Suite *suite_ssim(void) {
    Suite *suite = suite_create("ssim");
    TCase *tcase = tcase_create("ssim");
    tcase_add_loop_test(tcase, matches_the_oracle, 0, N_SIZES);
    tcase_add_test(tcase, full_size);
    tcase_add_test(tcase, equal_images_score_one);
    tcase_add_test(tcase, opposed_images_score_below_zero);
    tcase_add_loop_test(tcase, images_are_independent, 0, 2);
    tcase_add_loop_test(tcase, derivatives, 0, 2);
    tcase_add_test(tcase, weights_sum_to_one);
    suite_add_tcase(suite, tcase);
    return suite;
}
