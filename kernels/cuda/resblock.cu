/* SPDX-License-Identifier: Apache-2.0 */
/* resblock: checks, the choice of an instance, and maps of 8 channels as pairs. The kernel is in
 * resblock_stream.cuh. */
#include "kernels/cuda/resblock.cuh"

namespace {

bool shape_good(const drae__cuda_block *op) {
    const double elems = static_cast<double>(op->n) * op->h * op->w * (op->up ? 4.0 : 1.0) * 64.0;
    return op->n > 0 && op->n <= 65535 && op->h > 0 && op->w > 0 && elems < 9e15 &&
           !(op->halve && (op->h % 2 != 0 || op->w % 2 != 0)) && !(op->halve && op->up) &&
           op->rows >= 0 && op->rows <= 2;
}

/* Rows a step and the shared memory that they want; two where they fit and none are asked for. */
drae_status check(const drae__cuda_block *op, const drae__cuda_device *device, int *rows,
                  size_t *n_bytes, drae__err *err) {
    if (!shape_good(op)) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED, "resblock: %d maps of %dx%d, %d rows a step",
                          op->n, op->h, op->w, op->rows);
    }
    *rows = op->rows == 0 ? 2 : op->rows;
    *n_bytes = drae__cuda_block_shared(op, *rows);
    if (op->rows == 0 && *n_bytes > device->shared_max) {
        *rows = 1;
        *n_bytes = drae__cuda_block_shared(op, 1);
    }
    if (*n_bytes == 0) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "resblock: %d to %d channels%s%s%s%s at %d columns: it takes 8 to 64",
                          op->c_in, op->c, op->image != nullptr ? ", from an image" : "",
                          op->residual != nullptr ? ", identity" : "", op->halve ? ", halving" : "",
                          op->up ? ", doubling" : "", op->w);
    }
    if (*n_bytes > device->shared_max) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "resblock: rows of %d pixels, %d to %d channels want %zu bytes of shared "
                          "memory, the device has %zu",
                          op->w, op->c_in, op->c, *n_bytes, device->shared_max);
    }
    return DRAE_OK;
}

} // namespace

extern "C" drae_status drae__cuda_block_stream(const drae__cuda_block *op,
                                               const drae__cuda_device *device,
                                               drae__cuda_stream stream, drae__err *err) {
    resblock_args a = {};
    a.op = *op;
    drae_status status = check(op, device, &a.op.rows, &a.shared_bytes, err);
    if (status != DRAE_OK) {
        return status;
    }
    a.image_columns = op->w;
    a.vector_in = op->c_in;
    a.vector_c = op->c;
    const bool pair = op->c_in == 8 || op->c == 8;
    if (pair) {
        a.op.c_in *= 2;
        a.op.c *= 2;
        a.op.w /= 2;
    }
    if (pair && (op->image != nullptr || op->halve)) {
        return drae__resblock_pair(&a, device, stream, err);
    }
    const int most = a.op.c_in > a.op.c ? a.op.c_in : a.op.c;
    return most == 16   ? drae__resblock_16(&a, device, stream, err)
           : most == 32 ? drae__resblock_32(&a, device, stream, err)
                        : drae__resblock_64(&a, device, stream, err);
}

extern "C" drae_status drae__cuda_block_check(const drae__cuda_block *op,
                                              const drae__cuda_device *device, drae__err *err) {
    int rows;
    size_t n_bytes;
    return check(op, device, &rows, &n_bytes, err);
}
