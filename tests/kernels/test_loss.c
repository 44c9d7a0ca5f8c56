/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernels/suites.h"
#include "tests/kernels/testutil.h"

#include "kernels/loss.h"

#include <math.h>
#include <string.h>

static const size_t sizes[] = {1, 2, 15, 16, 17, 64, 1023, 1024, 1025, 16384, 70001};
#define N_SIZES (int)(sizeof sizes / sizeof sizes[0])

/* Terms are f32 (a few roundings of a term), sums are double. */
static double mean_bound(double mean) {
    return 4.0 * T_EPS * mean + 1e-12;
}

START_TEST(integers_are_exact) {
    /* A power of two, so that the mean and scale / n are exact. */
    const size_t n = (size_t)1 << (_i + 1);
    t_begin("losses exact n=%zu", n);
    t_pair x = t_integers(n, 1, 4), y = t_integers(n, 2, 4), dy = t_integers(n, 3, 4);
    t_pair other = t_result(n);
    double scale = (double)n * 2.0;
    t_near("huber", drae__cpu_huber(n, 1.0f, x.f, y.f, (float)scale, dy.f),
           drae__ref_huber(n, 1.0, x.d, y.d, scale, dy.d), 0.0);
    t_equal("huber dy, added", dy);
    t_near("huber alone", drae__cpu_huber(n, 2.0f, x.f, y.f, 1.0f, NULL),
           drae__ref_huber(n, 2.0, x.d, y.d, 1.0, NULL), 0.0);
    t_near("mse", drae__cpu_mse(n, x.f, y.f, (float)scale, dy.f),
           drae__ref_mse(n, x.d, y.d, scale, dy.d), 0.0);
    t_equal("mse dy, overwritten", dy);
    t_near("mse alone", drae__cpu_mse(n, x.f, y.f, 1.0f, NULL),
           drae__ref_mse(n, x.d, y.d, 1.0, NULL), 0.0);
    t_near("l1", drae__cpu_l1(n, x.f, y.f, (float)scale, dy.f, other.f),
           drae__ref_l1(n, x.d, y.d, scale, dy.d, other.d), 0.0);
    t_equal("l1 da", dy);
    t_equal("l1 db", other);
    t_near("l1 alone", drae__cpu_l1(n, x.f, y.f, 1.0f, NULL, NULL),
           drae__ref_l1(n, x.d, y.d, 1.0, NULL, NULL), 0.0);
    t_end();
}
END_TEST

START_TEST(reals_are_bounded) {
    const size_t n = sizes[_i];
    t_begin("losses n=%zu", n);
    t_pair x = t_uniform(n, 1, 0.0f, 1.0f), y = t_uniform(n, 2, -1.0f, 3.0f);
    t_pair dy = t_uniform(n, 3, -1.0f, 1.0f), other = t_result(n);
    double value = drae__ref_huber(n, 0.5, x.d, y.d, 2.0, dy.d);
    t_near("huber", drae__cpu_huber(n, 0.5f, x.f, y.f, 2.0f, dy.f), value, mean_bound(value));
    t_within_all("huber dy", dy, 2.0 * T_EPS + 8.0 * T_EPS / (double)n);
    value = drae__ref_mse(n, x.d, y.d, 2.0, dy.d);
    t_near("mse", drae__cpu_mse(n, x.f, y.f, 2.0f, dy.f), value, mean_bound(value));
    t_within_all("mse dy", dy, 4.0 * T_EPS * 12.0 / (double)n);
    value = drae__ref_l1(n, x.d, y.d, 2.0, dy.d, other.d);
    t_near("l1", drae__cpu_l1(n, x.f, y.f, 2.0f, dy.f, other.f), value, mean_bound(value));
    t_within_all("l1 da", dy, 4.0 * T_EPS / (double)n);
    t_within_all("l1 db", other, 4.0 * T_EPS / (double)n);
    t_end();
}
END_TEST

typedef struct noise_case {
    size_t n, pixels;
    t_pair y, x_star, mask, noise, beta, dy;
    double value;
} noise_case;

static noise_case make_noise(size_t n, size_t pixels) {
    noise_case c = {.n = n, .pixels = pixels};
    c.y = t_uniform(n * pixels, 1, 0.0f, 1.0f);
    c.x_star = t_uniform(n * pixels, 2, 0.0f, 1.0f);
    c.mask = t_uniform(n * pixels, 3, 0.0f, 1.0f);
    for (size_t i = 0; i < n * pixels; i++) {
        c.mask.f[i] = c.mask.f[i] > 0.7f ? 1.0f : 0.0f;
        c.mask.d[i] = (double)c.mask.f[i];
    }
    c.noise = t_uniform(n * pixels, 4, 0.0f, 1.0f);
    c.beta = t_uniform(n, 5, 0.5f, 1.0f);
    c.dy = t_uniform(n * pixels, 6, -1.0f, 1.0f);
    return c;
}

static void run_noise(void *context) {
    noise_case *c = context;
    c->value = drae__cpu_noise_loss(c->n, c->pixels, c->y.f, c->x_star.f, c->mask.f, c->noise.f,
                                    c->beta.f, 3.0f, c->dy.f);
}

static const size_t noise_shapes[][2] = {{1, 1},    {2, 63},    {3, 64},    {5, 1024},
                                         {7, 1031}, {1, 20000}, {32, 1600}, {65, 300}};
#define N_NOISE (int)(sizeof noise_shapes / sizeof noise_shapes[0])

START_TEST(noise_loss_is_bounded) {
    size_t n = noise_shapes[_i][0], pixels = noise_shapes[_i][1];
    t_begin("noise loss n=%zu pixels=%zu", n, pixels);
    noise_case c = make_noise(n, pixels);
    run_noise(&c);
    double value = drae__ref_noise_loss(n, pixels, c.y.d, c.x_star.d, c.mask.d, c.noise.d, c.beta.d,
                                        3.0, c.dy.d);
    /* r is a difference of values below 2, so its square is off by 2 r dr, dr < 4 eps. */
    t_near("value", c.value, value, 2.0 * 2.0 * 8.0 * T_EPS);
    /* The derivative jumps where |a| changes sign, unless rounding keeps a's sign: it does not
     * here, a's two products being exact or 0 for this data's spacing; 2 eps of the sum beside. */
    t_within_all("dy", c.dy, 2.0 * T_EPS + 6.0 * 16.0 * T_EPS / ((double)n * (double)pixels));
    t_near("value alone",
           drae__cpu_noise_loss(n, pixels, c.y.f, c.x_star.f, c.mask.f, c.noise.f, c.beta.f, 3.0f,
                                NULL),
           c.value, 0.0);
    t_end();
}
END_TEST

/* X^ = X and X* from the blend of paper.md without Gaussian noise: the loss is zero. */
START_TEST(noise_loss_vanishes_for_the_blend) {
    const size_t n = 3, pixels = 500;
    t_begin("noise loss zero");
    noise_case c = make_noise(n, pixels);
    for (size_t i = 0; i < n * pixels; i++) {
        double beta = c.beta.d[i / pixels], m = c.mask.d[i];
        c.x_star.d[i] =
            (1.0 - m) * c.y.d[i] + (1.0 - beta) * m * c.y.d[i] + beta * m * c.noise.d[i];
        c.x_star.f[i] = (float)c.x_star.d[i];
    }
    t_near("oracle",
           drae__ref_noise_loss(n, pixels, c.y.d, c.x_star.d, c.mask.d, c.noise.d, c.beta.d, 3.0,
                                NULL),
           0.0, 1e-30);
    run_noise(&c);
    t_near("f32", c.value, 0.0, 1e-13);
    t_end();
}
END_TEST

START_TEST(bce_is_close) {
    for (int target = 0; target < 2; target++) {
        const size_t n = 64;
        t_begin("bce target=%d", target);
        t_pair logit = t_uniform(n, 1, -30.0f, 30.0f), d = t_result(n);
        logit.f[0] = 0.0f;
        logit.f[1] = 200.0f;
        logit.f[2] = -200.0f;
        for (size_t i = 0; i < 3; i++) {
            logit.d[i] = (double)logit.f[i];
        }
        double value = drae__ref_bce_logits(n, logit.d, target, 2.0, d.d);
        t_near("value", drae__cpu_bce_logits(n, logit.f, (float)target, 2.0f, d.f), value, 1e-12);
        t_within_all("dlogit", d, 2.0 * T_EPS * 2.0 / (double)n);
        t_near("alone", drae__cpu_bce_logits(n, logit.f, (float)target, 2.0f, NULL), value, 1e-12);
        t_end();
    }
}
END_TEST

typedef struct losses {
    size_t n;
    const float *x, *y;
    float *dy;
    double value[2];
} losses;

static void run_losses(void *context) {
    losses *l = context;
    l->value[0] = drae__cpu_mse(l->n, l->x, l->y, 1.0f, l->dy);
    l->value[1] = drae__cpu_huber(l->n, 1.0f, l->x, l->y, 1.0f, l->dy);
}

START_TEST(threads_do_not_matter) {
    const size_t n = 70001;
    t_begin("losses threads");
    t_pair x = t_uniform(n, 1, 0.0f, 1.0f), y = t_uniform(n, 2, 0.0f, 1.0f);
    losses one = {n, x.f, y.f, t_f32(n), {0}}, two = {n, x.f, y.f, t_f32(n), {0}};
    t_threads(1, run_losses, &one);
    t_threads(2, run_losses, &two);
    t_equal_f32("dy", n, one.dy, two.dy);
    t_near("mse", two.value[0], one.value[0], 0.0);
    t_near("huber", two.value[1], one.value[1], 0.0);
    noise_case c1 = make_noise(9, 8000), c2 = make_noise(9, 8000);
    t_threads(1, run_noise, &c1);
    t_threads(2, run_noise, &c2);
    t_near("noise", c2.value, c1.value, 0.0);
    t_equal_f32("noise dy", c1.dy.n, c1.dy.f, c2.dy.f);
    t_end();
}
END_TEST

START_TEST(nan_is_reported) {
    const size_t n = 5000;
    t_begin("losses NaN");
    t_pair x = t_uniform(n, 1, 0.0f, 1.0f), y = t_uniform(n, 2, 0.0f, 1.0f);
    y.f[4321] = NAN;
    ck_assert(isnan(drae__cpu_mse(n, x.f, y.f, 1.0f, NULL)));
    ck_assert(isnan(drae__cpu_huber(n, 1.0f, x.f, y.f, 1.0f, NULL)));
    ck_assert(isnan(drae__cpu_l1(n, x.f, y.f, 1.0f, NULL, NULL)));
    ck_assert(isnan(drae__cpu_bce_logits(n, y.f, 1.0f, 1.0f, NULL)));
    t_end();
}
END_TEST

/* ---- the oracle's gradients ---- */

enum { FN = 12 };

typedef struct gradient_case {
    const double *x, *mask, *noise, *beta;
} gradient_case;

static double huber_of(const double *y, void *context) {
    return 3.0 * drae__ref_huber(FN, 0.6, ((const gradient_case *)context)->x, y, 1.0, NULL);
}

static double mse_of(const double *y, void *context) {
    return 3.0 * drae__ref_mse(FN, ((const gradient_case *)context)->x, y, 1.0, NULL);
}

static double l1_of(const double *b, void *context) {
    return 3.0 * drae__ref_l1(FN, ((const gradient_case *)context)->x, b, 1.0, NULL, NULL);
}

static double noise_of(const double *y, void *context) {
    const gradient_case *g = context;
    return 3.0 * drae__ref_noise_loss(2, FN / 2, y, g->x, g->mask, g->noise, g->beta, 1.0, NULL);
}

static double bce_of(const double *l, void *context) {
    (void)context;
    return 3.0 * drae__ref_bce_logits(FN, l, 1.0, 1.0, NULL);
}

START_TEST(derivatives) {
    t_begin("loss derivatives");
    t_pair x = t_uniform(FN, 1, -1.0f, 1.0f), y = t_uniform(FN, 2, -1.0f, 1.0f);
    t_pair noise = t_uniform(FN, 3, 0.0f, 1.0f), beta = t_uniform(2, 4, 0.5f, 1.0f);
    double *mask = t_f64(FN), *dy = t_f64(FN), *da = t_f64(FN);
    for (size_t i = 0; i < FN; i++) {
        mask[i] = i % 3 == 0 ? 0.0 : 1.0;
    }
    gradient_case g = {x.d, mask, noise.d, beta.d};
    static const struct {
        const char *name;
        t_scalar loss;
    } losses_[] = {
        {"huber", huber_of}, {"mse", mse_of}, {"l1", l1_of}, {"noise", noise_of}, {"bce", bce_of}};
    for (int k = 0; k < 5; k++) {
        for (size_t i = 0; i < FN; i++) {
            dy[i] = 0.0;
        }
        switch (k) {
        case 0:
            drae__ref_huber(FN, 0.6, x.d, y.d, 3.0, dy);
            break;
        case 1:
            drae__ref_mse(FN, x.d, y.d, 3.0, dy);
            break;
        case 2:
            drae__ref_l1(FN, x.d, y.d, 3.0, da, dy);
            break;
        case 3:
            drae__ref_noise_loss(2, FN / 2, y.d, x.d, mask, noise.d, beta.d, 3.0, dy);
            break;
        default:
            drae__ref_bce_logits(FN, y.d, 1.0, 3.0, dy);
            break;
        }
        for (size_t i = 0; i < FN; i++) {
            t_near(losses_[k].name, dy[i], t_derivative(losses_[k].loss, &g, y.d, i, 1e-4), 1e-9);
            if (k == 2) {
                t_near("l1 da", da[i], -dy[i], 0.0);
            }
        }
    }
    t_end();
}
END_TEST

Suite *suite_loss(void) {
    Suite *suite = suite_create("losses");
    TCase *tcase = tcase_create("losses");
    tcase_add_loop_test(tcase, integers_are_exact, 0, 15);
    tcase_add_loop_test(tcase, reals_are_bounded, 0, N_SIZES);
    tcase_add_loop_test(tcase, noise_loss_is_bounded, 0, N_NOISE);
    tcase_add_test(tcase, noise_loss_vanishes_for_the_blend);
    tcase_add_test(tcase, bce_is_close);
    tcase_add_test(tcase, threads_do_not_matter);
    tcase_add_test(tcase, nan_is_reported);
    tcase_add_test(tcase, derivatives);
    suite_add_tcase(suite, tcase);
    return suite;
}
