/* SPDX-License-Identifier: Apache-2.0 */
#include "train/convs.h"

#include <string.h>

#define ALL_PASSES ((unsigned)(DRAE__CONV_FWD | DRAE__CONV_BWD_DATA | DRAE__CONV_BWD_WEIGHTS))

static drae__conv_shape shape_of(int n, int h, int c_in, int c_out, int k, int stride, int pad) {
    drae__conv_shape shape = {.n = n,
                              .h_in = h,
                              .w_in = h,
                              .c_in = c_in,
                              .c_out = c_out,
                              .k = k,
                              .stride = stride,
                              .pad = pad,
                              .transposed = false};
    return shape;
}

void drae__convs_shapes(const drae__block *b, int n, drae__conv_shape shapes[3]) {
    bool up = b->half == DRAE__HALF_DECODER && b->role == DRAE__ROLE_C;
    bool down = b->half == DRAE__HALF_ENCODER && b->role == DRAE__ROLE_C;
    int stride = down ? 2 : 1;
    memset(shapes, 0, 3 * sizeof shapes[0]);
    shapes[0] = shape_of(n, b->h_in, b->c_in, b->c_out, 3, stride, 1);
    if (up) {
        shapes[1] = shape_of(n, b->h_in, b->c_out, b->c_out, 4, 2, 1);
        shapes[2] = shape_of(n, b->h_in, b->c_in, b->c_out, 2, 2, 0);
        shapes[1].transposed = true;
        shapes[2].transposed = true;
    } else {
        shapes[1] = shape_of(n, b->h_out, b->c_out, b->c_out, 3, 1, 1);
        if (b->role != DRAE__ROLE_B) {
            shapes[2] = shape_of(n, b->h_in, b->c_in, b->c_out, 1, stride, 0);
        }
    }
}

static drae_status plan(const drae__conv_shape *shape, drae__compute compute, drae__convs *convs,
                        drae__conv_op **op, const char *path, const char *name, drae__err *err) {
    drae_status status = drae__conv_op_create(shape, compute, ALL_PASSES, op, err);
    if (status != DRAE_OK) {
        return drae__err_prefix(err, status, "%s/%s", path, name);
    }
    size_t n_bytes = drae__conv_op_scratch_bytes(*op);
    if (n_bytes > convs->scratch_bytes) {
        convs->scratch_bytes = n_bytes;
    }
    return DRAE_OK;
}

drae_status drae__convs_create(const drae__arch *arch, int n, drae__compute compute,
                               drae__convs *convs, drae__err *err) {
    drae_status status = DRAE_OK;
    memset(convs, 0, sizeof *convs);
    convs->n = n;
    drae__conv_shape shape = shape_of(n, arch->size, 1, arch->width, 3, 1, 1);
    DRAE__TRY(plan(&shape, compute, convs, &convs->stem, "encoder", "stem", err));
    for (int half = DRAE__HALF_ENCODER; half <= DRAE__HALF_DECODER; half++) {
        drae__block blocks[DRAE__BLOCKS];
        drae__arch_blocks(arch, (drae__half)half, blocks);
        for (int i = 0; i < DRAE__BLOCKS; i++) {
            const char *path = blocks[i].path;
            drae__block_convs *ops = &convs->blocks[half][i];
            drae__conv_shape shapes[3];
            drae__convs_shapes(&blocks[i], n, shapes);
            DRAE__TRY(plan(&shapes[0], compute, convs, &ops->conv1, path, "conv1", err));
            DRAE__TRY(plan(&shapes[1], compute, convs, &ops->conv2, path, "conv2", err));
            if (shapes[2].k != 0) {
                DRAE__TRY(plan(&shapes[2], compute, convs, &ops->proj, path, "proj", err));
            }
        }
    }
    shape = shape_of(n, arch->size, arch->width, 1, 3, 1, 1);
    DRAE__TRY(plan(&shape, compute, convs, &convs->out, "decoder", "out", err));
done:
    if (status != DRAE_OK) {
        drae__convs_destroy(convs);
    }
    return status;
}

static void destroy(drae__conv_op *op) {
    if (op != NULL) {
        drae__conv_op_destroy(op);
    }
}

void drae__convs_destroy(drae__convs *convs) {
    destroy(convs->stem);
    destroy(convs->out);
    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < DRAE__BLOCKS; i++) {
            destroy(convs->blocks[half][i].conv1);
            destroy(convs->blocks[half][i].conv2);
            destroy(convs->blocks[half][i].proj);
        }
    }
    memset(convs, 0, sizeof *convs);
}
