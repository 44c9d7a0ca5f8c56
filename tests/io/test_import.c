/* SPDX-License-Identifier: Apache-2.0 */
/* The area filter against its definition, lists of images, and import into data sets. */
#include "support.h"

#include "base/file.h"
#include "base/philox.h"
#include "io/image.h"
#include "io/import.h"
#include "io/summary.h"
#include "tests/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static drae__err err;

/* ---- the filter ---- */

/* The mean over a rectangle, straight from the definition, in double. */
static double area_mean(const uint16_t *src, int sw, int sh, double x0, double x1, double y0,
                        double y1, bool binary) {
    double sum = 0.0;
    for (int y = 0; y < sh; y++) {
        double wy = fmin(y1, y + 1.0) - fmax(y0, y);
        for (int x = 0; x < sw && wy > 0.0; x++) {
            double wx = fmin(x1, x + 1.0) - fmax(x0, x);
            double v = src[y * sw + x];
            sum += wx > 0.0 ? wx * wy * (binary ? v > 0.0 : v) : 0.0;
        }
    }
    return sum / ((x1 - x0) * (y1 - y0));
}

START_TEST(resize_is_the_area_mean) {
    static const int sides[][4] = {{16, 16, 16, 16}, {17, 13, 16, 16}, {64, 48, 16, 20},
                                   {5, 7, 16, 16},   {100, 1, 16, 16}, {31, 90, 32, 16}};
    for (size_t k = 0; k < sizeof sides / sizeof *sides; k++) {
        int sw = sides[k][0], sh = sides[k][1], dw = sides[k][2], dh = sides[k][3];
        for (int bits = 8; bits <= 16; bits += 8) {
            drae__rng rng;
            drae__rng_init(&rng, 3, DRAE__PURPOSE_TEST, k);
            uint16_t *src = malloc((size_t)(sw * sh) * sizeof *src);
            uint8_t *dst = malloc((size_t)(dw * dh));
            uint64_t *scratch_row = malloc((size_t)dw * sizeof *scratch_row);
            for (int i = 0; i < sw * sh; i++) {
                src[i] = (uint16_t)drae__rng_below(&rng, bits == 8 ? 256 : 65536);
            }
            drae__levels levels = {0, bits == 8 ? 255 : 65535};
            if (k % 2 == 1) {
                levels.black = levels.white / 5;
                levels.white = levels.white - 37;
            }
            drae__resize_area(src, (size_t)sw, sw, sh, levels, dst, dw, dh, scratch_row);
            for (int y = 0; y < dh; y++) {
                for (int x = 0; x < dw; x++) {
                    double mean = area_mean(src, sw, sh, (double)x * sw / dw, (x + 1.0) * sw / dw,
                                            (double)y * sh / dh, (y + 1.0) * sh / dh, false);
                    double v = (mean - levels.black) * 255.0 / (levels.white - levels.black);
                    v = fmin(fmax(v, 0.0), 255.0);
                    /* exact up to the double's own error at a tie */
                    ck_assert_msg(fabs(dst[y * dw + x] - v) <= 0.5 + 1e-6,
                                  "%dx%d -> %dx%d, %d bits, (%d,%d): %d, expected %.4f", sw, sh, dw,
                                  dh, bits, x, y, dst[y * dw + x], v);
                }
            }
            free(src);
            free(dst);
            free(scratch_row);
        }
    }
}
END_TEST

START_TEST(masks_count_a_quarter) {
    /* 2x2 blocks with 0 to 4 pixels set */
    static const uint16_t src[2 * 10] = {0, 0, 255, 0, 1, 9, 1, 1, 7, 7, /**/
                                         0, 0, 0,   0, 0, 0, 0, 1, 7, 7};
    uint8_t dst[5];
    uint64_t row[5];
    drae__resize_mask(src, 10, 10, 2, dst, 5, 1, row);
    const uint8_t expected[5] = {0, 1, 1, 1, 1};
    ck_assert_mem_eq(dst, expected, 5);
    /* 3x3 to one: 2 of 9 are less than a quarter, 3 are more */
    uint16_t nine[9] = {5, 5, 0, 0, 0, 0, 0, 0, 0};
    drae__resize_mask(nine, 3, 3, 3, dst, 1, 1, row);
    ck_assert_int_eq(dst[0], 0);
    nine[8] = 1;
    drae__resize_mask(nine, 3, 3, 3, dst, 1, 1, row);
    ck_assert_int_eq(dst[0], 1);
}
END_TEST

START_TEST(same_size_changes_nothing) {
    static uint16_t src[32 * 20];
    static uint8_t dst[32 * 20];
    uint64_t row[32];
    for (int i = 0; i < 32 * 20; i++) {
        src[i] = (uint16_t)(i % 256);
    }
    drae__resize_area(src, 32, 32, 20, (drae__levels){0, 255}, dst, 32, 20, row);
    for (int i = 0; i < 32 * 20; i++) {
        ck_assert_int_eq(dst[i], i % 256);
    }
    /* every 16-bit value to round(v * 255 / 65535) */
    for (uint32_t v = 0; v <= 65535; v++) {
        uint16_t one = (uint16_t)v;
        drae__resize_area(&one, 1, 1, 1, (drae__levels){0, 65535}, dst, 1, 1, row);
        ck_assert_uint_eq(dst[0], (v * 255u * 2u + 65535u) / (2u * 65535u));
    }
}
END_TEST

/* ---- a small category ---- */

static char root[300];

static const char *in_root(const char *name) {
    static char path[4][DRAE__PATH_BYTES];
    static int next;
    char *dst = path[next = (next + 1) % 4];
    (void)snprintf(dst, DRAE__PATH_BYTES, "%s/%s", root, name);
    return dst;
}

static void put_image(const char *name, int side, int seed) {
    static uint8_t pixels[64 * 64];
    for (int i = 0; i < side * side; i++) {
        pixels[i] = (uint8_t)(i * 7 + seed);
    }
    ck_ok(drae__png_write_gray(in_root(name), pixels, side, side, side, &err), &err);
}

/* A mask whose upper left quarter is set. */
static void put_mask(const char *name, int side) {
    static uint8_t pixels[64 * 64];
    memset(pixels, 0, sizeof pixels);
    for (int y = 0; y < side / 2; y++) {
        memset(pixels + y * side, 255, (size_t)side / 2);
    }
    ck_ok(drae__png_write_gray(in_root(name), pixels, side, side, side, &err), &err);
}

static void make_category(const char *name) {
    static const char *const folders[] = {
        "train/good",         "test/good",         "test/crack",      "test/blob",
        "ground_truth/crack", "ground_truth/blob", "test/good/deeper"};
    (void)snprintf(root, sizeof root, "%s", scratch(name));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        ck_ok(drae__file_make_folder(in_root(folders[i]), &err), &err);
    }
    put_image("train/good/001.png", 64, 1);
    put_image("train/good/000.png", 64, 0);
    put_image("test/good/000.PNG", 64, 2);
    put_image("test/good/deeper/000.png", 64, 9);
    put_image("test/crack/000.png", 64, 3);
    put_image("test/blob/000.png", 64, 4);
    put_image("test/blob/001.png", 64, 5);
    put_mask("ground_truth/crack/000_mask.png", 64);
    put_mask("ground_truth/blob/000_mask.png", 64);
    put_mask("ground_truth/blob/001_mask.png", 64);
    write_bytes(in_root("test/good/notes.txt"), "x", 1);
}

static drae__import_options plain_options(void) {
    return (drae__import_options){.size = 64, .region = 2, .deflate = 1};
}

START_TEST(mvtec) {
    make_category("category");
    drae__pictures list = {0};
    ck_ok(drae__pictures_add_mvtec(&list, root, DRAE__SPLIT_ALL, &err), &err);
    ck_assert_uint_eq(list.n, 6);
    ck_assert_str_eq(list.classes[1], "blob");
    ck_assert_str_eq(list.classes[2], "crack");
    ck_assert_ptr_null(list.classes[3]);
    drae__import_options options = plain_options();
    drae__import_counts counts;
    const char *path = scratch("category.h5");
    ck_ok(drae__import_pictures(path, &list, &options, &counts, &err), &err);
    ck_assert_uint_eq(counts.patches, 6);
    ck_assert_uint_eq(counts.defective, 3);
    drae__pictures_free(&list);
    drae__dataset *dataset = NULL;
    ck_ok(drae__dataset_open(&path, 1, 64, &dataset, &err), &err);
    /* train in the order of names, then test: blob, crack, good */
    static const int seeds[] = {0, 1, 4, 5, 3, 2}, defects[] = {0, 0, 1, 1, 2, 0};
    static uint8_t pixels[64 * 64];
    for (size_t i = 0; i < 6; i++) {
        const drae__record *r = &drae__dataset_records(dataset)[i];
        ck_assert_int_eq(r->label, defects[i] != 0);
        ck_assert_int_eq(r->defect, defects[i]);
        ck_assert_int_eq(r->region, 2);
        ck_assert_int_eq(r->product, (int)i);
        ck_ok(drae__dataset_read(dataset, &i, 1, pixels, &err), &err);
        for (int k = 0; k < 64 * 64; k++) {
            ck_assert_int_eq(pixels[k], (uint8_t)(k * 7 + seeds[i]));
        }
        ck_ok(drae__dataset_read_masks(dataset, &i, 1, pixels, &err), &err);
        for (int k = 0; k < 64 * 64; k++) {
            ck_assert_int_eq(pixels[k], defects[i] != 0 && k / 64 < 32 && k % 64 < 32);
        }
    }
    ck_assert_str_eq(drae__dataset_defect_name(dataset, 2), "crack");
    drae__summary summary;
    ck_ok(drae__dataset_summarize(dataset, &summary, &err), &err);
    ck_assert_uint_eq(summary.defective, 3);
    ck_assert_uint_eq(summary.region_good[2], 3);
    ck_assert_uint_eq(summary.defect[1], 2);
    ck_assert_uint_eq(summary.products, 6);
    drae__dataset_close(dataset);
    /* halves */
    ck_ok(drae__pictures_add_mvtec(&list, root, DRAE__SPLIT_TRAIN, &err), &err);
    ck_assert_uint_eq(list.n, 2);
    ck_assert(!list.masks);
    drae__pictures_free(&list);
    ck_ok(drae__pictures_add_mvtec(&list, root, DRAE__SPLIT_TEST, &err), &err);
    ck_assert_uint_eq(list.n, 4);
    drae__pictures_free(&list);
    ck_assert_int_eq(remove(in_root("ground_truth/blob/001_mask.png")), 0);
    ck_refused(drae__pictures_add_mvtec(&list, root, DRAE__SPLIT_TEST, &err), DRAE_ERROR_FILE,
               "001_mask.png", &err);
    drae__pictures_free(&list);
    ck_refused(drae__pictures_add_mvtec(&list, scratch(""), DRAE__SPLIT_ALL, &err), DRAE_ERROR_FILE,
               "train/good", &err);
    drae__pictures_free(&list);
}
END_TEST

START_TEST(tiles) {
    make_category("tiles");
    drae__pictures list = {0};
    ck_ok(drae__pictures_add_mvtec(&list, root, DRAE__SPLIT_TEST, &err), &err);
    drae__import_options options = plain_options();
    options.tile = true;
    options.size = 24; /* 64 = 3 tiles at 0, 20, 40 */
    drae__import_counts counts;
    const char *path = scratch("tiles.h5");
    ck_ok(drae__import_pictures(path, &list, &options, &counts, &err), &err);
    drae__pictures_free(&list);
    ck_assert_uint_eq(counts.patches, 4 * 9);
    drae__dataset *dataset = NULL;
    ck_ok(drae__dataset_open(&path, 1, 24, &dataset, &err), &err);
    uint8_t pixels[24 * 24];
    for (size_t i = 0; i < 9; i++) { /* blob/000: seed 4 */
        int x0 = (int)(i % 3) * 20, y0 = (int)(i / 3) * 20;
        ck_ok(drae__dataset_read(dataset, &i, 1, pixels, &err), &err);
        for (int k = 0; k < 24 * 24; k++) {
            int at = (y0 + k / 24) * 64 + x0 + k % 24;
            ck_assert_int_eq(pixels[k], (uint8_t)(at * 7 + 4));
        }
        const drae__record *r = &drae__dataset_records(dataset)[i];
        ck_assert_int_eq(r->frame, (int)i);
        ck_assert_int_eq(r->label, x0 < 32 && y0 < 32); /* only tiles that see the mask */
        ck_assert_int_eq(r->defect, x0 < 32 && y0 < 32 ? 1 : 0);
    }
    drae__dataset_close(dataset);
    options.size = 80;
    ck_ok(drae__pictures_add_mvtec(&list, root, DRAE__SPLIT_TEST, &err), &err);
    ck_refused(drae__import_pictures(path, &list, &options, &counts, &err), DRAE_ERROR_FILE,
               "less than a tile", &err);
    drae__pictures_free(&list);
}
END_TEST

static int n_bad;

static void count_bad(void *user, const char *line) {
    (void)user;
    ck_assert_ptr_nonnull(strstr(line, "/bad"));
    n_bad++;
}

START_TEST(bad_images) {
    make_category("bad");
    drae__import_options options = plain_options();
    drae__import_counts counts;
    const char *path = scratch("bad.h5");
    ck_ok(drae__file_make_folder(in_root("f"), &err), &err);
    put_image("f/a.png", 64, 1);
    put_image("f/z.png", 64, 2);
    static const char *const parts[] = {"empty", "neither", "damaged PNG", "48 x 48 pixels"};
    for (int kind = 0; kind < 4; kind++) {
        if (kind == 0) {
            write_bytes(in_root("f/bad.png"), "", 0);
        } else if (kind == 1) {
            write_bytes(in_root("f/bad.png"), "no picture", 10);
        } else if (kind == 2) {
            size_t n;
            uint8_t *bytes = read_bytes(in_root("f/a.png"), &n);
            write_bytes(in_root("f/bad.png"), bytes, n / 2);
            free(bytes);
        } else {
            put_image("f/bad.png", 48, 1);
        }
        drae__pictures list = {0};
        ck_ok(drae__pictures_add_folder(&list, in_root("f"), false, false, &err), &err);
        ck_assert_uint_eq(list.n, 3);
        options.skip_bad = false;
        ck_refused(drae__import_pictures(path, &list, &options, &counts, &err), DRAE_ERROR_FILE,
                   parts[kind], &err);
        ck_assert_ptr_nonnull(strstr(err.text, "bad.png"));
        ck_assert(!exists(path));
        ck_assert_uint_eq(count_temporaries(path), 0);
        options.skip_bad = true;
        options.bad = count_bad;
        n_bad = 0;
        ck_ok(drae__import_pictures(path, &list, &options, &counts, &err), &err);
        ck_assert_int_eq(n_bad, 1);
        ck_assert_uint_eq(counts.bad, 1);
        ck_assert_uint_eq(counts.patches, 2);
        drae__dataset *dataset = NULL;
        ck_ok(drae__dataset_open(&path, 1, 0, &dataset, &err), &err);
        ck_assert_int_eq(drae__dataset_records(dataset)[1].product, 2); /* numbers stay */
        drae__dataset_close(dataset);
        ck_assert_int_eq(remove(path), 0);
        drae__pictures_free(&list);
    }
    options.any_size = true;
    drae__pictures list = {0};
    ck_ok(drae__pictures_add_folder(&list, in_root("f"), false, true, &err), &err);
    ck_ok(drae__import_pictures(path, &list, &options, &counts, &err), &err);
    ck_assert_uint_eq(counts.patches, 3);
    ck_assert_uint_eq(counts.defective, 3);
    drae__pictures_free(&list);
    /* nothing but bad ones, and an interrupt */
    write_bytes(in_root("f/bad.png"), "", 0);
    ck_ok(drae__pictures_add_folder(&list, in_root("f/bad.png"), false, false, &err), &err);
    ck_refused(drae__import_pictures(path, &list, &options, &counts, &err), DRAE_ERROR_FILE,
               "every one of 1", &err);
    drae__pictures_free(&list);
    static const volatile int stop = 1;
    options.stop = &stop;
    ck_ok(drae__pictures_add_folder(&list, in_root("f/a.png"), false, false, &err), &err);
    ck_assert_int_eq(drae__import_pictures(path, &list, &options, &counts, &err),
                     DRAE_ERROR_INTERRUPTED);
    drae__pictures_free(&list);
}
END_TEST

START_TEST(folders) {
    make_category("folders");
    drae__pictures list = {0};
    ck_ok(drae__pictures_add_folder(&list, in_root("test/good"), false, false, &err), &err);
    ck_assert_uint_eq(list.n, 1);
    drae__pictures_free(&list);
    ck_ok(drae__pictures_add_folder(&list, in_root("test"), true, false, &err), &err);
    ck_assert_uint_eq(list.n, 5); /* blob 2, crack, good with deeper */
    ck_assert_ptr_nonnull(strstr(list.items[0].path, "blob/000.png"));
    drae__pictures_free(&list);
    ck_refused(drae__pictures_add_folder(&list, in_root("test"), false, false, &err),
               DRAE_ERROR_FILE, "holds no images", &err);
    drae__pictures_free(&list);
    drae__pictures_free(&list);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("import");
    TCase *tests = tcase_create("import");
    tcase_add_test(tests, resize_is_the_area_mean);
    tcase_add_test(tests, masks_count_a_quarter);
    tcase_add_test(tests, same_size_changes_nothing);
    tcase_add_test(tests, mvtec);
    tcase_add_test(tests, tiles);
    tcase_add_test(tests, bad_images);
    tcase_add_test(tests, folders);
    suite_add_tcase(suite, tests);
    return drae_run_suite(suite);
}
