/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The training convolutions of kernels/conv.h. Five kinds of work hide behind one interface:
 *   - plain convolutions: oneDNN's passes as they are;
 *   - transposed ones: fwd is the backward-data pass of the convolution whose input is our output,
 *     bwd_data its forward pass, bwd_weights its own with the tensors exchanged; the model's layout
 *     [c_in,c_out,k,k] is then already the convolution's [out,in,k,k];
 *   - strided 1x1 ones: a dense 1x1 on every stride-th pixel (subsample.h);
 *   - the 3x3 layers from or to one channel: kernels/cpu/conv_thin.h;
 *   - single passes of 3x3 layers whose result has 8 channels (or an odd multiple), which leave
 * half of oneDNN's vectors empty: kernels/cpu/conv_direct.h, where a pass has no plan.
 */
#include "kernels/conv.h"

#include "base/arena.h"
#include "base/size.h"
#include "kernels/cpu/conv_direct.h"
#include "kernels/cpu/conv_thin.h"
#include "kernels/cpu/isa.h"
#include "kernels/onednn/conv_plan.h"
#include "kernels/onednn/subsample.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define PASSES 3

typedef enum kind { KIND_PLAIN, KIND_TRANSPOSED, KIND_STRIDED_1X1, KIND_STEM, KIND_OUT } kind;

struct drae__conv_op {
    drae__conv_shape shape;
    kind kind;
    unsigned passes; /* DRAE__CONV_...: what may be run */
    unsigned direct; /* of these, the ones by conv_direct */
    int threads;     /* of conv_direct; oneDNN's plans keep theirs themselves */
    int h_out, w_out;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    drae__conv_plan plans[PASSES]; /* by drae__conv_pass of the core convolution */
    drae__subsample subsample;     /* KIND_STRIDED_1X1 */
    size_t dense_bytes;            /* its small map, at the head of scratch */
    size_t scratch_bytes;
};

bool drae__conv_bf16_available(void) {
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    unsigned bf16 = (unsigned)dnnl_cpu_isa_avx512_core_bf16; /* part of those with AMX */
    return (isa & bf16) == bf16;
}

static bool shape_valid(const drae__conv_shape *s) {
    const int max = 1 << 20;
    bool range = s->n >= 1 && s->n <= max && s->h_in >= 1 && s->h_in <= max && s->w_in >= 1 &&
                 s->w_in <= max && s->c_in >= 1 && s->c_in <= max && s->c_out >= 1 &&
                 s->c_out <= max && s->k >= 1 && s->k <= 4 && s->stride >= 1 && s->stride <= 4 &&
                 s->pad >= 0 && s->pad < s->k;
    return range && drae__conv_out(s, s->h_in) >= 1 && drae__conv_out(s, s->w_in) >= 1;
}

static kind kind_of(const drae__conv_shape *s) {
    if (s->transposed) {
        return KIND_TRANSPOSED;
    }
    if (s->k == 1 && s->stride > 1) {
        return KIND_STRIDED_1X1;
    }
    if (s->k == 3 && s->stride == 1 && s->pad == 1) {
        if (s->c_in == 1 && s->c_out % 8 == 0) {
            return KIND_STEM;
        }
        if (s->c_out == 1 && s->c_in % 8 == 0) {
            return KIND_OUT;
        }
    }
    return KIND_PLAIN;
}

/*
 * Which passes go to conv_direct (milliseconds for 4 images of 256x256 and 128x128, one thread of a
 * Xeon with AMX; direct, oneDNN f32, oneDNN bf16): 8 -> 8    fwd 2.6, 4.6, 3.5
 * weights 4.1, 4.3, 5.9 16 -> 8   fwd 1.2, 2.2, 1.2   weights 1.7, 1.6, 1.5 8 -> 16
 * fwd 1.4, 1.2, 1.0
 */
static unsigned direct_passes(const drae__conv_shape *s, kind sort, drae__compute compute) {
    unsigned direct = 0;
#if defined(__x86_64__)
    if (sort != KIND_PLAIN || s->k != 3 || s->stride != 1 || s->pad != 1 || s->c_in % 8 != 0 ||
        s->c_out % 8 != 0 || !drae__cpu_direct_usable()) {
        return 0;
    }
    bool both_8 = s->c_in == 8 && s->c_out == 8;
    bool f32 = compute == DRAE__COMPUTE_F32;
    direct |= both_8 || (f32 && s->c_out % 16 == 8) ? (unsigned)DRAE__CONV_FWD : 0;
    direct |= both_8 || (f32 && s->c_in % 16 == 8) ? (unsigned)DRAE__CONV_BWD_DATA : 0;
    direct |= both_8 ? (unsigned)DRAE__CONV_BWD_WEIGHTS : 0;
#else
    (void)s, (void)sort, (void)compute;
#endif
    return direct;
}

static drae__conv_core core_of(const drae__conv_op *op, drae__compute compute) {
    const drae__conv_shape *s = &op->shape;
    drae__conv_core core = {.n = s->n, .k = s->k, .stride = s->stride, .pad = s->pad};
    core.compute = compute;
    core.h_big = s->transposed ? op->h_out : s->h_in;
    core.w_big = s->transposed ? op->w_out : s->w_in;
    core.c_big = s->transposed ? s->c_out : s->c_in;
    core.h_small = s->transposed ? s->h_in : op->h_out;
    core.w_small = s->transposed ? s->w_in : op->w_out;
    core.c_small = s->transposed ? s->c_in : s->c_out;
    if (op->kind == KIND_STRIDED_1X1) {
        core.h_big = op->h_out;
        core.w_big = op->w_out;
        core.stride = 1;
    }
    return core;
}

static drae_status plan_passes(drae__conv_op *op, drae__compute compute, drae__err *err) {
    drae__conv_core core = core_of(op, compute);
    bool turned = op->kind == KIND_TRANSPOSED;
    const unsigned wanted[PASSES] = {
        [DRAE__PASS_FWD] = turned ? DRAE__CONV_BWD_DATA : DRAE__CONV_FWD,
        [DRAE__PASS_BWD_DATA] = turned ? DRAE__CONV_FWD : DRAE__CONV_BWD_DATA,
        [DRAE__PASS_BWD_WEIGHTS] = DRAE__CONV_BWD_WEIGHTS,
    };
    for (int p = 0; p < PASSES; p++) {
        if ((op->passes & ~op->direct & wanted[p]) == 0) {
            continue;
        }
        drae_status status =
            drae__conv_plan_create(&core, (drae__conv_pass)p, op->engine, &op->plans[p], err);
        if (status != DRAE_OK) {
            return status;
        }
        size_t total = op->dense_bytes;
        if (!drae__arena_book(&total, op->plans[p].scratch_bytes)) {
            return drae__fail(err, DRAE_ERROR_ARGUMENT, "convolution: the workspace is too large");
        }
        op->scratch_bytes = total > op->scratch_bytes ? total : op->scratch_bytes;
    }
    return DRAE_OK;
}

static void book_direct(drae__conv_op *op) {
#if defined(__x86_64__)
    const drae__conv_shape *s = &op->shape;
    size_t map = drae__cpu_direct_map_scratch_bytes(s->w_in, s->c_in, s->c_out, op->threads);
    size_t back = drae__cpu_direct_map_scratch_bytes(s->w_in, s->c_out, s->c_in, op->threads);
    size_t weights =
        drae__cpu_direct_weights_scratch_bytes(s->w_in, s->c_in, s->c_out, op->threads);
    size_t most = map > back ? map : back;
    most = weights > most ? weights : most;
    op->scratch_bytes = most > op->scratch_bytes ? most : op->scratch_bytes;
#else
    (void)op;
#endif
}

static drae_status plan_subsample(drae__conv_op *op, drae__err *err) {
    const drae__conv_shape *s = &op->shape;
    drae__subsample sub = {.n = s->n, .h = s->h_in, .w = s->w_in, .c = s->c_in};
    sub.stride = s->stride;
    sub.h_small = op->h_out;
    sub.w_small = op->w_out;
    op->subsample = sub;
    size_t n_bytes = (size_t)s->n * (size_t)op->h_out * (size_t)op->w_out;
    if (!drae__size_mul(n_bytes, (size_t)s->c_in * sizeof(float), &n_bytes) ||
        !drae__arena_book(&op->dense_bytes, n_bytes)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "convolution: the tensor is too large");
    }
    return DRAE_OK;
}

drae_status drae__conv_op_create(const drae__conv_shape *shape, drae__compute compute,
                                 unsigned passes, drae__conv_op **out, drae__err *err) {
    if (!shape_valid(shape)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "convolution of %d x %dx%dx%d to %d channels, kernel %d, stride %d, pad "
                          "%d: not a shape that can be computed",
                          shape->n, shape->h_in, shape->w_in, shape->c_in, shape->c_out, shape->k,
                          shape->stride, shape->pad);
    }
    if (compute == DRAE__COMPUTE_BF16 && !drae__conv_bf16_available()) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "this CPU does not multiply in bf16 (AVX512-BF16 or AMX); train in f32");
    }
    drae_status status = DRAE_OK;
    drae__conv_op *op = calloc(1, sizeof *op);
    if (op == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a convolution");
    }
    op->shape = *shape;
    op->kind = kind_of(shape);
    op->passes = passes;
    op->direct = passes & direct_passes(shape, op->kind, compute);
    op->threads = omp_get_max_threads();
    op->h_out = drae__conv_out(shape, shape->h_in);
    op->w_out = drae__conv_out(shape, shape->w_in);
    if (op->kind == KIND_STEM || op->kind == KIND_OUT) {
        int c = shape->c_in * shape->c_out;
        size_t taps_bytes = DRAE__THIN_TAPS * (size_t)c * sizeof(float);
        if (!drae__arena_book(&op->scratch_bytes, taps_bytes) ||
            !drae__arena_book(&op->scratch_bytes, drae__cpu_thin_scratch_bytes(c))) {
            status = drae__fail(err, DRAE_ERROR_ARGUMENT, "convolution: too many channels");
        }
        goto done;
    }
    if (dnnl_engine_create(&op->engine, dnnl_cpu, 0) != dnnl_success ||
        dnnl_stream_create(&op->stream, op->engine, dnnl_stream_default_flags) != dnnl_success) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "oneDNN gives no CPU engine");
        goto done;
    }
    if (op->kind == KIND_STRIDED_1X1) {
        DRAE__TRY(plan_subsample(op, err));
    }
    DRAE__TRY(plan_passes(op, compute, err));
    if (op->direct != 0) {
        book_direct(op);
    }
done:
    if (status != DRAE_OK) {
        drae__conv_op_destroy(op);
        return status;
    }
    *out = op;
    return DRAE_OK;
}

void drae__conv_op_destroy(drae__conv_op *op) {
    if (op == NULL) {
        return;
    }
    for (int p = 0; p < PASSES; p++) {
        drae__conv_plan_destroy(&op->plans[p]);
    }
    if (op->stream != NULL) {
        (void)dnnl_stream_destroy(op->stream);
    }
    if (op->engine != NULL) {
        (void)dnnl_engine_destroy(op->engine);
    }
    free(op);
}

size_t drae__conv_op_scratch_bytes(const drae__conv_op *op) {
    return op->scratch_bytes;
}

/* ---- the thin layers ---- */

/* [c,9] (both layers' model layout, one side having a single channel) <-> taps [9,c]. */
static void taps_from_model(size_t c, bool turned, const float *wei, float *taps) {
    for (size_t i = 0; i < c; i++) {
        for (size_t t = 0; t < DRAE__THIN_TAPS; t++) {
            taps[(turned ? DRAE__THIN_TAPS - 1 - t : t) * c + i] = wei[i * DRAE__THIN_TAPS + t];
        }
    }
}

static void taps_to_model(size_t c, bool turned, const float *taps, float *wei) {
    for (size_t i = 0; i < c; i++) {
        for (size_t t = 0; t < DRAE__THIN_TAPS; t++) {
            wei[i * DRAE__THIN_TAPS + t] = taps[(turned ? DRAE__THIN_TAPS - 1 - t : t) * c + i];
        }
    }
}

static bool thin(const drae__conv_op *op) {
    return op->kind == KIND_STEM || op->kind == KIND_OUT;
}

/* Forward and backward data of both: `widen` says that the pass goes from one channel to many. */
static void thin_map(const drae__conv_op *op, bool widen, bool turned, const float *src,
                     const float *wei, float bias, float *dst, void *scratch) {
    const drae__conv_shape *s = &op->shape;
    int c = s->c_in * s->c_out;
    float *taps = scratch;
    taps_from_model((size_t)c, turned, wei, taps);
    if (widen) {
        drae__cpu_thin_expand(s->n, s->h_in, s->w_in, c, src, taps, dst);
    } else {
        drae__cpu_thin_reduce(s->n, s->h_in, s->w_in, c, src, taps, bias, dst);
    }
}

static void thin_weights(const drae__conv_op *op, const float *src, const float *ddst, float *dwei,
                         void *scratch) {
    const drae__conv_shape *s = &op->shape;
    int c = s->c_in * s->c_out;
    float *taps = scratch;
    size_t taps_bytes = 0;
    (void)drae__arena_book(&taps_bytes, DRAE__THIN_TAPS * (size_t)c * sizeof(float));
    void *room = (unsigned char *)scratch + taps_bytes;
    bool stem = op->kind == KIND_STEM;
    drae__cpu_thin_correlate(s->n, s->h_in, s->w_in, c, stem ? src : ddst, stem ? ddst : src, taps,
                             room);
    taps_to_model((size_t)c, !stem, taps, dwei);
}

/* ---- the direct ones ---- */

/* Both run the pass and say so, or leave it to its plan. src is ddst in backward data. */
static bool direct_map(const drae__conv_op *op, unsigned pass, const float *src, const float *wei,
                       float *dst, void *scratch) {
    if ((op->direct & pass) == 0) {
        return false;
    }
#if defined(__x86_64__)
    const drae__conv_shape *s = &op->shape;
    bool back = pass == DRAE__CONV_BWD_DATA;
    drae__cpu_direct_map(s->n, s->h_in, s->w_in, back ? s->c_out : s->c_in,
                         back ? s->c_in : s->c_out, back, src, wei, dst, scratch, op->threads);
#else
    (void)src, (void)wei, (void)dst, (void)scratch;
#endif
    return true;
}

static bool direct_weights(const drae__conv_op *op, const float *src, const float *ddst,
                           float *dwei, void *scratch) {
    if ((op->direct & DRAE__CONV_BWD_WEIGHTS) == 0) {
        return false;
    }
#if defined(__x86_64__)
    const drae__conv_shape *s = &op->shape;
    drae__cpu_direct_weights(s->n, s->h_in, s->w_in, s->c_in, s->c_out, src, ddst, dwei, scratch,
                             op->threads);
#else
    (void)src, (void)ddst, (void)dwei, (void)scratch;
#endif
    return true;
}

/* ---- bias ---- */

static size_t out_pixels(const drae__conv_op *op) {
    return (size_t)op->shape.n * (size_t)op->h_out * (size_t)op->w_out;
}

static void add_bias(size_t pixels, size_t c, const float *bias, float *dst) {
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < pixels; p++) {
        for (size_t i = 0; i < c; i++) {
            dst[p * c + i] += bias[i];
        }
    }
}

/* dbias[i] = sum of ddst over pixels: chunks in f64 over the threads, one channel after the other
 * (one channel is what the network has). */
static void sum_bias(size_t pixels, size_t c, const float *ddst, float *dbias) {
    for (size_t i = 0; i < c; i++) {
        double parts[DRAE__CHUNKS];
#pragma omp parallel for schedule(static)
        for (int k = 0; k < DRAE__CHUNKS; k++) {
            double lanes[8] = {0};
            size_t p = drae__chunk_begin(pixels, k), end = drae__chunk_begin(pixels, k + 1);
            for (; p + 8 <= end; p += 8) {
                for (size_t l = 0; l < 8; l++) {
                    lanes[l] += (double)ddst[(p + l) * c + i];
                }
            }
            for (; p < end; p++) {
                lanes[0] += (double)ddst[p * c + i];
            }
            parts[k] = ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
                       ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
        }
        double sum = 0.0;
        for (int k = 0; k < DRAE__CHUNKS; k++) {
            sum += parts[k];
        }
        dbias[i] = (float)sum;
    }
}

/* ---- passes ---- */

/* oneDNN's interface has no const; operands are only read. */
static float *readable(const float *operand) {
    union {
        const float *in;
        float *out;
    } cast = {operand};
    return cast.out;
}

/* The plan's part of scratch; the dense map of a strided 1x1 lies before it. */
static void *plan_scratch(const drae__conv_op *op, void *scratch) {
    return (unsigned char *)scratch + op->dense_bytes;
}

/* What the core convolution reads as its big side. */
static float *big_operand(const drae__conv_op *op, const float *src, void *scratch) {
    if (op->kind != KIND_STRIDED_1X1) {
        return readable(src);
    }
    drae__subsample_gather(&op->subsample, src, scratch);
    return scratch;
}

drae_status drae__conv_op_fwd(drae__conv_op *op, const float *src, const float *wei,
                              const float *bias, float *dst, void *scratch) {
    if ((op->passes & DRAE__CONV_FWD) == 0) {
        return DRAE_ERROR_ARGUMENT;
    }
    if (op->kind == KIND_OUT) {
        thin_map(op, false, false, src, wei, bias != NULL ? bias[0] : 0.0f, dst, scratch);
        return DRAE_OK;
    }
    drae_status status = DRAE_OK;
    if (op->kind == KIND_STEM) {
        thin_map(op, true, false, src, wei, 0.0f, dst, scratch);
    } else if (direct_map(op, DRAE__CONV_FWD, src, wei, dst, scratch)) {
        status = DRAE_OK;
    } else if (op->kind == KIND_TRANSPOSED) {
        status = drae__conv_plan_run(&op->plans[DRAE__PASS_BWD_DATA], op->stream, dst,
                                     readable(src), readable(wei), scratch);
    } else {
        status = drae__conv_plan_run(&op->plans[DRAE__PASS_FWD], op->stream,
                                     big_operand(op, src, scratch), dst, readable(wei),
                                     plan_scratch(op, scratch));
    }
    if (status == DRAE_OK && bias != NULL) {
        add_bias(out_pixels(op), (size_t)op->shape.c_out, bias, dst);
    }
    return status;
}

drae_status drae__conv_op_bwd_data(drae__conv_op *op, const float *ddst, const float *wei,
                                   float *dsrc, void *scratch) {
    if ((op->passes & DRAE__CONV_BWD_DATA) == 0) {
        return DRAE_ERROR_ARGUMENT;
    }
    if (thin(op)) {
        thin_map(op, op->kind == KIND_OUT, true, ddst, wei, 0.0f, dsrc, scratch);
        return DRAE_OK;
    }
    if (direct_map(op, DRAE__CONV_BWD_DATA, ddst, wei, dsrc, scratch)) {
        return DRAE_OK;
    }
    if (op->kind == KIND_TRANSPOSED) {
        return drae__conv_plan_run(&op->plans[DRAE__PASS_FWD], op->stream, readable(ddst), dsrc,
                                   readable(wei), scratch);
    }
    bool strided = op->kind == KIND_STRIDED_1X1;
    drae_status status = drae__conv_plan_run(&op->plans[DRAE__PASS_BWD_DATA], op->stream,
                                             strided ? (float *)scratch : dsrc, readable(ddst),
                                             readable(wei), plan_scratch(op, scratch));
    if (status == DRAE_OK && strided) {
        drae__subsample_scatter(&op->subsample, scratch, dsrc);
    }
    return status;
}

drae_status drae__conv_op_bwd_weights(drae__conv_op *op, const float *src, const float *ddst,
                                      float *dwei, float *dbias, void *scratch) {
    if ((op->passes & DRAE__CONV_BWD_WEIGHTS) == 0) {
        return DRAE_ERROR_ARGUMENT;
    }
    drae_status status = DRAE_OK;
    if (thin(op)) {
        thin_weights(op, src, ddst, dwei, scratch);
    } else if (direct_weights(op, src, ddst, dwei, scratch)) {
        status = DRAE_OK;
    } else if (op->kind == KIND_TRANSPOSED) {
        status = drae__conv_plan_run(&op->plans[DRAE__PASS_BWD_WEIGHTS], op->stream, readable(ddst),
                                     readable(src), dwei, scratch);
    } else {
        status = drae__conv_plan_run(&op->plans[DRAE__PASS_BWD_WEIGHTS], op->stream,
                                     big_operand(op, src, scratch), readable(ddst), dwei,
                                     plan_scratch(op, scratch));
    }
    if (status == DRAE_OK && dbias != NULL) {
        sum_bias(out_pixels(op), (size_t)op->shape.c_out, ddst, dbias);
    }
    return status;
}
