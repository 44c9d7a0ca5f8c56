/* SPDX-License-Identifier: Apache-2.0 */
/* Weights that say what cannot be: every refusal by name. */
#include "weights_file.h"

#include "tests/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- attributes ---- */

START_TEST(wrong_attributes) {
    static const int sixteen = 16, twelve = 12, zero = 0, two = 2, big = 1 << 30;
    static const double big_slope = 1.5, no_slope = 0.0, wild = 1e300;
    static const int blocks_short[3] = {3, 3, 3}, blocks_other[4] = {3, 3, 4, 3};
    static const float negative[2] = {0.1f, -0.1f};
    static const int64_t minus = -2;
    static const char text[8] = "postact";
    const char *path = scratch("attributes.h5");
    hid_t string = H5Tcopy(H5T_C_S1);
    H5Tset_size(string, 8);
    const struct {
        const char *name;
        hid_t type;
        size_t n;
        const void *values;
        const char *part;
    } cases[] = {
        {"format", H5T_NATIVE_INT, 1, &two, "'format'"},
        {"arch", string, 1, text, "'arch'"},
        {"arch", H5T_NATIVE_INT, 1, &two, "'arch' must be one text"},
        {"block", string, 1, text, "'block'"},
        {"blocks", H5T_NATIVE_INT, 3, blocks_short, "'blocks'"},
        {"blocks", H5T_NATIVE_INT, 4, blocks_other, "'blocks'"},
        {"channels", H5T_NATIVE_INT, 1, &two, "'channels'"},
        {"width", H5T_NATIVE_INT, 1, &twelve, "width is 12"},
        {"width", H5T_NATIVE_DOUBLE, 1, &big_slope, "'width' must be one integer"},
        {"width", H5T_NATIVE_INT, 4, blocks_other, "'width' must be one integer"},
        {"latent", H5T_NATIVE_INT, 1, &zero, "latent is 0"},
        {"latent", H5T_NATIVE_INT, 1, &big, "latent is"},
        {"size", H5T_NATIVE_INT, 1, &sixteen, "size is 16"},
        {"slope", H5T_NATIVE_DOUBLE, 1, &big_slope, "slope is 1.5"},
        {"slope", H5T_NATIVE_DOUBLE, 1, &no_slope, "slope is 0"},
        {"slope", H5T_NATIVE_DOUBLE, 1, &wild, "slope is inf"},
        {"slope", string, 1, text, "'slope' must be one number"},
        {"bn_eps", H5T_NATIVE_INT, 1, &zero, "bn_eps is 0"},
        {"ssim_window", string, 1, text, "'ssim_window'"},
        {"steps", H5T_NATIVE_INT64, 1, &minus, "'steps'"},
        {"thresholds", H5T_NATIVE_FLOAT, 2, negative, "'thresholds'"},
        {"anchors", H5T_NATIVE_INT, 3, blocks_short, "'anchors'"},
        {"data_hash", H5T_NATIVE_INT, 1, &two, "'data_hash'"},
    };
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        save_generator(path, 0);
        set_attribute(path, cases[i].name, cases[i].type, cases[i].n, cases[i].values);
        load_refused(path, cases[i].name, cases[i].part);
    }
    H5Tclose(string);
}
END_TEST

/* ---- where thresholds come from, and what was seen ---- */

START_TEST(wrong_origins) {
    const char *path = scratch("wrong-origin.h5");
    drae__model model, read;
    hid_t string = H5Tcopy(H5T_C_S1);
    H5Tset_size(string, 8);
    static const char methods[3][8] = {"pareto", "guess", "cost"};
    const double below[3] = {-1.0, 0.0, 0.0}, above[3] = {0.5, 0.0, 0.0};
    const double whole[3] = {1.0, 0.0, 0.0};
    const int64_t minus[3] = {-1, 0, 0};
    const double rate = 1.0;
    const struct {
        const char *name;
        hid_t type;
        hsize_t n;
        const void *values;
        const char *part;
    } cases[] = {
        {"threshold_method", string, 3, methods, "'threshold_method'"},
        {"threshold_method", string, 2, methods, "'threshold_method' must be as many"},
        {"threshold_low", H5T_NATIVE_DOUBLE, 3, below, "region 0: limits"},
        {"threshold_low", H5T_NATIVE_DOUBLE, 3, above, "region 0: limits"},
        {"threshold_rate", H5T_NATIVE_DOUBLE, 3, whole, "region 0: a false-reject rate"},
        {"threshold_good", H5T_NATIVE_INT64, 3, minus, "negative"},
        {"undecided", H5T_NATIVE_DOUBLE, 3, above, "'undecided' must be 0, or below"},
        {"calibration_rate", H5T_NATIVE_DOUBLE, 1, &rate, "calibration: a false-reject rate"},
        {"calibration_unit", string, 1, methods, "'calibration_unit'"},
    };
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        save_with_origin(path, &model);
        drae__model_free(&model);
        set_attribute(path, cases[i].name, cases[i].type, cases[i].n, cases[i].values);
        load_refused(path, cases[i].name, cases[i].part);
    }
    H5Tclose(string);
    /* fingerprints out of order */
    make_model(&model, 1);
    uint64_t *prints = calloc(2, sizeof *prints);
    ck_assert_ptr_nonnull(prints);
    model.seen[DRAE__SEEN_TRAINING] = (drae__seen){.n = 2, .prints = prints};
    ck_ok(drae__weights_save(path, &model, 1, &err), &err);
    drae__model_free(&model);
    ck_refused(drae__weights_load(path, 1 | DRAE__WEIGHTS_SEEN, 1, &read, &err), DRAE_ERROR_FILE,
               "not in order", &err);
}
END_TEST

/* ---- maps of z ---- */

/* Puts another array in the place of a map, of n x n values of which one is odd; n 0: none. */
static void replace_map(const char *path, const char *name, hid_t type, hsize_t n, float odd) {
    enum { MOST = 32 };
    static float values[MOST * MOST];
    ck_assert_uint_le(n, MOST);
    for (hsize_t i = 0; i < n * n; i++) {
        values[i] = i == 5 ? odd : 1.0f;
    }
    replace_array(path, name, type, n > 0 ? 2 : 0, (const hsize_t[2]){n, n}, values,
                  H5T_NATIVE_FLOAT);
}

START_TEST(wrong_maps) {
    const char *path = scratch("wrong-maps.h5");
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    static const char fix[3][4] = {"z", "phi", "ssi"}, two[4][4] = {"z", "z", "z", "z"};
    static const int three[3] = {1, 0, 1};
    hid_t string = H5Tcopy(H5T_C_S1);
    H5Tset_size(string, 4);
    const struct {
        const char *name;
        hid_t type;
        hsize_t n;
        float odd;
        const char *part;
    } cases[] = {
        {"/calibration/region2/mean", H5T_IEEE_F32LE, 31, 1.0f, "region2/mean is float32 [31,31]"},
        {"/calibration/region2/mean", H5T_STD_I32LE, 32, 1.0f, "region2/mean is"},
        {"/calibration/region2/mean", H5T_IEEE_F32LE, 32, NAN, "region2/mean: element 5 is nan"},
        {"/calibration/region2/mean", H5T_IEEE_F32LE, 32, INFINITY, "element 5 is inf"},
        {"/calibration/region2/mean", 0, 0, 0.0f, "region2/mean is missing"},
        {"/calibration/region2/scale", H5T_IEEE_F32LE, 32, 0.0f, "region2/scale: element 5 is 0"},
        {"/calibration/region2/scale", H5T_IEEE_F32LE, 32, -1.0f, "element 5 is -1"},
        {"/calibration/region2/scale", 0, 0, 0.0f, "region2/scale is missing"},
        {"/calibration/region0/scale", 0, 0, 0.0f, "region0/scale is missing"},
        {"/calibration/region2/other", H5T_IEEE_F32LE, 32, 1.0f, "region2/other is no map"},
        {"/calibration/region3", H5T_IEEE_F32LE, 32, 1.0f, "region3 is no map"},
    };
    drae__model model;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        save_with_maps(path, &model);
        drae__model_free(&model);
        replace_map(path, cases[i].name, cases[i].type, cases[i].n, cases[i].odd);
        load_refused(path, cases[i].name, cases[i].part);
    }
    save_with_maps(path, &model);
    drae__model_free(&model);
    set_attribute(path, "scores", string, 3, fix);
    load_refused(path, "scores", "'scores' must be the name of a score");
    set_attribute(path, "scores", string, 4, two);
    load_refused(path, "scores", "'scores' must be as many");
    set_attribute(path, "scores", H5T_NATIVE_INT, 3, three);
    load_refused(path, "scores", "'scores' must be 1 to 256 texts");
    set_attribute(path, "scores", string, 3, two);
    load_refused(path, "scores", "/calibration/region1/mean is missing");
    H5Tclose(string);
}
END_TEST

START_TEST(wrong_head) {
    const char *path = scratch("wrong-head.h5");
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    static float values[DRAE__H_WEIGHTS];
    const hsize_t right = DRAE__H_WEIGHTS, less = DRAE__H_WEIGHTS - 1, flat[2] = {1, right};
    const char *head = "/calibration/region0/head";
    const struct {
        const char *name;
        int rank;
        const hsize_t *dims;
        const char *part;
    } cases[] = {{head, 1, &less, "region0/head is float32 [13936], float32 [13937] is expected"},
                 {head, 2, flat, "region0/head is float32 [1,13937]"},
                 {"/calibration/region0/filters", 0, NULL, "region0/filters is missing"},
                 {"/calibration/region2/head", 1, &right, "region2/filters is missing"}};
    drae__model model;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        save_with_head(path, &model);
        drae__model_free(&model);
        replace_array(path, cases[i].name, H5T_IEEE_F32LE, cases[i].rank, cases[i].dims, values,
                      H5T_NATIVE_FLOAT);
        load_refused(path, cases[i].name, cases[i].part);
    }
    save_with_head(path, &model);
    drae__model_free(&model);
    values[77] = NAN;
    replace_array(path, head, H5T_IEEE_F32LE, 1, &right, values, H5T_NATIVE_FLOAT);
    load_refused(path, head, "region0/head: element 77 is nan");
    values[77] = 0.0f;
    save_with_maps(path, &model); /* of size 32 */
    drae__model_free(&model);
    replace_array(path, head, H5T_IEEE_F32LE, 1, &right, values, H5T_NATIVE_FLOAT);
    load_refused(path, head, "64 pixels and more, a multiple of 32, not 32");
}
END_TEST

/* ---- tensors ---- */

#define TENSOR "/generator/encoder/stage0/A/conv1/weight"

START_TEST(wrong_tensors) {
    const char *path = scratch("tensors.h5");
    const hsize_t good[4] = {8, 8, 3, 3}, turned[4] = {8, 3, 3, 8}, flat[1] = {576}, eight = 8;
    static float values[576];
    static double doubles[576];
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    save_generator(path, 0);
    replace_array(path, TENSOR, 0, 0, NULL, NULL, 0);
    load_refused(path, TENSOR, "tensor " TENSOR " is missing");
    save_generator(path, 0);
    replace_array(path, TENSOR, H5T_IEEE_F32LE, 4, turned, values, H5T_NATIVE_FLOAT);
    load_refused(path, TENSOR, TENSOR " is float32 [8,3,3,8], float32 [8,8,3,3] is expected");
    save_generator(path, 0);
    replace_array(path, TENSOR, H5T_IEEE_F32LE, 1, flat, values, H5T_NATIVE_FLOAT);
    load_refused(path, TENSOR, TENSOR " is float32 [576]");
    save_generator(path, 0);
    replace_array(path, TENSOR, H5T_STD_I32LE, 4, good, values, H5T_NATIVE_FLOAT);
    load_refused(path, TENSOR, TENSOR " is an integer [8,8,3,3]");
    save_generator(path, 0);
    replace_array(path, TENSOR, H5T_IEEE_F32LE, 4, good, NULL, 0);
    load_refused(path, TENSOR, TENSOR " is float32 [8,8,3,3] without values");
    const float bad[] = {NAN, INFINITY, -INFINITY};
    static const char *const words[] = {"element 17 is NaN", "element 17 is infinite",
                                        "element 17 is -infinite"};
    for (int i = 0; i < 3; i++) {
        save_generator(path, 0);
        values[17] = bad[i];
        replace_array(path, TENSOR, H5T_IEEE_F32LE, 4, good, values, H5T_NATIVE_FLOAT);
        load_refused(path, TENSOR, words[i]);
        load_refused(path, TENSOR, TENSOR);
    }
    save_generator(path, 0);
    doubles[3] = 1e39; /* beyond float */
    replace_array(path, TENSOR, H5T_IEEE_F64LE, 4, good, doubles, H5T_NATIVE_DOUBLE);
    load_refused(path, TENSOR, "element 3 is infinite");
    save_generator(path, 0);
    float var[8] = {1, 1, 1, 1, 1, -1e-9f, 1, 1};
    replace_array(path, "/generator/encoder/stage0/A/bn1/var", H5T_IEEE_F32LE, 1, &eight, var,
                  H5T_NATIVE_FLOAT);
    load_refused(path, TENSOR, "/generator/encoder/stage0/A/bn1/var: element 5 is negative");
    save_generator(path, 0);
    replace_array(path, "/generator/encoder/stage0/A/conv1/bias", H5T_IEEE_F32LE, 1, &eight, var,
                  H5T_NATIVE_FLOAT);
    load_refused(path, TENSOR,
                 "/generator/encoder/stage0/A/conv1/bias is no tensor of the network");
    save_generator(path, 0);
    static const int other = 16;
    set_attribute(path, "width", H5T_NATIVE_INT, 1, &other);
    load_refused(path, TENSOR, "is expected");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("weights_wrong");
    TCase *tests = tcase_create("weights_wrong");
    tcase_add_test(tests, wrong_attributes);
    tcase_add_test(tests, wrong_origins);
    tcase_add_test(tests, wrong_maps);
    tcase_add_test(tests, wrong_head);
    tcase_add_test(tests, wrong_tensors);
    suite_add_tcase(suite, tests);
    return drae_run_suite(suite);
}
