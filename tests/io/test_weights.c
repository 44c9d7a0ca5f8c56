/* SPDX-License-Identifier: Apache-2.0 */
/* Weights, named arrays and maps: round trips, and every refusal by name. */
#include "support.h"

#include "io/blob.h"
#include "io/maps.h"
#include "io/weights.h"
#include "tests/run.h"

#include <float.h>
#include <hdf5.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static drae__err err;

/* A small model with all that a file can hold. */
static void make_model(drae__model *model, unsigned nets) {
    drae__arch arch = drae__arch_default();
    arch.width = 8;
    arch.size = 32;
    arch.latent = 5;
    arch.slope = 0.1f;
    arch.bn_eps = 2e-5f;
    ck_ok(drae__model_create(&arch, nets, model, &err), &err);
    for (int net = 0; net < DRAE__NETS; net++) {
        if ((nets >> net & 1u) != 0) {
            drae__model_init(model, (drae__net)net, 4);
        }
    }
    drae__provenance *p = &model->provenance;
    model->ssim_window = DRAE__SSIM_UNIFORM;
    memset(p->data_hash, 'a', 64);
    (void)snprintf(p->revision, sizeof p->revision, "r1");
    (void)snprintf(p->precision, sizeof p->precision, "bf16");
    p->seed = UINT64_MAX - 5;
    p->steps = 1234567890123;
    p->samples = 77;
    p->val_con = 0.1234567890123456;
    model->calibration.n_regions = 3;
    for (int i = 0; i < 3; i++) {
        model->calibration.threshold[i] = i == 1 ? NAN : 0.01f * (float)(i + 1);
        model->calibration.anchor[i] = i == 2 ? NAN : 0.3f;
    }
}

static void check_same(const drae__model *a, const drae__model *b, unsigned nets) {
    ck_assert_int_eq(a->arch.width, b->arch.width);
    ck_assert_int_eq(a->arch.latent, b->arch.latent);
    ck_assert_int_eq(a->arch.size, b->arch.size);
    ck_assert_mem_eq(&a->arch.slope, &b->arch.slope, sizeof(float));
    ck_assert_mem_eq(&a->arch.bn_eps, &b->arch.bn_eps, sizeof(float));
    ck_assert_int_eq((int)a->ssim_window, (int)b->ssim_window);
    ck_assert_str_eq(a->provenance.data_hash, b->provenance.data_hash);
    ck_assert_str_eq(a->provenance.revision, b->provenance.revision);
    ck_assert_str_eq(a->provenance.precision, b->provenance.precision);
    ck_assert_uint_eq(a->provenance.seed, b->provenance.seed);
    ck_assert_int_eq(a->provenance.steps, b->provenance.steps);
    ck_assert_int_eq(a->provenance.samples, b->provenance.samples);
    ck_assert_mem_eq(&a->provenance.val_con, &b->provenance.val_con, sizeof(double));
    ck_assert_int_eq(a->calibration.n_regions, b->calibration.n_regions);
    for (int i = 0; i < a->calibration.n_regions; i++) {
        ck_assert_int_eq(isnan(a->calibration.threshold[i]), isnan(b->calibration.threshold[i]));
        ck_assert(isnan(a->calibration.threshold[i]) ||
                  a->calibration.threshold[i] == b->calibration.threshold[i]);
        ck_assert_int_eq(isnan(a->calibration.anchor[i]), isnan(b->calibration.anchor[i]));
    }
    for (int net = 0; net < DRAE__NETS; net++) {
        bool there = (nets >> net & 1u) != 0;
        ck_assert_int_eq(b->data[net] != NULL, there);
        for (size_t i = 0; there && i < a->params[net].total; i++) {
            ck_assert_msg(a->data[net][i] == b->data[net][i], "%s value %zu: %g and %g",
                          drae__net_name((drae__net)net), i, (double)a->data[net][i],
                          (double)b->data[net][i]);
        }
    }
}

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

/* ---- wrong attributes: every one is refused by name ---- */

static void set_attribute(const char *path, const char *name, hid_t type, size_t n,
                          const void *values) {
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    ck_assert_int_ge(file, 0);
    if (H5Aexists(file, name) > 0) {
        ck_assert_int_ge(H5Adelete(file, name), 0);
    }
    const hsize_t dims = n;
    if (values != NULL) {
        hid_t space = n == 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &dims, NULL);
        hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
        ck_assert_int_ge(H5Awrite(attribute, type, values), 0);
        H5Aclose(attribute);
        H5Sclose(space);
    }
    H5Fclose(file);
}

static void save_generator(const char *path) {
    drae__model model;
    make_model(&model, 1);
    ck_ok(drae__weights_save(path, &model, 0, &err), &err);
    drae__model_free(&model);
}

static drae_status load(const char *path) {
    drae__model model;
    memset(&err, 0, sizeof err);
    drae_status status = drae__weights_load(path, 1, 1, &model, &err);
    if (status == DRAE_OK) {
        drae__model_free(&model);
    }
    return status;
}

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
        save_generator(path);
        set_attribute(path, cases[i].name, cases[i].type, cases[i].n, cases[i].values);
        drae_status status = load(path);
        ck_assert_msg(status == DRAE_ERROR_FILE && strstr(err.text, cases[i].part) != NULL,
                      "%s: %d '%s', expected '%s'", cases[i].name, status, err.text, cases[i].part);
    }
    H5Tclose(string);
}
END_TEST

/* ---- where thresholds come from, and what was seen ---- */

static void save_with_origin(const char *path, drae__model *model) {
    make_model(model, 1);
    drae__calibration *c = &model->calibration;
    c->undecided[0] = 0.005f;
    c->from[0] = (drae__threshold_origin){.method = DRAE__METHOD_PARETO,
                                          .low = 0.0095,
                                          .high = 0.0123,
                                          .rate = 0.00125,
                                          .effect = 1.5,
                                          .n_good = 400,
                                          .n_products = 40};
    c->from[2] = (drae__threshold_origin){.method = DRAE__METHOD_COST,
                                          .low = 0.02,
                                          .high = (double)INFINITY,
                                          .effect = 1.0,
                                          .n_good = 300,
                                          .n_products = 300,
                                          .n_defective = 12};
    c->origin = (drae__calibration_origin){.unit = DRAE__RATE_STRIP,
                                           .disjoint = DRAE__DISJOINT_NO,
                                           .rate = 0.005,
                                           .undecided_rate = 0.02,
                                           .cost_miss = 20.0,
                                           .cost_reject = 1.0,
                                           .version = "0.1.0"};
    memset(c->origin.data_hash, 'c', 64);
    memset(c->origin.defects_hash, 'd', 64);
    for (int by = 0; by < DRAE__SEENS; by++) {
        uint64_t *prints = calloc(3, sizeof *prints);
        ck_assert_ptr_nonnull(prints);
        prints[0] = (uint64_t)by;
        prints[1] = 77;
        prints[2] = UINT64_MAX;
        model->seen[by] = (drae__seen){.n = 3, .prints = prints};
    }
    ck_ok(drae__weights_save(path, model, 1, &err), &err);
}

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
        drae_status status = load(path);
        ck_assert_msg(status == DRAE_ERROR_FILE && strstr(err.text, cases[i].part) != NULL,
                      "%s: %d '%s', expected '%s'", cases[i].name, status, err.text, cases[i].part);
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

static void save_with_maps(const char *path, drae__model *model) {
    make_model(model, 1);
    size_t pixels = (size_t)model->arch.size * (size_t)model->arch.size;
    for (int r = 0; r < 3; r += 2) {
        float *maps = NULL;
        ck_ok(drae__model_add_maps(model, r, &maps, &err), &err);
        for (size_t i = 0; i < 2 * pixels; i++) {
            maps[i] = (float)(i + 1) * (i < pixels ? -0.25f : 0.5f);
        }
    }
    model->calibration.kind[2] = DRAE__SCORE_Z;
    ck_ok(drae__weights_save(path, model, 1, &err), &err);
}

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

/* Puts another dataset in the place of one, of n x n values of which one is odd; n 0: none. */
static void replace_map(const char *path, const char *name, hid_t type, hsize_t n, float odd) {
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    ck_assert_int_ge(file, 0);
    if (H5Lexists(file, name, H5P_DEFAULT) > 0) {
        ck_assert_int_ge(H5Ldelete(file, name, H5P_DEFAULT), 0);
    }
    if (n > 0) {
        const hsize_t dims[2] = {n, n};
        float *values = calloc(n * n, sizeof *values);
        for (hsize_t i = 0; i < n * n; i++) {
            values[i] = i == 5 ? odd : 1.0f;
        }
        hid_t space = H5Screate_simple(2, dims, NULL);
        hid_t data = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        ck_assert_int_ge(data, 0);
        ck_assert_int_ge(H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values),
                         0);
        H5Dclose(data);
        H5Sclose(space);
        free(values);
    }
    H5Fclose(file);
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
        drae_status status = load(path);
        ck_assert_msg(status == DRAE_ERROR_FILE && strstr(err.text, cases[i].part) != NULL,
                      "%zu: %d '%s', expected '%s'", i, status, err.text, cases[i].part);
    }
    save_with_maps(path, &model);
    drae__model_free(&model);
    set_attribute(path, "scores", string, 3, fix);
    ck_refused(load(path), DRAE_ERROR_FILE, "'scores' must be the name of a score", &err);
    set_attribute(path, "scores", string, 4, two);
    ck_refused(load(path), DRAE_ERROR_FILE, "'scores' must be as many", &err);
    set_attribute(path, "scores", H5T_NATIVE_INT, 3, three);
    ck_refused(load(path), DRAE_ERROR_FILE, "'scores' must be 1 to 256 texts", &err);
    set_attribute(path, "scores", string, 3, two);
    ck_refused(load(path), DRAE_ERROR_FILE, "/calibration/region1/mean is missing", &err);
    H5Tclose(string);
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
    save_generator(path);
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

/* ---- wrong tensors ---- */

#define TENSOR "/generator/encoder/stage0/A/conv1/weight"

static void replace_tensor(const char *path, const char *name, hid_t type, int rank,
                           const hsize_t *dims, const void *values, hid_t memory) {
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    ck_assert_int_ge(file, 0);
    if (H5Lexists(file, name, H5P_DEFAULT) > 0) {
        ck_assert_int_ge(H5Ldelete(file, name, H5P_DEFAULT), 0);
    }
    if (rank > 0) {
        hid_t space = H5Screate_simple(rank, dims, NULL);
        hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        ck_assert_int_ge(set, 0);
        if (values != NULL) {
            ck_assert_int_ge(H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), 0);
        }
        H5Dclose(set);
        H5Sclose(space);
    }
    H5Fclose(file);
}

START_TEST(wrong_tensors) {
    const char *path = scratch("tensors.h5");
    const hsize_t good[4] = {8, 8, 3, 3}, turned[4] = {8, 3, 3, 8}, flat[1] = {576}, eight = 8;
    static float values[576];
    static double doubles[576];
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
#define EXPECT(part)                                                                               \
    do {                                                                                           \
        drae_status status_ = load(path);                                                          \
        ck_assert_msg(status_ == DRAE_ERROR_FILE && strstr(err.text, part) != NULL,                \
                      "%d '%s', expected '%s'", status_, err.text, part);                          \
    } while (0)
    save_generator(path);
    replace_tensor(path, TENSOR, 0, 0, NULL, NULL, 0);
    EXPECT("tensor " TENSOR " is missing");
    save_generator(path);
    replace_tensor(path, TENSOR, H5T_IEEE_F32LE, 4, turned, values, H5T_NATIVE_FLOAT);
    EXPECT(TENSOR " is float32 [8,3,3,8], float32 [8,8,3,3] is expected");
    save_generator(path);
    replace_tensor(path, TENSOR, H5T_IEEE_F32LE, 1, flat, values, H5T_NATIVE_FLOAT);
    EXPECT(TENSOR " is float32 [576]");
    save_generator(path);
    replace_tensor(path, TENSOR, H5T_STD_I32LE, 4, good, values, H5T_NATIVE_FLOAT);
    EXPECT(TENSOR " is an integer [8,8,3,3]");
    save_generator(path);
    replace_tensor(path, TENSOR, H5T_IEEE_F32LE, 4, good, NULL, 0);
    EXPECT(TENSOR " is float32 [8,8,3,3] without values");
    const float bad[] = {NAN, INFINITY, -INFINITY};
    static const char *const words[] = {"element 17 is NaN", "element 17 is infinite",
                                        "element 17 is -infinite"};
    for (int i = 0; i < 3; i++) {
        save_generator(path);
        values[17] = bad[i];
        replace_tensor(path, TENSOR, H5T_IEEE_F32LE, 4, good, values, H5T_NATIVE_FLOAT);
        EXPECT(words[i]);
        EXPECT(TENSOR);
    }
    save_generator(path);
    doubles[3] = 1e39; /* beyond float */
    replace_tensor(path, TENSOR, H5T_IEEE_F64LE, 4, good, doubles, H5T_NATIVE_DOUBLE);
    EXPECT("element 3 is infinite");
    save_generator(path);
    float var[8] = {1, 1, 1, 1, 1, -1e-9f, 1, 1};
    replace_tensor(path, "/generator/encoder/stage0/A/bn1/var", H5T_IEEE_F32LE, 1, &eight, var,
                   H5T_NATIVE_FLOAT);
    EXPECT("/generator/encoder/stage0/A/bn1/var: element 5 is negative");
    save_generator(path);
    replace_tensor(path, "/generator/encoder/stage0/A/conv1/bias", H5T_IEEE_F32LE, 1, &eight, var,
                   H5T_NATIVE_FLOAT);
    EXPECT("/generator/encoder/stage0/A/conv1/bias is no tensor of the network");
    save_generator(path);
    static const int other = 16;
    set_attribute(path, "width", H5T_NATIVE_INT, 1, &other);
    EXPECT("is expected");
#undef EXPECT
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
        save_generator(path);
        replace_tensor(path, TENSOR, types[t], 4, good, values, H5T_NATIVE_FLOAT);
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

/* ---- blobs ---- */

START_TEST(named_arrays) {
    static const uint8_t bytes[6] = {0, 1, 2, 253, 254, 255};
    static const int64_t integers[2] = {INT64_MIN, INT64_MAX};
    static const uint64_t wide[2] = {0, UINT64_MAX};
    static const double doubles[3] = {0.1, -0.0, DBL_MIN};
    static float floats[3 * 5 * 7];
    for (int i = 0; i < 105; i++) {
        floats[i] = (float)i * 0.37f;
    }
    const drae__blob blobs[] = {
        {.path = "/a/b/bytes", .type = DRAE__BLOB_U8, .rank = 2, .dims = {2, 3}, .data = bytes},
        {.path = "/a/integers", .type = DRAE__BLOB_I64, .rank = 1, .dims = {2}, .data = integers},
        {.path = "/rng/counter", .type = DRAE__BLOB_U64, .rank = 1, .dims = {2}, .data = wide},
        {.path = "/loss/adv", .type = DRAE__BLOB_F64, .rank = 1, .dims = {3}, .data = doubles},
        {.path = "/loss/one", .type = DRAE__BLOB_F64, .data = doubles},
        {.path = "/x", .type = DRAE__BLOB_F32, .rank = 3, .dims = {3, 5, 7}, .data = floats},
        {.path = "/@step", .type = DRAE__BLOB_I64, .data = integers + 1},
        {.path = "/rng@seeds", .type = DRAE__BLOB_U64, .rank = 1, .dims = {2}, .data = wide},
        {.path = "/@name", .type = DRAE__BLOB_TEXT, .data = "trace"},
        {.path = "/x@axes", .type = DRAE__BLOB_TEXT, .rank = 1, .dims = {3}, .data = "n\0h\0w"},
    };
    const size_t n = sizeof blobs / sizeof *blobs;
    const char *path = scratch("blobs.h5");
    for (int deflate = 0; deflate < 2; deflate++) {
        drae__blob_writer *writer = NULL;
        ck_ok(drae__blob_create(path, "trace", &writer, &err), &err);
        for (size_t i = 0; i < n; i++) {
            ck_ok(drae__blob_put(writer, &blobs[i], deflate, &err), &err);
        }
        ck_ok(drae__blob_finish(writer, &err), &err);
        drae__blob_file *file = NULL;
        ck_ok(drae__blob_open(path, NULL, 0, SIZE_MAX, &file, &err), &err);
        ck_assert_uint_eq(drae__blob_number(file), n + 2); /* format and kind */
        static const size_t each[] = {0, 1, 8, 8, 4, 8, 0};
        for (size_t i = 0; i < n; i++) {
            const drae__blob *read = NULL;
            size_t count = drae__blob_count(&blobs[i]);
            ck_ok(drae__blob_need(file, blobs[i].path, blobs[i].type, count, &read, &err), &err);
            ck_assert_int_eq(read->rank, blobs[i].rank);
            size_t n_bytes = count * each[blobs[i].type];
            n_bytes = n_bytes > 0 ? n_bytes : 6; /* both texts: "trace", "n" "h" "w" */
            ck_assert_msg(memcmp(read->data, blobs[i].data, n_bytes) == 0, "%s", blobs[i].path);
        }
        const drae__blob *none = NULL;
        ck_refused(drae__blob_need(file, "/y", DRAE__BLOB_F32, 0, &none, &err), DRAE_ERROR_FILE,
                   "has no /y", &err);
        ck_refused(drae__blob_need(file, "/x", DRAE__BLOB_F32, 104, &none, &err), DRAE_ERROR_FILE,
                   "/x is float32 [3,5,7]", &err);
        ck_refused(drae__blob_need(file, "/x", DRAE__BLOB_F64, 105, &none, &err), DRAE_ERROR_FILE,
                   "/x is float32 [3,5,7]", &err);
        drae__blob_close(file);
        /* a part of the file, and only small values */
        const char *part = "/loss";
        ck_ok(drae__blob_open(path, &part, 1, 16, &file, &err), &err);
        ck_assert_ptr_null(drae__blob_find(file, "/x"));
        ck_assert_ptr_null(drae__blob_find(file, "/loss/adv")->data);
        ck_assert_ptr_nonnull(drae__blob_find(file, "/loss/one")->data);
        drae__blob_close(file);
    }
    drae__blob_close(NULL);
    drae__blob_abandon(NULL);
}
END_TEST

/* ---- a checkpoint that is killed or meets a full disk ---- */

START_TEST(checkpoints_survive) {
    const char *path = scratch("checkpoint.h5");
    save_generator(path);
    size_t n_before, n_after;
    uint8_t *before = read_bytes(path, &n_before);
    pid_t child = fork();
    if (child == 0) {
        drae__model model;
        make_model(&model, 1);
        drae__blob_writer *writer = NULL;
        if (drae__blob_create(path, "checkpoint", &writer, NULL) == DRAE_OK) {
            (void)drae__weights_put(writer, &model, 1, NULL);
        }
        (void)kill(getpid(), SIGKILL);
    }
    int how = 0;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFSIGNALED(how));
    ck_assert_int_eq(load(path), DRAE_OK);
    struct rlimit old, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    drae__model model;
    make_model(&model, 1);
    size_t temporaries = count_temporaries(path); /* the killed one's */
    for (rlim_t limit = 0; limit < n_before; limit += n_before / 11 + 1) {
        small = old;
        small.rlim_cur = limit;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        drae_status status = drae__weights_save(path, &model, 0, &err);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
        ck_assert_msg(status == DRAE_ERROR_IO, "limit %lu: %d %s", (unsigned long)limit, status,
                      err.text);
        ck_assert_uint_eq(count_temporaries(path), temporaries);
    }
    drae__model_free(&model);
    uint8_t *after = read_bytes(path, &n_after);
    ck_assert_uint_eq(n_before, n_after);
    ck_assert_mem_eq(before, after, n_before);
    free(before);
    free(after);
}
END_TEST

/* ---- maps ---- */

START_TEST(maps_as_they_come) {
    enum { N = 5, SIDE = 9 };
    static float recon[N * SIDE * SIDE], residual[N * SIDE * SIDE];
    for (int i = 0; i < N * SIDE * SIDE; i++) {
        recon[i] = (float)i / 500.0f;
        residual[i] = 1.0f - recon[i];
    }
    const char *path = scratch("maps.h5");
    drae__maps *m = NULL;
    ck_ok(drae__maps_create(path, N, SIDE, false, &m, &err), &err);
    ck_ok(drae__maps_append(m, 2, recon, residual, NULL, &err), &err);
    ck_refused(drae__maps_append(m, 4, recon, residual, NULL, &err), DRAE_ERROR_ARGUMENT,
               "announced 5", &err);
    ck_ok(drae__maps_append(m, 3, recon + 2 * SIDE * SIDE, residual + 2 * SIDE * SIDE, NULL, &err),
          &err);
    ck_ok(drae__maps_finish(m, &err), &err);
    drae__blob_file *file = NULL;
    ck_ok(drae__blob_open(path, NULL, 0, SIZE_MAX, &file, &err), &err);
    const drae__blob *read = NULL;
    ck_ok(drae__blob_need(file, "/recon", DRAE__BLOB_F32, N * SIDE * SIDE, &read, &err), &err);
    ck_assert_mem_eq(read->data, recon, sizeof recon);
    ck_assert_uint_eq(read->dims[1], SIDE);
    ck_ok(drae__blob_need(file, "/residual", DRAE__BLOB_F32, N * SIDE * SIDE, &read, &err), &err);
    ck_assert_mem_eq(read->data, residual, sizeof residual);
    drae__blob_close(file);
    ck_ok(drae__maps_create(path, N, SIDE, false, &m, &err), &err);
    ck_refused(drae__maps_finish(m, &err), DRAE_ERROR_ARGUMENT, "0 of 5", &err);
    ck_assert(exists(path)); /* the first one */
    ck_refused(drae__maps_create(path, 0, SIDE, false, &m, &err), DRAE_ERROR_ARGUMENT, "0 maps",
               &err);
    drae__maps_abandon(NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("weights");
    TCase *tests = tcase_create("weights");
    tcase_add_test(tests, roundtrip);
    tcase_add_test(tests, wrong_attributes);
    tcase_add_test(tests, origins_survive);
    tcase_add_test(tests, wrong_origins);
    tcase_add_test(tests, maps_survive);
    tcase_add_test(tests, wrong_maps);
    tcase_add_test(tests, missing_attributes_take_defaults);
    tcase_add_test(tests, attributes_of_any_width);
    tcase_add_test(tests, wrong_tensors);
    tcase_add_test(tests, floats_of_any_width);
    tcase_add_test(tests, bad_models_are_not_written);
    tcase_add_test(tests, named_arrays);
    tcase_add_test(tests, checkpoints_survive);
    tcase_add_test(tests, maps_as_they_come);
    suite_add_tcase(suite, tests);
    return drae_run_suite(suite);
}
