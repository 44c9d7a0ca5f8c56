/* SPDX-License-Identifier: Apache-2.0 */
/* Weights: round trips, defaults, and values as other programs write them. */
#include "weights_file.h"

#include "tests/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(roundtrip) {
    const char *path = scratch("model.h5");
    for (int deflate = 0; deflate < 10; deflate += 9) {
        drae__model model, read;
        make_model(&model, DRAE__NETS_ALL);
        ck_ok(drae__weights_save(path, &model, deflate, &err), &err);
        ck_ok(drae__weights_load(path, DRAE__NETS_ALL, DRAE__NETS_ALL, &read, &err), &err);
        check_same(&model, &read, DRAE__NETS_ALL);
        drae__model_free(&read);
        /* only what is asked for */
        ck_ok(drae__weights_load(path, 1, 1, &read, &err), &err);
        check_same(&model, &read, 1);
        drae__model_free(&read);
        drae__model_free(&model);
    }
    size_t n_a, n_b;
    drae__model model;
    make_model(&model, 1);
    ck_ok(drae__weights_save(path, &model, 1, &err), &err);
    uint8_t *a = read_bytes(path, &n_a);
    (void)sleep(1); /* a time stamp would show */
    ck_ok(drae__weights_save(path, &model, 1, &err), &err);
    uint8_t *b = read_bytes(path, &n_b);
    ck_assert_uint_eq(n_a, n_b);
    ck_assert_mem_eq(a, b, n_a);
    free(a);
    free(b);
    drae__model_free(&model);
    drae__model read;
    ck_refused(drae__weights_load(path, 7, 3, &read, &err), DRAE_ERROR_FILE,
               "has no network /encoder2", &err);
    ck_refused(drae__weights_load(path, 0, 0, &read, &err), DRAE_ERROR_ARGUMENT, "no network",
               &err);
}
END_TEST

START_TEST(origins_survive) {
    const char *path = scratch("origin.h5");
    drae__model model, read;
    save_with_origin(path, &model);
    ck_ok(drae__weights_load(path, 1 | DRAE__WEIGHTS_SEEN, 1, &read, &err), &err);
    check_same(&model, &read, 1);
    const drae__calibration *a = &model.calibration;
    const drae__calibration *b = &read.calibration;
    for (int r = 0; r < 3; r++) {
        const drae__threshold_origin *x = &a->from[r];
        const drae__threshold_origin *y = &b->from[r];
        ck_assert(a->undecided[r] == b->undecided[r]);
        ck_assert_msg(x->method == y->method && x->low == y->low && x->high == y->high &&
                          x->rate == y->rate && x->effect == y->effect && x->n_good == y->n_good &&
                          x->n_products == y->n_products && x->n_defective == y->n_defective,
                      "origin of region %d: %g to %g", r, y->low, y->high);
    }
    ck_assert_int_eq((int)a->origin.unit, (int)b->origin.unit);
    ck_assert_int_eq((int)a->origin.disjoint, (int)b->origin.disjoint);
    ck_assert(a->origin.rate == b->origin.rate &&
              a->origin.undecided_rate == b->origin.undecided_rate &&
              a->origin.cost_miss == b->origin.cost_miss &&
              a->origin.cost_reject == b->origin.cost_reject);
    ck_assert_str_eq(a->origin.data_hash, b->origin.data_hash);
    ck_assert_str_eq(a->origin.defects_hash, b->origin.defects_hash);
    ck_assert_str_eq(a->origin.version, b->origin.version);
    for (int by = 0; by < DRAE__SEENS; by++) {
        ck_assert_uint_eq(read.seen[by].n, 3);
        ck_assert_mem_eq(read.seen[by].prints, model.seen[by].prints, 3 * sizeof(uint64_t));
    }
    ck_assert(drae__seen_has(&read.seen[0], UINT64_MAX) && !drae__seen_has(&read.seen[0], 1));
    drae__model_free(&read);
    /* fingerprints are read when they are asked for */
    ck_ok(drae__weights_load(path, 1, 1, &read, &err), &err);
    ck_assert_uint_eq(read.seen[0].n, 0);
    drae__model_free(&read);
    drae__model_free(&model);
}
END_TEST

START_TEST(maps_survive) {
    const char *path = scratch("maps-of-z.h5");
    drae__model model, read;
    save_with_maps(path, &model);
    ck_ok(drae__weights_load(path, 1, 1, &read, &err), &err);
    check_same(&model, &read, 1);
    size_t n_bytes = 2 * sizeof(float) * (size_t)model.arch.size * (size_t)model.arch.size;
    for (int r = 0; r < 3; r++) {
        ck_assert_int_eq((int)read.calibration.kind[r], (int)model.calibration.kind[r]);
        ck_assert(read.calibration.maps[r] == read.maps[r]);
        ck_assert_int_eq(read.maps[r] != NULL, r != 1);
        ck_assert(r == 1 || memcmp(read.maps[r], model.maps[r], n_bytes) == 0);
    }
    drae__model_free(&read);
    drae__model_free(&model);
}
END_TEST

START_TEST(head_survives) {
    const char *path = scratch("head.h5");
    drae__model model, read;
    save_with_head(path, &model);
    ck_ok(drae__weights_load(path, 1, 1, &read, &err), &err);
    for (int r = 0; r < 3; r++) {
        size_t n = drae__calibration_floats(&model.calibration, r, DRAE__H_LEAST);
        ck_assert_int_eq(read.calibration.filters[r] != NULL, r < 2);
        ck_assert_int_eq(read.calibration.head[r] != NULL, r == 0);
        ck_assert_uint_eq(drae__calibration_floats(&read.calibration, r, DRAE__H_LEAST), n);
        ck_assert_mem_eq(read.maps[r], model.maps[r], n * sizeof(float));
    }
    drae__model_free(&read);
    drae__model_free(&model);
}
END_TEST

START_TEST(missing_attributes_take_defaults) {
    const char *path = scratch("defaults.h5");
    drae__model model;
    drae__arch arch = drae__arch_default();
    arch.size = 32; /* the one that cannot stay away: the default model is large */
    ck_ok(drae__model_create(&arch, 1, &model, &err), &err);
    drae__model_init(&model, DRAE__NET_GENERATOR, 1);
    ck_ok(drae__weights_save(path, &model, 0, &err), &err);
    drae__model_free(&model);
    static const char *const names[] = {"format",   "arch",        "width", "latent",
                                        "channels", "blocks",      "block", "slope",
                                        "bn_eps",   "ssim_window", "seed",  "kind"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        set_attribute(path, names[i], 0, 0, NULL);
    }
    ck_ok(drae__weights_load(path, 1, 1, &model, &err), &err);
    ck_assert_int_eq(model.arch.width, 16);
    ck_assert_int_eq(model.arch.latent, 64);
    ck_assert(model.arch.slope == 0.2f && model.arch.bn_eps == 1e-5f);
    ck_assert_int_eq((int)model.ssim_window, DRAE__SSIM_GAUSSIAN);
    ck_assert_int_eq(model.calibration.n_regions, 0);
    ck_assert_int_eq(model.provenance.steps, -1);
    ck_assert(isnan(model.provenance.val_con));
    drae__model_free(&model);
}
END_TEST

/* Attributes as h5py writes them: any width of integers, double, texts of fixed length. */
START_TEST(attributes_of_any_width) {
    const char *path = scratch("widths.h5");
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    save_generator(path, 0);
    static const int64_t blocks[4] = {3, 3, 3, 3};
    static const uint8_t width = 8;
    static const int16_t latent = 5;
    static const uint64_t size = 32;
    static const float slope = 0.1f;
    static const double thresholds[2] = {0.25, 0.5};
    set_attribute(path, "blocks", H5T_NATIVE_INT64, 4, blocks);
    set_attribute(path, "width", H5T_NATIVE_UINT8, 1, &width);
    set_attribute(path, "latent", H5T_NATIVE_INT16, 1, &latent);
    set_attribute(path, "size", H5T_NATIVE_UINT64, 1, &size);
    set_attribute(path, "slope", H5T_NATIVE_FLOAT, 1, &slope);
    set_attribute(path, "thresholds", H5T_NATIVE_DOUBLE, 2, thresholds);
    hid_t fixed = H5Tcopy(H5T_C_S1);
    H5Tset_size(fixed, 4);
    H5Tset_strpad(fixed, H5T_STR_NULLPAD);
    set_attribute(path, "arch", fixed, 1, "drae"); /* no terminator in the file */
    H5Tclose(fixed);
    drae__model model;
    ck_ok(drae__weights_load(path, 1, 1, &model, &err), &err);
    ck_assert_int_eq(model.arch.width, 8);
    ck_assert(model.arch.slope == 0.1f);
    ck_assert(model.calibration.threshold[1] == 0.5f);
    drae__model_free(&model);
}
END_TEST

/* Half, double and big-endian floats are converted. */
START_TEST(floats_of_any_width) {
    const char *path = scratch("floats.h5");
    const hsize_t good[4] = {8, 8, 3, 3};
    static float values[576];
    for (int i = 0; i < 576; i++) {
        values[i] = (float)(i - 300) / 64.0f; /* exact in half precision */
    }
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t half = H5Tcopy(H5T_IEEE_F32LE);
    ck_assert_int_ge(H5Tset_fields(half, 15, 10, 5, 0, 10), 0);
    ck_assert_int_ge(H5Tset_size(half, 2), 0);
    ck_assert_int_ge(H5Tset_ebias(half, 15), 0);
    const hid_t types[] = {H5T_IEEE_F32BE, H5T_IEEE_F64LE, half};
    for (size_t t = 0; t < 3; t++) {
        save_generator(path, 0);
        replace_array(path, "/generator/encoder/stage0/A/conv1/weight", types[t], 4, good, values,
                      H5T_NATIVE_FLOAT);
        drae__model model;
        ck_ok(drae__weights_load(path, 1, 1, &model, &err), &err);
        const float *read =
            drae__model_tensor(&model, DRAE__NET_GENERATOR, "encoder/stage0/A/conv1/weight");
        for (int i = 0; i < 576; i++) {
            ck_assert_msg(read[i] == values[i], "type %zu value %d: %g, expected %g", t, i,
                          (double)read[i], (double)values[i]);
        }
        drae__model_free(&model);
    }
    H5Tclose(half);
}
END_TEST

START_TEST(bad_models_are_not_written) {
    const char *path = scratch("bad.h5");
    drae__model model;
    make_model(&model, 1);
    model.data[0][model.params[0].items[2].offset] = NAN;
    ck_refused(drae__weights_save(path, &model, 0, &err), DRAE_ERROR_NOT_FINITE, "/generator/",
               &err);
    ck_assert(!exists(path));
    ck_assert_uint_eq(count_temporaries(path), 0);
    drae__model_free(&model);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("weights");
    TCase *tests = tcase_create("weights");
    tcase_add_test(tests, roundtrip);
    tcase_add_test(tests, origins_survive);
    tcase_add_test(tests, maps_survive);
    tcase_add_test(tests, head_survives);
    tcase_add_test(tests, missing_attributes_take_defaults);
    tcase_add_test(tests, attributes_of_any_width);
    tcase_add_test(tests, floats_of_any_width);
    tcase_add_test(tests, bad_models_are_not_written);
    suite_add_tcase(suite, tests);
    return drae_run_suite(suite);
}
