/* SPDX-License-Identifier: Apache-2.0 */
/* resblock: instances of 16 channels, the first block from the image on among them. */
#include "kernels/cuda/resblock_launch.cuh"

extern "C" drae_status drae__resblock_16(const resblock_args *a, const drae__cuda_device *device,
                                         drae__cuda_stream stream, drae__err *err) {
    if (a->op.up) {
        return resblock_rows<16, 16, DOUBLE, 4, 4>(a, device, stream, err);
    }
    if (a->op.halve) {
        return resblock_rows<16, 16, HALVE, 8, 8>(a, device, stream, err);
    }
    if (a->op.image != nullptr) {
        return resblock_rows<16, 16, KEEP, 8, 8, true>(a, device, stream, err);
    }
    return a->op.residual != nullptr ? resblock_rows<16, 16, IDENTITY, 8, 8>(a, device, stream, err)
                                     : resblock_rows<16, 16, KEEP, 8, 8>(a, device, stream, err);
}
