/* SPDX-License-Identifier: Apache-2.0 */
/* The head layer by layer against the oracle. */
#include "tests/simt/head_case.h"
#include "tests/simt/suites.h"

#include "kernels/head.h"

#include <string.h>

#define C    DRAE__H_PLANES
#define LAST (DRAE__H_LAYERS - 1)

typedef struct layer_case {
    int n, size, side, layer;
    size_t pixels; /* of a map */
    t_pair weights;
    int32_t *regions;
    cuda_map src, dst;
    float *z_device, *partial_device;
    drae__cuda_out_score op;
} layer_case;

/* Exact: whole numbers, and what is added keeps every sum above 0, where L is the identity. */
static layer_case make_layer(int n, int size, int first, int layer, bool exact) {
    layer_case k = {.n = n, .size = size, .side = size / 2, .layer = layer};
    k.pixels = (size_t)(k.side * k.side);
    k.weights = cuda_values(HEAD_SETS * DRAE__H_WEIGHTS, 3, exact ? 1 : 0);
    for (size_t i = 0; exact && i < HEAD_SETS * DRAE__H_WEIGHTS; i++) {
        size_t at = i % DRAE__H_WEIGHTS;
        if (at < (size_t)(DRAE__H_LAYERS * DRAE__H_LAYER) &&
            at % DRAE__H_LAYER >= (size_t)(C * C * 9)) {
            k.weights.f[i] += 200.0f;
            k.weights.d[i] = (double)k.weights.f[i];
        }
    }
    k.regions = head_regions(n, first);
    k.src = cuda_map_values(n, C, k.side, k.side, 5, exact ? 1 : 0);
    k.dst = cuda_map_result(n, C, k.side, k.side);
    size_t z = (size_t)n * 4 * k.pixels, partial = drae__cuda_out_score_partial(n, size);
    k.z_device = cuda_empty(z * sizeof(float));
    k.partial_device = cuda_empty(partial * sizeof(float));
    k.op = (drae__cuda_out_score){.n = n,
                                  .size = size,
                                  .heads = head_upload(k.weights.f),
                                  .table = cuda_upload(head_table, sizeof head_table),
                                  .regions = cuda_upload(k.regions, (size_t)n * sizeof *k.regions),
                                  .z = k.z_device,
                                  .partial = k.partial_device};
    k.op.head_maps[layer % 2] = k.src.device;
    k.op.head_maps[(layer + 1) % 2] = k.dst.device;
    return k;
}

static void run_layer(const layer_case *k) {
    drae__err err = {{0}};
    cuda_done(drae__cuda_head_layer(&k->op, k->layer, NULL, &err), &err);
}

/* The largest of each tile, wherever they were found. */
static void check_tiles(const layer_case *k, size_t p, const float *h) {
    enum { TILE = DRAE__CUDA_HEAD_TILE };
    size_t tiles = drae__cuda_out_score_partial(1, k->size), side = (size_t)k->side;
    size_t across = (side + TILE - 1) / TILE;
    float *partial = t_f32(tiles);
    cuda_download(partial, k->partial_device + p * tiles, tiles * sizeof(float));
    for (size_t t = 0; t < across * across; t++) {
        const float *top = partial + t * DRAE__CUDA_SCORE_PARTIAL + 4;
        for (size_t j = 0; j < DRAE__Z_TOP; j++) {
            size_t above = 0, same = 0;
            for (size_t i = 0; i < (size_t)(TILE * TILE); i++) {
                size_t y = t / across * TILE + i / TILE, x = t % across * TILE + i % TILE;
                if (y < side && x < side) {
                    above += h[(2 * y * side + x) * 2] > top[j];
                    same += h[(2 * y * side + x) * 2] == top[j];
                }
            }
            ck_assert_msg(above <= j && above + same > j,
                          "%s: place %zu of tile %zu of patch %zu is %.9g, which %zu exceed and "
                          "%zu equal",
                          t_name(), j, t, p, (double)top[j], above, same);
        }
    }
}

/* All of a patch without a head is as it was. */
static void check_untouched(layer_case *k, size_t p) {
    uint16_t *bits = k->dst.host + p * C * k->pixels;
    float *z = t_f32(4 * k->pixels);
    cuda_download(bits, k->dst.device + p * C * k->pixels, C * k->pixels * sizeof *bits);
    cuda_download(z, k->z_device + p * 4 * k->pixels, 4 * k->pixels * sizeof *z);
    for (size_t i = 0; i < C * k->pixels; i++) {
        ck_assert_msg(bits[i] == 0xFFFF && isnan(z[i / 4]), "%s: patch %zu has no head", t_name(),
                      p);
    }
}

static void check_last(const layer_case *k, size_t p, const double *t, const double *error,
                       bool exact) {
    t_pair h = t_result(4 * k->pixels);
    double *bound = t_f64(4 * k->pixels);
    const ptrdiff_t head = head_table[k->regions[p]].head;
    head_last_of(k->side, k->weights.d + head * DRAE__H_WEIGHTS, t, error, h.d, bound);
    cuda_download(h.f, k->z_device + p * 4 * k->pixels, 4 * k->pixels * sizeof *h.f);
    if (exact) {
        t_equal("h", h);
    } else {
        (void)t_within("h", h, bound);
    }
    check_tiles(k, p, h.f);
}

typedef struct shape {
    int n, size, first, layer;
} shape;

/* A tile and less than one, tiles that end behind the border, four by four; every kind of region.
 */
static const shape shapes[] = {{5, 64, 2, 0},  {1, 64, 0, 1}, {1, 64, 1, 2}, {1, 64, 0, 3},
                               {1, 64, 1, 4},  {5, 64, 3, 5}, {1, 96, 0, 0}, {1, 96, 1, 1},
                               {1, 96, 0, 2},  {1, 96, 1, 3}, {1, 96, 0, 4}, {2, 96, 0, 5},
                               {1, 256, 0, 4}, {1, 256, 1, 5}};
#define SHAPES ((int)(sizeof shapes / sizeof shapes[0]))

START_TEST(layers) {
    const shape *s = &shapes[_i / 2];
    bool exact = _i % 2 == 0;
    t_begin("layer %d of the head of %d, size %d, first region %d, %s", s->layer, s->n, s->size,
            s->first, exact ? "exact" : "bounded");
    layer_case k = make_layer(s->n, s->size, s->first, s->layer, exact);
    run_layer(&k);
    double *t = t_f64(C * k.pixels), *error = t_f64(C * k.pixels);
    for (size_t p = 0; p < (size_t)s->n; p++) {
        const ptrdiff_t head = head_table[k.regions[p]].head;
        if (head < 0) {
            check_untouched(&k, p);
            continue;
        }
        head_layer_of(k.side, k.layer, k.src.d + p * C * k.pixels,
                      k.weights.d + head * DRAE__H_WEIGHTS, t, error);
        if (s->layer == LAST) {
            check_last(&k, p, t, error, exact);
            continue;
        }
        cuda_map own = {.n = 1,
                        .c = C,
                        .h = k.side,
                        .w = k.side,
                        .d = t,
                        .host = k.dst.host + p * C * k.pixels,
                        .device = k.dst.device + p * C * k.pixels};
        cuda_map_check("t", &own, exact ? NULL : error);
    }
    t_end();
}
END_TEST

/* What a map holds beyond f16 is the greatest f16, on either side; NaN stays where it is. */
START_TEST(beyond_f16) {
    t_begin("a layer beyond f16");
    layer_case k = make_layer(1, 64, 0, 1, false);
    float *weights = t_f32(HEAD_SETS * DRAE__H_WEIGHTS);
    memset(weights, 0, HEAD_SETS * DRAE__H_WEIGHTS * sizeof *weights);
    float *bias = weights + DRAE__H_WEIGHTS + DRAE__H_LAYER + C * C * 9;
    bias[0] = 1e30f;
    bias[1] = -1e30f;
    bias[2] = 70000.0f;
    bias[3] = NAN;
    bias[4] = -700000.0f; /* a tenth of it is beyond too */
    k.op.heads = head_upload(weights);
    run_layer(&k);
    uint16_t *bits = k.dst.host;
    cuda_download(bits, k.dst.device, C * k.pixels * sizeof *bits);
    static const uint16_t want[] = {0x7BFF, 0xFBFF, 0x7BFF, 0, 0xFBFF};
    for (size_t i = 0; i < k.pixels; i++) {
        for (size_t c = 0; c < C; c++) {
            uint16_t own = bits[i * C + c], same = drae__f16_of((float)k.src.d[c * k.pixels + i]);
            bool good = c == 3  ? (own & 0x7FFF) > 0x7C00
                        : c < 5 ? own == want[c]
                                : drae__f16_value(own) == drae__f16_value(same);
            ck_assert_msg(good, "%s: channel %zu of pixel %zu is %04x", t_name(), c, i, own);
        }
    }
    t_end();
}
END_TEST

START_TEST(refusals) {
    drae__err err;
    drae__cuda_head head = {.unused = {0}};
    const float filter = 0.0f;
    drae__cuda_out_score op = {.n = 1, .size = 48, .c = 8, .heads = &head, .filters = &filter};
    ck_assert_int_eq(drae__cuda_head_layer(&op, 0, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "size 48"));
    ck_assert_int_eq(drae__cuda_out_score_run(&op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "size 48, with filters"));
    op.size = 64;
    ck_assert_int_eq(drae__cuda_head_layer(&op, DRAE__H_LAYERS, NULL, &err),
                     DRAE_ERROR_UNSUPPORTED);
    op.filters = NULL;
    ck_assert_int_eq(drae__cuda_out_score_run(&op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "without filters"));
    op.n = 0;
    ck_assert_int_eq(drae__cuda_head_layer(&op, 0, NULL, &err), DRAE_ERROR_UNSUPPORTED);
}
END_TEST

Suite *suite_head(void) {
    Suite *suite = suite_create("head");
    TCase *tc = tcase_create("head");
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, layers, 0, 2 * SHAPES);
    tcase_add_test(tc, beyond_f16);
    tcase_add_test(tc, refusals);
    return suite;
}
