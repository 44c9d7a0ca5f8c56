/* SPDX-License-Identifier: Apache-2.0 */
/* What the trainer sees: schedule, split, augmentation, batches ahead. */
#include "small.h"

#include "train/augment.h"
#include "train/loader.h"
#include "train/schedule.h"
#include "train/split.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- schedule ---- */

START_TEST(test_schedule) {
    drae__train_config config = drae__train_config_default();
    config.optimizer.lr = 3e-4;
    drae__schedule s = drae__schedule_create(&config, 1000);
    static const struct {
        int64_t samples;
        double rate;
        int restarts;
    } cases[] = {
        {0, 3e-4, 0},
        {500, 1.5e-4, 0}, /* half way down */
        {250, 3e-4 * (1 + M_SQRT1_2) / 2, 0},
        {1000, 1e-4, 1},
        {2000, 0.5e-4, 1}, /* a third as high, twice as long */
        {3000, 1e-4 / 3, 2},
        {5000, 0.5e-4 / 3, 2},
        {7000, 1e-4 / 9, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int restarts = -1;
        double rate = drae__schedule_rate(&s, cases[i].samples, &restarts);
        ck_assert_msg(fabs(rate - cases[i].rate) <= 1e-15,
                      "after %lld samples: %.12g, expected %.12g", (long long)cases[i].samples,
                      rate, cases[i].rate);
        ck_assert_int_eq(restarts, cases[i].restarts);
    }
    ck_assert(drae__schedule_rate(&s, 999, NULL) < 1e-9); /* the foot before a restart */
    config.schedule.floor = 2e-5;
    config.schedule.period = 100;
    config.schedule.period_factor = 1.0;
    s = drae__schedule_create(&config, 1000);
    for (int64_t n = 0; n < 1000; n += 7) {
        ck_assert(drae__schedule_rate(&s, n, NULL) >= 2e-5);
    }
    ck_assert(fabs(drae__schedule_rate(&s, 100, NULL) - 1e-4) <= 1e-15);
    ck_assert(fabs(drae__schedule_rate(&s, 900, NULL) - 2e-5) <= 1e-15); /* top below the floor */
    drae__schedule warm = s;
    warm.warmup = 50;
    ck_assert(drae__schedule_rate(&warm, 0, NULL) == drae__schedule_rate(&s, 0, NULL) * 0.02);
    ck_assert(drae__schedule_rate(&warm, 24, NULL) == drae__schedule_rate(&s, 24, NULL) * 0.5);
    for (int64_t n = 49; n < 300; n++) { /* once, not after every restart */
        ck_assert(drae__schedule_rate(&warm, n, NULL) == drae__schedule_rate(&s, n, NULL));
    }
}
END_TEST

/* ---- split ---- */

static drae__record *records_of(size_t n, size_t per_product, size_t defective) {
    drae__record *records = calloc(n, sizeof *records);
    ck_assert_ptr_nonnull(records);
    for (size_t i = 0; i < n; i++) {
        /* Products in stripes, so that patches of one are not neighbours; two batches of them. */
        records[i].product = (int32_t)(i % (n / per_product));
        records[i].batch = (int32_t)(i % 2);
        records[i].label = defective != 0 && i % defective == 0;
    }
    return records;
}

START_TEST(test_split_products) {
    enum { N = 1200 };
    drae__err err = {{0}};
    drae__record *records = records_of(N, 12, 7);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        drae__split s;
        ck_assert_int_eq(drae__split_create(records, N, 0.2, 100000, seed, &s, &err), DRAE_OK);
        ck_assert_uint_eq(s.n_train + s.n_validation + s.n_defective, N);
        ck_assert_uint_gt(s.n_validation, N / 10);
        for (size_t v = 0; v < s.n_validation; v++) {
            const drae__record *a = &records[s.validation[v]];
            ck_assert_int_eq(a->label, 0);
            for (size_t t = 0; t < s.n_train; t++) {
                const drae__record *b = &records[s.train[t]];
                ck_assert_msg(a->product != b->product || a->batch != b->batch,
                              "product %d of batch %d is on both sides", a->product, a->batch);
                ck_assert_int_eq(b->label, 0);
            }
        }
        drae__split_free(&s);
    }
    free(records);
}
END_TEST

START_TEST(test_split_edges) {
    enum { N = 40 };
    drae__err err = {{0}};
    drae__split s;
    drae__record *records = records_of(N, 20, 0); /* 2 products */
    ck_assert_int_eq(drae__split_create(records, N, 0.01, 1000, 1, &s, &err), DRAE_OK);
    ck_assert_uint_eq(s.n_validation, 20); /* at least one product where there are two */
    drae__split_free(&s);
    ck_assert_int_eq(drae__split_create(records, N, 0.5, 7, 1, &s, &err), DRAE_OK);
    ck_assert_uint_eq(s.n_validation, 7); /* thinned */
    ck_assert_uint_eq(s.n_held_out, 20);
    for (size_t i = 1; i < s.n_validation; i++) {
        ck_assert_uint_gt(s.validation[i], s.validation[i - 1]);
    }
    drae__split_free(&s);
    ck_assert_int_eq(drae__split_create(records, N, 0.0, 1000, 1, &s, &err), DRAE_OK);
    ck_assert_uint_eq(s.n_validation, 0);
    ck_assert_uint_eq(s.n_train, N);
    drae__split_free(&s);
    for (size_t i = 0; i < N; i++) {
        records[i].product = DRAE__UNRECORDED; /* then every patch is on its own */
    }
    ck_assert_int_eq(drae__split_create(records, N, 0.25, 1000, 1, &s, &err), DRAE_OK);
    ck_assert_uint_eq(s.n_products, N);
    ck_assert_uint_eq(s.n_validation, N / 4);
    drae__split_free(&s);
    for (size_t i = 0; i < N; i++) {
        records[i].label = 1;
    }
    ck_assert_int_eq(drae__split_create(records, N, 0.25, 1000, 1, &s, &err), DRAE_ERROR_FILE);
    free(records);
}
END_TEST

/* Patches lie region by region of a vial; thinned by a multiple of the regions, all of them
 * validate still, each by about its share. */
START_TEST(test_split_thins_by_drawing) {
    enum { N = 8000, REGIONS = 4, MOST = 500 };
    drae__err err = {{0}};
    drae__record *records = calloc(N, sizeof *records);
    ck_assert_ptr_nonnull(records);
    for (size_t i = 0; i < N; i++) {
        records[i].product = (int32_t)(i / 20);
        records[i].region = (int8_t)(i % REGIONS);
    }
    drae__split s, again;
    ck_assert_int_eq(drae__split_create(records, N, 0.5, MOST, 3, &s, &err), DRAE_OK);
    ck_assert_int_eq(drae__split_create(records, N, 0.5, MOST, 3, &again, &err), DRAE_OK);
    ck_assert_uint_eq(s.n_held_out, N / 2);
    ck_assert_uint_eq(s.n_validation, MOST);
    ck_assert_mem_eq(s.validation, again.validation, MOST * sizeof *s.validation);
    size_t of_region[REGIONS] = {0};
    for (size_t i = 0; i < MOST; i++) {
        of_region[records[s.validation[i]].region]++;
        ck_assert(i == 0 || s.validation[i] > s.validation[i - 1]);
    }
    for (int r = 0; r < REGIONS; r++) { /* 125 expected, deviation 10 */
        ck_assert_msg(of_region[r] > 85 && of_region[r] < 165, "region %d: %zu of %d", r,
                      of_region[r], MOST);
    }
    drae__split_free(&s);
    drae__split_free(&again);
    free(records);
}
END_TEST

/* ---- augmentation ---- */

#define SIZE   64
#define PIXELS (SIZE * SIZE)

typedef struct shot {
    float x[PIXELS], x_star[PIXELS], mask[PIXELS], noise[PIXELS], beta;
    float scratch[PIXELS + 4096];
    uint8_t patch[PIXELS];
} shot;

static void shoot(const drae__train_config *config, uint64_t epoch, uint64_t sample, shot *s) {
    drae__sample out = {s->x, s->x_star, s->mask, s->noise, &s->beta};
    ck_assert_uint_le(drae__augment_scratch_floats(config, SIZE),
                      sizeof s->scratch / sizeof s->scratch[0]);
    drae__augment(config, SIZE, epoch, sample, s->patch, &out, s->scratch);
}

static void make_patch(shot *s) {
    for (int i = 0; i < PIXELS; i++) {
        s->patch[i] = (uint8_t)(40 + (i % SIZE) + 2 * (i / SIZE));
    }
}

/* Frequencies over 600 samples: the deviation of a share p is sqrt(p (1-p) / 600) <= 0.0204. */
START_TEST(test_augment_statistics) {
    enum { SAMPLES = 600 };
    drae__train_config config = drae__train_config_default();
    config.augment.rotation = 0.0; /* so that a flip can be told */
    shot *s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    make_patch(s);
    size_t perturbed = 0, flipped = 0;
    double beta = 0.0, fraction = 0.0, spread = 0.0;
    for (uint64_t i = 0; i < SAMPLES; i++) {
        shoot(&config, 3, i, s);
        double area = 0.0, squares = 0.0;
        for (int k = 0; k < PIXELS; k++) {
            area += (double)s->mask[k];
            ck_assert(s->mask[k] == 0.0f || s->mask[k] == 1.0f);
            ck_assert(s->noise[k] >= 0.0f && s->noise[k] <= 1.0f);
            ck_assert(s->x_star[k] >= 0.0f && s->x_star[k] <= 1.0f);
            double d = (double)(s->x_star[k] - s->x[k]);
            squares += s->mask[k] == 0.0f ? d * d : 0.0;
        }
        ck_assert(area == 0.0 || area >= 25.0);
        ck_assert((area > 0.0) == (s->beta > 0.0f));
        flipped += s->x[0] > s->x[PIXELS - 1];
        if (area > 0.0) {
            perturbed++;
            beta += (double)s->beta;
            fraction += area / PIXELS;
            ck_assert(s->beta >= 0.5f && s->beta <= 1.0f);
        }
        spread += squares / (PIXELS - area);
    }
    double q = (double)perturbed / SAMPLES;
    ck_assert_msg(fabs(q - 0.75) < 0.06, "perturbed %.3f of the samples, expected 0.75", q);
    double flips = (double)flipped / SAMPLES;
    ck_assert_msg(fabs(flips - 0.5) < 0.07, "flipped %.3f, expected 0.5", flips);
    beta /= (double)perturbed;
    ck_assert_msg(fabs(beta - 0.75) < 0.03, "mean beta %.3f, expected 0.75", beta);
    fraction /= (double)perturbed;
    ck_assert_msg(fraction > 0.05 && fraction < 0.3, "masks cover %.3f", fraction);
    /* E[sigma^2] of U(0, 0.03) is 3e-4. */
    spread /= SAMPLES;
    ck_assert_msg(fabs(spread - 3e-4) < 4e-5, "noise variance %.3g, expected 3e-4", spread);
    free(s);
}
END_TEST

/* A bright dot right of the centre ends where the rotation puts it. */
START_TEST(test_augment_angles) {
    drae__train_config config = drae__train_config_default();
    shot *s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    config.augment.flip = 0.0;
    s->patch[(SIZE / 2) * SIZE + SIZE / 2 + 25] = 255;
    double lo = 0.0, hi = 0.0;
    for (uint64_t i = 0; i < 150; i++) {
        shoot(&config, 0, i, s);
        double x = 0.0, y = 0.0, sum = 0.0;
        for (int k = 0; k < PIXELS; k++) {
            double weight = (double)s->x[k];
            x += weight * (k % SIZE - (SIZE - 1) / 2.0);
            y += weight * (k / SIZE - (SIZE - 1) / 2.0);
            sum += weight;
        }
        ck_assert(sum > 0.5);
        double degrees = atan2(y, x) * 180.0 / M_PI;
        lo = fmin(lo, degrees);
        hi = fmax(hi, degrees);
    }
    /* The dot lies 1.1 degrees below the axis; the centroid of four pixels wobbles by less. */
    ck_assert_msg(lo > -24.5 && lo < -20.0, "least angle %.2f", lo);
    ck_assert_msg(hi < 25.5 && hi > 20.0, "largest angle %.2f", hi);
    free(s);
}
END_TEST

START_TEST(test_augment_off) {
    drae__train_config config = drae__train_config_default();
    shot *s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    make_patch(s);
    config.augment.rotation = config.augment.flip = config.augment.perturb = 0.0;
    config.augment.sigma = 0.0;
    shoot(&config, 0, 5, s);
    for (int k = 0; k < PIXELS; k++) {
        ck_assert(s->x[k] == (float)s->patch[k] / 255.0f && s->x_star[k] == s->x[k]);
        ck_assert(s->mask[k] == 0.0f && s->noise[k] == 0.0f);
    }
    ck_assert(s->beta == 0.0f);
    config.augment.perturb = 1.0;
    config.augment.min_pixels = PIXELS + 1; /* no field is large enough: stays clean */
    shoot(&config, 0, 5, s);
    for (int k = 0; k < PIXELS; k++) {
        ck_assert(s->mask[k] == 0.0f && s->x_star[k] == s->x[k]);
    }
    free(s);
}
END_TEST

/* ---- batches ahead ---- */

#define SET_N   22
#define BATCHES 14 /* two epochs and a bit: 22 = 4 * 5 + 2 */

typedef struct seen {
    size_t n;
    float *images, *beta;
} seen;

static void collect(drae__dataset *dataset, const drae__train_config *config, const size_t *train,
                    int64_t epoch, int64_t cursor, seen all[BATCHES]) {
    drae__err err = {{0}};
    drae__loader *loader = NULL;
    size_t pixels = 32 * 32;
    ck_assert_int_eq(
        drae__loader_create(config, dataset, train, SET_N, epoch, cursor, &loader, &err), DRAE_OK);
    for (int i = 0; i < BATCHES; i++) {
        drae__batch b;
        ck_assert_msg(drae__loader_next(loader, &b, &err) == DRAE_OK, "%s", err.text);
        all[i].n = b.n;
        all[i].images = malloc(4 * b.n * pixels * sizeof(float));
        all[i].beta = malloc(b.n * sizeof(float));
        const float *parts[4] = {b.x, b.x_star, b.mask, b.noise};
        for (size_t k = 0; k < 4; k++) {
            memcpy(all[i].images + k * b.n * pixels, parts[k], b.n * pixels * sizeof(float));
        }
        memcpy(all[i].beta, b.beta, b.n * sizeof(float));
    }
    drae__loader_destroy(loader);
}

static bool same(const seen *a, const seen *b) {
    return a->n == b->n && memcmp(a->images, b->images, 4 * a->n * 1024 * sizeof(float)) == 0 &&
           memcmp(a->beta, b->beta, a->n * sizeof(float)) == 0;
}

static void forget(seen all[BATCHES]) {
    for (int i = 0; i < BATCHES; i++) {
        free(all[i].images);
        free(all[i].beta);
    }
}

/* A batch holds what augmentation makes of the shuffled patches, each under its own number. */
static void check_samples(drae__dataset *dataset, const drae__train_config *config,
                          const size_t *train, const seen all[BATCHES]) {
    enum { SIDE = 32, COUNT = SIDE * SIDE };
    static float x[COUNT], x_star[COUNT], mask[COUNT], noise[COUNT], scratch[COUNT + 4096];
    float beta;
    uint8_t patch[COUNT];
    size_t order[SET_N];
    drae__err err = {{0}};
    for (size_t i = 0; i < 2 * SET_N; i++) {
        size_t epoch = i / SET_N, at = i % SET_N, batch = 6 * epoch + at / 4, k = at % 4;
        drae__sample out = {x, x_star, mask, noise, &beta};
        drae__loader_shuffle((uint64_t)config->run.seed, (int64_t)epoch, train, SET_N, order);
        ck_assert_int_eq(drae__dataset_read(dataset, &order[at], 1, patch, &err), DRAE_OK);
        drae__augment(config, SIDE, epoch, order[at], patch, &out, scratch);
        const float *images = all[batch].images;
        size_t n = all[batch].n * COUNT;
        ck_assert(memcmp(images + k * COUNT, x, sizeof x) == 0);
        ck_assert(memcmp(images + n + k * COUNT, x_star, sizeof x) == 0);
        ck_assert(memcmp(images + 2 * n + k * COUNT, mask, sizeof x) == 0);
        ck_assert(memcmp(images + 3 * n + k * COUNT, noise, sizeof x) == 0);
        ck_assert(all[batch].beta[k] == beta);
    }
}

START_TEST(test_loader_readers) {
    drae__err err = {{0}};
    drae__dataset *dataset = NULL;
    drae__train_config config = s_config();
    size_t train[SET_N];
    seen one[BATCHES], three[BATCHES], later[BATCHES];
    (void)s_make_folder();
    const char *path = s_path("set.h5");
    s_make_set(path, 32, SET_N, 2, 0);
    ck_assert_msg(drae__dataset_open(&path, 1, 0, &dataset, &err) == DRAE_OK, "%s", err.text);
    for (size_t i = 0; i < SET_N; i++) {
        train[i] = i;
    }
    collect(dataset, &config, train, 0, 0, one);
    check_samples(dataset, &config, train, one);
    config.run.readers = 3;
    collect(dataset, &config, train, 0, 0, three);
    for (int i = 0; i < BATCHES; i++) {
        ck_assert_msg(same(&one[i], &three[i]), "batch %d differs with three readers", i);
        ck_assert_uint_eq(one[i].n, i % 6 == 5 ? 2 : 4);
    }
    /* Begun in the middle: batch 4 of epoch 1 is the eleventh from the start. */
    collect(dataset, &config, train, 1, 4, later);
    for (int i = 10; i < BATCHES; i++) {
        ck_assert_msg(same(&one[i], &later[i - 10]), "batch %d differs after a resume", i);
    }
    ck_assert(!same(&one[0], &one[6])); /* epochs differ */
    config.run.seed = 2;
    forget(later);
    collect(dataset, &config, train, 0, 0, later);
    ck_assert(!same(&one[0], &later[0])); /* seeds differ */
    forget(one);
    forget(three);
    forget(later);
    drae__dataset_close(dataset);
    s_remove_folder();
}
END_TEST

START_TEST(test_shuffle) {
    enum { N = 1000 };
    size_t train[N], order[N], count[N] = {0};
    for (size_t i = 0; i < N; i++) {
        train[i] = 5 * i;
    }
    drae__loader_shuffle(1, 0, train, N, order);
    size_t fixed = 0;
    for (size_t i = 0; i < N; i++) {
        ck_assert_uint_eq(order[i] % 5, 0);
        count[order[i] / 5]++;
        fixed += order[i] == train[i];
    }
    for (size_t i = 0; i < N; i++) {
        ck_assert_uint_eq(count[i], 1);
    }
    ck_assert_uint_lt(fixed, 8); /* one is expected */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("train_data");
    TCase *tcase = tcase_create("data");
    tcase_add_test(tcase, test_schedule);
    tcase_add_test(tcase, test_split_products);
    tcase_add_test(tcase, test_split_edges);
    tcase_add_test(tcase, test_split_thins_by_drawing);
    tcase_add_test(tcase, test_augment_statistics);
    tcase_add_test(tcase, test_augment_angles);
    tcase_add_test(tcase, test_augment_off);
    tcase_add_test(tcase, test_loader_readers);
    tcase_add_test(tcase, test_shuffle);
    suite_add_tcase(suite, tcase);
    return drae_run_suite(suite);
}
