/* SPDX-License-Identifier: Apache-2.0 */
#include "weights_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

drae__err err;

void make_model(drae__model *model, unsigned nets) {
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

void check_same(const drae__model *a, const drae__model *b, unsigned nets) {
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

void save_generator(const char *path, int deflate) {
    drae__model model;
    make_model(&model, 1);
    ck_ok(drae__weights_save(path, &model, deflate, &err), &err);
    drae__model_free(&model);
}

drae_status load(const char *path) {
    drae__model model;
    memset(&err, 0, sizeof err);
    drae_status status = drae__weights_load(path, 1, 1, &model, &err);
    if (status == DRAE_OK) {
        drae__model_free(&model);
    }
    return status;
}

void load_refused(const char *path, const char *what, const char *part) {
    drae_status status = load(path);
    ck_assert_msg(status == DRAE_ERROR_FILE && strstr(err.text, part) != NULL,
                  "%s: %d '%s', expected '%s'", what, status, err.text, part);
}

void save_with_origin(const char *path, drae__model *model) {
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

void save_with_maps(const char *path, drae__model *model) {
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

void save_with_head(const char *path, drae__model *model) {
    const drae__arch arch = {.block = DRAE__BLOCK_PREACT,
                             .width = 8,
                             .latent = 5,
                             .size = DRAE__H_LEAST,
                             .slope = 0.2f,
                             .bn_eps = 1e-5f};
    const size_t pixels = DRAE__H_LEAST * DRAE__H_LEAST;
    ck_ok(drae__model_create(&arch, 1, model, &err), &err);
    drae__model_init(model, DRAE__NET_GENERATOR, 7);
    model->calibration.n_regions = 3;
    for (int r = 0; r < 3; r++) {
        float *maps = NULL;
        ck_ok(drae__model_add_maps(model, r, &maps, &err), &err);
        for (size_t i = 0; i < 2 * pixels; i++) {
            maps[i] = 0.5f + (float)i;
        }
        float *scales = r < 2 ? drae__model_add_filters(model, r) : NULL;
        for (size_t i = 0; scales != NULL && i < drae__m_scales(DRAE__H_LEAST); i++) {
            scales[i] = 0.25f + (float)i;
        }
        float *head = r < 2 ? drae__model_add_head(model, r) : NULL;
        for (size_t i = 0; head != NULL && i < DRAE__H_WEIGHTS; i++) {
            head[i] = 0.125f * (float)i - 9.0f;
        }
        model->calibration.kind[r] = DRAE__SCORE_Z;
        model->calibration.threshold[r] = 1.0f;
        model->calibration.anchor[r] = 2.0f;
    }
    model->calibration.head[1] = NULL;
    ck_ok(drae__weights_save(path, model, 1, &err), &err);
}

void set_attribute(const char *path, const char *name, hid_t type, size_t n, const void *values) {
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

void replace_array(const char *path, const char *name, hid_t type, int rank, const hsize_t *dims,
                   const void *values, hid_t memory) {
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
