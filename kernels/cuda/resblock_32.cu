/* SPDX-License-Identifier: Apache-2.0 */
/* resblock: instances of 32 channels, and from 16 to 32 and back. */
#include "kernels/cuda/resblock_launch.cuh"

extern "C" drae_status drae__resblock_32(const resblock_args *a, const drae__cuda_device *device,
                                         drae__cuda_stream stream, drae__err *err) {
    if (a->op.c != a->op.c_in) {
        return a->op.c == 32 ? resblock_rows<16, 32, KEEP, 2, 4>(a, device, stream, err)
                             : resblock_rows<32, 16, KEEP, 8, 4>(a, device, stream, err);
    }
    if (a->op.up) {
        return resblock_rows<32, 32, DOUBLE, 2, 2>(a, device, stream, err);
    }
    if (a->op.halve) {
        return resblock_rows<32, 32, HALVE, 3, 3>(a, device, stream, err);
    }
    if (a->op.image != nullptr) {
        return resblock_rows<32, 32, KEEP, 2, 2, true>(a, device, stream, err);
    }
    return a->op.residual != nullptr ? resblock_rows<32, 32, IDENTITY, 3, 3>(a, device, stream, err)
                                     : resblock_rows<32, 32, KEEP, 3, 3>(a, device, stream, err);
}
