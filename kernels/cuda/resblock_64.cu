/* SPDX-License-Identifier: Apache-2.0 */
/* resblock: instances of 64 channels, and from 32 to 64 and back. */
#include "kernels/cuda/resblock_launch.cuh"

extern "C" drae_status drae__resblock_64(const resblock_args *a, const drae__cuda_device *device,
                                         drae__cuda_stream stream, drae__err *err) {
    if (a->op.c != a->op.c_in) {
        return a->op.c == 64 ? resblock_rows<32, 64, KEEP, 1, 1>(a, device, stream, err)
                             : resblock_rows<64, 32, KEEP, 2, 2>(a, device, stream, err);
    }
    if (a->op.halve) {
        return resblock_rows<64, 64, HALVE, 1, 1>(a, device, stream, err);
    }
    return a->op.residual != nullptr ? resblock_rows<64, 64, IDENTITY, 1, 1>(a, device, stream, err)
                                     : resblock_rows<64, 64, KEEP, 1, 1>(a, device, stream, err);
}
