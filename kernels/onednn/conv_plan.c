/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/onednn/conv_plan.h"

#include "base/arena.h"
#include "kernels/onednn/bf16.h"

#include <string.h>

#define DNNL_TRY(call)                                                                             \
    do {                                                                                           \
        dnnl_status_t dnnl_result = (call);                                                        \
        if (dnnl_result != dnnl_success) {                                                         \
            status = dnnl_result == dnnl_out_of_memory ? DRAE_ERROR_MEMORY : DRAE_ERROR_INTERNAL;  \
            where = #call;                                                                         \
            goto done;                                                                             \
        }                                                                                          \
    } while (0)

static const char *pass_name(drae__conv_pass pass) {
    static const char *const names[] = {"forward", "backward data", "backward weights"};
    return names[pass];
}

/* ---- plan ---- */

typedef struct descriptors {
    dnnl_memory_desc_t big, small, wei;
} descriptors;

/* Operands in the compute type, the result always f32. */
static dnnl_status_t describe(const drae__conv_core *core, drae__conv_pass pass, descriptors *d) {
    dnnl_data_type_t operand = core->compute == DRAE__COMPUTE_BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_dims_t big = {core->n, core->c_big, core->h_big, core->w_big};
    dnnl_dims_t small = {core->n, core->c_small, core->h_small, core->w_small};
    dnnl_dims_t wei = {core->c_small, core->c_big, core->k, core->k};
    dnnl_status_t result = dnnl_memory_desc_init_by_tag(
        &d->big, 4, big, pass == DRAE__PASS_BWD_DATA ? dnnl_f32 : operand, dnnl_nhwc);
    if (result == dnnl_success) {
        result = dnnl_memory_desc_init_by_tag(
            &d->small, 4, small, pass == DRAE__PASS_FWD ? dnnl_f32 : operand, dnnl_nhwc);
    }
    if (result == dnnl_success) {
        result = dnnl_memory_desc_init_by_tag(&d->wei, 4, wei,
                                              pass == DRAE__PASS_BWD_WEIGHTS ? dnnl_f32 : operand,
                                              dnnl_format_tag_any);
    }
    return result;
}

/*
 * The first implementation of the library's list, passing over the AMX one by "brgemm": in
 * oneDNN 2.6.3 its code generator reads one element beyond an array of offsets (seen with every
 * 3x3, 4x4 and 2x2 shape once a guard page follows each heap block), which costs a crash where the
 * heap happens to end there. The next one in the list is the AMX one without it.
 */
static dnnl_status_t choose(const_dnnl_op_desc_t op, dnnl_primitive_attr_t attr,
                            dnnl_engine_t engine, dnnl_primitive_desc_t *pd) {
    static const char avoided[] = "brgconv:avx512_core_amx";
    dnnl_primitive_desc_iterator_t list = NULL;
    dnnl_status_t result = dnnl_primitive_desc_iterator_create(&list, op, attr, engine, NULL);
    while (result == dnnl_success) {
        dnnl_primitive_desc_t candidate = dnnl_primitive_desc_iterator_fetch(list);
        const char *name = "";
        result = candidate == NULL ? dnnl_out_of_memory
                                   : dnnl_primitive_desc_query(candidate, dnnl_query_impl_info_str,
                                                               0, (void *)&name);
        if (result == dnnl_success && strncmp(name, avoided, sizeof avoided - 1) != 0) {
            *pd = candidate;
            break;
        }
        if (candidate != NULL) {
            (void)dnnl_primitive_desc_destroy(candidate);
        }
        result = result == dnnl_success ? dnnl_primitive_desc_iterator_next(list) : result;
    }
    if (list != NULL) {
        (void)dnnl_primitive_desc_iterator_destroy(list);
    }
    return result;
}

static dnnl_status_t primitive_desc(const drae__conv_core *core, drae__conv_pass pass,
                                    const descriptors *d, dnnl_engine_t engine,
                                    dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *pd) {
    dnnl_dims_t strides = {core->stride, core->stride};
    dnnl_dims_t pads = {core->pad, core->pad};
    const dnnl_alg_kind_t alg = dnnl_convolution_direct;
    dnnl_convolution_desc_t fwd, conv;
    /* The forward plan is a hint that the backward passes must be given. */
    descriptors h = *d;
    dnnl_data_type_t operand = core->compute == DRAE__COMPUTE_BF16 ? dnnl_bf16 : dnnl_f32;
    h.big.data_type = operand;
    h.wei.data_type = operand;
    dnnl_status_t result = dnnl_convolution_forward_desc_init(
        &fwd, dnnl_forward_training, alg, &h.big, &h.wei, NULL, &h.small, strides, pads, pads);
    if (result != dnnl_success) {
        return result;
    }
    if (pass == DRAE__PASS_FWD) {
        return choose(&fwd, attr, engine, pd);
    }
    result = pass == DRAE__PASS_BWD_DATA
                 ? dnnl_convolution_backward_data_desc_init(&conv, alg, &d->big, &d->wei, &d->small,
                                                            strides, pads, pads)
                 : dnnl_convolution_backward_weights_desc_init(&conv, alg, &d->big, &d->wei, NULL,
                                                               &d->small, strides, pads, pads);
    dnnl_primitive_desc_t hint = NULL;
    if (result == dnnl_success) {
        result = dnnl_primitive_desc_create(&hint, &fwd, attr, engine, NULL);
    }
    if (result == dnnl_success) {
        result = dnnl_primitive_desc_create(pd, &conv, attr, engine, hint);
    }
    if (hint != NULL) {
        (void)dnnl_primitive_desc_destroy(hint);
    }
    return result;
}

static dnnl_status_t plan_reorder(const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to,
                                  dnnl_engine_t engine, dnnl_primitive_t *reorder) {
    if (dnnl_memory_desc_equal(from, to)) {
        return dnnl_success;
    }
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t result = dnnl_reorder_primitive_desc_create(&pd, from, engine, to, engine, NULL);
    if (result == dnnl_success) {
        result = dnnl_primitive_create(reorder, pd);
        (void)dnnl_primitive_desc_destroy(pd);
    }
    return result;
}

/* Books n_bytes of scratch and says where they lie. */
static bool book(drae__conv_plan *plan, size_t n_bytes, size_t *at) {
    *at = plan->scratch_bytes;
    return drae__arena_book(&plan->scratch_bytes, n_bytes);
}

static bool book_all(drae__conv_plan *plan, const dnnl_memory_desc_t *wei,
                     const dnnl_memory_desc_t *pad) {
    return (!plan->round_big || book(plan, plan->big_elems * sizeof(uint16_t), &plan->big_at)) &&
           (!plan->round_small ||
            book(plan, plan->small_elems * sizeof(uint16_t), &plan->small_at)) &&
           (plan->reorder == NULL || book(plan, dnnl_memory_desc_get_size(wei), &plan->wei_at)) &&
           book(plan, dnnl_memory_desc_get_size(pad), &plan->pad_at);
}

drae_status drae__conv_plan_create(const drae__conv_core *core, drae__conv_pass pass,
                                   dnnl_engine_t engine, drae__conv_plan *plan, drae__err *err) {
    drae_status status = DRAE_OK;
    const char *where = "";
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    descriptors d;
    memset(plan, 0, sizeof *plan);
    plan->pass = pass;
    bool bf16 = core->compute == DRAE__COMPUTE_BF16;
    plan->round_big = bf16 && pass != DRAE__PASS_BWD_DATA;
    plan->round_small = bf16 && pass != DRAE__PASS_FWD;
    plan->big_elems =
        (size_t)core->n * (size_t)core->h_big * (size_t)core->w_big * (size_t)core->c_big;
    plan->small_elems =
        (size_t)core->n * (size_t)core->h_small * (size_t)core->w_small * (size_t)core->c_small;

    DNNL_TRY(describe(core, pass, &d));
    DNNL_TRY(dnnl_primitive_attr_create(&attr));
    DNNL_TRY(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
    DNNL_TRY(primitive_desc(core, pass, &d, engine, attr, &pd));
    DNNL_TRY(dnnl_primitive_create(&plan->primitive, pd));

    const dnnl_memory_desc_t *wei = dnnl_primitive_desc_query_md(
        pd, pass == DRAE__PASS_BWD_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    const dnnl_memory_desc_t *pad = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    dnnl_dims_t dims = {core->c_small, core->c_big, core->k, core->k};
    dnnl_memory_desc_t model;
    DNNL_TRY(dnnl_memory_desc_init_by_tag(&model, 4, dims, dnnl_f32, dnnl_oihw));
    DNNL_TRY(pass == DRAE__PASS_BWD_WEIGHTS ? plan_reorder(wei, &model, engine, &plan->reorder)
                                            : plan_reorder(&model, wei, engine, &plan->reorder));
    if (!book_all(plan, wei, pad)) {
        status = DRAE_ERROR_ARGUMENT;
        where = "the workspace's size";
        goto done;
    }
    DNNL_TRY(dnnl_memory_create(&plan->big, &d.big, engine, DNNL_MEMORY_NONE));
    DNNL_TRY(dnnl_memory_create(&plan->small, &d.small, engine, DNNL_MEMORY_NONE));
    DNNL_TRY(dnnl_memory_create(&plan->wei, wei, engine, DNNL_MEMORY_NONE));
    DNNL_TRY(dnnl_memory_create(&plan->wei_model, &model, engine, DNNL_MEMORY_NONE));
    DNNL_TRY(dnnl_memory_create(&plan->pad, pad, engine, DNNL_MEMORY_NONE));

done:
    if (pd != NULL) {
        (void)dnnl_primitive_desc_destroy(pd);
    }
    if (attr != NULL) {
        (void)dnnl_primitive_attr_destroy(attr);
    }
    if (status != DRAE_OK) {
        drae__conv_plan_destroy(plan);
        return drae__fail(err, status, "convolution %s %dx%dx%dx%d -> %d, %dx%d/%d: %s failed",
                          pass_name(pass), core->n, core->h_big, core->w_big, core->c_big,
                          core->c_small, core->k, core->k, core->stride, where);
    }
    return DRAE_OK;
}

void drae__conv_plan_destroy(drae__conv_plan *plan) {
    dnnl_memory_t memories[] = {plan->big, plan->small, plan->wei, plan->wei_model, plan->pad};
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++) {
        if (memories[i] != NULL) {
            (void)dnnl_memory_destroy(memories[i]);
        }
    }
    if (plan->reorder != NULL) {
        (void)dnnl_primitive_destroy(plan->reorder);
    }
    if (plan->primitive != NULL) {
        (void)dnnl_primitive_destroy(plan->primitive);
    }
    memset(plan, 0, sizeof *plan);
}

/* ---- run ---- */

static dnnl_status_t reorder_weights(const drae__conv_plan *plan, dnnl_stream_t stream,
                                     bool from_model) {
    const dnnl_exec_arg_t args[] = {
        {DNNL_ARG_FROM, from_model ? plan->wei_model : plan->wei},
        {DNNL_ARG_TO, from_model ? plan->wei : plan->wei_model},
    };
    return dnnl_primitive_execute(plan->reorder, stream, 2, args);
}

static dnnl_status_t execute(const drae__conv_plan *plan, dnnl_stream_t stream) {
    bool fwd = plan->pass == DRAE__PASS_FWD;
    bool weights = plan->pass == DRAE__PASS_BWD_WEIGHTS;
    const dnnl_exec_arg_t args[] = {
        {plan->pass == DRAE__PASS_BWD_DATA ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, plan->big},
        {weights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, plan->wei},
        {fwd ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, plan->small},
        {DNNL_ARG_SCRATCHPAD, plan->pad},
    };
    return dnnl_primitive_execute(plan->primitive, stream, 4, args);
}

/* The operand itself, or its bf16 copy in scratch. */
static void *operand(bool round, size_t elems, float *tensor, unsigned char *room) {
    if (!round) {
        return tensor;
    }
    drae__bf16_from_f32(elems, tensor, (uint16_t *)(void *)room);
    return room;
}

drae_status drae__conv_plan_run(const drae__conv_plan *plan, dnnl_stream_t stream, float *big,
                                float *small, float *wei, void *scratch) {
    unsigned char *base = scratch;
    bool weights = plan->pass == DRAE__PASS_BWD_WEIGHTS;
    void *b = operand(plan->round_big, plan->big_elems, big, base + plan->big_at);
    void *s = operand(plan->round_small, plan->small_elems, small, base + plan->small_at);
    void *w = plan->reorder != NULL ? (void *)(base + plan->wei_at) : (void *)wei;
    dnnl_status_t result = dnnl_memory_set_data_handle_v2(plan->big, b, stream);
    result = result ? result : dnnl_memory_set_data_handle_v2(plan->small, s, stream);
    result = result ? result : dnnl_memory_set_data_handle_v2(plan->wei, w, stream);
    result = result ? result : dnnl_memory_set_data_handle_v2(plan->wei_model, wei, stream);
    result =
        result ? result : dnnl_memory_set_data_handle_v2(plan->pad, base + plan->pad_at, stream);
    if (plan->reorder != NULL && !weights) {
        result = result ? result : reorder_weights(plan, stream, true);
    }
    result = result ? result : execute(plan, stream);
    if (plan->reorder != NULL && weights) {
        result = result ? result : reorder_weights(plan, stream, false);
    }
    result = result ? result : dnnl_stream_wait(stream);
    return result == dnnl_success ? DRAE_OK : DRAE_ERROR_INTERNAL;
}
